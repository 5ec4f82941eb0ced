# SPDX-License-Identifier: Apache-2.0
"""What would be worst of all: blood that warms, and nobody is called. Each story is one way into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ward import Ward

from alerts.judgement.engine import EngineState, What, step
from alerts.rules import NUMBER_OF
from alerts.rules.flat import block_of
from alerts.rules.table import build_table
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import Flag, Quantity
from coldchain.records.alarms import Alarm
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.duty import DEFAULTS
from coldchain.records.registry import Appliance, Assignment, Registry, RegistryReader, Sensor, Site
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.drill import begin

FRIDGE = "vte-br-01"


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def contact(ward: Ward, appliance: str, quantity: str) -> None:
    """Wires one more channel of the appliance; it says what `temperature` is told, each minute."""
    name, number = f"{appliance}/{quantity}", len(ward._series) + 1
    ward._series[name] = number
    with transaction(ward.journal.db) as db:
        code = int(Quantity[quantity.upper()])
        db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,?)", (number, name, code))
    sensor = Sensor(id=name, appliance=appliance, quantity=quantity, node=f"{appliance}-n", channel=number)
    ward._publish(sensors=(*ward.registry.sensors, sensor))


def mains(ward: Ward, count: int) -> None:
    for n in range(1, count + 1):
        name = f"vte-br-0{n}"
        ward.fridge(name)
        contact(ward, name, "mains")
        ward.temperature(name, 4.0).temperature(f"{name}/mains", 1.0)


def power(ward: Ward, present: bool, *numbers: int) -> None:
    for n in numbers:
        ward.temperature(f"vte-br-0{n}/mains", float(present))


def standing(ward: Ward, kind: str) -> Alarm:
    return next(a for a in ward.alarms.open_alarms() if a.kind == kind and a.standing)


def told(ward: Ward, *parts: str) -> bool:
    """Some message has them all. The phone is empty afterwards."""
    inbox = list(ward.phone("technician").inbox)
    ward.phone("technician").forget()
    return any(all(part in text for part in parts) for text in inbox)


def test_a_desk_of_the_first_form_is_read_by_alerts_of_today(ward: Ward) -> None:
    """After an upgrade nobody may have written to the desk yet: its registry judges all the same."""
    ward.fridge(FRIDGE)
    ward.temperature(FRIDGE, 9.0).run_until("08:20")
    open_before = [(a.id, a.state) for a in ward.alarms.open_alarms()]
    ward.service.close()
    desk = ward.settings.desk_db
    first = open_writer(desk.with_name("first.db"), DESK_MIGRATIONS[:1])
    with transaction(first):
        rows = ward._desk._db.execute("SELECT version, body FROM registry ORDER BY version").fetchall()
        known = [name for _, name, *_ in first.execute("PRAGMA table_info(registry)")]
        row = dict.fromkeys(known, 0)
        for version, body in rows:
            row |= {"version": version, "body": body}
            marks = ",".join("?" * len(row))
            first.execute(f"INSERT INTO registry ({','.join(row)}) VALUES ({marks})", list(row.values()))
    first.close()
    ward._desk._db.close()
    for suffix in ("", "-wal", "-shm"):
        desk.with_name(desk.name + suffix).unlink(missing_ok=True)
    desk.with_name("first.db").rename(desk)
    ward.service = ward._new_service()
    ward.run_until("08:30")
    assert [(a.id, a.state) for a in ward.alarms.open_alarms()] == open_before
    ward.phone("technician").expect_sms(FRIDGE, "9.0C")
    ward.phone("technician").expect_nothing()


def test_critical_again_out_of_the_warning_band(ward: Ward) -> None:
    """Answered, better but for a warning, and beyond the limit once more: that is told."""
    ward.fridge(FRIDGE)
    ward.temperature(FRIDGE, 9.0).run_until("08:10")
    ward.acknowledge(standing(ward, "high").number)
    ward.temperature(FRIDGE, 5.6).run_until("08:25")
    ward.phone("technician").forget()
    ward.temperature(FRIDGE, 12.0).run_until("08:32")
    assert told(ward, FRIDGE, "12.0C")
    assert standing(ward, "high").state == "unacknowledged"


def test_chatter_out_of_the_warning_band_is_not_told_for_ever(ward: Ward) -> None:
    """About the limit all the time: no more of it within the hour."""
    ward.fridge(FRIDGE)
    for start in range(0, 50, 10):
        ward.temperature(FRIDGE, 7.0).run_until(f"08:{start + 6:02d}")
        ward.temperature(FRIDGE, 5.6).run_until(f"08:{start + 10:02d}")
    assert sum("over 6.0C" in text for text in ward.phone("technician").inbox) in (2, 3)


def test_beyond_again_while_chatter_is_held_open(ward: Ward) -> None:
    """Answered chatter that rests, then a rise in earnest before its hour of rest is over."""
    ward.fridge(FRIDGE)
    for start in (0, 8, 16):
        ward.temperature(FRIDGE, 7.0).run_until(f"08:{start + 6:02d}")
        ward.temperature(FRIDGE, 4.0).run_until(f"08:{start + 8:02d}")
    ward.acknowledge(standing(ward, "high").number)
    ward.run_until("09:12")
    ward.phone("technician").forget()
    ward.temperature(FRIDGE, 15.0).run_until("09:18")
    assert told(ward, FRIDGE, "15.0C")


def test_one_whose_power_is_back_warms_alone(ward: Ward) -> None:
    """Two of three have no mains still; the third has, and does not cool: its alarm is its own."""
    mains(ward, 3)
    ward.run_until("08:05")
    power(ward, False, 1, 2, 3)
    ward.run_until("08:10")
    power(ward, True, 3)
    ward.run_until("08:20")
    ward.phone("technician").forget()
    ward.temperature("vte-br-03", 9.0).run_until("08:27")
    assert told(ward, "vte-br-03", "9.0C")


def test_one_under_an_outage_has_its_power_back_and_stays_warm(ward: Ward) -> None:
    """Its alarm was the site's; now it is its own."""
    mains(ward, 3)
    ward.run_until("08:05")
    power(ward, False, 1, 2, 3)
    ward.run_until("08:10")
    ward.temperature("vte-br-03", 9.0).run_until("08:20")
    ward.phone("technician").forget()
    power(ward, True, 3)
    ward.run_until("08:25")
    assert told(ward, "vte-br-03", "9.0C")


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_a_limit_passed_under_an_answered_outage_is_told(ward: Ward, severity: str) -> None:
    """Whoever answered for the power is told when the first blood is beyond its limit, and once."""
    mains(ward, 1)
    ward.run_until("08:05")
    power(ward, False, 1)
    ward.run_until("08:10")
    outage = standing(ward, "power")
    with ward.service._store.transaction() as db:
        db.execute("UPDATE alarm SET severity = ? WHERE id = ?", (severity, outage.id))
    ward.acknowledge(outage.number)
    ward.phone("technician").forget()
    ward.temperature(FRIDGE, 14.0).run_until("08:18")
    assert told(ward, "Vientiane")
    ward.acknowledge(outage.number)
    ward.phone("technician").forget()
    ward.run_until("08:30")
    assert not told(ward, "Vientiane"), "once is enough: it is answered"


