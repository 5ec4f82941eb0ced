# SPDX-License-Identifier: Apache-2.0
"""The book of alarms: what the engine found becomes excursions, alarms and notices, inside one transaction.

Every entry has an identity made of the data (sensor, kind, start), so that writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from alerts.engine import Events, What
from alerts.lifecycle import Event, State, advance
from alerts.rules import CONDITIONS, RULES
from alerts.rules.limits import LEAST
from alerts.rules.terms import RuleTable
from alerts.store import AlarmStore
from alerts.telling import Teller
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import Alarm, Excursion
from coldchain.records.registry import Registry

RELEASED = "no longer in the registry"

Newest = Callable[[str], tuple[int, int] | None]
"""A sensor's newest (value in thousandths, instant), if it has one."""
ParentOf = Callable[[str, str], str | None]
"""(appliance, kind) -> the site's alarm that such an alarm of it belongs under, if one stands."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Under what an entry is written: the registry and its tables, the journal position, alerts' clock."""

    registry: Registry
    version: int
    rules: RuleTable
    names: dict[int, str]
    position: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Case:
    """Grounds for an alarm: one condition of one appliance or gateway."""

    id: str
    scope: str
    subject: str
    sensor: str
    site: str
    kind: str
    severity: str
    since_ms: int
    at_ms: int
    value: int | None
    limit: int | None
    peak: int | None
    rule: str
    profile: str | None
    appliances: int = 1


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
        peak = _peak(event)
        if what is What.ANNOUNCED:
            self.announce(known, _number(int(event["value"])), int(event["at"]), scene)
        elif what is What.GROWN:
            self._store.put_excursion(replace(known, peak=peak, updated_ms=scene.now_ms))
            if known.alarm and (alarm := self._store.alarm(known.alarm)):
                self._store.change_alarm(replace(alarm, peak=worse(alarm.kind, alarm.peak, peak)))
        elif known.ended_ms is None:
            at = int(event["at"])
            self._store.put_excursion(replace(known, ended_ms=at, peak=peak, updated_ms=scene.now_ms))
            if known.alarm:
                self.over(known.alarm, at, _number(int(event["value"])), scene)

    def announce(self, excursion: Excursion, value: int | None, at_ms: int, scene: Scene) -> None:
        """The excursion is true now: an alarm, with its messages. `at_ms`: the reading that says so."""
        if excursion.alarm or not in_use(scene.registry, excursion.appliance, at_ms):
            return
        appliance = scene.registry.appliance_by_id.get(excursion.appliance)
        case = Case(
            id=excursion.id,
            scope="appliance",
            subject=excursion.appliance,
            sensor=excursion.sensor,
            site=appliance.site if appliance else "",
            kind=excursion.kind,
            severity="critical" if excursion.kind in ("high", "low") else "warning",
            since_ms=excursion.started_ms,
            at_ms=at_ms,
            value=value,
            limit=excursion.limit_value,
            peak=excursion.peak,
            rule=next(rule for rule in RULES if rule.startswith(excursion.kind)),
            profile=excursion.profile or None,
        )
        alarm = self.open(case, scene)
        self._store.put_excursion(
            replace(excursion, retrospective=False, alarm=alarm, updated_ms=scene.now_ms)
        )

    # --- alarms

    def open(self, case: Case, scene: Scene, under: str | None = None) -> str:
        """Raise an alarm, or join the open one of the same subject and condition. Its id.

        under  the alarm that it is shown under, telling nobody by itself; else what `parent_of` says
        """
        if under is None and case.scope == "appliance":
            under = self.parent_of(case.subject, case.kind)
        known = self._store.open_alarm(case.scope, case.subject, case.kind) or self._store.alarm(case.id)
        if known is None:
            alarm = self._store.add_alarm(replace(_alarm(case, scene), parent=under))
            self._store.note(alarm.id, case.at_ms, "raised", case.sensor)
            self.teller.raised(alarm, case.value, case.appliances, scene, again=False)
            return alarm.id
        after = advance(State(known.state), Event.RAISE, known.kind)
        if after is State(known.state):
            if after is not State.CLOSED:
                self._store.note(known.id, case.at_ms, "joined", case.sensor)
            return known.id
        again = replace(
            known,
            sensor=case.sensor,
            state=after.value,
            since_ms=case.since_ms,
            raised_ms=case.at_ms,
            returned_ms=None,
            value=case.value,
            limit_value=case.limit,
            peak=worse(case.kind, known.peak, case.peak),
            profile=case.profile,
            decided_ms=scene.now_ms,
            parent=under,
        )
        self._store.change_alarm(again)
        self._store.note(known.id, case.at_ms, "raised_again", case.sensor)
        self.teller.raised(again, case.value, case.appliances, scene, again=True)
        return known.id

    def over(self, alarm_id: str, at_ms: int, value: int | None, scene: Scene, *, why: str = "") -> None:
        """The condition has ended, unless another sensor of the alarm still shows it."""
        alarm = self._store.alarm(alarm_id)
        if alarm is None or not alarm.standing or self._store.others_stand(alarm_id):
            return
        after = advance(State(alarm.state), Event.RETURN, alarm.kind)
        self._store.change_alarm(
            replace(alarm, state=after.value, returned_ms=at_ms, decided_ms=scene.now_ms)
        )
        self._store.note(alarm.id, at_ms, "returned", why)
        if after is State.CLOSED:
            self._store.note(alarm.id, at_ms, "closed")
        self.teller.returned(alarm, at_ms, value, scene, gone=why == RELEASED)

    def release(self, scene: Scene) -> None:
        """Alarms of what is no longer in the registry return: nothing will ever be heard of it again."""
        for alarm in self._store.standing():
            gone = alarm.scope == "appliance" and alarm.appliance not in scene.registry.appliance_by_id
            if gone or (alarm.sensor and alarm.sensor not in scene.registry.sensor_by_id):
                self._store.end_excursions(alarm.id, scene.now_ms)
                self.over(alarm.id, scene.now_ms, None, scene, why=RELEASED)

    def acknowledge(self, name: str, person: str, scene: Scene, *, action: str = "", target: str = "") -> str:
        """One alarm, by number or id. What came of it, in words.

        action  what the person does about it: door, power, moved, coming, work; or nothing said
        target  of `moved`: the appliance that holds the blood now, where its time outside is counted on
        """
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        after = advance(State(alarm.state), Event.ACKNOWLEDGE, alarm.kind)
        if after is State(alarm.state):
            return f"nothing to do: alarm {alarm.number} is {alarm.state}"
        taken = replace(alarm, state=after.value, acknowledged_ms=scene.now_ms, acknowledged_by=person)
        self._store.change_alarm(taken)
        said = " ".join(word for word in (person, action, target) if word)
        self._store.note(alarm.id, scene.now_ms, "acknowledged", said)
        if target:
            self._store.moved(alarm.id, alarm.appliance, target, person, scene.now_ms)
        if after is State.CLOSED:
            self._store.note(alarm.id, scene.now_ms, "closed")
        self.teller.answered(taken, person, action, scene)
        return f"applied: alarm {alarm.number} is {after.value}"

    # --- what is measured now

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


