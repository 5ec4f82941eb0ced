# SPDX-License-Identifier: Apache-2.0
"""Roll-ups against a count second by second; and what retention leaves of readings."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.words import NO_VALUE
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Registry, Sensor, Site
from ingest.journal import SqliteJournal
from ingest.retention import Retention
from ingest.rollups import NO_HIGH, NO_LOW, Rule, roll, rule_for
from ingest.sealing import Sealer, Windows

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0 = 1_700_000_000_000 // DAY_MS * DAY_MS
WINDOW_S, COUNT = 60, 4

READINGS = st.lists(
    st.tuples(st.integers(-100, WINDOW_S * COUNT + 20), st.sampled_from([1_000, 3_000, 7_000, NO_VALUE])),
    max_size=25,
)


@given(READINGS, st.integers(1, 90), st.integers(0, WINDOW_S * COUNT))
def test_a_roll_up_equals_a_count_second_by_second(readings, hold_s, change_s) -> None:
    readings = sorted(dict(readings).items())
    at = np.array([1_000 * at for at, _ in readings], np.int64)
    value = np.array([value for _, value in readings], np.int64)
    # Limits 2..6 °C until `change_s`, then none below and 2 °C above.
    rule = Rule(
        np.array([0, 1_000 * change_s]), np.array([2_000, NO_LOW]), np.array([6_000, 2_000]), 1_000 * hold_s
    )
    rolled = list(roll(at, value, 0, 1_000 * WINDOW_S * COUNT, 1_000 * WINDOW_S, rule).rows())
    for number, row in enumerate(rolled):
        seconds = range(number * WINDOW_S, (number + 1) * WINDOW_S)
        inside = [v for t, v in readings if t in seconds and v != NO_VALUE]
        assert (row.n, row.vsum) == (len(inside), sum(inside))
        assert (row.vmin, row.vmax) == ((min(inside), max(inside)) if inside else (NO_VALUE, NO_VALUE))
        states = [_state(readings, second, hold_s, change_s) for second in seconds]
        counted = [1_000 * states.count(state) for state in ("below", "above", "unknown")]
        assert [row.below_ms, row.above_ms, row.unknown_ms] == counted


def _state(readings, second: int, hold_s: int, change_s: int) -> str:
    before = [(t, v) for t, v in readings if t <= second]
    if not before or second >= before[-1][0] + hold_s or before[-1][1] == NO_VALUE:
        return "unknown"
    low, high = (2_000, 6_000) if second < change_s else (NO_LOW, 2_000)
    value = before[-1][1]
    return "below" if value < low else "above" if value > high else "inside"


def registry(*assignments: Assignment) -> Registry:
    return Registry(
        sites=(Site(id="s", name="S"),),
        appliances=(Appliance(id="f", name="F", site="s", assignments=assignments),),
        sensors=(
            Sensor(id="f/load", appliance="f", probe="load", node="n", channel=0),
            Sensor(id="f/air", appliance="f", probe="air", node="n", channel=1),
        ),
    )


def test_the_profile_in_force_at_each_moment_rules() -> None:
    found = registry(
        Assignment(carries="red-cells@eu", until_ms=T0 + 100),
        Assignment(carries="empty", from_ms=T0 + 100, until_ms=T0 + 200),
        Assignment(carries="plasma@eu", from_ms=T0 + 200),
    )
    rule = rule_for(found, "f/load", T0, T0 + 1_000)
    assert rule.from_ms.tolist() == [T0, T0 + 100, T0 + 200]
    assert rule.low.tolist() == [2_000, NO_LOW, NO_LOW]
    assert rule.high.tolist() == [6_000, NO_HIGH, -25_000]
    assert rule.hold_ms == 120_000


def test_air_probes_and_strangers_have_no_limits() -> None:
    found = registry(Assignment(carries="red-cells@eu"))
    for sensor in ("f/air", "nobody"):
        assert rule_for(found, sensor, T0, T0 + 1).low.tolist() == [NO_LOW]


def test_readings_whose_time_is_up_leave_their_hours(tmp_path) -> None:
    """Day 0 goes at day 3 and leaves 24 hours; the hours go in their turn; what is younger stays raw."""
    day = DAY_MS
    found = registry(Assignment(carries="red-cells@eu"))
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(found)
    minutes = 3 * 1_440
    rows = np.zeros(minutes, SPOOLED)
    rows["seq"], rows["quantity"] = np.arange(minutes), 1
    rows["at_ms"] = rows["gateway_ms"] = T0 + 60_000 * np.arange(minutes)
    rows["value"] = np.where(
        np.arange(minutes) // 15 % 4 == 3, 7_000, 5_000
    )  # a quarter of each hour too warm
    for first in range(0, minutes, 60):  # an hour at a time, as it was measured
        part = rows[first : first + 60]
        link = [(first + 1, first + len(part))]
        journal.record([Batch("gw", "e", link, [("n", 1)], part)], int(part["at_ms"][-1]))
    for _ in Sealer(journal, Windows(6 * HOUR_MS, 0)).steps(2**50):
        pass
    for _ in Retention(journal, 2 * day, 10 * day, 6 * HOUR_MS).steps(T0 + 3 * day, found):
        pass
    hours = journal.db.execute("SELECT * FROM hourly ORDER BY start_ms").fetchall()
    assert len(hours) == 24
    for number, (_, start, n, vmin, vmax, vsum, below, above, unknown) in enumerate(hours):
        assert (start, n, vmin, vmax) == (T0 + number * HOUR_MS, 60, 5_000, 7_000)
        assert (vsum, below, above, unknown) == (45 * 5_000 + 15 * 7_000, 0, 900, 0)
    reader = JournalReader(tmp_path / "readings.db")
    assert reader.readings("f/load", 0, 2**60)["seq"].tolist() == list(range(1_440, minutes))
    for _ in Retention(journal, 10**15, 2 * day, 6 * HOUR_MS).steps(T0 + 3 * day, found):
        pass
    assert journal.db.execute("SELECT count(*) FROM hourly WHERE start_ms < ?", (T0 + day,)).fetchone() == (
        0,
    )
    journal.close()


def test_an_old_record_that_came_lately_stays(tmp_path) -> None:
    """A file of years ago, played in today, is kept as long as today's readings."""
    found = registry(Assignment(carries="red-cells@eu"))
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(found)
    rows = np.zeros(100, SPOOLED)
    rows["seq"], rows["quantity"] = np.arange(100), 1
    rows["at_ms"] = T0 - 1_500 * DAY_MS + 60_000 * np.arange(100)
    rows["at_ms"][0] = -(2**52)  # a clock gone mad must not stop the others' retention
    journal.record([Batch("gw", "e", [(1, 100)], [("n", 1)], rows)], T0)
    for _ in Sealer(journal, Windows(6 * HOUR_MS, 0)).steps(2**50):
        pass
    reader = JournalReader(tmp_path / "readings.db")
    for age_days in sorted({*range(1, 731, 30), 729, 731}):
        left = 100 if age_days < 730 else 0
        for _ in Retention(journal, 730 * DAY_MS, 10**15, 6 * HOUR_MS).steps(T0 + age_days * DAY_MS, found):
            pass
        assert len(reader.readings("f/load", -(2**52), 2**52)) == left
    journal.close()


