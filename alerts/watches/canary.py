# SPDX-License-Identifier: Apache-2.0
"""The canary: once a day a gateway's made-up reading travels driver, spool, broker, ingest and engine; then
an SMS leaves by the modem for the modem's own number and must come back. A failure names the link that broke.

Without `notify.modem.own_number` it ends at the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

import structlog

from alerts.alarms.entries import Scene
from alerts.answers.codes import Draw, fresh
from alerts.bookkeeping.book import Book
from alerts.notices.chains import Draft
from alerts.oncall.rota import instant_of, local_of
from alerts.store import AlarmStore
from alerts.watches.broken import Broken
from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.words import CANARY_NODE, canary_value
from coldchain.records.health import beats
from coldchain.records.journal import JournalReader, Latest
from coldchain.records.registry import Registry, Sensor
from coldchain.settings import Settings

log = structlog.get_logger()

WITHIN_MS = 15 * 60_000
LOOK_EVERY_MS = 5_000
HEARD_MS = 5 * 60_000
"""A gateway that said nothing of itself for so long is not heard."""
SAYS = "COLDCHAIN CANARY"
TOKEN = re.compile(rf"{SAYS} (\d{{6}})")

LastHeard = Callable[[str], int]
"""The instant of the newest reading of a sensor that the engine has seen live [ms]; below 0: none."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A row of `canary`."""

    day: str
    sensor: str
    begun_ms: int
    judged_ms: int | None
    token: str
    heard_ms: int | None
    ended_ms: int | None
    broken: str


def canaries(registry: Registry) -> list[Sensor]:
    """They hang on no appliance."""
    return [s for s in registry.sensors if s.appliance is None and s.node.startswith(CANARY_NODE)]