def excursion_id(sensor: str, kind: str, since_ms: int) -> str:
    """The same data gives the same id, whenever and however often it is judged."""
    return f"{sensor}:{kind}:{since_ms}"


def excursion_of(event: Events, scene: Scene) -> Excursion:
    """A RAISED event as an excursion that nobody has been told of."""
    sensor = scene.names[int(event["series"])]
    condition = CONDITIONS[int(event["kind"])]
    known = scene.registry.sensor_by_id.get(sensor)
    since = int(event["since"])
    return Excursion(
        id=excursion_id(sensor, condition.name, since),
        sensor=sensor,
        appliance=(known.appliance if known else None) or "",
        kind=condition.name,
        started_ms=since,
        raised_ms=int(event["at"]),
        ended_ms=None,
        peak=_peak(event),
        limit_value=int(event["limit"]) if condition.sign else None,
        profile=scene.rules.profiles[int(event["profile"])] if condition.sign else "",
        registry_version=scene.version,
        retrospective=True,
        alarm=None,
        updated_ms=scene.now_ms,
    )


def in_use(registry: Registry, appliance: str, at_ms: int) -> bool:
    """Does it carry anything then? An empty one wakes nobody: not when silent, not with a broken probe."""
    known = registry.appliance_by_id.get(appliance)
    return known is not None and known.carries(at_ms) not in (None, "empty")


def worse(kind: str, a: int | None, b: int | None) -> int | None:
    """The worse of two peaks."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b) if kind == "low" else max(a, b)


def _peak(event: Events) -> int | None:
    sign = CONDITIONS[int(event["kind"])].sign
    peak = int(event["peak"])
    return peak if sign and abs(peak) < -LEAST else None


def _number(value: int) -> int | None:
    return None if int(value) == NO_VALUE else int(value)


def _alarm(case: Case, scene: Scene) -> Alarm:
    return Alarm(
        number=0,
        id=case.id,
        scope=case.scope,
        appliance=case.subject,
        sensor=case.sensor,
        site=case.site,
        kind=case.kind,
        severity=case.severity,
        state=State.UNACKNOWLEDGED.value,
        since_ms=case.since_ms,
        raised_ms=case.at_ms,
        returned_ms=None,
        acknowledged_ms=None,
        acknowledged_by=None,
        value=case.value,
        limit_value=case.limit,
        peak=case.peak,
        rule=case.rule,
        profile=case.profile,
        registry_version=scene.version,
        position=scene.position,
        decided_ms=scene.now_ms,
    )
