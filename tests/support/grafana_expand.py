# SPDX-License-Identifier: Apache-2.0
"""Grafana's macros and variables in InfluxQL, expanded as Grafana's InfluxDB data source documents them.

$timeFilter      time >= 1ms and time <= 2ms
$__interval      range / maxDataPoints, rounded to a round length, at least the panel's minimum interval
${name:regex}    the value with regex characters escaped; several as (a|b); a set allValue as it is
"""

import re
from typing import Any

ROUND_S = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    604800, 2592000,
)  # fmt: skip
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
POINTS = 1200


def seconds(text: str) -> int:
    return int(text[:-1]) * UNITS_S[text[-1]]


def interval_s(range_ms: int, panel: dict[str, Any]) -> int:
    """The step a browser about 1,200 pixels wide would ask for [s]."""
    exact = range_ms / 1000 / panel.get("maxDataPoints", POINTS)
    nearest = min(ROUND_S, key=lambda one: abs(one - exact))
    return max(nearest, seconds(panel.get("interval", "1s")))


def span_ms(panel: dict[str, Any], start_ms: int, end_ms: int) -> tuple[int, int]:
    """The panel's own range: `timeFrom` replaces the dashboard's, `timeShift` moves it."""
    if "timeFrom" in panel:
        start_ms = end_ms - 1000 * seconds(panel["timeFrom"])
    shift = 1000 * seconds(panel.get("timeShift", "0s"))
    return start_ms - shift, end_ms - shift


def regex(value: str | list[str]) -> str:
    def escaped(one: str) -> str:
        return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", one)

    return escaped(value) if isinstance(value, str) else f"({'|'.join(map(escaped, value))})"


def expand(
    query: str, panel: dict[str, Any], start_ms: int, end_ms: int, values: dict[str, str | list[str]]
) -> str:
    start_ms, end_ms = span_ms(panel, start_ms, end_ms)
    query = query.replace("$timeFilter", f"time >= {start_ms}ms and time <= {end_ms}ms")
    query = query.replace("$__interval", f"{interval_s(end_ms - start_ms, panel)}s")
    for name, value in values.items():
        text = value if value == ".*" else regex(value)
        query = query.replace(f"${{{name}:regex}}", str(text))
    assert "$" not in query.replace("$/", ""), query
    return query
