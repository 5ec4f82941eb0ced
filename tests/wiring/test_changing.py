# SPDX-License-Identifier: Apache-2.0
"""Rules are changed soundly: refused, looked back on, or answered for by two; until then the old stand."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_profile import OWN
from typer.testing import CliRunner, Result

from coldchain.cli.app import app
from coldchain.kernel.audit import Head
from coldchain.kernel.errors import BadData, ConfigError
from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.widening import Effect
from coldchain.ports.clock import wall_ms
from coldchain.records.accounts import Accounts
from coldchain.records.audit import check, entries
from coldchain.records.proposals import STANDS_MS, Proposals, Refused
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    Person,
    Registry,
    RegistryReader,
    Sensor,
    Site,
)
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.changing import Candidate, apply, candidate, decider, look_back
from ingest.journal import SqliteJournal

MINUTE, SLOT_MS = 60_000, 300_000
REGISTRY = Registry(
    sites=(Site(id="s", name="S"),),
    appliances=(
        Appliance(id="a", name="A", site="s", assignments=(Assignment(carries="red-cells@eu"),)),
        Appliance(id="b", name="B", site="s", assignments=(Assignment(carries="red-cells@eu"),)),
    ),
    sensors=(
        Sensor(id="a/load", appliance="a", probe="load", node="n", channel=0),
        Sensor(id="b/load", appliance="b", probe="load", node="n", channel=1),
    ),
    people=(
        Person(id="anna", name="Anna", phone="+8562000000001", role="supervisor"),
        Person(id="boun", name="Boun", phone="+8562000000002", role="manager"),
        Person(id="tech", name="Tech", phone="+8562000000003", role="technician"),
    ),
)


class House:
    """An installation with a week of record: `a` was at 6.2 °C for half an hour twice, `b` never."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.folder = Settings(data_dir=folder / "data"), folder
        self.now_ms = wall_ms() // SLOT_MS * SLOT_MS  # what rates and forecasts tell hangs on where slots end
        self.desk = Desk(self.settings.desk_db, wall_ms)
        self.desk.publish(REGISTRY, author="test", reason="test")
        (folder / "coldchain.toml").write_text('data_dir = "data"\n')
        journal = SqliteJournal(self.settings.readings_db)
        journal.rewire(REGISTRY)
        minutes = 600
        for channel in (0, 1):
            rows = np.zeros(minutes, SPOOLED)
            rows["quantity"], rows["seq"], rows["channel"] = 1, np.arange(minutes), channel
            rows["at_ms"] = rows["gateway_ms"] = self.now_ms - MINUTE * (minutes - np.arange(minutes))
            rows["value"] = 4_000
            if channel == 0:
                rows["value"][100:130] = rows["value"][300:330] = 6_200
            batch = Batch("gw", "e", [(1 + 600 * channel, 600 + 600 * channel)], [("n", 1)], rows)
            journal.record([batch], self.now_ms)
        journal.close()

    @property
    def version(self) -> int:
        return self.newest()[0]

    def newest(self) -> tuple[int, Registry]:
        reader = RegistryReader(self.settings.desk_db)
        reader.refresh()
        reader.close()
        return reader.version, reader.registry

    def changed(self, **parts: Any) -> str:
        said = json.loads(REGISTRY.model_dump_json())
        return json.dumps({**said, **parts})

    def publish(self, **parts: Any) -> None:
        made = Registry.model_validate_json(self.changed(**parts))
        self.desk.publish(made, author="test", reason="test")

    def seen(self, text: str, name: str = "r.json") -> Candidate:
        return candidate(self.settings, name, text, self.now_ms)

    def apply(self, text: str, person: str = "anna", name: str = "r.json") -> Any:
        one = self.seen(text, name)
        seen = look_back(self.settings, one, self.now_ms)
        return apply(self.settings, one, seen, person=person, reason="a trial", wall_ms=wall_ms)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["config", *words, "-c", str(self.folder / "coldchain.toml")])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def carrying(name: str, what: str) -> list[dict[str, Any]]:
    said = json.loads(REGISTRY.model_dump_json())["appliances"]
    for one in said:
        if one["id"] == name:
            one["assignments"] = [{"carries": what}]
    return list(said)


