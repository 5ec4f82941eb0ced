# SPDX-License-Identifier: Apache-2.0
"""The book of alarms: what the engine found becomes excursions, alarms and notices, inside one transaction.

Every entry has an identity made of the data (sensor, kind, start), so that writing it again changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alerts.alarms.entries import (
    Case,
    Newest,
    ParentOf,
    Scene,
    alarm_of,
    anew,
    excursion_id,
    excursion_of,
    in_use,
    number_or_none,
    peak_of,
    worse,
)
from alerts.alarms.lifecycle import PRODUCT_KINDS, Event, State, advance, why_not
from alerts.judgement.chatter import TIMES, WITHIN_MS
from alerts.judgement.engine import Events, What
from alerts.notices.chains import ENDED
from alerts.notices.telling import Teller
from alerts.rules import CONDITIONS, NUMBER_OF, rule_of
from alerts.store import AlarmStore
from coldchain.records.alarms import Alarm, Excursion

__all__ = ["RELEASED", "Book", "Case", "Newest", "Scene", "excursion_id", "excursion_of", "in_use"]

RELEASED = "no longer in the registry"
STEADY = frozenset({"power", "rota_gap", "loss"})
"""Kinds that are never held open for chattering: what hangs on them must be heard when they are over."""


class Book:
    """Writes; decides nothing about temperatures. Whom to tell, and when again, the teller knows."""

    def __init__(self, store: AlarmStore, teller: Teller, newest: Newest) -> None:
        self._store, self.teller, self._newest = store, teller, newest
        self.parent_of: ParentOf = lambda _appliance, _kind: None

    # --- what the engine found

    def enter(self, events: Events, scene: Scene) -> None:
        """Events of one step, in their order."""
        for event in events:
            sensor = scene.names[int(event["series"])]
            kind = CONDITIONS[int(event["kind"])].name
            id_ = excursion_id(sensor, kind, int(event["since"]))
            what = What(int(event["what"]))
            if what is What.RAISED:
                if self._store.excursion(id_) is None:
                    self._store.put_excursion(excursion_of(event, scene))
            elif (known := self._store.excursion(id_)) is not None:
                self._follow(known, what, event, scene)

    def _follow(self, known: Excursion, what: What, event: Events, scene: Scene) -> None:
        peak = peak_of(event)
        if what is What.ANNOUNCED:
            self.announce(known, number_or_none(int(event["value"])), int(event["at"]), scene)
        elif what is What.GROWN:
            self._store.put_excursion(replace(known, peak=peak, updated_ms=scene.now_ms))
            self.grown(known.alarm, peak)
        elif known.ended_ms is None:
            at = int(event["at"])
            self._store.put_excursion(replace(known, ended_ms=at, peak=peak, updated_ms=scene.now_ms))
            self.grown(known.alarm, peak)
            if known.alarm:
                self.over(known.alarm, at, number_or_none(int(event["value"])), scene)

    def grown(self, alarm_id: str | None, peak: int | None) -> None:
        """The peak of one of an alarm's excursions."""
        alarm = self._store.alarm(alarm_id) if alarm_id and peak is not None else None
        if alarm is not None and (most := worse(alarm.kind, alarm.peak, peak)) != alarm.peak:
            self._store.change_alarm(replace(alarm, peak=most))

    def announce(self, excursion: Excursion, value: int | None, at_ms: int, scene: Scene) -> None:
        """The excursion is true now: an alarm, with its messages. `at_ms`: the reading that says so."""
        if excursion.alarm or not self.in_use(excursion.appliance, at_ms, scene):
            return
        condition = CONDITIONS[NUMBER_OF[excursion.kind]]
        appliance = scene.registry.appliance_by_id.get(excursion.appliance)
        case = Case(
            id=excursion.id,
            scope="appliance",
            subject=excursion.appliance,
            sensor=excursion.sensor,
            site=appliance.site if appliance else "",
            kind=condition.kind,
            severity=condition.severity,
            since_ms=excursion.started_ms,
            at_ms=at_ms,
            value=value,
            limit=excursion.limit_value,
            peak=excursion.peak,
            rule=rule_of(condition),
            profile=excursion.profile or None,
        )
        alarm = self.open(case, scene)
        self._store.put_excursion(
            replace(excursion, retrospective=False, alarm=alarm, updated_ms=scene.now_ms)
        )

    # --- alarms

    def open(self, case: Case, scene: Scene, under: str | None = None) -> str:
        """Raise an alarm, or join the open one of the same subject and condition. Its id.

        A warning that has become critical is the same alarm, told again by the critical policy.
        under  the alarm of a site's outage that explains it, else what `parent_of` says: while that stands,
               this one tells nobody
        """
        explained = under or (self.parent_of(case.subject, case.kind) if case.scope == "appliance" else None)
        aside = self._aside(case, explained)
        known = self._store.open_alarm(case.scope, case.subject, case.kind) or self._store.alarm(case.id)
        if known is None:
            alarm = self._store.add_alarm(alarm_of(case, scene))
            self._store.note(alarm.id, case.at_ms, "raised", case.sensor)
            self._tell(alarm, case, scene, aside, again=False)
            return alarm.id
        if known.state == State.CLOSED.value:
            return known.id
        self._store.rest_over(known.id)
        worse_now = case.severity == "critical" and (known.severity == "warning" or self._afresh(known, case))
        over = known.state in (State.RETURNED.value, State.DISPOSITION_DUE.value)
        if known.standing and not worse_now:
            self._store.note(known.id, case.at_ms, "joined", case.sensor)
            if aside and under and known.parent != under:
                self._tell(known, case, scene, aside, again=True)
            return known.id
        event = Event.WORSEN if worse_now and not over else Event.RAISE
        again = self.move(
            known,
            event,
            scene,
            at_ms=case.at_ms,
            note="raised" if event is Event.WORSEN else "raised_again",
            detail="critical" if event is Event.WORSEN else case.sensor,
            changes=anew(known, case),
        )
        if aside or again.state == State.UNACKNOWLEDGED.value:
            self._tell(again, case, scene, aside, again=True)
        return known.id

    def _afresh(self, known: Alarm, case: Case) -> bool:
        """It stands, its critical condition did not: a warning lasted, or it was held open for chattering.
        Beyond the limit again is then told, unless that is more of the chatter.
        """
        if case.kind not in PRODUCT_KINDS or not known.standing or known.state == State.SHELVED.value:
            return False
        if case.id == known.id or self._store.lasts(known.id, case.kind):
            return False  # the same run, as a site's guard told it first; or it lasts
        return self._store.begun_since(known.id, case.at_ms - WITHIN_MS) < TIMES

    def _aside(self, case: Case, under: str | None) -> tuple[Event, str] | None:
        """What puts it aside from the start: it is out of service, or a site's outage explains it."""
        if case.scope == "appliance" and case.subject in self._store.out_now():
            return Event.TAKE_OUT, ""
        parent = self._store.alarm(under) if under else None
        if parent is None or not parent.standing or parent.state == State.SHELVED.value:
            return None  # who shelved the outage did not shelve what it explains
        return Event.SUPPRESS, parent.id

    def _tell(
        self, alarm: Alarm, case: Case, scene: Scene, aside: tuple[Event, str] | None, *, again: bool
    ) -> None:
        if aside is None:
            self.teller.raised(alarm, case.value, case.appliances, scene, again=again)
            return
        event, under = aside
        self.put_aside(alarm, event, scene, at_ms=case.at_ms, detail=under, parent=under or None)
        if under and case.severity == "critical" and case.kind in PRODUCT_KINDS:
            self._passed(alarm.id, under, case.at_ms, scene)

    def _passed(self, alarm: str, under: str, at_ms: int, scene: Scene) -> None:
        """The first product limit passed under an outage that somebody has answered: it is told again."""
        outage = self._store.alarm(under)
        if outage is None or outage.state != State.ACKNOWLEDGED.value:
            return
        others = (child for child in self._store.children(under) if child.id != alarm)
        if any(one.severity == "critical" and one.kind in PRODUCT_KINDS for one in others):
            return
        again = self.move(outage, Event.WORSEN, scene, at_ms=at_ms, note="raised", detail="critical")
        self.teller.raised(again, None, 0, scene, again=True)

    def put_aside(
        self,
        alarm: Alarm,
        event: Event,
        scene: Scene,
        *,
        at_ms: int | None = None,
        detail: str = "",
        parent: str | None = None,
    ) -> Alarm:
        """Shelve, suppress or take out: from now on nobody is called for it."""
        notes = {Event.SHELVE: "shelved", Event.SUPPRESS: "suppressed", Event.TAKE_OUT: "out_of_service"}
        changes = {"parent": parent} if event is Event.SUPPRESS else {}
        after = self.move(alarm, event, scene, at_ms=at_ms, note=notes[event], detail=detail, changes=changes)
        self.teller.chains.cancel(alarm.id)
        self._end_chain(alarm.id)
        if event is Event.SHELVE:
            self._free(alarm.id, scene)
        return after

    def resume(self, alarm: Alarm, event: Event, scene: Scene, *, detail: str = "") -> Alarm:
        """Unshelve, release or put back: it is told again if it still stands."""
        notes = {Event.UNSHELVE: "unshelved", Event.RELEASE: "released", Event.PUT_BACK: "back_in_service"}
        after = self.move(alarm, event, scene, note=notes[event], detail=detail, changes={"parent": None})
        if after.state == State.UNACKNOWLEDGED.value and alarm.state != after.state:
            self.teller.raised(after, self.newest_value(after.sensor), 0, scene, again=True)
        return after

    def move(
        self,
        alarm: Alarm,
        event: Event,
        scene: Scene,
        *,
        note: str,
        at_ms: int | None = None,
        detail: str = "",
        changes: dict[str, Any] | None = None,
    ) -> Alarm:
        """Let that happen to an alarm, as the table says: with the teller's lapse the one place that does."""
        after = advance(State(alarm.state), event, alarm.kind, stands=alarm.standing, product=alarm.product)
        moved = replace(alarm, **(changes or {}), state=after.value, decided_ms=scene.now_ms)
        self._store.change_alarm(moved)
        at_ms = scene.now_ms if at_ms is None else at_ms
        self._store.note(alarm.id, at_ms, note, detail)
        if alarm.state == State.SHELVED.value and after is not State.SHELVED:
            how = detail if event is Event.UNSHELVE else event.value
            self._store.end_shelf(alarm.id, scene.now_ms, how)
        if after is State.CLOSED:
            self._store.note(alarm.id, at_ms, "closed")
        return moved

    def over(self, alarm_id: str, at_ms: int, value: int | None, scene: Scene, *, why: str = "") -> None:
        """The condition has ended, unless another sensor of the alarm still shows it.

        What came and went three times within an hour is held open until it has rested for one.
        """
        alarm = self._store.alarm(alarm_id)
        if alarm is None or not alarm.standing or self._store.others_stand(alarm_id):
            return
        if why != RELEASED and alarm.kind not in STEADY and self._chatters(alarm_id, at_ms):
            self._store.rest(alarm_id, at_ms, value, at_ms + WITHIN_MS)
        else:
            self._return(alarm, at_ms, value, scene, why)
        self._free(alarm_id, scene)

    def _chatters(self, alarm_id: str, at_ms: int) -> bool:
        return self._store.raises_since(alarm_id, at_ms - WITHIN_MS) >= TIMES

    def _return(self, alarm: Alarm, at_ms: int, value: int | None, scene: Scene, why: str) -> None:
        self._store.rest_over(alarm.id)
        after = self.move(
            alarm,
            Event.RETURN,
            scene,
            at_ms=at_ms,
            note="returned",
            detail=why,
            changes={"returned_ms": at_ms},
        )
        if after.state not in (State.SUPPRESSED.value, State.OUT_OF_SERVICE.value):
            self.teller.returned(alarm, at_ms, value, scene, gone=why == RELEASED)

    def rested(self, scene: Scene) -> bool:
        """What chattered and has been calm for an hour returns. False when there was nothing."""
        found = self._store.rested(scene.now_ms)
        for alarm_id, over_ms, value in found:
            alarm = self._store.alarm(alarm_id)
            if alarm is not None and alarm.standing:
                self._return(alarm, over_ms, value, scene, "chattered")
            self._store.rest_over(alarm_id)
        return bool(found)

    def _free(self, parent: str, scene: Scene) -> None:
        """What a site's outage explained stands for itself now."""
        for child in self._store.children(parent):
            if child.state == State.SUPPRESSED.value:
                self.resume(child, Event.RELEASE, scene, detail=parent)

    def _end_chain(self, alarm_id: str) -> None:
        chains = self.teller.chains
        if (row := chains.chain(alarm_id)) is not None:
            chains.put(replace(row, state=ENDED, due_ms=None))

    def release(self, scene: Scene) -> None:
        """Alarms of what is no longer in the registry return: nothing will ever be heard of it again."""
        for alarm in self._store.standing():
            gone = alarm.scope == "appliance" and alarm.appliance not in scene.registry.appliance_by_id
            if gone or (alarm.sensor and alarm.sensor not in scene.registry.sensor_by_id):
                self._store.end_excursions(alarm.id, scene.now_ms)
                self.over(alarm.id, scene.now_ms, None, scene, why=RELEASED)
                self._out_of_sight(alarm.id, scene)

    def _out_of_sight(self, alarm_id: str, scene: Scene) -> None:
        """Nothing will ever take it up again: it is no longer put aside."""
        ends = {"shelved": Event.UNSHELVE, "suppressed": Event.RELEASE, "out_of_service": Event.PUT_BACK}
        alarm = self._store.alarm(alarm_id)
        if alarm is not None and alarm.state in ends:
            self.resume(alarm, ends[alarm.state], scene, detail=RELEASED)

    def acknowledge(
        self, name: str, person: str, scene: Scene, *, action: str = "", target: str = "", reason: str = ""
    ) -> str:
        """One alarm, by number or id. What came of it, in words.

        action  what the person does about it: door, power, moved, coming, work; or nothing said
        target  of `moved`: the appliance that holds the blood now, where its time outside is counted on
        reason  in the person's own words, for who reads it later
        """
        said = " ".join(word for word in (person, action, target) if word)
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        if why := why_not(State(alarm.state), Event.ACKNOWLEDGE):
            return f"nothing to do: alarm {alarm.number} is {alarm.state}: {why}"
        taken = self.move(
            alarm,
            Event.ACKNOWLEDGE,
            scene,
            note="acknowledged",
            detail=f"{said}: {reason}" if reason else said,
            changes={"acknowledged_ms": scene.now_ms, "acknowledged_by": person},
        )
        if target:
            self._store.moved(alarm.id, alarm.appliance, target, person, scene.now_ms)
        self.teller.answered(taken, person, action, scene)
        return f"applied: alarm {alarm.number} is {taken.state}"

    # --- what is measured now

    def in_use(self, appliance: str, at_ms: int, scene: Scene) -> bool:
        """Does it carry blood then, and is it in service?"""
        return in_use(scene.registry, appliance, at_ms) and appliance not in self._store.out_now()

    def newest_value(self, sensor: str) -> int | None:
        """Thousandths, or None where the newest reading has none."""
        newest = self._newest(sensor)
        return newest[0] if newest else None

    def newest_of(self, appliance: str, scene: Scene) -> tuple[int, int] | None:
        """(value, instant) of the appliance's temperature that was heard last, load before air."""
        sensors = [
            s for s in scene.registry.sensors if s.appliance == appliance and s.quantity == "temperature"
        ]
        found = [(s.probe == "load", newest) for s in sensors if (newest := self._newest(s.id))]
        if not found:
            return None
        return max(found, key=lambda one: (one[0], one[1][1]))[1]