@pytest.mark.parametrize("first", ["shelved", "passed"])
def test_a_shelved_outage_hides_no_passed_limit(ward: Ward, first: str) -> None:
    """Whoever shelves the power's alarm has not shelved what warms."""
    mains(ward, 1)
    ward.run_until("08:05")
    power(ward, False, 1)
    ward.run_until("08:10")
    if first == "passed":
        ward.temperature(FRIDGE, 14.0).run_until("08:17")
    ward.phone("technician").forget()
    ward.service._keeper.aside.shelve(
        str(standing(ward, "power").number), "technician", ward.service._scene, minutes="30", reason="known"
    )
    ward.temperature(FRIDGE, 14.0).run_until("08:25")
    assert told(ward, FRIDGE, "14.0C")


def test_a_limit_passed_makes_the_outage_critical(ward: Ward) -> None:
    """Too cold, too: what stands under a site's alarm is no less urgent than it would be alone."""
    mains(ward, 2)
    ward.run_until("08:05")
    power(ward, False, 1, 2)
    ward.run_until("08:10")
    ward.temperature(FRIDGE, 1.0).run_until("08:25")
    assert standing(ward, "low").parent == standing(ward, "power").id
    assert standing(ward, "power").severity == "critical"


class Marked(Ward):
    """Readings of `window` arrive as those of a drill."""

    window = (0, 0)

    def mark(self, at_ms: int) -> Flag:
        return Flag.TEST if self.window[0] <= at_ms < self.window[1] else Flag.NONE


