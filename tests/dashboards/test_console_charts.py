# SPDX-License-Identifier: Apache-2.0
"""Charts: gaps stay gaps, limits are those in force then, nothing is averaged. Pure."""

import re
from datetime import UTC
from xml.etree import ElementTree as ET

import numpy as np
from console_seed import HOUR, MINUTE, NOW_MS
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import DefrostRow, OutOfService, UpkeepRow
from coldchain.records.devices import Dossier
from coldchain.records.registry import Appliance, Assignment, Offset, Sensor
from coldchain.records.work import Step as WorkStep
from coldchain.records.work import WorkOrder
from dashboards.console.detail import table
from dashboards.console.events import (
    EXACT_MAX_MS,
    Lane,
    assigned,
    calibrations,
    defrost_lane,
    held_lane,
    stepped_lane,
    told_lane,
    work_on,
)
from dashboards.console.series import LimitSpan, Series, limits_between, steps
from dashboards.console.svg import chart, runs, scale, sparkline
from dashboards.console.views import Limit

LIMIT = Limit(2_000, 6_000, "red-cells@eu")


def series(*values: int | None, step_ms: int = 2 * MINUTE, until: float = 1.0) -> Series:
    """Steps that hold one value each; `until` is the share of the stretch that has passed."""
    length = len(values) * step_ms
    return Series(
        "x/load",
        NOW_MS,
        step_ms,
        NOW_MS + round(length * until),
        values,
        values,
        tuple(int(v is not None) for v in values),
    )


def spans(of: Series) -> list[LimitSpan]:
    return [LimitSpan(of.start_ms, of.end_ms, LIMIT)]


def test_a_step_that_still_runs_is_no_gap() -> None:
    assert series(4_000, None, until=0.9).gaps() == []
    assert series(4_000, None).gaps() == [(NOW_MS + 2 * MINUTE, NOW_MS + 4 * MINUTE)]
    assert series(None, None, 4_000, None).gaps() == [
        (NOW_MS, NOW_MS + 4 * MINUTE), (NOW_MS + 6 * MINUTE, NOW_MS + 8 * MINUTE),
    ]  # fmt: skip


def test_no_line_crosses_a_gap() -> None:
    broken = series(4_000, 4_100, None, 4_200, None, None, 4_000, 4_100, 4_000)
    assert list(runs(broken)) == [(0, 2), (3, 4), (6, 9)]
    svg = sparkline(broken, spans(broken))
    band = re.findall(r'<path d="([^"]*Z)"', svg)[0]
    assert band.count("M") == band.count("Z") == 3
    assert 'class="gap"' in chart(broken, spans(broken), UTC, "x")
    assert chart(broken, spans(broken), UTC, "x").count('class="gap"') == 2


def test_a_step_is_never_shorter_than_two_intervals() -> None:
    assert steps(NOW_MS, NOW_MS + HOUR, 2_000, 60)[1] == 120_000
    assert steps(NOW_MS, NOW_MS + HOUR, 2_000, 600)[1] == 1_200_000


@given(st.integers(0, 2**40), st.integers(1, 2**36), st.integers(1, 2_000), st.integers(1, 3_600))
def test_steps_cover_what_was_asked_for(start: int, length: int, points: int, every_s: int) -> None:
    first, step, n = steps(start, start + length, points, every_s)
    assert first <= start < first + step
    assert first + (n - 1) * step < start + length <= first + n * step
    assert n <= points + 1
    assert first % step == 0


