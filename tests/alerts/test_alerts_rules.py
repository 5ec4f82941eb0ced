# SPDX-License-Identifier: Apache-2.0
"""The parts of the rules: silence at its deadlines, terms in force at an instant, validity, order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.flat import Block, Segments, block_of, in_order
from alerts.rules.silence import Silence, judge_silence
from alerts.rules.table import build_table, judging_sensors
from alerts.rules.terms import RuleTable
from alerts.rules.validity import UNKNOWN, faults
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import Flag, Quantity
from coldchain.records.registry import Appliance, Assignment, GatewayEntry, Registry, Sensor, Site

S = 1000
SILENT_AFTER = 300 * S
NAMES = ("br-1", "br-2", "br-3")


def registry(*, gateway: bool = False, every_s: int = 60, probes: tuple[str, ...] = ("load",)) -> Registry:
    red = (Assignment(carries="red-cells@eu"),)
    return Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=tuple(Appliance(id=n, name="", site="vte", assignments=red) for n in NAMES),
        sensors=tuple(
            Sensor(id=f"{n}/{p}", appliance=n, probe=p, node=f"{n}-n", channel=c, every_s=every_s)  # type: ignore[arg-type]
            for n in NAMES
            for c, p in enumerate(probes)
        ),
        gateways=(GatewayEntry(id="gw", site="vte"),) if gateway else (),
    )


def table_of(known: Registry) -> RuleTable:
    series = {i: (s.id, Quantity.TEMPERATURE) for i, s in enumerate(known.sensors)}
    return build_table(known, series, fault_after_ms=SILENT_AFTER)


def look(live_at: list[int], now: int, **kind) -> Silence:
    return judge_silence(np.array(live_at), table_of(registry(**kind)), SILENT_AFTER, now)


def test_silent_only_after_the_deadline() -> None:
    """max(2 x expected, silent_after) after the last live reading, and not at it."""
    assert look([0, 300 * S, 300 * S], 300 * S).unit_silent.tolist() == [False, False, False]
    after = look([0, 300 * S, 300 * S], 300 * S + 1)
    assert after.unit_silent.tolist() == [True, False, False]
    assert after.held.tolist() == [False, False, False]
    assert (after.unit_since[0], after.unit_first[0]) == (0, 0)


def test_a_slow_sensor_has_a_later_deadline() -> None:
    assert not look([0, 900 * S, 900 * S], 1200 * S, every_s=600).unit_silent.any()
    assert look([0, 900 * S, 900 * S], 1200 * S + 1, every_s=600).unit_silent[0]


def test_never_heard_is_not_silent() -> None:
    assert not look([-1, -1, -1], 10**9).unit_silent.any()
    assert not look([-1, -1, -1], 10**9).group_silent.any()


def test_all_behind_a_gateway_silent_is_the_gateway() -> None:
    """Its appliances are held back from the moment that even the quickest is overdue."""
    soon = look([0, 20 * S, 40 * S], 301 * S, gateway=True)
    assert soon.unit_silent.tolist() == [True, False, False]
    assert soon.held.all()
    assert not soon.group_silent.any()
    later = look([0, 20 * S, 40 * S], 341 * S, gateway=True)
    assert later.group_silent.tolist() == [True]
    assert (later.group_since[0], later.group_size[0]) == (40 * S, 3)


def test_one_appliance_alone_is_never_its_gateway() -> None:
    now = look([0, -1, -1], 10**7, gateway=True)
    assert now.unit_silent.tolist() == [True, False, False]
    assert not now.group_silent.any()
    assert not now.held.any()


def test_part_of_an_appliance_silent_is_not_all_of_it() -> None:
    now = look([0, 10**7, 10**7, 10**7, 10**7, 10**7], 10**7, probes=("load", "air"))
    assert now.unit_silent.tolist() == [True, False, False]
    assert not now.unit_whole.any()


def test_limits_are_held_against_load_probes_where_there_are_any() -> None:
    assert judging_sensors(registry(probes=("air", "load"))) == {f"{n}/load" for n in NAMES}
    assert judging_sensors(registry(probes=("air",))) == {f"{n}/air" for n in NAMES}


def test_terms_are_those_of_the_instant() -> None:
    """Platelets from 100 s, empty from 200 s, nothing before 10 s."""
    assignments = (
        Assignment(carries="red-cells@eu", from_ms=10 * S),
        Assignment(carries="platelets@eu", from_ms=100 * S, until_ms=200 * S),
        Assignment(carries="empty", from_ms=200 * S),
    )
    known = registry()
    first = known.appliances[0].model_copy(update={"assignments": assignments})
    rules = table_of(known.model_copy(update={"appliances": (first, *known.appliances[1:])}))
    at = np.array([0, 10 * S, 99_999, 100 * S, 200 * S, 5 * S])
    terms = rules.terms_at(np.array([0, 0, 0, 0, 0, 1]), at)
    names = [rules.profiles[n] for n in terms.profile]
    assert names == ["", "red-cells@eu v1", "red-cells@eu v1", "platelets@eu v1", "", "red-cells@eu v1"]
    assert terms.high.tolist()[1:4] == [6000, 6000, 24_000]
    assert terms.high_back.tolist()[1:4] == [5700, 5700, 23_700]
    assert (terms.low.tolist()[3], terms.low_back.tolist()[3]) == (20_000, 20_300)


@pytest.mark.parametrize(
    ("before", "value", "fault"),
    [
        (UNKNOWN, [85_000], [True]),
        (4_000, [85_000, 85_000], [True, True]),
        (84_000, [85_000], [False]),
        (80_000, [85_000], [False]),
        (79_999, [85_000], [True]),
        (4_000, [81_000, 85_000, 85_000, 4_000, 85_000], [False, False, False, False, True]),
        (4_000, [84_999, 85_001], [False, False]),
        (4_000, [-127_000, -126_999, -127_001], [True, False, False]),
    ],
)
def test_codes_are_faults_and_their_neighbours_are_not(before, value, fault) -> None:
    n = len(value)
    one = Segments(np.array([0]), np.array([0]), np.array([n - 1]), n)
    found, _ = faults(np.array(value), np.ones(n, np.bool_), np.array([before]), one)
    assert found.tolist() == fault


@given(st.lists(st.tuples(st.integers(0, 2**19), st.integers(0, 2**42), st.integers(-5, 5)), max_size=60))
def test_order_is_by_series_instant_and_value(drawn) -> None:
    """Whether the packed key fits or not."""
    yes = np.ones(len(drawn), np.bool_)
    columns = np.array(drawn, np.int64).reshape(len(drawn), 3).T
    block = in_order(Block(columns[0], columns[1], columns[2], yes, yes, yes))
    assert list(zip(block.series.tolist(), block.at.tolist(), block.value.tolist(), strict=True)) == sorted(
        drawn
    )


def test_a_readmitted_reading_is_never_live() -> None:
    """It arrived in time and waited for its sensor since: it is judged, and wakes nobody."""
    rows = np.zeros(2, JOURNALLED)
    rows["at_ms"], rows["arrived_ms"] = 1_000, 2_000
    rows["flags"] = [0, Flag.READMITTED]
    block = block_of(rows, 600_000)
    assert block.live.tolist() == [True, False]
    assert block.usable.all()
