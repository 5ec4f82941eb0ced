# SPDX-License-Identifier: Apache-2.0
"""A replay in plain lines, one reading at a time: validity, order, limits, silence, gaps, cumulative time.

Written from the definitions, sharing nothing with `alerts`. Thousandths of a degree and ms; one sensor.
"""

from dataclasses import dataclass, field

BOUND, DISCONNECTED, POWER_ON, NEAR = 100_000, -127_000, 85_000, 5_000


@dataclass
class Terms:
    """Set-points and limits are one here; fault_after and silence in ms."""

    low: int | None
    high: int | None
    deadband: int
    delay: int
    interval: int
    fault_after: int = 300_000


@dataclass
class Run:
    """A latch: raised by the reading at which it has lasted; over with the first one well inside."""

    kind: str
    since: int | None = None
    stands: bool = False
    events: list[tuple] = field(default_factory=list)

    def take(self, at: int, delay: int, *, out: bool, back: bool) -> None:
        if self.stands and back:
            self.events.append((at, "alarm.returned", self.kind, self.since))
            self.since, self.stands = None, False
        if self.stands:
            return
        if not out:
            self.since = None
            return
        self.since = at if self.since is None else self.since
        if at - self.since >= delay:
            self.stands = True
            self.events.append((at, "alarm.raised", self.kind, self.since))


@dataclass
class Side:
    """Time beyond one limit, step by step."""

    kind: str
    limit: int
    sign: int
    total: int = 0
    open: dict | None = None
    done: list[dict] = field(default_factory=list)

    def step(self, before: tuple[int, int] | None, at: int, value: int, gap: int) -> None:
        """From the reading before (None: there is none) to this one."""
        edge, here = self.sign * self.limit, self.sign * value
        if before is None:
            if here > edge:
                self.begin(at, here)
            return
        length, there = at - before[0], self.sign * before[1]
        if length > gap:
            if self.open:
                self.open["unknown"] += length
                if here <= edge:
                    self.end(at)
            elif here > edge:
                self.begin(at, here)
        elif there > edge >= here:
            cross = round((edge - there) / (here - there) * length)
            self.add(cross, (there - edge) / 2 * cross)
            self.end(before[0] + cross)
        elif there <= edge < here:
            cross = round((edge - there) / (here - there) * length)
            self.begin(before[0] + cross, here)
            self.add(length - cross, (here - edge) / 2 * (length - cross))
        elif there > edge:
            self.add(length, ((there - edge) + (here - edge)) / 2 * length)
        if self.open:
            self.open["peak"] = max(self.open["peak"], here)

    def begin(self, at: int, size: int) -> None:
        self.open = {"start": at, "end": None, "out": 0, "unknown": 0, "peak": size, "area": 0}
        self.done.append(self.open)

    def add(self, ms: int, area: float) -> None:
        assert self.open is not None
        self.total += ms
        self.open["out"] += ms
        self.open["area"] += round(area)

    def end(self, at: int) -> None:
        assert self.open is not None
        self.open["end"], self.open = at, None


def replay(readings: list[tuple[int, int | None]], terms: Terms, until: int) -> dict:
    """Of (instant, value or None) in any order, twice or not: events, excursions, faults, silences, sums."""
    ordered = sorted(set(readings), key=lambda r: (r[0], r[1] is not None, r[1] or 0))
    high = Run("high") if terms.high is not None else None
    low = Run("low") if terms.low is not None else None
    probe, silence = Run("sensor_fault"), []
    sides = [Side("high", terms.high, 1)] if terms.high is not None else []
    sides += [Side("low", terms.low, -1)] if terms.low is not None else []
    plain: int | None = None
    before: tuple[int, int] | None = None
    invalid = unknown = 0
    for n, (at, value) in enumerate(ordered):
        following = ordered[n + 1][0] if n + 1 < len(ordered) else None
        if (until if following is None else following) > at + 2 * terms.interval:
            silence.append((at, following))
        bad = value is None or abs(value) > BOUND or value == DISCONNECTED
        if value == POWER_ON:
            bad = plain is None or abs(plain - POWER_ON) > NEAR
        elif not bad:
            plain = value
        probe.take(at, terms.fault_after, out=bad, back=not bad)
        if bad or value is None:
            invalid += 1
            continue
        if high and terms.high is not None:
            back = value <= terms.high - terms.deadband
            high.take(at, terms.delay, out=value > terms.high, back=back)
        if low and terms.low is not None:
            back = value >= terms.low + terms.deadband
            low.take(at, terms.delay, out=value < terms.low, back=back)
        for side in sides:
            side.step(before, at, value, 2 * terms.interval)
        if before is None:
            unknown += at - ordered[0][0]
        elif at - before[0] > 2 * terms.interval:
            unknown += at - before[0]
        before = (at, value)
    last = ordered[-1][0]
    unknown += last - (before[0] if before else ordered[0][0])
    whole, beyond = last - ordered[0][0], {side.kind: side.total for side in sides}
    return {
        "events": sorted(e for run in (high, low, probe) if run for e in run.events),
        "excursions": {side.kind: side.done for side in sides},
        "silences": silence,
        "readings": len(ordered),
        "invalid": invalid,
        "unknown": unknown,
        "above": beyond.get("high", 0),
        "below": beyond.get("low", 0),
        "in": whole - unknown - sum(beyond.values()),
    }
