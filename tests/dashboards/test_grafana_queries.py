# SPDX-License-Identifier: Apache-2.0
"""Every query of every dashboard, expanded as Grafana does, against a real engine that holds a month."""

import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from console_seed import MEAN_C
from grafana_expand import expand
from rig.influx import Influx

from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import NO_VALUE
from coldchain.records import influx_names as names
from coldchain.records.alarms import Alarm, AlarmEvent, DefrostRow, DrillRow, OutOfService, UpkeepRow
from coldchain.records.registry import Appliance, Assignment, Registry, Sensor, Site
from dashboards.grafana import influxql as ql
from dashboards.grafana.build import built
from dashboards.grafana.words import ENGLISH, LAO
from ingest.influx import events
from ingest.influx.lines import Line, reading_lines, rollup_lines, tags_of
from ingest.rollups import roll, rule_for

HOUR, DAY = 3_600_000, 86_400_000
NOW = int(time.time() * 1000) // 900_000 * 900_000 + 60_000
START = NOW // DAY * DAY - 30 * DAY
PEAK_AT = NOW // HOUR * HOUR - 11 * DAY
BUCKET = "grafana_month"
QUANTITIES = ("temperature", "door", "mains", "battery", "ambient", "humidity")
OPENED_AT = NOW // HOUR * HOUR - 2 * DAY
CARRIES = ("red-cells@eu", "plasma@eu", "platelets@eu")
REG = Registry(
    sites=(Site(id="vte", name="V"), Site(id="skt", name="S")),
    appliances=tuple(
        Appliance(
            id=f"{('vte', 'skt')[i % 2]}-x-{i}", name=f"X{i}", site=("vte", "skt")[i % 2],
            assignments=(Assignment(carries=CARRIES[i % 3]),),
        )
        for i in range(4)
    ),
    sensors=tuple(
        Sensor(
            id=f"{('vte', 'skt')[i % 2]}-x-{i}/{quantity}", appliance=f"{('vte', 'skt')[i % 2]}-x-{i}",
            quantity=quantity, node=f"n-{i}", channel=channel,
            every_s=60 if quantity == "temperature" and not i else 600,
        )
        for i in range(4)
        for channel, quantity in enumerate(QUANTITIES)
    ),
)  # fmt: skip
PEAKY, WARM, QUIET, DARK = (a.id for a in REG.appliances)
QUIET_MS = 3 * HOUR
USUAL = {"door": 0, "mains": 1000, "battery": 80_000, "ambient": 28_000, "humidity": 60_000}


def month(sensor: Sensor) -> tuple[Any, Any]:
    """Instants and thousandths: PEAKY has three minutes at 17.5 °C, WARM is warm now, QUIET has stopped."""
    until = NOW - QUIET_MS if sensor.appliance == QUIET else NOW
    at = np.arange(START, until, sensor.every_s * 1000, dtype=np.int64)
    if sensor.quantity != "temperature":
        value = np.full(len(at), USUAL[sensor.quantity], np.int64)
        if sensor.appliance == DARK and sensor.quantity == "mains":
            value[at > NOW - HOUR] = 0
        if sensor.quantity == "door":
            value[(at >= OPENED_AT) & (at < OPENED_AT + HOUR)] = 1000
        return at, value
    mean = MEAN_C[REG.appliance_by_id[sensor.appliance or ""].assignments[0].carries]
    value = np.round(1000 * (mean + 0.6 * np.sin(at / HOUR * 7))).astype(np.int64)
    if sensor.appliance == PEAKY:
        value[(at >= PEAK_AT) & (at < PEAK_AT + 3 * 60_000)] = 17_500
        value[(at >= PEAK_AT - DAY) & (at < PEAK_AT - DAY + 5 * 60_000)] = NO_VALUE
    if sensor.appliance == WARM:
        value[at > NOW - 2 * HOUR] += 20_000
    return at, value


def points() -> Iterator[str]:
    """As the projection writes them, with its own functions."""
    for number, sensor in enumerate(REG.sensors):
        tags = tags_of(REG, sensor.id, int(sensor.code))
        at, value = month(sensor)
        rows = np.zeros(len(at), JOURNALLED)
        rows["at_ms"], rows["value"], rows["seq"] = at, value, np.arange(len(at))
        rows["status"] = value == NO_VALUE
        yield from (line.text for line in reading_lines(rows, {0: tags}, {0: (f"n-{number}", 1)}))
        for measurement, length in names.ROLLUP_MS.items():
            end = NOW // length * length
            rolled = roll(at, value, START, end, length, rule_for(REG, sensor.id, START, end))
            yield from (line.text for line in rollup_lines(measurement, tags, rolled.rows()))