def without(part: str, name: str) -> list[dict[str, Any]]:
    said = json.loads(REGISTRY.model_dump_json())[part]
    return [one for one in said if one["id"] != name]


# --- unsound


UNSOUND_REGISTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "an empty rota": ({"rotas": [{"id": "r", "people": []}]}, "rotas.0.people"),
    "a rota of a stranger": ({"rotas": [{"id": "r", "people": ["nobody"]}]}, "person 'nobody' is not known"),
    "nobody to tell": (
        {"people": []},
        "a carries red-cells@eu and nobody is told of its alarms: name people",
    ),
    "nothing measures": ({"sensors": without("sensors", "a/load")}, "nothing measures its temperature"),
    "a profile that is not": ({"appliances": carrying("a", "red-cells@moon")}, "is not known"),
    "an escalation that stops": (
        {"policies": [{"id": "p", "severity": "critical", "steps": []}]},
        "policies.0.steps",
    ),
}


@pytest.mark.parametrize("what", UNSOUND_REGISTRIES)
def test_an_unsound_registry_never_comes_into_force(house: House, what: str) -> None:
    parts, word = UNSOUND_REGISTRIES[what]
    path = house.folder / "r.json"
    path.write_text(house.changed(**parts))
    assert house.run("check", str(path)).exit_code == 78
    assert word in house.run("check", str(path)).stdout
    done = house.run("apply", str(path), "--as", "anna", "--reason", "x")
    assert isinstance(done.exception, ConfigError)
    assert word in str(done.exception)
    assert "what is in force stays" in str(done.exception)
    assert house.version == 1
    assert Proposals(house.settings.data_dir, wall_ms).newest() == [], "nobody is even asked"


UNSOUND_PROFILES = {
    "60 for 6.0": (("high_c = [6.0", "high_c = [60.0"), "did you mean 6?"),
    "low over high": (("low_c = [2.0", "low_c = [7.0"), "low_c 7 °C is not below high_c 6 °C"),
    "outside the component's": (
        ("high_c = [6.0", "high_c = [8.0"),
        "the widest that any authority here permits",
    ),
    "a set-point outside": (
        ("critical_high_c = [6.0", "critical_high_c = [6.5"),
        "critical high 6.5 °C is above",
    ),
    "no set-point": (('critical_high_c = [6.0, "ours"]', ""), "no critical high, though the limit is 6 °C"),
    "no source": (('deadband_k = [0.3, "ours"]', "deadband_k = 0.3"), "a number with its source"),
    "not signed": (('signed_by = "Dr A"', ""), "a medical director answers for its limits"),
    "another component": (("red cells", "lemonade"), "no authority here has limits for 'lemonade'"),
    "a name that is taken": (("red-cells@own", "red-cells@eu"), "comes with the program"),
}


@pytest.mark.parametrize("what", UNSOUND_PROFILES)
def test_unsound_profiles_never_come_into_force(house: House, what: str) -> None:
    (old, new), word = UNSOUND_PROFILES[what]
    assert old in OWN
    path = house.folder / "own.toml"
    path.write_text(OWN.replace(old, new, 1))
    done = house.run("apply", str(path), "--as", "anna", "--reason", "x")
    assert isinstance(done.exception, ConfigError), done.output
    assert word in str(done.exception)
    assert not (house.settings.data_dir / "profiles" / "own.toml").exists()


def test_numbers_change_with_the_version_and_a_profile_in_use_is_not_deleted(house: House) -> None:
    folder = house.settings.data_dir / "profiles"
    assert house.apply(OWN, name="own.toml").file == folder / "own.toml"
    wider = OWN.replace("[600", "[900")
    assert "write version = 2" in house.seen(wider, "own.toml").faults[0]
    PROFILES["red-cells@own"] = PROFILES["red-cells@eu"]
    try:
        house.desk.publish(
            Registry.model_validate(
                {**json.loads(house.changed()), "appliances": carrying("a", "red-cells@own")}
            ),
            author="test",
            reason="test",
        )
        gone = OWN.replace("red-cells@own", "red-cells@other")
        (fault,) = house.seen(gone, "own.toml").faults
    finally:
        del PROFILES["red-cells@own"]
    assert "red-cells@own is deleted, and a is or were judged by it" in fault


