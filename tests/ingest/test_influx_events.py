# SPDX-License-Identifier: Apache-2.0
"""Alarms, states, limits and events as points: the same rows, the same points; silent while nobody judges."""

from dataclasses import replace
from pathlib import Path

from coldchain.records import influx_names as names
from coldchain.records.alarms import Alarm, AlarmEvent
from coldchain.records.health import Heart
from coldchain.records.registry import Appliance, Assignment, Registry, Site
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