def alarm(number: int, appliance: str, kind: str, since_ms: int, returned_ms: int | None) -> Alarm:
    state = "unacknowledged" if returned_ms is None else "closed"
    return Alarm(
        number, f"a-{number}", "appliance", appliance, f"{appliance}/temperature", appliance[:3], kind,
        "critical", state, since_ms, since_ms, returned_ms, None, None, 8000, 6000, 9000, "high@1",
        None, 1, 1, since_ms,
    )  # fmt: skip


ALARMS = [
    alarm(1, PEAKY, "high", PEAK_AT, PEAK_AT + HOUR), alarm(2, WARM, "high", NOW - 2 * HOUR, None),
    alarm(3, QUIET, "silence", NOW - QUIET_MS, None),
    alarm(4, PEAKY, "silence", PEAK_AT + DAY, PEAK_AT + DAY + HOUR),
]  # fmt: skip


def defrost(number: int, at_ms: int, what: str = "usual") -> DefrostRow:
    return DefrostRow(
        f"{PEAKY}/temperature", at_ms, at_ms + (20 + number) * 60_000, what, PEAKY, 0, 20 * 60_000, NOW
    )


DEFROSTS = [defrost(n, PEAK_AT + n * 8 * HOUR) for n in range(5)]
TAKEN_BACK = PEAK_AT + 50 * HOUR


def happenings() -> Iterator[Line]:
    """What alerts and the desk would have told, by the projection's own functions."""
    steps = {a.id: [AlarmEvent(a.number, a.id, a.raised_ms, "raised", a.sensor)] for a in ALARMS}
    yield from events.alarm_lines(ALARMS, steps)
    yield from events.marks(REG, ALARMS, NOW)
    out = [OutOfService(1, PEAKY, "p", "compressor", PEAK_AT + 2 * HOUR, PEAK_AT + DAY, "p", "relay")]
    yield from events.works(out, [], {PEAKY: PEAKY[:3]}, NOW)
    drill = DrillRow(
        PEAKY, PEAK_AT - DAY, PEAK_AT - DAY + HOUR, "p", None, None, None, None, None, None, None
    )
    yield from events.drills([drill], {PEAKY: PEAKY[:3]})
    rows = [*DEFROSTS, defrost(40, PEAK_AT + 60 * HOUR, "long"), defrost(9, TAKEN_BACK)]
    due = UpkeepRow("defrost", f"{PEAKY}/temperature", NOW - HOUR, "none for 20 h", None)
    yield from events.defrosts(rows, [due], REG, NOW)
    yield from events.defrosts([defrost(9, TAKEN_BACK, "none")], [], REG, NOW)
    yield from events.limit_lines(REG, range(START, NOW, HOUR))
    starts = range(START, NOW // events.WINDOW_MS * events.WINDOW_MS, events.WINDOW_MS)
    yield from events.state_lines(REG, ALARMS, out, starts, NOW)


@pytest.fixture(scope="module")
def engine(influx: Influx) -> Iterator[Influx]:
    influx.create_database(BUCKET)
    lines = [*points(), *(line.text for line in happenings())]
    for at in range(0, len(lines), 20_000):
        body = "\n".join(lines[at : at + 20_000]).encode()
        url = f"{influx.engine_url}/write?db={BUCKET}&precision=ns"
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")) as answer:
            assert answer.status == 204
    yield influx
    influx.drop_database(BUCKET)


BOARDS = built()
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    if name.startswith("en/")
    for panel in board["panels"]
]
PICKED: dict[str, str | list[str]] = {"site": "vte", "appliance": PEAKY, "sensor": f"{PEAKY}/temperature"}
MANY = {"site": ["vte", "skt"], "appliance": [PEAKY, WARM], "sensor": f"{WARM}/temperature"}


