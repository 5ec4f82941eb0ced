# SPDX-License-Identifier: Apache-2.0
"""The checker: the nodes' ledger against readings.db, the dead letters, alarms.db and the phones' inbox."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from coldchain.kernel.audit import Head
from coldchain.kernel.readings import JOURNALLED, Rows, empty
from coldchain.records import chunks
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.audit import CHAINS, check
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.rows import unpack_rows
from coldchain.records.sql import open_reader
from coldchain.settings import Settings
from firmware_sim.firmware.ledger import ACKED, LOST, MEASURED, Ledger, read_ledger
from soak.strike import Hang, Span, Striker


@dataclass(slots=True)
class Verdict:
    """What became of every reading and of every alarm.

    lost       acknowledged to a node, and neither recorded nor dead-lettered
    doubled    recorded more often than once
    altered    recorded with another value, status or instant than was measured
    invented   recorded, and never measured
    unsent     measured, and not acknowledged to its node at the end
    given_up   what nodes told as lost
    untold     alarms none of whose messages any phone received
    missed     excursions that were due and raised no alarm
    false_alarms   alarms nobody's temperature gave cause for
    latency_s  arrival of the reading that raised -> first message on a phone [s]
    net_s      the same, less the time in which we kept ingest, alerts or the modem from working [s]
    audit      chains that no longer match, and why
    told_s     a process began to hang -> people were told of it by a message [s], by process
    """

    measured: int = 0
    acknowledged: int = 0
    recorded: int = 0
    dead_lettered: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    invented: int = 0
    unsent: int = 0
    given_up: int = 0
    alarms: int = 0
    missed: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)
    messages: int = 0
    latency_s: list[float] = field(default_factory=list)
    net_s: list[float] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    told_s: list[tuple[str, float]] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not any(
            (
                self.lost,
                self.doubled,
                self.altered,
                self.invented,
                self.unsent,
                self.dead_lettered,
                self.missed,
                self.untold,
                self.false_alarms,
                self.audit,
            )
        )


def percentile_s(values: list[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else float("nan")


def all_rows(path: Path) -> tuple[Rows, dict[int, tuple[str, int]], dict[int, str]]:
    """(every recorded reading as often as it is there, source -> (node, boot), series -> sensor)."""
    db = open_reader(path, len(READINGS_MIGRATIONS))
    names, sealed = {}, {}
    for number, sensor, upto in db.execute("SELECT id, sensor, sealed FROM series"):
        names[number], sealed[number] = sensor, upto
    sealed_of = np.zeros(max(sealed, default=0) + 1, np.int64)
    for number, upto in sealed.items():
        sealed_of[number] = upto
    parts = [empty(JOURNALLED)]
    for position, blob in db.execute("SELECT position, rows FROM log ORDER BY position"):
        rows = unpack_rows(blob)
        parts.append(rows[position > sealed_of[rows["series"]]])
    for series, data in db.execute("SELECT series, data FROM chunk"):
        parts.append(chunks.decode(data, series))
    sources = {number: (node, boot) for number, node, boot in db.execute("SELECT id, node, boot FROM source")}
    db.close()
    return np.concatenate(parts), sources, names


Keys = np.ndarray[Any, np.dtype[np.uint64]]


def _keys(run: Any, seq: Any, channel: Any) -> Keys:
    keys: Keys = (run.astype("u8") << 48) | (seq.astype("u8") << 16) | channel.astype("u8")
    return keys


class _Runs:
    """A small number for each run (node, boot) of a node."""

    def __init__(self) -> None:
        self._number: dict[tuple[str, int], int] = {}

    def of(self, node: str, boot: int) -> int:
        return self._number.setdefault((node, boot), len(self._number))

    def of_entries(self, ledger: Ledger, entries: Any) -> Any:
        pairs = (entries["node"].astype("u8") << 32) | entries["boot"]
        unique, back = np.unique(pairs, return_inverse=True)
        numbers = [self.of(ledger.names[int(p) >> 32], int(p) & 0xFFFF_FFFF) for p in unique]
        return np.array(numbers, "u8")[back] if numbers else np.zeros(0, "u8")


def check_readings(verdict: Verdict, settings: Settings, ledger_path: Path) -> Rows:
    """Fill in what became of the readings; returns the recorded rows."""
    ledger, runs = read_ledger(ledger_path), _Runs()
    rows, sources, _ = all_rows(settings.readings_db)
    run_of = np.zeros(max(sources, default=0) + 1, "u8")
    for number, (node, boot) in sources.items():
        run_of[number] = runs.of(node, boot)
    kept = _keys(run_of[rows["source"]], rows["seq"], rows["channel"])
    order = np.argsort(kept, kind="stable")
    kept, sorted_rows = kept[order], rows[order]
    verdict.recorded = len(kept)
    verdict.doubled = int((kept[1:] == kept[:-1]).sum())

    def entries(kind: int) -> tuple[Keys, Any]:
        found = ledger.of(kind)
        return _keys(runs.of_entries(ledger, found), found["seq"], found["channel"]), found

    measured, what = entries(MEASURED)
    acked, _ = entries(ACKED)
    given_up, _ = entries(LOST)
    verdict.measured, verdict.acknowledged = len(measured), len(np.unique(acked))
    verdict.given_up = len(np.unique(given_up))
    verdict.lost = int((~np.isin(np.unique(acked), kept)).sum())
    verdict.unsent = int((~np.isin(measured, np.concatenate([acked, given_up]))).sum())
    verdict.invented = int((~np.isin(kept, measured)).sum())
    at = np.argsort(measured, kind="stable")
    measured, what = measured[at], what[at]
    place = np.searchsorted(measured, kept)
    known = place < len(measured)
    known[known] = measured[place[known]] == kept[known]
    said, got = what[place[known]], sorted_rows[known]
    differs = np.zeros(len(said), np.bool_)
    for name in ("value", "at_ms", "status"):
        differs |= said[name] != got[name]
    verdict.altered = int(differs.sum())
    db = open_reader(settings.readings_db, len(READINGS_MIGRATIONS))
    verdict.dead_lettered = db.execute("SELECT coalesce(sum(readings), 0) FROM dead_letter").fetchone()[0]
    db.close()
    return rows


def check_alarms(
    verdict: Verdict, settings: Settings, inbox: Path, expected: set[str], rows: Rows, striker: Striker
) -> None:
    """Fill in what became of the excursions. `expected`: appliances that are to raise a high alarm."""
    db = open_reader(settings.alarms_db, len(ALARMS_MIGRATIONS))
    alarms = db.execute(
        "SELECT id, scope, appliance, sensor, kind, raised_ms, decided_ms FROM alarm"
    ).fetchall()
    told = _told(db)
    db.close()
    lines = [json.loads(line) for line in inbox.read_text().splitlines()] if inbox.exists() else []
    verdict.messages = len(lines)
    first: dict[str, float] = {}
    for line in lines:
        at_s = datetime.fromisoformat(line["instant"]).timestamp()
        first.setdefault(line["text"], at_s)
    seen: set[str] = set()
    series_of = {name: number for number, name in all_series(settings).items()}
    for id_, scope, appliance, sensor, kind, raised_ms, decided_ms in alarms:
        times = [first[text] for text in told.get(id_, []) if text in first]
        if scope == "process" and (hang := _hang_of(appliance, decided_ms, striker.hangs)) is not None:
            verdict.told_s.append((hang.name, min(times, default=float("nan")) - hang.at_ms / 1000))
            continue
        if kind == "rate" and appliance in expected:
            continue  # it grew four degrees warmer at once: that may be said, too
        if kind != "high" or appliance not in expected:
            verdict.false_alarms.append(id_)
            continue
        seen.add(appliance)
        if not times:
            verdict.untold.append(id_)
            continue
        mine = rows[(rows["series"] == series_of[sensor]) & (rows["at_ms"] == raised_ms)]
        if len(mine):
            arrived_ms, at_ms = int(mine["arrived_ms"][0]), round(min(times) * 1000)
            verdict.latency_s.append((at_ms - arrived_ms) / 1000)
            verdict.net_s.append((at_ms - arrived_ms - covered_ms(striker.spans, arrived_ms, at_ms)) / 1000)
    verdict.alarms = len(seen)
    verdict.missed = sorted(expected - seen)


def _told(db: sqlite3.Connection) -> dict[str, list[str]]:
    """alarm -> the texts in which it was told."""
    told: dict[str, list[str]] = {}
    for alarm, text, detail in db.execute("SELECT alarm, text, detail FROM notice").fetchall():
        leader = detail.removeprefix("told in notice ") if detail.startswith("told in notice ") else ""
        said = text
        if leader.isdigit():
            (said,) = db.execute("SELECT text FROM notice WHERE id = ?", (int(leader),)).fetchone()
        told.setdefault(alarm, []).append(said)
    return told


def _hang_of(subject: str, decided_ms: int, hangs: list[Hang]) -> Hang | None:
    """The hang that an alarm about a process tells of."""
    mine = (hang for hang in hangs if subject == f"coldchain-{hang.name}")
    return next((hang for hang in mine if 0 <= decided_ms - hang.at_ms < 150_000), None)


def covered_ms(spans: list[Span], from_ms: int, to_ms: int) -> int:
    """How much of that time lies in any of the spans."""
    total, reached = 0, from_ms
    for start, end in sorted(spans):
        low, high = max(start, reached), min(end, to_ms)
        if high > low:
            total, reached = total + high - low, high
    return total


def check_audit(verdict: Verdict, settings: Settings) -> None:
    """Both chains against the rows they speak of, as `coldchain audit verify` does."""
    for chain in CHAINS:
        found = check(settings.data_dir / f"{chain}.db", chain, {})
        if not isinstance(found, Head):
            verdict.audit.append(f"{chain} at {found.number}: {found.why}")


def all_series(settings: Settings) -> dict[int, str]:
    db = open_reader(settings.readings_db, len(READINGS_MIGRATIONS))
    found: dict[int, str] = dict(db.execute("SELECT id, sensor FROM series").fetchall())
    db.close()
    return found
