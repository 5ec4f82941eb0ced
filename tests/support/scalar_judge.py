# SPDX-License-Identifier: Apache-2.0
"""The judge in plain lines, one reading at a time: what the vectorised rules must agree with bit for bit.

Written from the definitions, sharing nothing with `alerts`. Values in thousandths, instants in ms.
"""

from dataclasses import dataclass, field
from typing import Any

Happening = tuple[Any, ...]
"""(at, kind, what, since, peak size)"""

DISCONNECTED, POWER_ON, NEAR = -127_000, 85_000, 5_000


@dataclass(frozen=True, order=True)
class Plain:
    """A reading; usable False when it failed."""

    at: int
    value: int
    usable: bool = True
    live: bool = True


@dataclass
class Latch:
    """One condition of one sensor."""

    kind: str
    delay_ms: int
    run: int | None = None
    since: int | None = None
    peak: int | None = None
    told: bool = False
    events: list[Happening] = field(default_factory=list)

    def take(self, r: Plain, size: int, *, out: bool, back: bool) -> None:
        if self.since is not None and back:
            self.events.append((r.at, self.kind, "RETURNED", self.since, self.peak))
            self.since = self.peak = None
            self.told = False
        if self.since is None:
            if not out:
                self.run = self.peak = None
                return
            if self.run is None:
                self.run = r.at
        self.peak = size if self.peak is None else max(self.peak, size)
        if self.since is None:
            assert self.run is not None
            if r.at - self.run < self.delay_ms:
                return
            self.since, self.run = self.run, None
            self.events.append((r.at, self.kind, "RAISED", self.since, None))
        if r.live and not self.told:
            self.told = True
            self.events.append((r.at, self.kind, "ANNOUNCED", self.since, None))


class Sensor:
    """Everything that is judged of one sensor with one set of limits."""

    def __init__(self, *, high: int, low: int, deadband: int, delay_ms: int, fault_after_ms: int) -> None:
        self.high, self.low, self.deadband = high, low, deadband
        self.latches = {
            "high": Latch("high", delay_ms),
            "low": Latch("low", delay_ms),
            "sensor_fault": Latch("sensor_fault", fault_after_ms),
        }
        self.plain: int | None = None

    def is_fault(self, r: Plain) -> bool:
        if not r.usable or r.value == DISCONNECTED:
            return True
        if r.value == POWER_ON:
            return self.plain is None or abs(self.plain - POWER_ON) > NEAR
        self.plain = r.value
        return False

    def take(self, r: Plain) -> None:
        fault = self.is_fault(r)
        self.latches["sensor_fault"].take(r, 0, out=fault, back=not fault)
        if fault:
            return
        v = r.value
        self.latches["high"].take(r, v, out=v > self.high, back=v <= self.high - self.deadband)
        self.latches["low"].take(r, -v, out=v < self.low, back=v >= self.low + self.deadband)

    def events(self) -> list[Happening]:
        return sorted((e for latch in self.latches.values() for e in latch.events), key=repr)


def judge(readings: list[Plain], **limits: int) -> list[Happening]:
    """(at, kind, what, since, peak size) of everything that happens to one sensor, in any order of input."""
    sensor = Sensor(**limits)
    for reading in sorted(set(readings), key=lambda r: (r.at, r.value)):
        sensor.take(reading)
    return sensor.events()
