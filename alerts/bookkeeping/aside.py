# SPDX-License-Identifier: Apache-2.0
"""Putting alarms aside, and taking them up again: shelving, out of service, empty appliances, dispositions.

Everything here is asked for by a command or brought by time, inside a transaction of the caller. Answers are
words that begin with `applied`, `nothing to do` or `refused`.
"""

from __future__ import annotations

import numpy as np

from alerts.alarms import gate
from alerts.alarms.entries import Scene
from alerts.alarms.lifecycle import Event, State, why_not
from alerts.alarms.margin import ALONE_MS, DAY_MS, Left, left, used_of
from alerts.alarms.proof import Readings
from alerts.alarms.proving import Proving
from alerts.alarms.shelves import Shelves
from alerts.bookkeeping.book import Book
from alerts.oncall.policy import people_of, policy_for
from alerts.rules.table import judging_sensors
from alerts.store import AlarmStore
from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import NO_VALUE, Flag
from coldchain.records.alarm_rows import Hold
from coldchain.records.alarms import Alarm, Disposition, Shelf
from coldchain.records.registry import Sensor
from coldchain.settings.profile_files import PROFILES

FATES = ("keep", "quarantine", "discard")
MINUTE_MS = 60_000


class Aside:
    """`readings`: where the return-to-service gate sees what an appliance has shown of late."""

    def __init__(self, store: AlarmStore, book: Book, readings: Readings, silent_after_ms: int) -> None:
        self._store, self._book, self._rows = store, book, Shelves(store.db)
        self._readings, self._gap_ms = readings, silent_after_ms
        self._proving = Proving(store.db, lambda *said: self.put_back(*said[:3], reason=said[3]))
        self._version = -1

    # --- shelving

    def shelve(
        self, name: str, person: str, scene: Scene, *, minutes: str, reason: str, second: str = ""
    ) -> str:
        """Until then nobody is called; never longer than the blood bears."""
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        if why := why_not(State(alarm.state), Event.SHELVE):
            return f"refused: alarm {alarm.number} is {alarm.state}: {why}"
        if not minutes.isdecimal() or int(minutes) == 0:
            return f"refused: {minutes!r} is no number of minutes"
        if not reason.strip():
            return "refused: say why: who reads it at night must know"
        if second and (second == person or second not in scene.registry.person_by_id):
            return f"refused: the second person is somebody else of the registry, not {second!r}"
        bears = self._left(alarm, scene)
        if bears.ms < MINUTE_MS:
            return f"refused: nothing is left ({bears.why}): act on it, or move the blood"
        lasts_ms = min(int(minutes) * MINUTE_MS, bears.ms)
        before_ms = self._rows.shelved_since(alarm.id, scene.now_ms - DAY_MS)
        if before_ms + lasts_ms > ALONE_MS and not second:
            alone = max(0, ALONE_MS - before_ms) // MINUTE_MS
            return f"refused: more than an hour a day takes two people: name another, or at most {alone} min"
        until = scene.now_ms + lasts_ms
        shelf = Shelf(0, alarm.id, person, second, reason, scene.now_ms, until, None, "")
        self._rows.shelve(shelf)
        both = f"{person} and {second}" if second else person
        detail = f"{both} until {rfc3339(until)}: {reason}"
        self._book.put_aside(alarm, Event.SHELVE, scene, detail=detail)
        cut = f", no longer: {bears.why}" if lasts_ms < int(minutes) * MINUTE_MS else ""
        return f"applied: alarm {alarm.number} is shelved until {rfc3339(until)}{cut}"

    def unshelve(self, name: str, person: str, scene: Scene) -> str:
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        if why_not(State(alarm.state), Event.UNSHELVE):
            return f"nothing to do: alarm {alarm.number} is {alarm.state}, not shelved"
        after = self._book.resume(alarm, Event.UNSHELVE, scene, detail=f"by {person}")
        return f"applied: alarm {alarm.number} is {after.state}"

    def _left(self, alarm: Alarm, scene: Scene) -> Left:
        appliance = scene.registry.appliance_by_id.get(alarm.appliance)
        profile = PROFILES.get((appliance.carries(scene.now_ms) if appliance else None) or "")
        beyond = self._rows.beyond(alarm.appliance, scene.now_ms - DAY_MS)
        return left(
            alarm,
            profile,
            used_ms=used_of(beyond, scene.now_ms),
            now_ms=scene.now_ms,
            hold_over_min=appliance.hold_over_min if appliance else None,
            to_limit_ms=self._book.teller.speech.left(alarm, scene.now_ms),
            overdrawn=self._rows.overdrawn(alarm.appliance),
        )

    # --- out of service

    def take_out(
        self, appliance: str, person: str, scene: Scene, *, reason: str, to: str, order: str = ""
    ) -> str:
        """to: where its blood is now, an appliance; or `empty`: there was none in it. order: the number of
        the work order for which it goes out; it is one more reason where it is out already.
        """
        known = scene.registry.appliance_by_id.get(appliance)
        if known is None:
            return f"refused: there is no appliance {appliance!r}"
        if not reason.strip():
            return "refused: say why it goes out of service"
        if self._rows.out(appliance):
            return self._also(appliance, Hold(order, person, reason, scene.now_ms), scene)
        carries = known.carries(scene.now_ms)
        if carries not in (None, "empty") and not to:
            return f"refused: {appliance} carries {carries}: say where its blood is now, or that it is empty"
        if to not in ("", "empty") and (to == appliance or to not in scene.registry.appliance_by_id):
            return f"refused: {to!r} is no other appliance of the registry"
        hold = Hold(order, person, reason, scene.now_ms)
        self._out(appliance, person, f"{reason} (blood: {to})" if to else reason, scene, hold)
        if to not in ("", "empty"):
            alarms = self._rows.open_alarms(appliance)
            self._store.moved(alarms[0].id if alarms else "", appliance, to, person, scene.now_ms)
        return f"applied: {appliance} is out of service: not for blood, and it calls nobody"

    def _also(self, appliance: str, hold: Hold, scene: Scene) -> str:
        """It is out already: whoever put it out first does not put it back for this one."""
        if hold.holder in {one.holder for one in self._rows.holds(appliance)}:
            return f"nothing to do: {appliance} is out of service"
        self._rows.hold(appliance, hold)
        self._proving.end(appliance, scene, "out again")
        return f"applied: {appliance} is out of service already, and now for this, too"

    def _out(self, appliance: str, person: str, reason: str, scene: Scene, hold: Hold) -> None:
        self._rows.take_out(appliance, person, reason, scene.now_ms)
        self._rows.hold(appliance, hold)
        self._proving.end(appliance, scene, "out again")
        for alarm in self._rows.open_alarms(appliance):
            if not why_not(State(alarm.state), Event.TAKE_OUT):
                self._book.put_aside(alarm, Event.TAKE_OUT, scene, detail=f"{person}: {reason}")

    def put_back(
        self, appliance: str, person: str, scene: Scene, *, reason: str = "", order: str = ""
    ) -> str:
        """Through the gate, or what is missing. order: only what that work order did is undone; without one
        it is a person's word, which ends every reason.
        """
        if self._rows.out(appliance) is None:
            return f"nothing to do: {appliance} is not out of service"
        if order and (stays := self._released(appliance, order, person, scene)):
            return stays
        wants = self.missing(appliance, scene)
        if wants:
            return f"refused: {appliance} is not for blood yet: {'; '.join(wants)}"
        self._rows.put_back(appliance, person, reason, scene.now_ms)
        for alarm in self._rows.open_alarms(appliance):
            if not why_not(State(alarm.state), Event.PUT_BACK):
                self._book.resume(alarm, Event.PUT_BACK, scene, detail=person)
        return f"applied: {appliance} is in service again"

    def _released(self, appliance: str, order: str, person: str, scene: Scene) -> str:
        """The order's own reason has ended; why it stays out all the same, or empty."""
        self._rows.release(appliance, order, person, scene.now_ms)
        if not (others := self._rows.holds(appliance)):
            return ""
        why = others[0]
        return f"nothing to do: {appliance} stays out of service: {why.reason} ({why.person})"

    def put_back_later(
        self, appliance: str, person: str, scene: Scene, *, reason: str = "", order: str = ""
    ) -> str:
        """Through the gate now, or as soon as nothing is missing. order: as `put_back`."""
        if order and self._rows.out(appliance) and (stays := self._released(appliance, order, person, scene)):
            return stays
        return self._proving.ask(appliance, person, scene, reason=reason)

    def missing(self, appliance: str, scene: Scene) -> list[str]:
        """What the return-to-service gate still wants of it; empty: it may go back."""
        known = scene.registry.appliance_by_id.get(appliance)
        if known is None:
            return ["it is not in the registry"]
        profile = PROFILES.get(known.carries(scene.now_ms) or "")
        counts = judging_sensors(scene.registry)
        probes = [s for s in scene.registry.sensors if s.appliance == appliance and s.id in counts]
        policy = policy_for(scene.registry, "critical", known.site)
        told = {
            person.id
            for step in policy.steps
            for person in people_of(scene.registry, known.site, step.tell, scene.now_ms)
        }
        shown = [self._shown(sensor, profile, scene.now_ms) for sensor in probes]
        return gate.missing(profile, shown, sorted(told), gap_ms=self._gap_ms, now_ms=scene.now_ms)

    def _shown(self, sensor: Sensor, profile: Profile | None, now_ms: int) -> gate.Shown:
        proving_ms = round(profile.proving.total_seconds() * 1000) if profile else 0
        every_ms = sensor.every_s * 1000
        begin = now_ms - proving_ms - max(self._gap_ms, 2 * every_ms)
        try:
            rows = self._readings(sensor.id, begin, now_ms + 1)
        except StoreUnavailable:
            nothing = np.zeros(0, np.int64)
            return gate.Shown(sensor.id, every_ms, nothing, nothing, nothing > 0)
        rows = rows[(rows["flags"] & int(Flag.TEST)) == 0]
        rows = rows[np.argsort(rows["at_ms"], kind="stable")]
        at, value = rows["at_ms"].astype(np.int64), rows["value"].astype(np.int64)
        unfit = int(Flag.FAILED | Flag.IMPLAUSIBLE | Flag.FUTURE)
        valid = (value != NO_VALUE) & ((rows["flags"] & unfit) == 0)
        for offset in sensor.offsets:
            until = next((o.from_ms for o in sensor.offsets if o.from_ms > offset.from_ms), 2**62)
            value = value + np.where((at >= offset.from_ms) & (at < until), round(offset.offset_k * 1000), 0)
        return gate.Shown(sensor.id, every_ms, at, value, valid)

    # --- dispositions

    def dispose(
        self, name: str, person: str, scene: Scene, *, what: str, reason: str = "", second: str = ""
    ) -> str:
        """What became of the blood. Only of what was exposed, and only when it is over or out of service."""
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        if what not in FATES:
            return f"refused: {what!r} is no disposition; one of {', '.join(FATES)}"
        if second == person:
            return "refused: the second person is somebody else"
        if why := why_not(State(alarm.state), Event.DISPOSE):
            return f"refused: alarm {alarm.number} is {alarm.state}: {why}"
        if not alarm.product:
            return f"nothing to do: alarm {alarm.number} passed no limit of a product; acknowledge it"
        until = scene.now_ms if alarm.returned_ms is None else alarm.returned_ms
        since = self._rows.exposed_since(alarm)
        made = Disposition(
            0, alarm.id, alarm.appliance, what, person, second, reason, since, until, scene.now_ms
        )
        self._rows.dispose(made)
        both = f"{person} and {second}" if second else person
        said = f"{what} by {both}" + (f": {reason}" if reason else "")
        done = {"product": False}
        after = self._book.move(alarm, Event.DISPOSE, scene, note="disposition", detail=said, changes=done)
        return f"applied: {what} is recorded; alarm {alarm.number} is {after.state}"

    # --- what time brings

    def look(self, scene: Scene) -> bool:
        """Shelves that end, appliances emptied or filled, chatter that has rested. Did any change?"""
        changed = self._book.rested(scene)
        changed |= self._proving.look(scene)
        for shelf in self._rows.open_shelves():
            alarm = self._store.alarm(shelf.alarm)
            if alarm is None or alarm.state != State.SHELVED.value:
                self._store.end_shelf(shelf.alarm, scene.now_ms, "closed")
            elif scene.now_ms >= shelf.until_ms or (alarm.standing and not self._left(alarm, scene).ms):
                how = "expired" if scene.now_ms >= shelf.until_ms else "exposed"
                self._book.resume(alarm, Event.UNSHELVE, scene, detail=how)
                changed = True
        for alarm in self._rows.open_alarms():
            changed |= self._by_design(alarm, scene)
        if scene.version != self._version:
            self._version = scene.version
            changed |= self._registered_out(scene)
        return changed

    def _by_design(self, alarm: Alarm, scene: Scene) -> bool:
        """Nobody is called for an empty appliance; when it is filled, what still stands is told."""
        known = scene.registry.appliance_by_id.get(alarm.appliance)
        empty = known is not None and known.carries(scene.now_ms) == "empty"
        if empty and alarm.standing and alarm.state in _LOUD:
            self._book.put_aside(alarm, Event.SUPPRESS, scene, detail="empty")
            return True
        if not empty and alarm.parent is None and alarm.state == State.SUPPRESSED.value:
            self._book.resume(alarm, Event.RELEASE, scene, detail="no longer empty")
            return True
        return False

    def _registered_out(self, scene: Scene) -> bool:
        """What enters the registry out of service begins so."""
        found = [
            a.id for a in scene.registry.appliances if a.service == "out" and not self._rows.ever_out(a.id)
        ]
        for appliance in found:
            hold = Hold("", "registry", "entered out of service", scene.now_ms)
            self._out(appliance, hold.person, hold.reason, scene, hold)
        return bool(found)


_LOUD = (State.UNACKNOWLEDGED.value, State.ACKNOWLEDGED.value, State.SHELVED.value)