# --- the preview


def test_the_preview_tells_what_the_last_week_would_have_been(house: House) -> None:
    """`a` was at 6.2 °C: under 1..10 °C of transport nobody would have been called."""
    one = house.seen(house.changed(appliances=carrying("a", "red-cells-transport@eu")))
    seen = look_back(house.settings, one, house.now_ms)
    assert one.effect is Effect.WIDENS
    assert (seen.days, seen.sensors, seen.readings) == (7, 1, 600), "only what changes is looked at"
    assert [m.sensor for m in seen.moved if m.change == "lost" and m.kind == "high"] == ["a/load", "a/load"]
    back = look_back(
        house.settings,
        Candidate("registry", "x", "", "1", old=one.new, new=one.old, changes=[]),
        house.now_ms,
    )
    assert [m.kind for m in back.moved if m.change == "gained" and m.kind == "high"] == ["high", "high"]


def test_a_longer_delay_is_later_and_a_longer_interval_another_silence(house: House) -> None:
    house.apply(OWN, name="own.toml")
    PROFILES["red-cells@own"] = PROFILES["red-cells@eu"]
    try:
        house.desk.publish(
            Registry.model_validate(
                {**json.loads(house.changed()), "appliances": carrying("a", "red-cells@own")}
            ),
            author="test",
            reason="test",
        )
        slower = OWN.replace("version = 1", "version = 2").replace("[600", "[1200")
        one = house.seen(slower, "own.toml")
        seen = look_back(house.settings, one, house.now_ms)
    finally:
        del PROFILES["red-cells@own"]
    assert [(c.what, c.before, c.after, str(c.effect)) for c in one.changes] == [
        ("critical_delay_s", "600", "1200", "widens")
    ]
    assert [(m.change, m.minutes) for m in seen.moved if m.kind == "high"] == [("later", 10.0)] * 2


def test_nothing_changed_is_nothing_to_see(house: House) -> None:
    one = house.seen(house.changed())
    assert (one.changes, one.faults) == ([], [])
    assert look_back(house.settings, one, house.now_ms).moved == []


# --- two people


def test_what_widens_waits_for_another_person(house: House) -> None:
    path = house.folder / "wide.json"
    path.write_text(house.changed(appliances=carrying("a", "red-cells-transport@eu")))
    done = house.run("apply", str(path), "--as", "anna", "--reason", "the box is on the road")
    assert done.exit_code == 0, done.output
    assert "another supervisor or manager has to agree" in done.stderr
    assert house.version == 1, "until then the old rules stand"
    listed = house.run("proposals")
    assert "1\topen\tregistry wide.json\tanna" in listed.stdout
    assert "2 gained, 5 lost" in listed.stderr
    own = house.run("confirm", "1", "--as", "anna")
    assert isinstance(own.exception, Refused)
    assert "anna asked for this: another supervisor or manager has to agree" in str(own.exception)
    tech = house.run("confirm", "1", "--as", "tech")
    assert "tech may not widen a rule" in str(tech.exception)
    assert house.version == 1
    assert house.run("confirm", "1", "--as", "boun").exit_code == 0
    version, registry = house.newest()
    assert version == 2
    assert registry.appliance_by_id["a"].carries(house.now_ms) == "red-cells-transport@eu"
    again = house.run("confirm", "1", "--as", "boun")
    assert "is applied already" in str(again.exception)
    with closing(sqlite3.connect(house.settings.desk_db)) as db:
        assert db.execute("SELECT author FROM registry WHERE version = 2").fetchone() == ("anna, boun",)


