# SPDX-License-Identifier: Apache-2.0
"""What an appliance carries is told late, or changes: judging is a function of the data and the registry."""

from typing import Literal

import numpy as np
import pytest
from ward import Ward, instant

from alerts.judgement.changed import UNCHANGED, changed_from
from alerts.rules.table import build_table
from alerts.rules.terms import RuleTable
from coldchain.records.registry import Appliance, Assignment, Registry, Sensor, Site


def excursions(ward: Ward) -> list[tuple[int, int | None]]:
    return sorted((e.started_ms, e.ended_ms) for e in ward.alarms.excursions())


@pytest.mark.parametrize("told_at", ["08:50", "09:00", "10:00"])
def test_an_assignment_told_late_yields_the_same_excursions(tmp_path, told_at) -> None:
    """Warm from 08:30 to 10:10, red cells in it from 09:00: whenever somebody says so."""
    ward = Ward(tmp_path)
    ward.fridge("br-1", "empty")
    ward.temperature("br-1", 4.0).run_until("08:30")
    ward.temperature("br-1", 7.9).run_until(told_at)
    ward.carries("br-1", "red-cells@eu", "09:00")
    ward.run_until("10:10")
    (alarm,) = (a for a in ward.alarms.alarms() if a.kind == "high")
    assert alarm.since_ms == instant("09:00")
    ward.phone("technician").expect_sms("br-1 7.9C")
    ward.temperature("br-1", 4.0).run_until("10:20")
    assert excursions(ward) == [(instant("09:00"), instant("10:10"))]


def test_an_assignment_of_the_past_wakes_nobody(tmp_path) -> None:
    """It was warm then and is cold now: an excursion, and no alarm; but that its day is spent is true now."""
    ward = Ward(tmp_path)
    ward.fridge("br-1", "empty")
    ward.temperature("br-1", 7.9).run_until("09:00")
    ward.temperature("br-1", 4.0).run_until("10:00")
    ward.carries("br-1", "red-cells@eu", "08:20")
    ward.run_until("10:10")
    assert excursions(ward) == [(instant("08:20"), instant("09:00"))]
    assert not [a for a in ward.alarms.alarms() if a.kind == "high"]
    assert "cumulative" in {a.kind for a in ward.alarms.alarms()}


@pytest.mark.parametrize("told_at", ["08:50", "09:10"])
def test_a_probe_that_failed_while_empty_is_told_once_there_is_blood(tmp_path, told_at) -> None:
    ward = Ward(tmp_path)
    ward.fridge("br-1", "empty")
    ward.temperature("br-1", 4.0).run_until("08:10")
    ward.temperature("br-1", None).run_until(told_at)
    assert ward.alarms.alarms() == []
    ward.carries("br-1", "red-cells@eu", "09:00")
    ward.run_until("09:30")
    (alarm,) = ward.alarms.alarms()
    assert (alarm.kind, alarm.standing) == ("sensor_fault", True)
    ward.phone("technician").expect_sms("br-1")
    ward.phone("technician").expect_nothing()


def test_where_terms_differ_first() -> None:
    def table(*carried: Assignment, names: tuple[str, ...] = ("a", "b")) -> RuleTable:
        known = Registry(
            sites=(Site(id="s", name="S"),),
            appliances=tuple(
                Appliance(id=n, name=n, site="s", assignments=carried if n == "a" else ()) for n in names
            ),
            sensors=tuple(
                Sensor(id=f"{n}/load", appliance=n, probe="load", node=n, channel=0) for n in names
            ),
        )
        return build_table(known, {1: ("a/load", 1), 2: ("b/load", 1)}, fault_after_ms=1)

    empty = table()
    assert changed_from(empty, empty).tolist() == [UNCHANGED] * 3
    red = Assignment(carries="red-cells@eu", from_ms=1_000)
    assert changed_from(empty, table(red)).tolist() == [UNCHANGED, 1_000, UNCHANGED]
    ended = Assignment(carries="red-cells@eu", from_ms=1_000, until_ms=5_000)
    assert changed_from(table(red), table(ended)).tolist() == [UNCHANGED, 5_000, UNCHANGED]
    assert changed_from(table(red), table(red, names=("a",))).tolist() == [UNCHANGED, UNCHANGED, 0]
    assert np.array_equal(changed_from(table(ended), table(red)), changed_from(table(red), table(ended)))


def test_a_measured_lag_is_a_change_of_the_past_where_a_load_is_reckoned() -> None:
    """Air alone is judged by the load behind it; a load probe, or air beside one, by no lag."""

    def table(tau_s: float | None, *probes: Literal["load", "air"]) -> RuleTable:
        red = (Assignment(carries="red-cells@eu"),)
        known = Registry(
            sites=(Site(id="s", name="S"),),
            appliances=(Appliance(id="a", name="a", site="s", tau_s=tau_s, assignments=red),),
            sensors=tuple(
                Sensor(id=f"a/{p}", appliance="a", probe=p, node="n", channel=c) for c, p in enumerate(probes)
            ),
        )
        return build_table(known, {c: (f"a/{p}", 1) for c, p in enumerate(probes)}, fault_after_ms=1)

    assert changed_from(table(None, "air"), table(900.0, "air")).tolist() == [0]
    assert changed_from(table(900.0, "air"), table(900.0, "air")).tolist() == [UNCHANGED]
    both: tuple[Literal["air"], Literal["load"]] = ("air", "load")
    assert changed_from(table(None, *both), table(900.0, *both)).tolist() == [UNCHANGED] * 2