def test_limits_are_those_in_force_then() -> None:
    moved = Appliance(
        id="box-1", name="Box", site="vte",
        assignments=(
            Assignment(carries="red-cells@eu", until_ms=NOW_MS + HOUR),
            Assignment(carries="empty", from_ms=NOW_MS + HOUR, until_ms=NOW_MS + 2 * HOUR),
            Assignment(carries="platelets@eu", from_ms=NOW_MS + 2 * HOUR),
        ),
    )  # fmt: skip
    found = limits_between(moved, NOW_MS, NOW_MS + 3 * HOUR)
    assert [(s.limit.low, s.limit.high, (s.until_ms - s.from_ms) // HOUR) for s in found] == [
        (2_000, 6_000, 1), (None, None, 1), (20_000, 24_000, 1),
    ]  # fmt: skip
    assert found[1].limit.text == "empty"


VALUES = st.lists(st.none() | st.integers(-90_000, 60_000), min_size=1, max_size=200)


@given(VALUES)
def test_any_stretch_draws_as_sound_xml_inside_its_frame_and_its_table_keeps_the_extremes(values) -> None:
    one = series(*values)
    low, high = scale(one, spans(one))
    ET.fromstring(sparkline(one, spans(one)))
    ET.fromstring(chart(one, spans(one), UTC, "x"))
    held = [v for v in values if v is not None]
    assert all(low < v < high for v in held)
    rows = table(one, 7)
    assert len(rows) <= 7
    assert max((r.high for r in rows if r.high is not None), default=None) == max(held, default=None)
    assert sum(r.n for r in rows) == len(held)


def readings(*pairs: tuple[float, int]) -> Rows:
    """(minute, thousandths)."""
    rows = np.zeros(len(pairs), JOURNALLED)
    rows["at_ms"] = [NOW_MS + round(minute * MINUTE) for minute, _ in pairs]
    rows["value"] = [value for _, value in pairs]
    return rows


def minutes(lane: Lane) -> list[tuple[float, float]]:
    return [((s.from_ms - NOW_MS) / MINUTE, (s.until_ms - NOW_MS) / MINUTE) for s in lane.spans]


DOOR = Sensor(id="x/door", appliance="x", quantity="door", node="n", channel=1, every_s=900)


def test_a_door_is_open_from_the_reading_that_says_so_to_the_next() -> None:
    """Doors report on change: a step of their slow interval would say half an hour for half a minute."""
    said = readings(
        (-20, 1000), (1, 0), (5.5, 1000), (6, 0), (10, 1000), (11, 1000), (12, NO_VALUE), (13, 1000)
    )
    lane = held_lane(DOOR, said, NOW_MS, NOW_MS + 20 * MINUTE)
    assert minutes(lane) == [(0, 1), (5.5, 6), (10, 12), (13, 20)]
    assert lane.total_ms == 10.5 * MINUTE
    silent = held_lane(DOOR, readings((0, 1000)), NOW_MS, NOW_MS + 600 * MINUTE)
    assert minutes(silent) == [(0, 30)], "nobody knows how long a silent door was open"
    root = ET.fromstring(chart(some := series(4_000, 4_000), spans(some), UTC, "<x>", [lane]))
    assert len([e for e in root.iter() if e.get("class") == "lane door"]) == 4


def test_in_a_year_a_short_absence_of_mains_still_shows() -> None:
    mixed = Series(
        "x/mains", NOW_MS, MINUTE, NOW_MS + 3 * MINUTE, (1000, 0, None), (1000, 1000, None), (2, 2, 0)
    )
    assert minutes(stepped_lane(mixed)) == [(1, 2)]


def test_work_calibrations_and_assignments_lie_beside_the_curve() -> None:
    h = 3_600_000
    out = [OutOfService(1, "a", "p", "compressor", 2 * h, 5 * h, "p", "relay"),
           OutOfService(2, "a", "p", "again", 9 * h, None, "", "")]  # fmt: skip
    done = (WorkStep(1, 7, "started", {}, "p", 3 * h), WorkStep(2, 7, "finished", {}, "p", 4 * h))
    orders = [WorkOrder(7, "s", "a", "x", None, "relay", "", "p", h, done),
              WorkOrder(8, "s", "a", "x", None, "nobody has begun", "", "p", h)]  # fmt: skip
    lane = told_lane("work", work_on(out, orders, Dossier("s", ()), 12 * h), h, 10 * h)
    assert [(s.from_ms // h, s.until_ms // h, s.label) for s in lane.spans] == [
        (2, 5, "compressor"), (3, 4, "7: relay"), (9, 10, "again"),
    ]  # fmt: skip
    sensor = Sensor(id="a/load", node="n", channel=0, offsets=(Offset(from_ms=4 * h, offset_k=-0.3),))
    lane = told_lane("calibration", calibrations([sensor], Dossier("s", ())), h, 10 * h)
    assert [(s.from_ms // h, s.until_ms // h, s.label) for s in lane.spans] == [(4, 4, "a/load: −0.3 K")]
    carries = (Assignment(carries="red-cells@eu"), Assignment(carries="empty", from_ms=6 * h))
    appliance = Appliance(id="a", name="A", site="x", assignments=carries)
    lane = told_lane("assignment", assigned(appliance), h, 10 * h)
    assert [(s.from_ms // h, s.label) for s in lane.spans] == [(6, "empty")], "what always was is no change"
    assert told_lane("work", work_on(out, orders, Dossier("s", ()), 12 * h), 6 * h, 8 * h).spans == ()


def ended(from_min: int, lasts: int, *, sensor: str = "a/air", what: str = "usual") -> DefrostRow:
    start = NOW_MS + from_min * MINUTE
    return DefrostRow(sensor, start, start + lasts * MINUTE, what, "a", 0, 0, NOW_MS)


def test_defrosts_of_several_probes_are_one_and_overlong_and_missing_ones_say_so() -> None:
    rows = [
        ended(10, 20), ended(15, 40, sensor="a/load"),
        ended(400, 30), ended(410, 50, sensor="a/load", what="long"), ended(900, 20),
    ]  # fmt: skip
    missing = [UpkeepRow("defrost", "a/air", NOW_MS + 1500 * MINUTE, "none", None)]
    lane = defrost_lane(rows, missing, NOW_MS + 20 * MINUTE, NOW_MS + 2000 * MINUTE)
    told = [((s.from_ms - NOW_MS) // MINUTE, (s.until_ms - NOW_MS) // MINUTE, s.label) for s in lane.spans]
    assert told == [
        (20, 55, "defrost"), (400, 460, "defrost that took too long"), (900, 920, "defrost"),
        (1500, 2000, "no defrost when one was due"),
    ]  # fmt: skip
    drift = [UpkeepRow("drift", "a/air", NOW_MS, "x", None)]
    assert defrost_lane([], drift, NOW_MS, NOW_MS + 2000 * MINUTE).spans == ()


def test_in_a_year_only_defrosts_that_were_overlong_or_missing_are_marked() -> None:
    rows = [ended(400 * n, 20, what="long" if n == 7 else "usual") for n in range(300)]
    lane = defrost_lane(rows, [], NOW_MS, NOW_MS + EXACT_MAX_MS + MINUTE)
    assert [s.from_ms for s in lane.spans] == [NOW_MS + 2800 * MINUTE]
    assert len(defrost_lane(rows, [], NOW_MS, NOW_MS + EXACT_MAX_MS).spans) > 100