def test_what_warms_in_earnest_during_a_drill_is_told_after_it(tmp_path: Path) -> None:
    """At the latest after the delay of every day, counted from the drill's end."""
    ward = Marked(tmp_path)
    ward.fridge(FRIDGE)
    ward.temperature(FRIDGE, 4.0).run_until("08:05")
    begin(ward.settings, FRIDGE, "technician", 15, ward.now_ms)
    reader = RegistryReader(ward.settings.desk_db)
    reader.refresh()
    ward.registry = reader.registry
    reader.close()
    ward.window = (ward.now_ms, ward.now_ms + 15 * 60_000)
    ward.temperature(FRIDGE, 14.0).run_until("08:19")
    ward.phone("technician").forget()
    ward.run_until("08:26")
    assert [t for t in ward.phone("technician").inbox if "TEST" not in t and "14.0C" in t]


@pytest.mark.parametrize(
    ("profile", "every_s", "bad_c"), [("red-cells@eu", 1, 12.0), ("plasma@eu", 5, -10.0)]
)
def test_one_value_beyond_a_limit_is_told_however_often_it_is_read(
    profile: str, every_s: int, bad_c: float
) -> None:
    """A failed appliance in a steady room: an excursion before the probe is doubted for standing still."""
    appliance = Appliance(id="a", name="A", site="s", assignments=(Assignment(carries=profile),))
    sensor = Sensor(id="a/x", appliance="a", probe="load", node="n", channel=0, every_s=every_s)
    registry = Registry(sites=(Site(id="s", name="S"),), appliances=(appliance,), sensors=(sensor,))
    rules = build_table(registry, {0: ("a/x", 1)}, fault_after_ms=600_000)
    usual_c = 4.0 if bad_c > 0 else -30.0
    usual = usual_c + np.random.default_rng(1).normal(0, 0.03, 4_000)
    rows = np.zeros(4_000 + 3_600 // every_s, JOURNALLED)
    rows["at_ms"] = 1_772_000_000_000 + 1000 * every_s * np.arange(len(rows))
    rows["arrived_ms"] = rows["gateway_ms"] = rows["at_ms"]
    rows["value"] = np.round(1000 * np.append(usual, np.full(len(rows) - len(usual), bad_c)))
    events = step(EngineState.fresh(1), block_of(rows, 600_000), rules).events
    assert ((events["kind"] == NUMBER_OF["high"]) & (events["what"] == What.ANNOUNCED)).any()


def test_a_clock_set_back_puts_nobody_s_call_off(tmp_path: Path) -> None:
    """It is 09:12, the machine says 06:12: whoever is due in three minutes is called in three minutes."""
    ward = Ward(tmp_path, "08:00", policies=DEFAULTS)
    ward.fridge(FRIDGE)
    ward.temperature(FRIDGE, 9.0).run_until("08:06")
    assert told(ward, FRIDGE, "9.0C")
    ward.silence().set_back("05:06")
    ward.run_until("05:10")
    assert told(ward, FRIDGE), "again after three minutes, by the time that passed"
