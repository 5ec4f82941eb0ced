# SPDX-License-Identifier: Apache-2.0
"""Panels in Grafana's classic JSON, reduced to what our dashboards use. Pure.

Only keys that Grafana 10 to 13 all read; colours keep their distance for eyes without red or green, and every
state has a word beside its colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "influxdb", "uid": "coldchain-influxql"}
OK, SILENT, ALARM, BAND, LOW = "#00705a", "#6a63b0", "#d9480f", "#3f7ca8", "#5b86a8"
COLUMNS = 24


def target(query: str, *, alias: str = "", table: bool = False, ref: str = "A") -> Json:
    """A raw InfluxQL query."""
    found: Json = {
        "refId": ref,
        "datasource": SOURCE,
        "query": query,
        "rawQuery": True,
        "resultFormat": "table" if table else "time_series",
    }
    return found | ({"alias": alias} if alias else {})


def panel(kind: str, title: str, targets: Sequence[Json], **values: Any) -> Json:
    """`values` are further keys, such as options and fieldConfig."""
    return {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "targets": list(targets),
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {},
    } | values


def steps(*pairs: tuple[float | None, str]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in pairs]}


def by_range(low: float | None, high: float | None, text: str, color: str, index: int) -> Json:
    """A word and a colour for low <= value <= high."""
    result = {"text": text, "color": color, "index": index}
    return {"type": "range", "options": {"from": low, "to": high, "result": result}}


def link(title: str, url: str) -> Json:
    return {"title": title, "url": url, "targetBlank": False}


def stat(
    title: str, query: str, *, none: str, bad: str, description: str, good_from: float = 0, last: str = "40m"
) -> Json:
    """One large number of the last 40 minutes; in the bad colour above `good_from`, or always if it is -1."""
    colors = steps((None, OK), (1, bad)) if good_from >= 0 else steps((None, bad), (1, OK))
    return panel(
        "stat", title, [target(query)], description=description, timeFrom=last, hideTimeOverride=True,
        fieldConfig={"defaults": {"noValue": none, "thresholds": colors}, "overrides": []},
        options={
            "colorMode": "background", "graphMode": "none", "textMode": "value", "justifyMode": "center",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )  # fmt: skip


def by_value(words: Sequence[tuple[int, str, str]]) -> Json:
    """A word and a colour for each (value, word, colour)."""
    found = {
        str(value): {"text": text, "color": color, "index": index}
        for index, (value, text, color) in enumerate(words)
    }
    return {"type": "value", "options": found}


def timeline(
    title: str, query: str, alias: str, mappings: Sequence[Json], *, links: Sequence[Json] = (), **values: Any
) -> Json:
    """States over time. An unwritten state is no state: what is silent is written as such by the query."""
    return panel(
        "state-timeline", title, [target(query, alias=alias)], interval="15m", maxDataPoints=300,
        fieldConfig={
            "defaults": {
                "mappings": list(mappings), "links": list(links), "color": {"mode": "thresholds"},
                "custom": {"fillOpacity": 85, "lineWidth": 0, "spanNulls": False},
            },
            "overrides": [],
        },
        options={
            "showValue": "auto", "rowHeight": 0.85, "mergeValues": True, "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        **values,
    )  # fmt: skip


LIMITS_STAND_MS = 2 * 3_600_000
"""Limits are written once an hour: a line goes on over this, and ends where they were not written."""


def curves(
    title: str,
    query: str,
    unit: str,
    *,
    band: bool = False,
    limits: str = "",
    interval: str = "15m",
    **values: Any,
) -> Json:
    """Lines; with `band`, the field `max` is filled down to the field `min` of the same sensor.

    `limits`: a second query, whose lines are dashed.
    """
    overrides = []
    if limits:
        stands: Json = {"id": "custom.spanNulls", "value": LIMITS_STAND_MS}
        dashed: Json = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
        overrides = [_override("/^limit_/", ALARM, stands, dashed)]
    if band:
        overrides += [
            _override("/max$/", BAND, {"id": "custom.fillBelowTo", "value": "min"}),
            _override("/min$/", LOW, {"id": "custom.lineWidth", "value": 1}),
        ]
    return panel(
        "timeseries", title,
        [target(query, alias="$col"), *([target(limits, alias="$col", ref="B")] if limits else [])],
        interval=interval,
        fieldConfig={
            "defaults": {
                "unit": unit,
                "custom": {
                    "drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if band else 0, "spanNulls": False,
                    "showPoints": "auto", "pointSize": 3,
                },
            },
            "overrides": overrides,
        },
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True,
                       "calcs": ["lastNotNull", "min", "max"]},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    ) | values  # fmt: skip


def bars(
    title: str,
    query: str,
    alias: str,
    unit: str,
    colors: Sequence[tuple[str, str, str]] = (),
    *,
    description: str,
) -> Json:
    """Stacked bars; `colors`: (field, word, colour)."""
    overrides = [
        _override(f"/^{name}$/", color, {"id": "displayName", "value": word}) for name, word, color in colors
    ]
    return panel(
        "timeseries", title, [target(query, alias=alias)], interval="15m", maxDataPoints=200,
        fieldConfig={
            "defaults": {
                "unit": unit,
                "custom": {
                    "drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0,
                    "stacking": {"group": "A", "mode": "normal"},
                },
            },
            "overrides": overrides,
        },
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": ["sum"]},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        description=description,
    )  # fmt: skip


def table(
    title: str,
    query: str,
    columns: Sequence[tuple[str, str, str]],
    *,
    sort: str,
    links: dict[str, Json],
    hidden: Sequence[str] = (),
    **values: Any,
) -> Json:
    """`columns`: (field, word, unit). `links`: field -> data link. Sorted by `sort`, largest first.

    hidden  fields that the query needs and nobody reads
    """
    unseen = dict.fromkeys(hidden, True) | {"Time": sort != "Time"}
    overrides = []
    for field, word, unit in columns:
        properties: list[Json] = [{"id": "displayName", "value": word}]
        properties += [{"id": "unit", "value": unit}] if unit else []
        properties += [{"id": "links", "value": [links[field]]}] if field in links else []
        overrides.append({"matcher": {"id": "byName", "options": field}, "properties": properties})
    return panel(
        "table", title, [target(query, table=True)],
        fieldConfig={"defaults": {"custom": {"align": "auto"}}, "overrides": overrides},
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=[
            {"id": "organize", "options": {"excludeByName": unseen}},
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": sort, "desc": True}]}},
        ],
        **values,
    )  # fmt: skip


def _override(pattern: str, color: str, *more: Json) -> Json:
    fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": color}}
    return {"matcher": {"id": "byRegexp", "options": pattern}, "properties": [fixed, *more]}


def laid_out(rows: Sequence[tuple[int, Sequence[tuple[int, Json]]]]) -> list[Json]:
    """Rows of (height, panels with their widths): each gets its number and its place."""
    found: list[Json] = []
    y = 0
    for height, cells in rows:
        x = 0
        for width, one in cells:
            place = {"x": x, "y": y, "w": width, "h": height}
            found.append(one | {"id": len(found) + 1, "gridPos": place})
            x += width
        assert x <= COLUMNS, x
        y += height
    return found
