# SPDX-License-Identifier: Apache-2.0
"""The body of `POST /api/v1/readings` as a batch. Pure; the format is in docs/wire-format.md."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from coldchain.kernel.link import Batch, name_of
from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.words import NO_VALUE, QUANTITY_OF_WORD, ClockQuality, Status

VERSION = 1
SEQ_MAX = 2**32 - 1
MS_MAX = 2**52
VALUE_MAX = 2**31 - 1
STATUS_OF_WORD = {status.name.lower().replace("_", "-"): status for status in Status if status}

Row = tuple[int, int, int, int, int, int, int, int, int, int, int]


class NotJson(ValueError):
    """The body is no JSON object at all."""


class Unsound(ValueError):
    """It is JSON, but not what the format asks for. The message says where."""


def batch_of(body: bytes, arrived_ms: int) -> Batch:
    """The batch of a request. Raises NotJson or Unsound, never anything else.

    A report without a trusted clock is dated at `arrived_ms` less its age.
    """
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError) as bad:
        raise NotJson(f"not JSON: {bad}") from bad
    if not isinstance(whole, dict):
        raise NotJson("not a JSON object")
    try:
        return _batch(whole, arrived_ms)
    except KeyError as missing:
        raise Unsound(f"{missing} is missing or not known") from missing
    except (ValueError, TypeError) as bad:
        raise Unsound(str(bad)) from bad


def _batch(whole: dict[str, Any], arrived_ms: int) -> Batch:
    if whole["v"] != VERSION:
        raise ValueError(f"version {str(whole['v'])[:20]}, not {VERSION}")
    gateway, epoch = name_of(whole["gateway"]), name_of(whole["epoch"])
    first = number(whole["seq"], "seq", 2**62)
    nodes: dict[tuple[str, int], int] = {}
    rows: list[Row] = []
    for place, report in enumerate(_list(whole["reports"], "reports")):
        try:
            rows += _rows(report, nodes, arrived_ms)
        except KeyError as missing:
            raise Unsound(f"reports[{place}]: {missing} is missing or not known") from missing
        except (ValueError, TypeError) as bad:
            raise Unsound(f"reports[{place}]: {bad}") from bad
    if not rows:
        raise ValueError("there is no reading in it")
    return Batch(
        gateway, epoch, [(first, first + len(rows) - 1)], list(nodes), np.array(rows, SPOOLED), arrived_ms
    )


def _rows(report: Any, nodes: dict[tuple[str, int], int], arrived_ms: int) -> list[Row]:
    if not isinstance(report, dict):
        raise TypeError("not an object")
    run = (name_of(report["node"]), number(report["boot"], "boot", SEQ_MAX))
    node = nodes.setdefault(run, len(nodes))
    seq = number(report["seq"], "seq", SEQ_MAX)
    uptime = number(report["uptime_ms"], "uptime_ms", MS_MAX) if "uptime_ms" in report else -1
    clock = number(report.get("clock", 0), "clock", int(ClockQuality.TRUSTED))
    device = number(report["unix_ms"], "unix_ms", MS_MAX) if clock else 0
    age = number(report.get("age_ms", 0), "age_ms", MS_MAX)
    at = device if clock == ClockQuality.TRUSTED else arrived_ms - age
    return [
        (node, channel, quantity, status, clock, seq, uptime, at, device, arrived_ms, value)
        for channel, quantity, status, value in map(_reading, _list(report["readings"], "readings"))
    ]


def _reading(part: Any) -> tuple[int, int, int, int]:
    if not isinstance(part, dict):
        raise TypeError("a reading is not an object")
    channel = number(part["ch"], "ch", 65_535)
    quantity = QUANTITY_OF_WORD[part["q"]]
    if "fault" in part:
        return channel, quantity, STATUS_OF_WORD[part["fault"]], NO_VALUE
    value = part["m"]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > VALUE_MAX:
        raise ValueError(f"m is not a whole number of thousandths: {str(value)[:40]!r}")
    return channel, quantity, 0, value


def number(value: object, name: str, largest: int) -> int:
    """A whole number of 0..largest, or ValueError naming the field."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise ValueError(f"{name} is not a whole number of 0..{largest}: {str(value)[:40]!r}")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{name} is not a list")
    return value