def test_a_clock_that_leaps_decades_lets_nothing_go(tmp_path) -> None:
    """2100 for an hour, then right again: no reading is lost by it. What stays so for a week is believed."""
    found = registry(Assignment(carries="red-cells@eu"))
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(found)
    rows = np.zeros(100, SPOOLED)
    rows["seq"], rows["quantity"] = np.arange(100), 1
    rows["at_ms"] = T0 + 60_000 * np.arange(100)
    journal.record([Batch("gw", "e", [(1, 100)], [("n", 1)], rows)], T0)
    for _ in Sealer(journal, Windows(6 * HOUR_MS, 0)).steps(2**50):
        pass
    retention = Retention(journal, 730 * DAY_MS, 10**15, 6 * HOUR_MS)
    reader = JournalReader(tmp_path / "readings.db")

    def left_at(now_ms: int) -> int:
        for _ in retention.steps(now_ms, found):
            pass
        return len(reader.readings("f/load", 0, 2**60))

    y2100 = 4_102_444_800_000
    assert [left_at(now) for now in (T0 + DAY_MS, y2100, y2100 + HOUR_MS, T0 + 2 * DAY_MS)] == [100] * 4
    left = [left_at(y2100 + hour * HOUR_MS) for hour in range(7 * 24 + 2)]
    assert (left[7 * 24 - 1], left[-1]) == (100, 0)
    journal.close()
