# SPDX-License-Identifier: Apache-2.0
"""The judge of one load probe in plain lines, one reading at a time: validity, order, limits, gaps, time.

Written from the definitions, sharing nothing with `alerts`. Thousandths of a degree, ms.
"""

from dataclasses import dataclass, field

Reading = tuple[int, int, bool]
"""(instant, value, usable); of equal instants the lower value comes first, what is said twice counts once."""
Told = tuple[str, str, int, int, int | None]
"""(condition, what, at, since, peak)"""

CODES = (-127_000, 85_000, 127_940, 300_000, 302_000, 304_000, 882_600)
DISTANT, SPIKE, SPREADS, YOUNG, STUCK = 5_000, 4_000, 8, 2_880, 120
HOUR = 3_600_000


@dataclass(frozen=True)
class Terms:
    """`high`, `low` set-points that are critical; `limit_*` what the authority permits: time is counted."""

    high: int
    low: int
    warn_high: int | None
    warn_low: int | None
    limit_high: int
    limit_low: int
    deadband: int
    delay: int
    warn_delay: int
    fault_after: int
    gap: int
    budget_s: int


@dataclass
class Latch:
    """One condition. `since`: of its run or, while it stands, of what raised it."""

    name: str
    delay: int
    since: int | None = None
    stands: bool = False
    peak: int | None = None
    told: list[Told] = field(default_factory=list)

    def take(
        self, at: int, *, out: bool, back: bool, size: int | None = None, began: int | None = None
    ) -> None:
        if self.stands and back:
            self.told.append((self.name, "RETURNED", at, self.since or 0, self.peak))
            self.stands, self.since, self.peak = False, None, None
        if not self.stands and not out:
            self.since = self.peak = None
            return
        if self.since is None:
            self.since = at if began is None else began
        if size is not None:
            self.peak = size if self.peak is None else max(self.peak, size)
        if not self.stands and at - self.since >= self.delay:
            self.stands = True
            self.told.append((self.name, "RAISED", at, self.since, None))


class Probe:
    """Is it a temperature? Codes that jump, spikes, a value that stands still too long."""

    def __init__(self, *, insight: bool) -> None:
        self.insight = insight
        self.plain: int | None = None  # the last value that is neither of the two codes of a DS18B20
        self.sound: int | None = None  # the last that is none of all codes
        self.last4: list[int] = []
        self.side = self.run = self.seen = self.longest = self.learnt = 0
        self.value: int | None = None
        self.spiked = False  # the last one was doubted only because it stood alone

    def doubts(self, value: int, *, usable: bool) -> bool:
        self.spiked = False
        if not usable or value == -127_000:
            return True
        if value == 85_000:
            if self.plain is None or abs(self.plain - value) > DISTANT:
                return True
        else:
            self.plain = value
        if not self.insight:
            return False
        still = self.still(value)
        if value in CODES:
            if self.sound is None or abs(self.sound - value) > DISTANT:
                return True
        else:
            self.sound = value
        self.spiked = self.spike(value)
        return self.spiked or still

    def spike(self, value: int) -> bool:
        side = 0
        if len(self.last4) == 4:
            a, b, c, d = sorted(self.last4)
            off = value - (b + c) // 2
            if abs(off) > max(SPIKE, SPREADS * max(d - b, c - a)):
                side = 1 if off > 0 else -1
        spike = side not in {0, self.side}
        self.side, self.last4 = side, [value, *self.last4[:3]]
        return spike

    def still(self, value: int) -> bool:
        if value != self.value:
            if self.run > self.longest:
                self.longest = self.run
                if self.seen <= YOUNG or self.run <= max(STUCK, 2 * self.learnt):
                    self.learnt = max(self.learnt, self.run)
            self.run = 0
        self.value, self.run, self.seen = value, self.run + 1, self.seen + 1
        return self.seen > YOUNG and self.run > max(STUCK, 2 * self.learnt)


def beyond(here: int, there: int, edge: int, step: int) -> int:
    """ms of a step that a straight line spends above the edge."""
    if (here > edge) == (there > edge):
        return step if here > edge else 0
    cross = round((edge - here) / (there - here) * step)
    return cross if here > edge else step - cross


def judge(readings: list[Reading], terms: Terms, *, insight: bool) -> tuple[list[Told], dict[str, int]]:
    """All that happens to one sensor; its ms below, above, unknown and in; its seconds of the last day."""
    t, probe = terms, Probe(insight=insight)
    names = ("high", "low", "high_warning", "low_warning", "sensor_fault", "cumulative")
    delays = (t.delay, t.delay, t.warn_delay, t.warn_delay, t.fault_after, 0)
    latches = {name: Latch(name, delay) for name, delay in zip(names, delays, strict=True)}
    spent: list[tuple[int, int]] = []  # (hour, seconds)
    ms = {"below": 0, "above": 0, "unknown": 0, "day_s": 0}
    before: tuple[int, int] | None = None
    spike: tuple[int, int] | None = None  # the reading just before: a run that bears it out began there
    ordered = sorted(set(readings), key=lambda r: (r[0], r[1]))
    for at, value, usable in ordered:
        alone, spike = spike, None
        fault = probe.doubts(value, usable=usable)
        latches["sensor_fault"].take(at, out=fault, back=not fault)
        if fault:
            spike = (at, value) if probe.spiked else None
            continue
        if before is None:
            ms["unknown"] += at - ordered[0][0]
        elif at - before[0] > t.gap:
            ms["unknown"] += at - before[0]
        else:
            above = beyond(before[1], value, t.limit_high, at - before[0])
            below = beyond(-before[1], -value, -t.limit_low, at - before[0])
            ms["above"], ms["below"] = ms["above"] + above, ms["below"] + below
            spent.append((before[0] // HOUR, round((above + below) / 1000.0)))
        before = (at, value)
        ms["day_s"] = sum(s for hour, s in spent if hour >= at // HOUR - 24)
        over = ms["day_s"] > t.budget_s
        latches["cumulative"].take(at, out=over, back=not over)
        for name, point, sign in (("high", t.high, 1), ("low", t.low, -1)):
            size, edge = sign * value, sign * point
            began = alone[0] if alone and sign * alone[1] > edge else at
            latches[name].take(at, out=size > edge, back=size <= edge - t.deadband, size=size, began=began)
        for name, warns, sign in (("high_warning", t.warn_high, 1), ("low_warning", t.warn_low, -1)):
            if warns is not None:
                size, edge = sign * value, sign * warns
                began = alone[0] if alone and sign * alone[1] > edge else at
                back = size <= edge - t.deadband
                latches[name].take(at, out=size > edge, back=back, size=size, began=began)
    whole = ordered[-1][0] - ordered[0][0]
    ms["unknown"] += ordered[-1][0] - (before[0] if before else ordered[0][0])
    ms["in"] = whole - ms["below"] - ms["above"] - ms["unknown"]
    return sorted((e for latch in latches.values() for e in latch.told), key=repr), ms
