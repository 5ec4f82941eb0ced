# SPDX-License-Identifier: Apache-2.0
"""A site's own profile that changes while alerts runs: sound and narrower at once, anything else not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_profile import OWN
from ward import Ward

from coldchain.kernel.limits import Profile
from coldchain.kernel.widening import Effect
from coldchain.ports.clock import wall_ms
from coldchain.records.own_profiles import IN_FORCE, LOOK_EVERY_S, OwnProfiles, stand_by_kept
from coldchain.records.proposals import Proposals, base_of
from coldchain.records.readiness import Known, findings
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, RegistryReader, Site
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES, take_up, take_up_new
from coldchain.wiring.changing import candidate
from ingest.guards import GuardDesk

NARROWER = OWN.replace("version = 1", "version = 2").replace(
    "critical_high_c = [6.0", "critical_high_c = [5.2"
)
WIDER = OWN.replace("version = 1", "version = 2").replace("[600", "[900")
NOT_TAKEN = {
    "no TOML": (NARROWER[:-20], "not TOML"),
    "no source": (NARROWER.replace('[5.2, "ours"]', "5.2"), "a number with its source"),
    "beyond every authority": (NARROWER.replace("high_c = [6.0", "high_c = [60.0"), "red-cells@own"),
    "the same version": (NARROWER.replace("version = 2", "version = 1"), "its version stays 1"),
    "later, by one hand": (WIDER, "this needs two people"),
}


@pytest.fixture(autouse=True)
def _as_they_were() -> Iterator[None]:
    before = dict(PROFILES)
    yield
    PROFILES.clear()
    PROFILES.update(before)


def put(folder: Path, text: str) -> Path:
    path = folder / "profiles" / "own.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kinds(ward: Ward) -> list[tuple[str, str]]:
    return [(a.kind, a.profile or "") for a in ward.alarms.alarms()]


def test_a_narrower_profile_rings_without_a_restart_and_is_named(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    take_up(tmp_path)
    ward = Ward(tmp_path)
    ward.fridge("br-1", "red-cells@own")
    ward.temperature("br-1", 5.6).run_until("09:00")
    assert kinds(ward) == []
    put(tmp_path, NARROWER)
    ward.run_until("09:30")
    assert ("high", "red-cells@own v2") in kinds(ward)
    ward.phone("technician").expect_sms("br-1 5.6C")


def test_a_file_that_is_not_sound_changes_nothing_and_is_told(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    take_up(tmp_path)
    ward = Ward(tmp_path)
    ward.fridge("br-1", "red-cells@own")
    ward.temperature("br-1", 5.6).run_until("08:40")
    put(tmp_path, NOT_TAKEN["no source"][0])
    ward.temperature("br-1", 6.4).run_until("09:10")
    assert kinds(ward) == [("high", "red-cells@own v1")]


@pytest.mark.parametrize("why", NOT_TAKEN)
def test_what_is_not_taken_waits_with_a_word(tmp_path: Path, why: str) -> None:
    text, said = NOT_TAKEN[why]
    put(tmp_path, OWN)
    in_force: dict[str, Profile] = {}
    own = OwnProfiles(tmp_path, in_force)
    assert own.look(0.0)
    assert in_force["red-cells@own"].version == 1
    put(tmp_path, text)
    assert not own.look(LOOK_EVERY_S)
    assert said in own.waits
    assert in_force["red-cells@own"].label == "red-cells@own v1"
    assert in_force["red-cells@own"].on_delay.total_seconds() == 600
    (found,) = [
        f for f in findings(Known(0, Registry(), {}, profiles_wait=own.waits)) if f.what == "profiles"
    ]
    assert (found.level, said in found.says) == ("now", True)
    put(tmp_path, NARROWER)
    assert own.look(2 * LOOK_EVERY_S), "corrected"
    assert own.waits == ""
    assert in_force["red-cells@own"].label == "red-cells@own v2"
    assert not own.look(3 * LOOK_EVERY_S), "once"


def test_what_two_people_agreed_to_is_taken(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    in_force: dict[str, Profile] = {}
    own = OwnProfiles(tmp_path, in_force)
    assert own.look(0.0)
    desk = Proposals(tmp_path, wall_ms)
    number = desk.add(
        "profiles", "own.toml", base_of(tmp_path, "own.toml"), WIDER,
        reason="r", person="anna", changes=[], preview={},
    )  # fmt: skip
    assert not own.look(LOOK_EVERY_S), "not yet"
    assert own.waits == ""
    assert desk.decide(number, "boun", agree=True).state == "applied"
    assert own.look(2 * LOOK_EVERY_S)
    assert in_force["red-cells@own"].on_delay.total_seconds() == 900
    put(tmp_path, WIDER.replace("[900", "[901").replace("version = 2", "version = 3"))
    assert not own.look(3 * LOOK_EVERY_S), "agreed to was another text"
    assert "two people" in own.waits


def test_a_new_start_agrees_to_nothing(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    in_force: dict[str, Profile] = {}
    OwnProfiles(tmp_path, in_force).look(0.0)
    put(tmp_path, WIDER)
    take_up(tmp_path)  # as every process does
    again = {"red-cells@own": PROFILES["red-cells@own"]}
    assert again["red-cells@own"].label == "red-cells@own v2"
    stand_by_kept(tmp_path, again)
    own = OwnProfiles(tmp_path, again)
    assert not own.look(0.0)
    assert again["red-cells@own"].label == "red-cells@own v1"
    assert "two people" in own.waits
    put(tmp_path, NARROWER)
    assert own.look(LOOK_EVERY_S)
    last: dict[str, Profile] = {}
    stand_by_kept(tmp_path, last)
    assert last["red-cells@own"].label == "red-cells@own v2"


@pytest.mark.parametrize("kept", ["", "[1]", '{"own.toml": "no profile"}'])
def test_a_copy_that_cannot_be_read_stops_nothing(tmp_path: Path, kept: str) -> None:
    put(tmp_path, OWN)
    (tmp_path / IN_FORCE).write_text(kept)
    in_force: dict[str, Profile] = {}
    stand_by_kept(tmp_path, in_force)
    assert in_force == {}
    assert OwnProfiles(tmp_path, in_force).look(0.0)
    stand_by_kept(tmp_path, in_force := {})
    assert set(in_force) == {"red-cells@own"}


def test_a_guard_is_sent_what_alerts_judges_by(tmp_path: Path) -> None:
    """A file that two people have yet to agree to is no rule of a gateway's, either."""
    ward = Ward(tmp_path)
    ward.fridge("br-1", "red-cells@eu")
    ward.run_until("08:05")
    desk = GuardDesk(RegistryReader(tmp_path / "desk.db"), tmp_path)
    desk._registry.refresh()
    gateway = "gw-none"

    def sent() -> dict[str, str]:
        rules = desk._rules_for(gateway)
        assert rules is not None
        return dict(rules.profiles)

    put(tmp_path, OWN)
    own = OwnProfiles(tmp_path, {})
    own.look(0.0)
    assert sent() == {"own.toml": OWN}
    put(tmp_path, WIDER)
    own.look(LOOK_EVERY_S)
    assert sent() == {"own.toml": OWN}
    put(tmp_path, NARROWER)
    own.look(2 * LOOK_EVERY_S)
    assert sent() == {"own.toml": NARROWER}, "without a new version of the registry"