def ask(
    engine: Influx, panel: dict[str, Any], values: dict[str, str | list[str]], days: float = 30
) -> list[Any]:
    found = []
    for one in panel["targets"]:
        query = expand(one["query"], panel, (NOW - round(days * DAY)) // HOUR * HOUR, NOW, values)
        rows = engine.query(query, bucket=BUCKET)
        assert rows, query
        found += rows
    return found


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("values", [PICKED, MANY], ids=["one", "many"])
def test_every_query_returns_rows(engine: Influx, panel: dict[str, Any], values: dict[str, Any]) -> None:
    rows = ask(engine, panel, values)
    assert rows
    held = [value for row in rows for name, value in row.items() if name not in ("time", *names.TAGS)]
    assert any(value is not None for value in held)


def test_variables_and_marks_find_something(engine: Influx) -> None:
    choices = {
        "site": {"vte", "skt"},
        "appliance": {a.id for a in REG.appliances},
        "sensor": {f"{PEAKY}/temperature"},
    }
    for board in BOARDS.values():
        for one in board["templating"]["list"]:
            query = expand(one["query"], {}, START, NOW, {"site": ".*", "appliance": PEAKY})
            assert {row["value"] for row in engine.query(query, bucket=BUCKET)} == choices[one["name"]]
        for one in board["annotations"]["list"]:
            query = expand(one["target"]["query"], {}, START, NOW, {"appliance": PEAKY, "site": "vte"})
            rows = engine.query(query, bucket=BUCKET)
            assert rows, one["name"]
            assert all(row[one["target"]["textColumn"]] is not None for row in rows), one["name"]
            if one["name"] in (ENGLISH["mark"], LAO["mark"]):
                assert [(row["outside"], row["sensor"]) for row in rows] == [(180.0, f"{PEAKY}/temperature")]
            if "timeEndColumn" in one["target"]:
                assert all(row[one["target"]["timeEndColumn"]] >= row["time"] for row in rows), one["name"]


MARKED = {
    ENGLISH[word]: marks
    for word, marks in {
        "mark.alarm": 1,
        "mark.work": 2,
        "mark.absent": 1,
        "doors": 6,
        "mark.defrost": 7,
    }.items()
}
"""Of PEAKY: the door's 6 readings of an hour, and 6 defrosts and a missing one; not the one taken back."""


@pytest.mark.parametrize("board", ["site", "appliance", "device"])
def test_alarms_doors_defrosts_and_maintenance_are_marked(engine: Influx, board: str) -> None:
    annotations = {one["name"]: one for one in BOARDS[f"en/{board}.json"]["annotations"]["list"]}
    assert MARKED.keys() <= annotations.keys()
    for name, marks in MARKED.items():
        query = annotations[name]["target"]["query"]
        rows = engine.query(expand(query, {}, START, NOW, {"appliance": PEAKY, "site": "vte"}), bucket=BUCKET)
        mine = [row for row in rows if row.get("sensor", PEAKY).startswith(PEAKY)]
        assert len(mine) >= marks if board == "site" else len(mine) == marks, name
    # What was taken back is there, and only the condition keeps it away: the check can fail.
    query = annotations[ENGLISH["mark.defrost"]]["target"]["query"].replace('"number" > 0', '"number" >= 0')
    rows = engine.query(expand(query, {}, START, NOW, {"appliance": PEAKY, "site": "vte"}), bucket=BUCKET)
    assert TAKEN_BACK in [row["time"] for row in rows]
    assert {row["text"] for row in rows if row["time"] == TAKEN_BACK} == {
        f"no defrost of {PEAKY}/temperature"
    }


def test_a_defrost_is_a_bar_as_high_as_it_lasted(engine: Influx) -> None:
    rows = ask(engine, named("device", "Defrosts, minutes of each"), PICKED)
    assert [row["minutes"] for row in rows] == [20, 21, 22, 23, 24, 60, 1]


def test_open_alarms_are_listed_and_counted_with_what_happened_last(engine: Influx) -> None:
    """ALARMS were raised; that some are over nobody has told: see `happenings`."""
    rows = ask(engine, named("wall", "Open alarms, newest first"), {})
    assert {(row["number"], row["appliance"], row["kind"]) for row in rows} == {
        (1, PEAKY, "high"), (2, WARM, "high"), (3, QUIET, "silence"), (4, PEAKY, "silence")
    }  # fmt: skip
    assert all(row["site"] and row["text"].startswith("raised") for row in rows)
    (one,) = ask(engine, named("wall", "Unanswered"), {})
    assert one["count"] == 4


def named(board: str, title: str) -> dict[str, Any]:
    return next(p for p in BOARDS[f"en/{board}.json"]["panels"] if p["title"] == title)


def test_a_peak_of_three_minutes_shows_in_the_year_view(engine: Influx) -> None:
    panel = named("appliance", "Lowest and highest of each step")
    rows = ask(engine, panel, PICKED, days=365)
    assert len(rows) > 30
    assert max(row["max"] for row in rows if row.get("max") is not None) == 17.5
    assert min(row["min"] for row in rows if row.get("min") is not None) < 3.5
    assert {row["limit_high"] for row in rows if row.get("limit_high") is not None} == {6.0}
    # What a mean would have shown: the check can fail.
    flattened = panel["targets"][0]["query"].replace('max("max")', 'mean("mean")')
    rows = ask(engine, panel | {"targets": [{"query": flattened}]}, PICKED, days=365)
    assert max(row["max"] for row in rows if row["max"] is not None) < 6


def test_silence_is_a_state_and_outside_beats_it(engine: Influx) -> None:
    def last(appliance: str) -> list[float]:
        rows = ask(engine, named("site", "State of each appliance"), {"site": ["vte", "skt"]}, days=1)
        return [row["state"] for row in rows if row["appliance"] == appliance]

    assert [one for one in last(PEAKY) if one >= ql.SILENT_FROM] == []
    assert ql.SILENT_FROM <= last(QUIET)[-1] < ql.OUTSIDE_FROM
    assert last(WARM)[-1] >= ql.OUTSIDE_FROM
    assert last(QUIET)[0] < ql.SILENT_FROM


def test_a_window_that_was_never_written_is_silent_too(engine: Influx) -> None:
    panel = named("site", "State of each appliance")
    (one,) = panel["targets"]
    query = expand(one["query"], panel, START - DAY, START + DAY, {"site": "vte"})
    rows = [row for row in engine.query(query, bucket=BUCKET) if row["appliance"] == PEAKY]
    before = [row["state"] for row in rows if row["time"] < START - HOUR]
    assert before
    assert set(before) == {ql.SILENT}


def test_alarms_are_states_and_an_unwritten_window_is_silent(engine: Influx) -> None:
    def states(appliance: str, days: float) -> list[int]:
        panel = named("site", "Alarms of each appliance")
        rows = ask(engine, panel, {"site": ["vte", "skt"]}, days=days)
        return [row["state"] for row in rows if row["appliance"] == appliance]

    code = names.STATES
    assert states(WARM, 1)[-1] == code["alarm"]
    assert states(QUIET, 1)[-1] == code["silent"]
    assert states(DARK, 1)[-1] == code["ok"]
    month = states(PEAKY, 31)
    assert {code["ok"], code["alarm"], code["aside"], code["silent"]} == set(month)
    assert month[0] == code["silent"], "before the month nothing was written"


def test_the_wall_counts_what_is_so_now(engine: Influx) -> None:
    def count(title: str) -> Any:
        rows = ask(engine, named("wall", title), {}, days=1)
        return rows[0]["count"] if rows else None

    assert count("In alarm") == 1
    assert count("Outside limits") == 1
    assert count("Silent") == 1
    assert count("Without mains") == 1
    assert count("Appliances that report") == 4


def test_the_worst_comes_with_its_seconds(engine: Influx) -> None:
    rows = ask(engine, named("wall", "Time outside limits, worst first"), {}, days=30)
    outside = {row["appliance"]: row["outside"] for row in rows}
    assert outside[PEAKY] == 180
    assert 6_000 < outside[WARM] <= 7_200
    assert outside[DARK] == 0


def test_queries_keep_to_the_portable_subset_and_our_names() -> None:
    known = {
        *names.TAGS, *names.READING_FIELDS, *names.ROLLUP_FIELDS, names.READING, *names.ROLLUP_MS, names.KIND,
        *names.ALARM_FIELDS, *names.LIMITS_FIELDS, *names.EVENT_FIELDS, names.ALARM, names.STATE_15M,
        names.LIMITS, names.EVENT,
    }  # fmt: skip
    ours = {"limit_high", "limit_low", "openings", "minutes", "score", "state", "worst", "newest"}
    ours |= {"outside", "unknown", "lowest", "highest", "failed"}
    functions = {"max", "min", "sum", "count", "last", "first", "fill", "time", "tz"}
    for name, board in BOARDS.items():
        queries = [t["query"] for p in board["panels"] for t in p["targets"]]
        queries += [one["query"] for one in board["templating"]["list"]]
        queries += [one["target"]["query"] for one in board["annotations"]["list"]]
        for query in queries:
            assert set(re.findall(r'"([^"]+)"', query)) <= known | ours, name
            assert set(re.findall(r"\b([a-z_]+)\(", query)) <= functions, query
            assert "previous" not in query
            assert "mean" not in query
            if "GROUP BY time($__interval)" in query:
                assert re.search(r"fill\((null|1|3)\)", query), query
                assert set(re.findall(r"(?:SELECT|,) ([a-z]+)\(", query)) <= {"max", "min", "sum"}, query
                assert query.endswith(" tz('Asia/Vientiane')"), query
    assert not {"derivative"} <= functions, "the check knows what is not portable"
