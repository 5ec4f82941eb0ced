# SPDX-License-Identifier: Apache-2.0
"""Certificates of calibration: what an offset changes in judging, and when it takes two people. Pure, but for
`enter_agreed`, which works inside its caller's transaction.

An offset moves every reading: +2 K on a refrigerator at 5 °C is an alarm, -2 K at 7 °C is none. Within the
accuracy that is asked of a probe one person enters it; beyond, or for days that were judged already, another
person has to agree, and until then readings are judged by the old one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.records.devices import DAY_MS, Certificate, Dossier, Entry, entries_of, put_entry
from coldchain.records.registry import Offset, Registry, Sensor

ALONE_K = 0.5
"""As far from nothing, and from what it was, one person may set an offset: the accuracy that WHO asks of
temperature monitors (PQS E006, ±0.5 °C).
"""
BACKDATED_MS = 2 * DAY_MS
"""A certificate of yesterday is entered today; older days were judged, told and filed otherwise: ours."""


@dataclass(frozen=True, slots=True)
class Span:
    """From then on (None: always) until then (None: for ever) a sensor is corrected otherwise [ms, K]."""

    sensor: str
    from_ms: int | None
    until_ms: int | None
    before_k: float
    after_k: float

    def alone(self, now_ms: int) -> bool:
        """May one person do so?"""
        small = abs(self.after_k) <= ALONE_K and abs(self.after_k - self.before_k) <= ALONE_K
        return small and self.from_ms is not None and self.from_ms >= now_ms - BACKDATED_MS

    def as_change(self) -> dict[str, str]:
        """As proposals tell their changes; which way an offset widens depends on the limit."""
        since = "always" if self.from_ms is None else rfc3339(self.from_ms)
        until = "" if self.until_ms is None else f" until {rfc3339(self.until_ms)}"
        words = [f"{one:+g} K" for one in (self.before_k, self.after_k)]
        what = f"offset from {since}{until}"
        return {"subject": f"sensor {self.sensor}", "what": what, "before": words[0], "after": words[1],
                "effect": "widens"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calibration:
    """A certificate to be entered, corrected or withdrawn (`made` None).

    base     what it was worked out against: the offsets and certificates that stand
    body     what is kept of it until another person has decided
    """

    old: Registry
    new: Registry
    spans: tuple[Span, ...]
    base: str
    body: str

    def alone(self, now_ms: int) -> bool:
        return all(span.alone(now_ms) for span in self.spans)


def calibration(
    registry: Registry, dossier: Dossier, key: str, made: Certificate | None, corrects: int | None
) -> Calibration:
    """BadData for a sensor that is not in the registry."""
    before = next((one for one in dossier.entries if one.id == corrects), None)
    new = recalibrated(registry, dossier, made, before)
    spans = [
        span for sensor in new.sensors for span in judged_otherwise(registry.sensor_by_id[sensor.id], sensor)
    ]
    said = None if made is None else made.model_dump()
    body = {"key": key, "serial": dossier.serial, "corrects": corrects, "said": said}
    base = base_of(registry, dossier, [one.sensor for one in (made, before and before.said) if one])
    return Calibration(registry, new, tuple(spans), base, json.dumps(body, sort_keys=True))


def recalibrated(
    registry: Registry, dossier: Dossier, made: Certificate | None, before: Entry | None
) -> Registry:
    """The registry with that certificate's offset at its sensor, and without that of the one it corrects."""
    told = [e.said for e in dossier.of("certificate") if before is None or e.id != before.id]
    if made is not None:
        if made.sensor not in registry.sensor_by_id:
            raise BadData(f"there is no sensor {made.sensor!r}")
        told.append(made)
    old = None if before is None else before.said
    names = {one.sensor for one in (made, old) if one is not None}
    sensors = tuple(_calibrated(s, told, old) if s.id in names else s for s in registry.sensors)
    return registry.model_copy(update={"sensors": sensors})