def test_what_was_written_by_hand_is_compared_with_what_is_in_force(tmp_path: Path) -> None:
    put(tmp_path, OWN)
    OwnProfiles(tmp_path, {}).look(0.0)
    put(tmp_path, WIDER)
    one = candidate(Settings(data_dir=tmp_path), "own.toml", WIDER, wall_ms())
    assert (one.effect, one.faults) == (Effect.WIDENS, [])


def test_a_registry_that_names_a_newer_profile_ends_no_process(tmp_path: Path) -> None:
    desk, reader = Desk(tmp_path / "desk.db", wall_ms), RegistryReader(tmp_path / "desk.db")
    site, kept = Site(id="s", name="S"), Appliance(id="f", name="F", site="s")
    desk.publish(Registry(sites=(site,), appliances=(kept,)), author="t", reason="t")
    assert reader.refresh()
    put(tmp_path, OWN)
    take_up(tmp_path)  # of whoever assigns it
    carries = (Assignment(carries="red-cells@own"),)
    other = kept.model_copy(update={"assignments": carries})
    desk.publish(Registry(sites=(site,), appliances=(other,)), author="t", reason="t")
    del PROFILES["red-cells@own"]  # of one that was there before
    assert reader.refresh()
    assert reader.registry.appliance_by_id["f"].carries(wall_ms()) == "red-cells@own"
    put(tmp_path, WIDER)
    assert not take_up_new(tmp_path), "what is known stays as it is"
    assert PROFILES["red-cells@own"].version == 1
