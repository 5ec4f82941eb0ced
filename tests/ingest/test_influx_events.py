# SPDX-License-Identifier: Apache-2.0
"""Alarms, states, limits and events as points: the same rows, the same points; silent while nobody judges."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from coldchain.records import influx_names as names
from coldchain.records.alarms import Alarm, AlarmEvent, DefrostRow
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.health import Heart
from coldchain.records.registry import Appliance, Assignment, Registry, Site
from coldchain.records.sql import open_writer
from coldchain.settings import Settings
from ingest.influx import events
from ingest.influx.feed import Feed
from ingest.influx.lines import Line

NOW = 1_790_000_100_000
WINDOW = events.WINDOW_MS
REGISTRY = Registry(
    sites=(Site(id="vte", name="V"),),
    appliances=(
        Appliance(id="vte-1", name="A 1", site="vte", assignments=(Assignment(carries="red-cells@eu"),)),
    ),
)
ALARM = Alarm(
    7, "x", "appliance", "vte-1", "vte-1/load", "vte", "high", "critical", "unacknowledged", NOW - WINDOW,
    NOW - WINDOW, None, None, None, 7000, 6000, 7000, "high@2", None, 1, 1, NOW,
)  # fmt: skip


def test_the_same_alarm_is_the_same_point_whatever_became_of_it() -> None:
    def identity(line: Line) -> tuple[str, str]:
        head, _, rest = line.text.partition(" ")
        return head, rest.rpartition(" ")[2]

    (open_,) = events.marks(REGISTRY, [ALARM], NOW)
    (over,) = events.marks(
        REGISTRY, [replace(ALARM, returned_ms=NOW, severity="warning", state="closed")], NOW
    )
    assert identity(open_) == identity(over)
    assert open_.text != over.text
    (other,) = events.marks(REGISTRY, [replace(ALARM, id="y", number=8)], NOW)
    assert identity(other) != identity(open_), "two alarms of one millisecond are two points"


def test_a_defrost_is_one_point_also_when_it_was_longer_after_all_or_is_taken_back() -> None:
    row = DefrostRow("vte-1/air", NOW - 3_600_000, NOW - 2_400_000, "usual", "vte-1", -9000, 1_200_000, NOW)

    def told(what: DefrostRow) -> tuple[str, str, str]:
        (line,) = events.defrosts([what], [], REGISTRY, NOW)
        head, _, rest = line.text.partition(" ")
        fields, _, at = rest.rpartition(" ")
        return head, at, fields

    once, longer = told(row), told(replace(row, until_ms=NOW, what="long"))
    gone = told(replace(row, what="none"))
    assert once[:2] == longer[:2] == gone[:2]
    assert once[2] == f'number=20i,text="defrost of vte-1/air, 20 min",until_ms={row.until_ms}i'
    assert "60 min: too long, usually 20" in longer[2]
    assert gone[2].startswith("number=0i,")
    assert told(replace(row, sensor="vte-1/load"))[:2] != once[:2], "another probe's is another point"
    assert not list(events.defrosts([replace(row, appliance="")], [], REGISTRY, NOW)), "nobody's"


def test_the_feed_tells_of_defrosts_that_were_written_since_and_a_resync_of_all(tmp_path: Path) -> None:
    store = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS)
    day = 86_400_000
    for number, (from_ms, decided_ms, what) in enumerate(
        [(NOW - 3 * day, NOW - 3 * day, "usual"), (NOW - 2 * day, NOW, "usual"), (NOW - day, NOW, "none")]
    ):
        values = "vte-1/air", from_ms, from_ms + 60_000 * (10 + number), what, "vte-1", 0, 0, decided_ms
        store.execute("INSERT INTO defrost VALUES (?,?,?,?,?,?,?,?)", values)
    store.close()
    feed = Feed(Settings(data_dir=tmp_path))

    def told(lines: Iterable[Line]) -> list[str]:
        return [line.text.split("number=")[1].split(",")[0] for line in lines if "kind=defrost" in line.text]

    assert told(feed.new(REGISTRY, NOW + 20_000)) == ["11i", "0i"], "late ones too, and what was taken back"
    assert told(feed.between(REGISTRY, NOW - 5 * day, NOW, NOW)) == ["10i", "11i", "0i"]
    assert told(feed.between(REGISTRY, NOW - 5 * day, NOW - 2 * day - 1, NOW)) == ["10i"]


def test_words_of_people_break_no_line() -> None:
    said = AlarmEvent(1, "x", NOW, "acknowledged", 'she said "wait,\nthen \\ go"')
    (line,) = events.alarm_lines([ALARM], {"x": [said]})
    assert "\n" not in line.text
    assert '\\"wait, then' in line.text


def test_states_are_written_only_while_somebody_judges(tmp_path: Path) -> None:
    def states(feed: Feed, now_ms: int) -> list[str]:
        return [line.text for line in feed.new(REGISTRY, now_ms) if line.text.startswith(names.STATE_15M)]

    feed = Feed(Settings(data_dir=tmp_path))
    assert states(feed, NOW) == [], "alerts has never run"
    Heart(tmp_path, "alerts", lambda: NOW + 20_000).beat({}, now=True)
    written = states(feed, NOW + 20_000)
    assert written
    assert all(f"{names.STATE}=0i" in line for line in written)
    assert states(feed, NOW + 25_000) == [], "not before it is time"
    assert states(feed, NOW + 90_000) == [], "alerts has not been heard for a minute"
