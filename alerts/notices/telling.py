# SPDX-License-Identifier: Apache-2.0
"""Telling people, until one has answered: chains of steps as rows, run by whatever clock the service has.

Everything here happens inside a transaction of the caller, together with what caused it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from alerts.alarms.lifecycle import Event, State, advance
from alerts.notices.chains import CALLING, ENDED, HELD, ChainRow, Chains, Draft, Failure
from alerts.notices.speech import Left, Speech, nobody_knows
from alerts.oncall.policy import (
    POSTPONE_MS,
    Chain,
    after,
    first_routes,
    people_of,
    policy_for,
    quiet_until,
    routes,
)
from alerts.words.orders import work_order
from alerts.words.texts import TEMPERATURES, answer, clock, released, returned
from coldchain.records.alarms import Alarm
from coldchain.records.registry import Person

if TYPE_CHECKING:
    from alerts.alarms.entries import Newest, Scene
    from alerts.store import AlarmStore

BENDS = {"door": 15 * 60_000, "power": 30 * 60_000}
"""By when the load should turn back after that action [ms]; other actions bend nothing by themselves."""
WORK_MS = 60 * 60_000
"""`I am working on it`: at most an hour; to be silent longer takes two people."""
CALLS = frozenset({State.UNACKNOWLEDGED.value, State.ACKNOWLEDGED.value})
COVERED = frozenset({"forecast", "rate", "cumulative"})
"""While the load is critically beyond its limit, these call nobody of their own."""
BENT = 300
"""Back by so much, in thousandths of a degree: the deadband of a resting refrigerator."""


class Teller:
    """`channels` empty: there is nobody to tell by, and nothing is written."""

    def __init__(
        self,
        store: AlarmStore,
        chains: Chains,
        channels: Iterable[str],
        newest: Newest,
        left: Left = nobody_knows,
    ) -> None:
        self._store, self.chains = store, chains
        self.channels = frozenset(channels)
        self.speech = Speech(store, newest, left)

    # --- what happens to alarms

    def raised(self, alarm: Alarm, value: int | None, appliances: int, scene: Scene, *, again: bool) -> None:
        """The first step runs at once. Raised again, or critical now: those who were told before are told
        too. What stands under a site's alarm is silent: the book raises it when that is over.
        """
        if not self.channels or self._under_another(alarm):
            return
        self._cover(alarm)
        told = self.chains.told(alarm.id) if again else []
        row = ChainRow(alarm.id, CALLING, due_ms=scene.now_ms, value=value, at_ms=scene.now_ms)
        self._step(alarm, row, scene, value=value, appliances=appliances, besides=told)

    def returned(self, alarm: Alarm, at_ms: int, value: int | None, scene: Scene, *, gone: bool) -> None:
        """It is over, and nobody is called any more; those who were told are told."""
        self._end(alarm.id)
        if not self.channels:
            return
        facts = self.speech.facts(alarm, at_ms, value, scene)
        facts = replace(facts, left_ms=self.speech.nearest(alarm.id))
        step = self.chains.next_step(alarm.id)
        for person in self._people(self.chains.told(alarm.id), scene):
            text = released(facts, person.language) if gone else returned(facts, person.language)
            self._draft(alarm, "returned", step, person, ("sms",), text, scene)

    def answered(self, alarm: Alarm, person: str, action: str, scene: Scene) -> int | None:
        """Somebody is on it: until when the chain rests [ms]. Codes of that person for it are used."""
        self.chains.cancel(alarm.id)
        self.chains.use(person, alarm.id, scene.now_ms)
        row = self.chains.chain(alarm.id)
        if alarm.state != State.ACKNOWLEDGED.value:
            self._end(alarm.id)
            return None
        policy = policy_for(scene.registry, alarm.severity, alarm.site)
        rest_ms = policy.lapse_s * 1000
        if alarm.kind in TEMPERATURES and action in BENDS:
            rest_ms = min(rest_ms, BENDS[action])
        if action == "work":
            rest_ms = WORK_MS
        step, rounds = (row.step, row.rounds) if row else (0, 0)
        value = self.speech.latest(alarm.sensor)
        until = scene.now_ms + rest_ms
        self.chains.put(
            ChainRow(
                alarm.id,
                HELD,
                step,
                rounds,
                until,
                postponed=True,
                person=person,
                action=action,
                value=value,
                at_ms=scene.now_ms,
            )
        )
        return until

    def pass_on(self, alarm: Alarm, person: str, scene: Scene) -> bool:
        """Not me: the next step runs now."""
        row = self.chains.chain(alarm.id)
        if row is None or row.state != CALLING:
            return False
        self.chains.cancel(alarm.id, person=person)
        self._store.note(alarm.id, scene.now_ms, "passed_on", person)
        self._step(alarm, row, scene)
        return True

    def postpone(self, people: list[str], scene: Scene) -> list[str]:
        """They rang: seen. Each alarm's next step waits ten minutes longer, once."""
        alarms = self.chains.postpone(people, POSTPONE_MS)
        for alarm in alarms:
            self._store.note(alarm, scene.now_ms, "postponed", ",".join(people))
        return alarms

    def test(self, name: str, number: str, scene: Scene) -> None:
        """One test message, through the outbox like any other."""
        zone = scene.registry.sites[0].zone if scene.registry.sites else "UTC"
        text = answer("en", "test", clock=clock(scene.now_ms, zone))
        self.chains.add(Draft(name, "test", 0, "test", "sms", 0, number, text, "", 1), scene.now_ms)

    def work_order(self, said: dict[str, str], scene: Scene) -> str:
        """A work order, sent to its contractor in their language."""
        person = scene.registry.person_by_id.get(said.get("contractor", ""))
        known = scene.registry.appliance_by_id.get(said.get("appliance", ""))
        number = said.get("order", "")
        if person is None or known is None or not number.isdecimal():
            return "refused: a work order names its number, an appliance and a person of the registry"
        if "sms" not in self.channels:
            return "refused: there is no SMS channel"
        name, site = f"work:{number}", scene.registry.site_by_id[known.site]
        text = work_order(
            person.language, number=int(number), appliance=known.id, site=site.id, place=site.name,
            serial=said.get("serial", "") or known.id, what=said.get("what", ""),
        )  # fmt: skip
        step = self.chains.next_step(name)
        self.chains.add(
            Draft(name, "work_order", step, person.id, "sms", 0, person.phone, text, site.id, 1), scene.now_ms
        )
        return f"applied: an SMS to {person.id} is due"

    # --- what time brings

    def run(self, scene: Scene) -> bool:
        """Everything that is due now. False when nothing was."""
        if not self.channels:
            return False
        self.speech.look(scene)
        due = self.chains.due(scene.now_ms)
        failures = self.chains.failures(scene.now_ms)
        for row in due:
            with self._store.transaction():
                self._wake(row, scene)
        for failure in failures:
            with self._store.transaction():
                self._chase(failure, scene)
        return bool(due or failures)

    def _wake(self, row: ChainRow, scene: Scene) -> None:
        alarm = self._store.alarm(row.alarm)
        if alarm is None or not alarm.standing:
            self._end(row.alarm)
        elif row.state == CALLING and alarm.state == State.UNACKNOWLEDGED.value:
            self._step(alarm, row, scene)
        elif row.state == HELD:
            self._review(alarm, row, scene)
        else:
            self._end(row.alarm)

    def _review(self, alarm: Alarm, row: ChainRow, scene: Scene) -> None:
        """Does it help? If not, or if nothing can be seen to bend, the alarm opens again."""
        if self._store.rests(alarm.id):  # in order for now, held open because it chatters
            policy = policy_for(scene.registry, alarm.severity, alarm.site)
            self.chains.put(replace(row, due_ms=scene.now_ms + policy.lapse_s * 1000))
            return
        value = self.speech.latest(alarm.sensor)
        if row.action in BENDS and alarm.kind in TEMPERATURES and bent(alarm.kind, row.value, value):
            policy = policy_for(scene.registry, alarm.severity, alarm.site)
            self._store.note(alarm.id, scene.now_ms, "bending", str(value))
            self.chains.put(replace(row, value=value, due_ms=scene.now_ms + policy.lapse_s * 1000))
            return
        opened = replace(alarm, state=advance(State(alarm.state), Event.LAPSE, alarm.kind).value)
        self._store.change_alarm(opened)
        self._store.note(alarm.id, scene.now_ms, "lapsed", row.person)
        told = self.chains.told(alarm.id)
        calling = replace(row, state=CALLING, postponed=False)
        self._step(opened, calling, scene, besides=[row.person, *told], answered_ms=row.at_ms)

    def _chase(self, failure: Failure, scene: Scene) -> None:
        """It did not arrive: another way to the same person, else the next person now."""
        self.chains.chased(failure.notice)
        alarm = self._store.alarm(failure.alarm)
        if alarm is None or failure.about != "raised" or alarm.state != State.UNACKNOWLEDGED.value:
            return
        if failure.channel == "call" and self.chains.reached(alarm.id, failure.step):
            return  # a call proves nothing, and need not: something else of the step arrived
        tried = self.chains.attempts(alarm.id, failure.step, failure.person)
        person = scene.registry.person_by_id.get(failure.person)
        others = [r for r in routes(person, self.channels) if r not in tried] if person else []
        if others:
            policy = policy_for(scene.registry, alarm.severity, alarm.site)
            channel, address = others[0]
            draft = Draft(
                alarm.id, "raised", failure.step, failure.person, channel, len(tried), address,
                failure.text, alarm.site, self._urgency(alarm, failure), policy.receipt_s,
            )  # fmt: skip
            self.chains.add(draft, scene.now_ms)
            self._store.note(alarm.id, scene.now_ms, "not_delivered", f"{failure.person}: now by {channel}")
            return
        self._store.note(alarm.id, scene.now_ms, "not_delivered", failure.person)
        row = self.chains.chain(alarm.id)
        if row is None or row.state != CALLING or row.due_ms is None or row.rounds:
            return  # at the end of the chain nothing comes faster
        if not self.chains.reached(alarm.id, failure.step):
            step = self._step_with_others(alarm, row, scene)
            self.chains.put(replace(row, step=step, due_ms=min(row.due_ms, scene.now_ms)))

    def _urgency(self, alarm: Alarm, failure: Failure) -> int:
        """As a first message while none of those has arrived: no budget may hold that back."""
        first = self.chains.priority(failure.notice) == 0
        nobody = first and not self.chains.reached(alarm.id, failure.step)
        return 0 if nobody and alarm.severity == "critical" else _priority(alarm)

    def _step_with_others(self, alarm: Alarm, row: ChainRow, scene: Scene) -> int:
        """The next step that names somebody who has not been tried; the one that is due if none does."""
        steps = policy_for(scene.registry, alarm.severity, alarm.site).steps
        told = set(self.chains.told(alarm.id))
        for number in range(row.step, len(steps)):
            people = people_of(scene.registry, alarm.site, steps[number].tell, scene.now_ms)
            if any(person.id not in told for person in people):
                return number
        return row.step

    # --- a step

    def _step(
        self,
        alarm: Alarm,
        row: ChainRow,
        scene: Scene,
        *,
        value: int | None = None,
        appliances: int = 0,
        besides: Iterable[str] = (),
        answered_ms: int | None = None,
    ) -> None:
        """Tell the step's people, and set the next one. A step that reaches nobody is passed over."""
        policy = policy_for(scene.registry, alarm.severity, alarm.site)
        chain = Chain(min(row.step, len(policy.steps) - 1), scene.now_ms, row.rounds)
        first = chain.step == 0 and not chain.rounds
        people = self._reachable(alarm, policy.steps[chain.step].tell, scene)
        while not people and chain.step + 1 < len(policy.steps):
            self._store.note(alarm.id, scene.now_ms, "nobody", " ".join(policy.steps[chain.step].tell))
            chain = replace(chain, step=chain.step + 1)
            people = self._reachable(alarm, policy.steps[chain.step].tell, scene)
        people = people or self._reachable(alarm, ("everybody",), scene)
        people = [*people, *(p for p in self._people(besides, scene) if p not in people)]
        if not people:
            self._store.note(alarm.id, scene.now_ms, "nobody", "everybody")
        value = self.speech.latest(alarm.sensor) if value is None else value
        at_ms = scene.now_ms if not first or answered_ms else alarm.raised_ms
        value = alarm.value if value is None else value
        facts = self.speech.facts(alarm, at_ms, value, scene, appliances)
        step = self.chains.next_step(alarm.id)
        for person in people:
            code = self.chains.code(person.id, alarm.id, scene.now_ms)
            if answered_ms is None:
                text = self.speech.raised(alarm, facts, person.language, code)
            else:
                text = self.speech.lapsed(facts, answered_ms, person.language, code)
            self._draft(alarm, "raised", step, person, policy.steps[chain.step].by, text, scene, first=first)
        following = after(policy, chain, scene.now_ms)
        self.chains.put(
            replace(
                row,
                step=following.step if following else chain.step,
                rounds=following.rounds if following else chain.rounds,
                due_ms=following.due_ms if following else None,
            )
        )
        if not first:
            self._store.note(alarm.id, scene.now_ms, "escalated", ",".join(p.id for p in people))

    def _draft(
        self,
        alarm: Alarm,
        about: str,
        step: int,
        person: Person,
        by: Iterable[str],
        text: str,
        scene: Scene,
        *,
        first: bool = False,
    ) -> None:
        policy = policy_for(scene.registry, alarm.severity, alarm.site)
        urgent = alarm.severity == "critical" and about == "raised"
        due = None if urgent else quiet_until(person, self._zone(alarm, scene), scene.now_ms)
        for attempt, (channel, address) in enumerate(first_routes(person, by, self.channels)):
            draft = Draft(
                alarm.id, about, step, person.id, channel, attempt, address, text, alarm.site,
                (0 if first else 1) if urgent else 2,
                policy.receipt_s if about == "raised" else 0,
            )  # fmt: skip
            self.chains.add(draft, scene.now_ms, due)

    # --- small things

    def _reachable(self, alarm: Alarm, names: tuple[str, ...], scene: Scene) -> list[Person]:
        """Whom the words name, as far as anything we have reaches them."""
        people = people_of(scene.registry, alarm.site, names, scene.now_ms)
        return [person for person in people if routes(person, self.channels)]

    def _zone(self, alarm: Alarm, scene: Scene) -> str:
        site = scene.registry.site_by_id.get(alarm.site)
        return site.zone if site else "UTC"

    def _people(self, ids: Iterable[str], scene: Scene) -> list[Person]:
        known = scene.registry.person_by_id
        return [known[id_] for id_ in dict.fromkeys(ids) if id_ in known]

    def _under_another(self, alarm: Alarm) -> bool:
        """Its site's alarm stands, or the load's own critical one: that one calls for both.

        One that is put aside calls for nothing, and covers nothing.
        """
        above = self._store.alarm(alarm.parent) if alarm.parent else None
        if above is not None and above.state in CALLS:
            return True
        return alarm.kind in COVERED and any(is_worse(one, alarm) for one in self._store.standing())

    def _cover(self, alarm: Alarm) -> None:
        """Who is called for a load beyond its limit is not called beside it for what foretold that."""
        for one in self._store.standing():
            if one.kind in COVERED and is_worse(alarm, one):
                self.chains.cancel(one.id)
                self._end(one.id)

    def _end(self, alarm: str) -> None:
        row = self.chains.chain(alarm)
        if row is not None:
            self.chains.put(replace(row, state=ENDED, due_ms=None))


def is_worse(alarm: Alarm, than: Alarm) -> bool:
    """Is it the same appliance's load, critically beyond its limit?"""
    return (
        alarm.kind in TEMPERATURES
        and alarm.severity == "critical"
        and alarm.state in CALLS
        and (alarm.scope, alarm.appliance) == (than.scope, than.appliance)
    )


def bent(kind: str, then: int | None, now: int | None) -> bool:
    """Has the load turned back since somebody answered?

    >>> bent("high", 9000, 8600), bent("high", 9000, 8800), bent("low", 500, 900), bent("high", None, 8000)
    (True, False, True, False)
    """
    if then is None or now is None:
        return False
    return now <= then - BENT if kind == "high" else now >= then + BENT


def _priority(alarm: Alarm) -> int:
    return 1 if alarm.severity == "critical" else 2