class Canaries:
    """`last_heard` looks into the engine, not into the record."""

    def __init__(
        self,
        store: AlarmStore,
        book: Book,
        broken: Broken,
        settings: Settings,
        last_heard: LastHeard,
        draw: Draw,
    ) -> None:
        self._store, self._teller, self._broken = store, book.teller, broken
        self._settings, self._last_heard, self._draw = settings, last_heard, draw
        self._own = settings.notify.modem.own_number
        self._again_ms = 0
        self.took_ms: int | None = None
        """How long the last flight that was whole took."""

    def look(self, scene: Scene) -> bool:
        """Follow today's flights. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        zone = self._settings.zone
        day = local_of(scene.now_ms, zone).date()
        if scene.now_ms < instant_of(day, self._settings.notify.canary_at, zone):
            return False
        changed = [self._turn(sensor, day, scene) for sensor in canaries(scene.registry)]
        return any(changed)

    def hear(self, scene: Scene) -> bool:
        """What the modem has heard from itself: nobody else answers that. False when there was nothing."""
        if self._own is None:
            return False
        found = self._store.db.execute(
            "SELECT id, text FROM incoming WHERE handled_ms IS NULL AND substr(sender, -8) = substr(?, -8)",
            (self._own,),
        ).fetchall()
        for id_, text in found:
            token = TOKEN.search(text)
            with self._store.transaction():
                came = bool(token) and self._came_back(token[1] if token else "", scene)
                self._store.db.execute(
                    "UPDATE incoming SET handled_ms = ?, outcome = ? WHERE id = ?",
                    (scene.now_ms, "canary" if came else "our own number: nothing done", id_),
                )
        return bool(found)

    def subjects(self, registry: Registry) -> set[str]:
        """What a broken chain may be about."""
        return {sensor.node for sensor in canaries(registry)}

    # --- a flight

    def _turn(self, sensor: Sensor, day: date, scene: Scene) -> bool:
        flight = self._flight(sensor, day)
        if flight is None:
            with self._store.transaction() as db:
                sql = "INSERT INTO canary (day, sensor, begun_ms) VALUES (?,?,?)"
                db.execute(sql, (day.isoformat(), sensor.id, scene.now_ms))
            flight = self._flight(sensor, day)
            assert flight is not None
        if flight.ended_ms is not None:
            return False
        changed = flight.judged_ms is None and self._is_judged(sensor, day) and self._judged(flight, scene)
        if changed or flight.broken or scene.now_ms - flight.begun_ms < WITHIN_MS:
            return changed
        self._fell(flight, sensor, day, scene)
        return True

    def _flight(self, sensor: Sensor, day: date) -> Flight | None:
        sql = "SELECT * FROM canary WHERE day = ? AND sensor = ?"
        row = self._store.db.execute(sql, (day.isoformat(), sensor.id)).fetchone()
        return Flight(*row) if row else None

    def _is_judged(self, sensor: Sensor, day: date) -> bool:
        """Has the engine seen the day's reading? It keeps no value of what it does not judge."""
        heard_ms = self._last_heard(sensor.id)
        if heard_ms < instant_of(day, time(0), self._settings.zone):
            return False
        found = in_record(self._settings.readings_db, sensor.id, day)
        return found is not None and heard_ms >= found.at_ms

    def _judged(self, flight: Flight, scene: Scene) -> bool:
        """The engine has it: now the SMS, or the end where there is none."""
        with self._store.transaction() as db:
            key = (flight.day, flight.sensor)
            db.execute("UPDATE canary SET judged_ms = ? WHERE day = ? AND sensor = ?", (scene.now_ms, *key))
            if self._own is None or "sms" not in self._teller.channels:
                self._ended(flight, scene)
                return True
            token = fresh(self._draw, ())
            db.execute("UPDATE canary SET token = ? WHERE day = ? AND sensor = ?", (token, *key))
            draft = Draft(
                _notice(flight), "canary", 0, "canary", "sms", 0, self._own, f"{SAYS} {token}", "", priority=2
            )
            self._teller.chains.add(draft, scene.now_ms)
        return True

    def _came_back(self, token: str, scene: Scene) -> bool:
        row = self._store.db.execute(
            "SELECT * FROM canary WHERE token = ? AND heard_ms IS NULL", (token,)
        ).fetchone()
        if row is None:
            return False
        flight = Flight(*row)
        self._store.db.execute(
            "UPDATE canary SET heard_ms = ? WHERE day = ? AND sensor = ?",
            (scene.now_ms, flight.day, flight.sensor),
        )
        self._ended(flight, scene)
        return True

    def _ended(self, flight: Flight, scene: Scene) -> None:
        self.took_ms = scene.now_ms - flight.begun_ms
        self._store.db.execute(
            "UPDATE canary SET ended_ms = ? WHERE day = ? AND sensor = ?",
            (scene.now_ms, flight.day, flight.sensor),
        )
        sensor = scene.registry.sensor_by_id.get(flight.sensor)
        if sensor is not None:
            self._broken.whole(sensor.node, scene)
        log.info("canary", sensor=flight.sensor, took_ms=self.took_ms)

    # --- what broke

    def _fell(self, flight: Flight, sensor: Sensor, day: date, scene: Scene) -> None:
        gateway = sensor.node.removeprefix(CANARY_NODE)
        link, detail = self._link(flight, sensor, day, gateway, scene)
        entry = next((g for g in scene.registry.gateways if g.id == gateway), None)
        with self._store.transaction() as db:
            db.execute(
                "UPDATE canary SET broken = ? WHERE day = ? AND sensor = ?", (link, flight.day, flight.sensor)
            )
            site = sensor.site or (entry.site if entry else None) or ""
            self._broken.found(sensor.node, site, link, scene, detail=detail)

    def _link(self, flight: Flight, sensor: Sensor, day: date, gateway: str, scene: Scene) -> tuple[str, str]:
        """(the first link of the chain that has not done its part, what is known of it)"""
        if flight.judged_ms is not None:
            row = self._store.db.execute(
                "SELECT state, detail FROM notice WHERE alarm = ?", (_notice(flight),)
            ).fetchone()
            sent = row is not None and row[0] == "sent"
            return "unheard" if sent else "unsent", str(row[1]) if row else ""
        found = in_record(self._settings.readings_db, sensor.id, day)
        if found is not None:
            late_ms = found.arrived_ms - found.at_ms
            late = late_ms > self._settings.alerts.lateness.total_seconds() * 1000
            return ("spool", f"it came {late_ms // 60_000} min late") if late else ("judging", "")
        ingest = next((b for b in beats(self._settings.data_dir) if b.name == "ingest"), None)
        if ingest is not None and ingest.stale(scene.now_ms):
            return "ingest", "its process does not beat"
        return of_gateway(self._settings.readings_db, gateway, scene.now_ms)


def _notice(flight: Flight) -> str:
    return f"canary:{flight.day}:{flight.sensor}"


def in_record(path: Path, sensor: str, day: date) -> Latest | None:
    """The day's reading, if ingest has written it down."""
    try:
        journal = JournalReader(path)
    except StoreUnavailable:
        return None
    try:
        newest = journal.latest().get(sensor)
    finally:
        journal.close()
    return newest if newest is not None and newest.value == canary_value(day) else None


def of_gateway(path: Path, name: str, now_ms: int) -> tuple[str, str]:
    """What the gateway's last word says of a reading that did not come."""
    try:
        journal = JournalReader(path)
    except StoreUnavailable:
        return "ingest", "it has written no record"
    try:
        status = next((g for g in journal.gateways() if g.gateway == name), None)
    finally:
        journal.close()
    if status is None or now_ms - status.arrived_ms > HEARD_MS:
        return "gateway", "gateway, its power, its link or the broker"
    try:
        pending = int(json.loads(status.status)["spool"]["pending"])
    except (ValueError, TypeError, KeyError):
        pending = 0
    if pending:
        return "spool", f"{pending} readings wait in it"
    return "driver", "the gateway is heard and keeps nothing back: its canary line, or the registry's sensor"
