# SPDX-License-Identifier: Apache-2.0
"""Real records of working appliances: no fault in them, so every message is a nuisance.

They lie beside the repository or where COLDCHAIN_RECORDS says; without them this part is left out.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from alerts.rules.flat import Block
from alerts.rules.terms import Part
from benchmarks.quality_engine import Judge, Message
from benchmarks.quality_sim import START_UTC_S
from coldchain.kernel.limits import Limits, Profile
from coldchain.settings.profile_files import PROFILES

FOLDER = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[2] / "shared" / "data"))
BLOOD_KELVIN = 2.0188
"""Of one unit of the standardised record of the blood refrigerator's product."""
OURS = "ours: set for this record alone, as no component has it"


@dataclass(frozen=True, slots=True)
class Record:
    """One sensor's readings [ms, °C] and what it is judged by. learnt_h: from when on it is counted, too."""

    name: str
    terms: str
    at: Any
    celsius: Any
    profile: Profile
    learnt_h: float = 0.0
    part: Part = Part.PROBE


def records() -> Iterator[Record]:
    """Those that are there."""
    red = PROFILES["red-cells@eu"]
    path = FOLDER / "blood-refrigerator-3-days" / "readings.csv.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            rows = list(csv.reader(file))[1:]
        at = np.array([datetime.fromisoformat(r[0] + "+00:00").timestamp() * 1000 for r in rows])
        celsius = np.array([float(r[1]) for r in rows]) * BLOOD_KELVIN + 4.0
        terms = "red-cells@eu, offset +4.0 °C by assumption (the record is standardised)"
        yield Record("blood refrigerator, product", terms, at, celsius, red, 18.5)
    path = FOLDER / "celsi-freezer" / "CELSI-raw-data-reports.csv.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))[1:]
        at = np.array([float(r[5]) * 1000 for r in rows])
        celsius = np.array([float(r[6]) for r in rows])
        for minutes in (15, 0, 30, 60):
            said = "the default delay of plasma@eu" if minutes == 15 else f"a delay of {minutes} min"
            profile = _at_most(-15.0, minutes)
            for part, as_what in ((Part.PROBE, "as a probe"), (Part.AIR_ALONE, "as air alone")):
                yield Record("CELSI freezer", f"-15 °C, {said}, {as_what}", at, celsius, profile, 117.0, part)
    for name, profile in (("fridge", _at_most(8.0, 5)), ("freezer", _at_most(-15.0, 15))):
        path = FOLDER / "ruuvi-fridge-freezer" / f"{name}.csv"
        if path.exists():
            with path.open() as file:
                rows = list(csv.reader(file))[1:]
            at = np.array([datetime.strptime(r[0], "%Y-%m-%dT%H:%M:%S%z").timestamp() * 1000 for r in rows])
            celsius = np.array([float(r[1]) for r in rows])
            yield Record(f"RuuviTag {name}", f"{profile.limits.high_c:g} °C", at, celsius, profile)


def _at_most(high_c: float, minutes: int) -> Profile:
    """plasma@eu with another limit and delay, and no warning set-point inside."""
    plasma, bound = PROFILES["plasma@eu"], Limits(None, high_c, OURS)
    return replace(plasma, limits=bound, critical=bound, warning=None, on_delay=timedelta(minutes=minutes))


def messages(record: Record) -> list[Message]:
    """What the engine would have told."""
    at, first = np.unique(record.at.astype(np.int64), return_index=True)
    judge = Judge.under(record.profile, 1, record.part, 7200.0)
    n = len(at)
    yes, no = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    milli = np.rint(record.celsius[first] * 1000).astype(np.int64)
    judge.judge(Block(np.zeros(n, np.int64), at, milli, yes, yes, no))
    return judge.messages()


def plain(record: Record) -> int:
    """What a limit with that delay and deadband alone would have told: the reference."""
    high, delay = record.profile.limits.high_c, record.profile.on_delay.total_seconds() * 1000
    assert high is not None
    count, since, rung = 0, None, False
    for at, celsius in zip(record.at.tolist(), record.celsius.tolist(), strict=True):
        if celsius > high:
            since = at if since is None else since
            if not rung and at - since >= delay:
                count, rung = count + 1, True
        elif not rung or celsius <= high - record.profile.deadband_k:
            since, rung = None, False
    return count


def lines() -> list[str]:
    """The section of the document."""
    text = [
        "## Real records without a fault",
        "",
        "Every message on them is a nuisance. *After three* counts from the third defrost on.",
        "",
        "| record | judged by | days | plain limit: messages (a month) | engine (a month) | after three |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for record in records():
        begin = float(record.at.min()) / 1000 - START_UTC_S
        days = float(record.at.max() - record.at.min()) / 86_400_000
        told, bare = messages(record), plain(record)
        later = [m for m in told if m.at_s - begin > record.learnt_h * 3600]
        after = str(len(later)) if record.learnt_h else "no defrosts"
        text.append(
            f"| {record.name} | {record.terms} | {days:.1f} | {bare} ({bare / days * 30.4:.1f}) | "
            f"{len(told)} ({len(told) / days * 30.4:.1f}) | {after} |"
        )
        if told:
            at = ", ".join(f"{m.name} {(m.at_s - begin) / 3600:.1f}" for m in told)
            notes.append(f"* {record.name}, {record.terms}: rang at hours: {at}")
    if text[-1].startswith("|---"):
        return ["## Real records", "", "Not here: set COLDCHAIN_RECORDS.", ""]
    return [*text, "", *notes, ""]
