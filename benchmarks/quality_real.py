# SPDX-License-Identifier: Apache-2.0
"""Real records of working appliances: no fault in them, so every message is a nuisance.

They lie beside the repository or where COLDCHAIN_RECORDS says; without them this part is left out.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from alerts.insight import observe
from alerts.insight.scan import Readings
from benchmarks.quality_score import Latch

FOLDER = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Record:
    """One sensor's readings [ms, °C] and what it is judged by."""

    name: str
    terms: str
    at: Any
    celsius: Any
    high_c: float
    ceiling_c: float
    delay_s: float


def records() -> Iterator[Record]:
    """Those that are there."""
    path = FOLDER / "blood-refrigerator-3-days" / "readings.csv.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            rows = list(csv.reader(file))[1:]
        at = np.array([datetime.fromisoformat(r[0] + "+00:00").timestamp() * 1000 for r in rows])
        celsius = np.array([float(r[1]) for r in rows]) * 2.0188 + 4.0
        terms = "product, red cells 6 °C, offset +4.0 °C by assumption"
        yield Record("blood refrigerator, 3 days", terms, at, celsius, 6.0, 15.0, 300.0)
    path = FOLDER / "celsi-freezer" / "CELSI-raw-data-reports.csv.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))[1:]
        at = np.array([float(r[5]) * 1000 for r in rows])
        celsius = np.array([float(r[6]) for r in rows])
        for delay in (0.0, 1800.0, 3600.0):
            terms = f"air, limit -15 °C, delay {delay / 60:.0f} min"
            yield Record("CELSI freezer, 14 days", terms, at, celsius, -15.0, 15.0, delay)
    for name, high in (("fridge", 8.0), ("freezer", -15.0)):
        path = FOLDER / "ruuvi-fridge-freezer" / f"{name}.csv"
        if path.exists():
            with path.open() as file:
                rows = list(csv.reader(file))[1:]
            at = np.array([datetime.strptime(r[0], "%Y-%m-%dT%H:%M:%S%z").timestamp() * 1000 for r in rows])
            celsius = np.array([float(r[1]) for r in rows])
            yield Record(f"RuuviTag {name}, 1 day", f"limit {high:.0f} °C", at, celsius, high, 15.0, 300.0)


def messages(record: Record) -> dict[str, list[float]]:
    """Hours at which each rule set would have rung."""
    order = np.unique(record.at.astype(np.int64), return_index=True)[1]
    at, celsius = record.at.astype(np.int64)[order], record.celsius[order]
    series = np.zeros(len(at), np.int64)
    n = len(at)
    none = np.full(n, np.nan)
    around = observe.Around(
        np.full(n, record.high_c), none, np.full(n, record.ceiling_c), none, np.zeros(n, bool)
    )
    readings = Readings.of(series, at, np.rint(celsius * 1000).astype(np.int64))
    told = observe.advance(observe.blank(1), readings, around)
    inside = np.zeros(n, bool)
    sound = np.zeros(n, bool)
    sound[told.plain] = True
    if told.defrosts is not None:
        inside[told.plain] = told.defrosts.inside
    found = {}
    for name, which, hidden in (
        ("plain limit", np.ones(n, bool), np.zeros(n, bool)),
        ("+ validity", sound, np.zeros(n, bool)),
        ("+ defrost template", sound, inside),
    ):
        rule = Latch(int(record.delay_s * 1000), 1)
        out = (celsius > record.high_c) & ~hidden
        rule.feed(series[which], at[which], out[which], (celsius <= record.high_c - 0.3)[which])
        begin = at[0] / 1000
        rule_at = [r[1] + _start() - begin for r in rule.rang]
        found[name] = [t / 3600 for t in rule_at]
    ends = [] if told.defrosts is None else at[told.plain[told.defrosts.ended_by]][told.defrosts.ended_is]
    found["defrosts recognised"] = [(t - at[0]) / 3.6e6 for t in ends]
    return found


def _start() -> float:
    from benchmarks.quality_sim import START_UTC_S

    return START_UTC_S


def lines() -> list[str]:
    """The section of the document."""
    text = [
        "## Real records without a fault",
        "",
        "| record | judged by | days | rules | messages | a month |",
    ]
    text += ["|---|---|---|---|---|---|"]
    notes = []
    for record in records():
        days = float(record.at.max() - record.at.min()) / 86_400_000
        found = messages(record)
        for name, at in found.items():
            if name == "defrosts recognised":
                notes.append(f"* {record.name}, {record.terms}: defrosts recognised {len(at)}")
                continue
            rate = len(at) / days * 30.4
            text.append(f"| {record.name} | {record.terms} | {days:.1f} | {name} | {len(at)} | {rate:.1f} |")
            if name == "+ defrost template" and at:
                notes.append(
                    f"* still ringing in {record.name} ({record.terms}) at hours: "
                    + ", ".join(f"{t:.1f}" for t in at)
                )
    if len(text) == 4:
        return ["## Real records", "", "Not here: set COLDCHAIN_RECORDS."]
    return [*text, "", *notes, ""]
