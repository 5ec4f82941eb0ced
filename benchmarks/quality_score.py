# SPDX-License-Identifier: Apache-2.0
"""Judge streams of minutes under several sets of rules, and score what would have rung against the truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.insight import hold_over, observe, validity
from alerts.insight.scan import Readings
from alerts.insight.slots import Slots
from alerts.rules.flat import segments_of
from alerts.rules.limits import LEAST, NEVER, Carried, latch
from benchmarks.quality_sim import DAY_S, QUIET_DAYS, START_UTC_S, Chunk, Planned

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NOTICE_S = 2 * 3600.0
"""A forecast is told when less than this is left: time for people to come."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a class of appliance is judged by [°C, s]. tau_s: the virtual load where only air is measured.

    ceiling_k  no defrost lifts the air higher above the limit; a load's is half of it

    default_k  [1/s] of the worst appliance of its design, for the blind clock before any outage
    """

    high_c: float
    low_c: float
    delay_s: float
    ceiling_k: float
    tau_s: float
    default_k: float


@dataclass
class Latch:
    """One rule over many series, carried from day to day. `rang` (row, raised, since) [s after the start]."""

    delay_ms: int
    rows: int
    state: Carried = field(init=False)
    rang: list[tuple[int, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = Carried(
            np.full(self.rows, NEVER),
            np.zeros(self.rows, bool),
            np.zeros(self.rows, bool),
            np.full(self.rows, LEAST),
        )

    def feed(self, series: Ints, at: Ints, out: Bools, back: Bools) -> None:
        if not len(series):
            return
        seg = segments_of(series)
        s = self.state
        who = seg.series
        was = Carried(s.since[who], s.standing[who], s.announced[who], s.peak[who])
        quiet = np.zeros(len(at), bool)
        did = latch(out, back & ~out, out.astype(np.int64), at, self.delay_ms, quiet, seg, was)
        after = did.after
        s.since[who], s.standing[who], s.peak[who] = after.since, after.standing, after.peak
        for i, since in zip(did.raised.tolist(), did.raised_since.tolist(), strict=True):
            self.rang.append((int(series[i]), at[i] / 1000 - START_UTC_S, since / 1000 - START_UTC_S))


RULES = (
    "load: plain limit",
    "load: + validity",
    "load: + defrost template",
    "load: set-points 0.5 K inside, 10 min",
    "air: plain limit",
    "air: + validity",
    "air: + defrost template",
    "air: virtual load",
    "air: virtual load + template",
    "forecast on load (< 2 h left)",
    "all on load: limit, set-point or forecast",
)


class Judge:
    """Every rule set over one fleet: rows 0..N-1 are loads, N..2N-1 the airs."""

    def __init__(self, count: int, terms: Terms) -> None:
        self.n, self.terms = count, terms
        self.table = observe.blank(2 * count)
        self.held = hold_over.blank(count)
        self.drifting = validity.blank_drift(count)
        delay = int(terms.delay_s * 1000)
        self.latches = {name: Latch(delay, 2 * count) for name in RULES}
        self.latches[RULES[3]] = Latch(600_000, 2 * count)
        self.latches[RULES[9]] = Latch(0, 2 * count)
        self.forecasts: list[dict[str, Any]] = []
        self.doubts: list[tuple[int, float, str]] = []
        self.cycle_rows: list[Any] = []
        self.slots: list[dict[str, Any]] = []
        self.contacts: list[dict[str, Any]] = []

    def feed(self, chunk: Chunk) -> None:
        """A day."""
        t, n = chunk.load_c.shape
        value = np.concatenate([chunk.load_c.T, chunk.air_c.T]).ravel()
        series = np.repeat(np.arange(2 * n), t)
        at = np.tile(np.rint(chunk.at_s * 1000).astype(np.int64), 2 * n)
        minute = np.tile(np.arange(t), 2 * n)
        row = series % n
        known = np.isfinite(value)
        value, series, at, minute, row = value[known], series[known], at[known], minute[known], row[known]
        readings = Readings.of(series, at, np.rint(value * 1000).astype(np.int64))
        terms = self.terms
        m = len(at)
        off = chunk.mains[minute, row] == 0
        around = observe.Around(
            np.full(m, terms.high_c),
            np.full(m, terms.low_c),
            terms.high_c + terms.ceiling_k * np.where(series < n, 0.5, 1.0),
            chunk.ambient_c[minute, row],
            off,
        )
        told = observe.advance(self.table, readings, around, tau_s=np.full(2 * n, terms.tau_s))
        self.contacts.append({"mains": chunk.mains, "door": chunk.door, "compressor": chunk.compressor})
        self._limits(value, series, at, told)
        self._forecasts(told, series, at, minute, chunk, off)
        for name, flag in (("code", told.doubts.code), ("stuck", told.doubts.stuck)):
            hit = np.flatnonzero(flag & ~np.append(False, flag[:-1] & (series[1:] == series[:-1])))
            self.doubts += [(int(series[i]), at[i] / 1000 - START_UTC_S, name) for i in hit]
        if told.cycles is not None:
            self.cycle_rows.append(told.cycles)

    def _limits(self, value: Floats, series: Ints, at: Ints, told: observe.Observed) -> None:
        high, low, band = self.terms.high_c, self.terms.low_c, 0.3
        load = series < self.n
        inside = np.zeros(len(at), bool)
        virtual = np.full(len(at), (high + low) / 2)
        if told.defrosts is not None and told.load is not None:
            inside[told.plain] = told.defrosts.inside
            virtual[told.plain] = told.load.load_c
        plain = np.zeros(len(at), bool)
        plain[told.plain] = True

        def feed(name: str, which: Bools, c: Floats, hidden: Bools | None = None, inner: float = 0.0) -> None:
            out = (c > high - inner) | (c < low + inner)
            if hidden is not None:
                out &= ~hidden
            back = (c <= high - inner - band) & (c >= low + inner + band)
            self.latches[name].feed(series[which], at[which], out[which], back[which])

        feed(RULES[0], load, value)
        feed(RULES[1], load & plain, value)
        feed(RULES[2], load & plain, value, inside)
        feed(RULES[3], load & plain, value, None, 0.5)
        feed(RULES[4], ~load, value)
        feed(RULES[5], ~load & plain, value)
        feed(RULES[6], ~load & plain, value, inside)
        feed(RULES[7], ~load & plain, virtual)
        feed(RULES[8], ~load & plain, virtual, inside)

    def _inside(self, told: observe.Observed, series: Ints, minute: Ints, shape: tuple[int, ...]) -> Bools:
        """(T, N) one of the appliance's probes is in a defrost, or was within the half hour."""
        inside = np.zeros(shape, bool)
        if told.defrosts is not None:
            hit = told.plain[told.defrosts.inside]
            inside[minute[hit], series[hit] % self.n] = True
        last = np.maximum.accumulate(np.where(inside, np.arange(shape[0])[:, None], -1_000), axis=0)
        return np.asarray(np.arange(shape[0])[:, None] - last <= 45)

    def _drift(self, s: Slots, calm: Bools) -> None:
        """Compare each load with its air, slot by slot, while neither of them moves away."""
        air = s.series >= self.n
        key = (s.series - self.n)[air] * 2**40 + s.slot[air]
        load = np.flatnonzero(~air)
        if not len(load) or not len(key):
            return
        wanted = s.series[load] * 2**40 + s.slot[load]
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        both = (key[place] == wanted) & calm[air][place] & calm[load]
        sibling = np.where(both, s.mean_c[air][place], np.nan)
        part = Slots(
            s.series[load], s.slot[load], s.n[load], s.mean_c[load], s.at_s[load], s.least_c[load],
            s.most_c[load], s.by[load], segments_of(s.series[load]),
        )  # fmt: skip
        told = validity.drift(self.drifting, part, sibling)
        hit = told.drifts & ~np.append(False, told.drifts[:-1] & (part.series[1:] == part.series[:-1]))
        for i in np.flatnonzero(hit):
            self.doubts.append((int(part.series[i]), float(part.at_s[i]) - START_UTC_S, "drift"))

    def _forecasts(
        self, told: observe.Observed, series: Ints, at: Ints, minute: Ints, chunk: Chunk, off: Bools
    ) -> None:
        f, s = told.forecast, told.slots
        if f is None or s is None:
            return
        by = told.plain[s.by]
        self._drift(s, (f.direction == 0) & ~off[by])
        inside = self._inside(told, series, minute, chunk.load_c.shape)[minute[by], s.series % self.n]
        load = s.series < self.n
        now = told.defrosts.inside[s.by] if told.defrosts is not None else np.zeros(len(by), bool)
        soon = (f.direction != 0) & (f.seconds < NOTICE_S) & ~inside
        calm = f.direction == 0
        self.latches[RULES[9]].feed(s.series[load], at[by][load], soon[load], calm[load])
        self.slots.append(
            {
                "series": s.series, "at": s.at_s - START_UTC_S, "known": at[by] / 1000 - START_UTC_S,
                "level": s.mean_c, "seconds": f.seconds, "low": f.low_s, "high": f.high_s, "way": f.way,
                "direction": f.direction, "inside": now, "slope": f.slope, "usual": told.usual[s.by],
                "off": off[by], "ambient": chunk.ambient_c[minute[by], s.series % self.n],
            }
        )  # fmt: skip
        which = load
        part = Slots(
            s.series[which], s.slot[which], s.n[which], s.mean_c[which], s.at_s[which], s.least_c[which],
            s.most_c[which], s.by[which], segments_of(s.series[which]),
        )  # fmt: skip
        hold_over.feed(self.held, part, chunk.ambient_c[minute[by], s.series % self.n][which], off[by][which])