def test_narrower_is_at_once_and_by_one(house: House) -> None:
    narrower = house.changed(
        sensors=[{**one, "every_s": 30} for one in json.loads(REGISTRY.model_dump_json())["sensors"]]
    )
    assert house.apply(narrower, person="tech").version == 2


def test_registry_import_is_no_way_around(house: House) -> None:
    path = house.folder / "wide.json"
    path.write_text(house.changed(people=without("people", "tech")))
    done = CliRunner().invoke(
        app, ["registry", "import", str(path), "-c", str(house.folder / "coldchain.toml")]
    )
    assert isinstance(done.exception, ConfigError)
    assert "needs two people: `coldchain config apply wide.json" in str(done.exception)
    assert house.version == 1


def test_a_proposal_is_refused_withdrawn_or_lapses(house: House) -> None:
    for n, name in enumerate(["tech", "tech", "boun", "anna"]):
        number = house.apply(house.changed(people=without("people", name))).proposal
        assert number == max(1, n), "the same asked again is one"
    now = [wall_ms()]
    proposals = Proposals(house.settings.data_dir, lambda: now[0])
    assert proposals.decide(1, "boun", agree=False, note="why?").state == "refused"
    assert proposals.decide(2, "anna", agree=False).state == "withdrawn"
    now[0] += STANDS_MS
    assert proposals.get(3).state == "expired"
    with pytest.raises(Refused, match="proposal 3 is expired already"):
        proposals.decide(3, "boun", agree=True)
    with pytest.raises(BadData, match="there is no proposal 9"):
        proposals.decide(9, "boun", agree=True)
    assert house.version == 1


def test_a_proposal_is_for_what_it_was_made_against(house: House) -> None:
    """What somebody else changed meanwhile is not undone by a word to another question."""
    house.apply(house.changed(people=without("people", "tech")))
    house.desk.publish(house.newest()[1], author="somebody", reason="meanwhile")
    proposals = Proposals(house.settings.data_dir, wall_ms)
    with pytest.raises(Refused, match="the registry is at version 2, proposal 1 was made against 1"):
        proposals.decide(1, "boun", agree=True)
    assert proposals.get(1).state == "open"
    assert house.version == 2


def test_a_proposal_that_was_tampered_with_is_no_proposal(house: House) -> None:
    house.apply(house.changed(people=without("people", "tech")))
    with closing(sqlite3.connect(house.settings.desk_db)) as db, db:
        body = house.changed(people=[])
        db.execute("DROP TRIGGER audit_proposal_changed")
        db.execute("UPDATE proposal SET body = ?", (body,))
    with pytest.raises(Refused, match="it was changed; make a new one"):
        Proposals(house.settings.data_dir, wall_ms).decide(1, "boun", agree=True)
    assert house.version == 1


def test_profiles_too_wait_and_every_step_is_audited(house: House) -> None:
    house.apply(OWN, name="own.toml")
    file = house.settings.data_dir / "profiles" / "own.toml"
    wider = OWN.replace("version = 1", "version = 2").replace("[600", "[900")
    assert house.apply(wider, name="own.toml").proposal == 1
    assert file.read_text() == OWN
    assert Proposals(house.settings.data_dir, wall_ms).decide(1, "boun", agree=True).state == "applied"
    assert file.read_text() == wider
    states = [json.loads(e.body)["state"] for e in entries(house.settings.desk_db, "desk", kind="proposal")]
    assert states == ["applied", "open"]
    assert isinstance(check(house.settings.desk_db, "desk"), Head)


def test_one_person_by_two_names_is_one(house: House) -> None:
    """An account that stands for a person of the registry is that person."""
    accounts = Accounts(house.settings.desk_db, wall_ms)
    accounts.add(
        "anna-at-desk", person="anna", role="supervisor", sites=(), language="en", password="x" * 12, by="t"
    )
    accounts.close()
    assert decider(house.settings, "anna-at-desk") == decider(house.settings, "anna") == "anna"
    with pytest.raises(BadData, match="nobody-known may not widen a rule"):
        decider(house.settings, "nobody-known")
