# SPDX-License-Identifier: Apache-2.0
"""A gateway's word about itself, read from JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from coldchain.kernel.errors import BatchError
from coldchain.kernel.guard import GuardWord, read_word
from coldchain.kernel.link import MAX_PAYLOAD, name_of, number_of

GAPS_MAX = 1_000
"""Gaps taken from one status; the rest come in the next, for they are repeated until receipted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a gateway could not accept. node to high: None where not known."""

    id: int
    node: str | None
    boot: int | None
    low: int | None
    high: int | None
    readings: int
    reason: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class StatusWord:
    """`text` is the JSON as it came, but for the reports of its guard; `guard`: None where there is none.

    Without a text it is no word of today: only gaps, which came by another way than the link.
    """

    gateway: str
    epoch: str
    text: str
    gaps: tuple[Gap, ...] = ()
    guard: GuardWord | None = None


def decode_status(payload: bytes) -> StatusWord:
    """The status, or BatchError with the reason. Never anything else, whatever the bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise BatchError(f"oversize: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    try:
        text = payload.decode()
        word = json.loads(text)
        if word["v"] != 1:
            raise BatchError(f"status of version {str(word['v'])[:20]!r}, not 1")
        gaps = tuple(_gap(gap) for gap in word.get("gaps", [])[:GAPS_MAX])
        guard = read_word(word["guard"]) if "guard" in word else None
        if guard is not None:
            word["guard"].pop("reports", None)
            text = json.dumps(word, separators=(",", ":"))
        return StatusWord(name_of(word["gateway"]), name_of(word["epoch"]), text, gaps, guard)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as bad:
        raise BatchError(f"malformed status: {bad}") from bad


def _gap(word: dict[str, object]) -> Gap:
    node = word.get("node")
    return Gap(
        number_of(word["id"]),
        None if node is None else name_of(node),
        _maybe(word.get("boot")),
        _maybe(word.get("low")),
        _maybe(word.get("high")),
        number_of(word["readings"]),
        # JSON can spell half a character (\ud800), which no file can hold.
        str(word["reason"])[:200].encode(errors="backslashreplace").decode(),
        number_of(word["from_ms"]),
        number_of(word["until_ms"]),
    )


def carried_gaps(gateway: str, epoch: str, gaps: list[dict[str, object]]) -> StatusWord:
    """The gaps of a bundle that was carried here, or BatchError."""
    try:
        return StatusWord(gateway, epoch, "", tuple(_gap(gap) for gap in gaps[:GAPS_MAX]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as bad:
        raise BatchError(f"malformed gap: {bad}") from bad


def _maybe(value: object) -> int | None:
    return None if value is None else number_of(value)


def gap_row(word: StatusWord, gap: Gap, arrived_ms: int) -> tuple[object, ...]:
    """The gap as a row of table `gap`."""
    where = (gap.node, gap.boot, gap.low, gap.high)
    what = (gap.readings, gap.reason, gap.from_ms, gap.until_ms)
    return (word.gateway, word.epoch, gap.id, *where, *what, arrived_ms)