@dataclass
class Truth:
    """Excursions of the hidden load beyond limits for the delay, and defrosts: (row, start, end) [s]."""

    terms: Terms
    count: int
    excursions: list[tuple[int, float, float]] = field(default_factory=list)
    defrosts: list[tuple[int, float, float]] = field(default_factory=list)
    load: list[Floats] = field(default_factory=list)
    heats: list[Bools] = field(default_factory=list)

    def feed(self, chunk: Chunk) -> None:
        self.load.append(chunk.truth_c)
        self.heats.append(chunk.defrost > 0)

    def close(self) -> None:
        truth = np.concatenate(self.load)
        out = (truth > self.terms.high_c) | (truth < self.terms.low_c)
        self.truth_c = truth
        self.excursions = [r for r in runs(out) if r[2] - r[1] >= self.terms.delay_s]
        self.defrosts = runs(np.concatenate(self.heats))


def runs(flag: Bools) -> list[tuple[int, float, float]]:
    """(row, start, end) of each run of True down the columns of (T, N) minutes."""
    found = []
    padded = np.zeros((flag.shape[0] + 2, flag.shape[1]), bool)
    padded[1:-1] = flag
    edge = np.diff(padded.astype(np.int8), axis=0)
    for row in range(flag.shape[1]):
        starts, ends = np.flatnonzero(edge[:, row] == 1), np.flatnonzero(edge[:, row] == -1)
        found += [(row, s * 60.0, e * 60.0) for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
    return found


AFTER_S = 8 * 3600.0
"""A fault is felt so long after it ended: what rings then is no nuisance."""


def score(judge: Judge, truth: Truth, planned: list[Planned], days: float) -> dict[str, dict[str, float]]:
    """By rule set: excursions, missed, longest missed [min], nuisance per appliance-month, share real."""
    n = judge.n
    busy: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for p in planned:
        for row in p.rows:
            busy[row].append((p.start_s, p.end_s + AFTER_S))
    for row, start, end in truth.excursions:
        busy[row].append((start - 3600.0, end + 3600.0))
    learnt = QUIET_DAYS * DAY_S
    months = n * (days - QUIET_DAYS) / 30.4
    result = {}
    limit = [(r % n, at, since) for r, at, since in judge.latches[RULES[2]].rang]
    inner = [(r % n, at, since) for r, at, since in judge.latches[RULES[3]].rang]
    soon = [(r % n, at, since) for r, at, since in judge.latches[RULES[9]].rang]
    for name in RULES:
        rang = [(r % n, at, since) for r, at, since in judge.latches[name].rang]
        if name == RULES[10]:
            rang = limit + inner + soon
        rang = [r for r in rang if r[1] >= learnt]
        by_row: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for row, at, since in rang:
            by_row[row].append((at, since))
        real = sum(any(a <= at <= b for a, b in busy[row]) for row, at, _ in rang)
        wanted = [e for e in truth.excursions if e[1] >= learnt]
        missed = [
            e for e in wanted if not any(e[1] - 12 * 3600 <= at <= e[2] + 600 for at, _ in by_row[e[0]])
        ]
        result[name] = {
            "excursions": len(wanted),
            "missed": len(missed),
            "longest_missed_min": max([(e[2] - e[1]) / 60 for e in missed], default=0.0),
            "rang": len(rang),
            "real": real,
            "nuisance_month": (len(rang) - real) / months,
            "months": months,
        }
    return result


def joined(judge: Judge) -> dict[str, Any]:
    """All closed slots, sorted by series and time."""
    names = judge.slots[0].keys()
    whole = {name: np.concatenate([part[name] for part in judge.slots]) for name in names}
    order = np.lexsort((whole["at"], whole["series"]))
    return {name: column[order] for name, column in whole.items()}


def time_to_limit(
    judge: Judge, truth: Truth, planned: list[Planned], slots: dict[str, Any]
) -> dict[str, Any]:
    """Relative errors and coverage during cuts and lost compressors, at least half an hour before; lead."""
    found: dict[str, list[Any]] = {"error": [], "covered": [], "lead": [], "lead_slow_h": []}
    for p in planned:
        if p.kind not in ("mains_cut", "compressor_lost", "refrigerant_loss"):
            continue
        for row in p.rows:
            begin, end = int(p.start_s // 60), int(p.end_s // 60)
            over = np.flatnonzero(truth.truth_c[begin:end, row] > judge.terms.high_c)
            if not len(over) or over[0] < 30:
                continue
            crossing = p.start_s + over[0] * 60.0
            low = np.searchsorted(slots["series"], row)
            high = np.searchsorted(slots["series"], row + 1)
            which = np.arange(low, high)
            which = which[(slots["known"][low:high] >= p.start_s) & (slots["known"][low:high] < crossing)]
            told = which[(slots["direction"][which] == 1) & np.isfinite(slots["seconds"][which])]
            left = crossing - slots["at"][told]
            if p.kind == "refrigerant_loss":
                first = float(crossing - slots["known"][told][0]) / 3600 if len(told) else 0.0
                found["lead_slow_h"].append(first)
                continue
            first = float(crossing - slots["known"][told][0]) if len(told) else 0.0
            found["lead"].append(first / (crossing - p.start_s))
            early = left >= 1800
            found["error"] += (np.abs(slots["seconds"][told] - left) / left)[early].tolist()
            hit = (slots["low"][told] <= left) & (left <= slots["high"][told])
            found["covered"] += hit[early].tolist()
    return found


def blind(judge: Judge, truth: Truth, planned: list[Planned], slots: dict[str, Any]) -> list[bool]:
    """For each cut that passed the limit: was the blind clock's time, from the cut on, not later?"""
    told = []
    held = hold_over.blank(judge.n)
    for p in sorted((p for p in planned if p.kind == "mains_cut"), key=lambda p: p.start_s):
        for row in p.rows:
            begin, end = int(p.start_s // 60), int(p.end_s // 60)
            over = np.flatnonzero(truth.truth_c[begin:end, row] > judge.terms.high_c)
            low, high = np.searchsorted(slots["series"], [row, row + 1])
            which = np.arange(low, high)
            before = which[slots["known"][low:high] <= p.start_s][-1:]
            if len(over) and over[0] > 5 and len(before):
                one = np.array([1.0])
                start, ambient = slots["level"][before], slots["ambient"][before]
                seconds = hold_over.seconds_held(
                    held[row : row + 1], start, one * judge.terms.high_c, ambient,
                    one * judge.terms.default_k, cautious=True,
                )  # fmt: skip
                told.append(bool(seconds[0] <= over[0] * 60.0))
            during = which[(slots["at"][low:high] >= p.start_s) & (slots["at"][low:high] <= p.end_s + 900)]
            for i in during:
                one_at = slice(i, i + 1)
                hold_over.advance(
                    held, np.array([row]), slots["at"][one_at] + START_UTC_S, slots["level"][one_at],
                    slots["ambient"][one_at], slots["off"][one_at],
                )  # fmt: skip
    return told


def defrosts_passed(judge: Judge, truth: Truth, planned: list[Planned], rule: str) -> tuple[int, int]:
    """(defrosts after the third of each appliance and clear of faults, of them passed without a message)."""
    busy: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for p in planned:
        for row in p.rows:
            busy[row].append((p.start_s - 7200, p.end_s + AFTER_S))
    rang: dict[int, list[float]] = defaultdict(list)
    for series, at, _ in judge.latches[rule].rang:
        rang[series % judge.n].append(at)
    seen: dict[int, int] = defaultdict(int)
    total = passed = 0
    for row, start, end in truth.defrosts:
        seen[row] += 1
        if seen[row] <= 3 or any(a <= start <= b for a, b in busy[row]):
            continue
        total += 1
        passed += not any(start <= at <= end + 5400 for at in rang[row])
    return total, passed
