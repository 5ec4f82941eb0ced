# SPDX-License-Identifier: Apache-2.0
"""Dead letters and parked points: what did not end where it was meant to, with the reason and the bytes."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingest.admission import Reason

log = structlog.get_logger()


class PointLine(Protocol):
    """A point that was to go to InfluxDB."""

    @property
    def at_ms(self) -> int: ...
    @property
    def text(self) -> str: ...


class Projected(Protocol):
    """How far the projection has come; lines that will never be points, each with the reason."""

    @property
    def position(self) -> int: ...
    @property
    def detail(self) -> str: ...
    @property
    def culprits(self) -> Sequence[tuple[PointLine, str]]: ...
    @property
    def parked(self) -> Sequence[tuple[PointLine, str]]: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. readings: how many it accounts for; 0 when they are recorded or not known."""

    arrived_ms: int
    reason: Reason
    detail: str
    data: bytes
    gateway: str | None = None
    epoch: str | None = None
    ranges: str = "[]"
    readings: int = 0


def keep_letter(db: sqlite3.Connection, letter: Letter) -> None:
    """Put it into the table, within the caller's transaction."""
    db.execute(
        "INSERT INTO dead_letter (arrived_ms, gateway, epoch, ranges, readings, reason, detail, bytes)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (
            letter.arrived_ms,
            letter.gateway,
            letter.epoch,
            letter.ranges,
            letter.readings,
            str(letter.reason),
            letter.detail[:500].encode(errors="backslashreplace").decode(),
            letter.data,
        ),
    )


def keep_refused_points(
    db: sqlite3.Connection, culprits: Sequence[tuple[PointLine, str]], now_ms: int
) -> None:
    """Points that InfluxDB will never take. Their readings are recorded all the same."""
    for line, why in culprits:
        keep_letter(db, Letter(now_ms, Reason.INFLUX, why, line.text.encode()))
        log.warning("influx.point_refused", why=why, line=line.text)


def keep_parked(db: sqlite3.Connection, parked: Sequence[tuple[PointLine, str]], now_ms: int) -> None:
    """Points older than the bucket's retention."""
    if not parked:
        return
    instants = [line.at_ms for line, _ in parked]
    lines = zlib.compress("\n".join(line.text for line, _ in parked).encode())
    db.execute(
        "INSERT INTO parked (parked_ms, points, first_ms, last_ms, reason, lines) VALUES (?,?,?,?,?,?)",
        (now_ms, len(parked), min(instants), max(instants), parked[0][1], lines),
    )