def judged_otherwise(before: Sensor, after: Sensor) -> list[Span]:
    """When the two correct its readings by different offsets, oldest first.

    >>> one = Sensor(id="f/load", appliance="f", node="n", channel=0)
    >>> judged_otherwise(one, one.model_copy(update={"offsets": (Offset(from_ms=5, offset_k=2.0),)}))
    [Span(sensor='f/load', from_ms=5, until_ms=None, before_k=0.0, after_k=2.0)]
    """
    turns: list[int | None] = [None, *sorted({o.from_ms for s in (before, after) for o in s.offsets})]
    found: list[Span] = []
    for place, start in enumerate(turns):
        until = turns[place + 1] if place + 1 < len(turns) else None
        was, is_ = (_at(sensor, start) for sensor in (before, after))
        if was != is_:
            found.append(Span(before.id, start, until, was, is_))
    return found


def _at(sensor: Sensor, at_ms: int | None) -> float:
    return next(
        (o.offset_k for o in reversed(sensor.offsets) if at_ms is not None and o.from_ms <= at_ms), 0.0
    )


def base_of(registry: Registry, dossier: Dossier, sensors: Sequence[str]) -> str:
    """Another certificate, or another offset of these sensors, makes another base."""
    known = [
        registry.sensor_by_id[name].offsets for name in sorted(set(sensors)) if name in registry.sensor_by_id
    ]
    told = [[o.model_dump() for o in offsets] for offsets in known]
    text = json.dumps([told, [entry.id for entry in dossier.of("certificate")]])
    return hashlib.sha256(text.encode()).hexdigest()


def enter_agreed(
    db: sqlite3.Connection, body: str, base: str, who: tuple[str, str], reason: str, now_ms: int
) -> int | None:
    """Into force, with its entry, in the caller's transaction; the registry's version, None: it is the same.

    who  asked for it, agreed. BadData when the sensor was calibrated otherwise meanwhile.
    """
    said: dict[str, Any] = json.loads(body)
    version, text = db.execute(
        "SELECT version, body FROM registry ORDER BY version DESC LIMIT 1"
    ).fetchone() or (0, "{}")
    registry = Registry.model_validate_json(text)
    dossier = Dossier(said["serial"], tuple(entries_of(db, "WHERE serial = ?", (said["serial"],))))
    made = None if said["said"] is None else Certificate.model_validate(said["said"])
    one = calibration(registry, dossier, said["key"], made, said["corrects"])
    if one.base != base:
        raise BadData("that sensor was calibrated otherwise meanwhile: enter the certificate anew")
    put_entry(
        db, said["key"], said["serial"], "certificate", made,
        person=who[0], at_ms=now_ms, corrects=said["corrects"],
    )  # fmt: skip
    if one.new == registry:
        return None
    new = Registry.model_validate(one.new.model_dump())
    db.execute(
        "INSERT INTO registry VALUES (?,?,?,?,?,?)",
        (version + 1, now_ms, ", ".join(who), reason, new.digest(), new.model_dump_json()),
    )
    return int(version) + 1


def _calibrated(sensor: Sensor, told: list[Certificate], old: Certificate | None) -> Sensor:
    """The sensor with the offsets of those certificates, and without that of the old one."""
    mine = [one for one in told if one.sensor == sensor.id]
    gone = {old.from_ms} if old is not None and old.sensor == sensor.id else set()
    kept = {o.from_ms: o for o in sensor.offsets if o.from_ms not in gone}
    for one in mine:
        kept[one.from_ms] = Offset(from_ms=one.from_ms, offset_k=one.offset_k, expires_ms=one.expires_ms)
    newest = max(mine, key=lambda one: one.from_ms, default=None)
    until = sensor.calibrated_until_ms if newest is None and not gone else None
    return sensor.model_copy(
        update={
            "offsets": tuple(kept[at] for at in sorted(kept)),
            "calibrated_until_ms": newest.expires_ms if newest is not None else until,
        }
    )
