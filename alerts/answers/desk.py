# SPDX-License-Identifier: Apache-2.0
"""Answers by telephone: each is applied once, in one transaction with what came of it and with its reply.

A known number and a code that was sent to it; anything else changes nothing. Everybody known is answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from alerts.alarms.findings import HAND_MAX, HAND_MIN, Findings
from alerts.answers.codes import WRONG_MAX, WRONG_WITHIN_MS, can_be_answered, people_at
from alerts.answers.parse import Action, Verb, Wish, parse, plain
from alerts.notices.chains import Chains, Draft
from alerts.words import compose, say
from alerts.words.texts import answer, celsius, clock, span
from coldchain.kernel.errors import ColdChainError
from coldchain.records.alarms import Alarm
from coldchain.records.pins import fits
from coldchain.records.registry import Appliance, Person

if TYPE_CHECKING:
    from alerts.alarms.entries import Scene
    from alerts.bookkeeping.book import Book
    from alerts.store import AlarmStore

log = structlog.get_logger()

ANSWERS_MAX = 20
"""So many replies an hour to one telephone; beyond that it is a machine, or a game."""
STALE_MS = 3_600_000
"""An `ask` is answered with `unknown, was ...` when the last value is older than this."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A row of `incoming`."""

    id: str
    at_ms: int
    kind: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a message, for the record; the person to answer and with what."""

    outcome: str
    text: str = ""
    alarm: str = ""


class Answers:
    """`newest(sensor)` is (value in thousandths, instant) or None."""

    def __init__(self, store: AlarmStore, book: Book, chains: Chains) -> None:
        self._store, self._book, self._chains = store, book, chains

    def apply(self, scene: Scene) -> bool:
        """Everything that has come in. False when nothing had."""
        found = self._store.db.execute(
            "SELECT id, at_ms, kind, sender, text FROM incoming WHERE handled_ms IS NULL"
            " ORDER BY at_ms, rowid LIMIT 100"
        ).fetchall()
        for row in found:
            one = Incoming(*row)
            try:
                reply = self._once(one, scene, self._handle)
            except (sqlite3.Error, OSError, ColdChainError):
                raise
            except Exception:
                # Our bug. It would come again at each start, and nobody would be called for anything.
                log.exception("answer_broke", kind=one.kind)
                reply = self._once(one, scene, lambda *_: Reply("refused: it cannot be understood"))
            log.info("answer", kind=one.kind, outcome=reply.outcome)
        return bool(found)

    def _once(self, one: Incoming, scene: Scene, handle: Callable[[Incoming, Scene], Reply]) -> Reply:
        with self._store.transaction():
            reply = handle(one, scene)
            self._store.db.execute(
                "UPDATE incoming SET handled_ms = ?, outcome = ?, text = ? WHERE id = ?",
                (scene.now_ms, reply.outcome, _without_pin(one.text), one.id),
            )
        return reply

    def _handle(self, one: Incoming, scene: Scene) -> Reply:
        people = people_at(one.sender, scene.registry.people)
        if one.kind == "ring":
            if not people:
                return Reply("unknown caller: nothing done")
            alarms = self._book.teller.postpone([p.id for p in people], scene)
            return Reply(f"seen by {people[0].id}: {len(alarms)} postponed")
        reply = self._sms(one, people, scene) if people else self._stranger(one, scene)
        if reply.text and can_be_answered(one.sender) and self._may_answer(one.sender, scene):
            person = people[0].id if people else "unknown"
            about = reply.alarm or f"answer:{one.id}"
            step = self._chains.next_step(about)
            draft = Draft(about, "answer", step, person, "sms", 0, one.sender, reply.text, "", priority=1)
            self._chains.add(draft, scene.now_ms)
        return reply

    def _may_answer(self, number: str, scene: Scene) -> bool:
        (answered,) = self._store.db.execute(
            "SELECT count(*) FROM notice WHERE about = 'answer' AND address = ? AND created_ms > ?",
            (number, scene.now_ms - 3_600_000),
        ).fetchone()
        return int(answered) < ANSWERS_MAX

    def _stranger(self, one: Incoming, scene: Scene) -> Reply:
        """Nothing for an unknown number, but that a code of somebody else's is not its own; once a day."""
        code = parse(one.text).code
        if not code or self._chains.code_row(code) is None:
            return Reply("unknown number: nothing done")
        (before,) = self._store.db.execute(
            "SELECT count(*) FROM wrong_code WHERE number = ? AND at_ms > ?",
            (one.sender, scene.now_ms - 86_400_000),
        ).fetchone()
        self._wrong(one.sender, scene)
        text = "" if before else answer("en", "not_yours")
        return Reply("refused: unknown number with somebody's code", text)

    def _sms(self, one: Incoming, people: list[Person], scene: Scene) -> Reply:
        person, wish = people[0], parse(one.text)
        language = person.language
        if wish.verb in (Verb.ASK, Verb.BY_HAND) or (wish.verb is Verb.LIST and not wish.codes):
            return self._without_code(wish, person, one.at_ms, scene)
        if self._locked_until(one.sender, scene):
            return Reply("refused: too many wrong codes")  # it was told when the last one was wrong
        if not wish.code:
            key = "which" if len(wish.codes) > 1 else ("unclear" if wish.verb is Verb.UNCLEAR else "no_code")
            return Reply(f"refused: {key}", answer(language, key))
        row = self._chains.code_row(wish.code)
        if row is None:
            self._wrong(one.sender, scene)
            until = self._locked_until(one.sender, scene)
            if until:
                return Reply("refused: locked", answer(language, "locked", clock=self._clock(until, scene)))
            return Reply("refused: wrong code", answer(language, "wrong"))
        owner, alarm_id, used_ms = row
        holder = next((p for p in people if p.id == owner), None)
        if holder is None:
            self._wrong(one.sender, scene)
            return Reply("refused: somebody else's code", answer(language, "not_yours"))
        alarm = self._store.alarm(alarm_id)
        if alarm is None:
            return Reply("refused: no such alarm", answer(language, "wrong"))
        return self._with_code(wish, (holder, one.sender), alarm, scene, used=used_ms is not None)

    def _without_code(self, wish: Wish, person: Person, at_ms: int, scene: Scene) -> Reply:
        if wish.verb is Verb.BY_HAND:
            return self._by_hand(wish, person, at_ms, scene)
        return self._ask(wish, person, scene) if wish.verb is Verb.ASK else self._list(person, scene)

    def _with_code(
        self, wish: Wish, whose: tuple[Person, str], alarm: Alarm, scene: Scene, *, used: bool
    ) -> Reply:
        """whose: the person, and the number that the message came from, as the network gave it."""
        person, sender = whose
        language = person.language
        if wish.verb in (Verb.DETAIL, Verb.LIST):
            if wish.verb is Verb.DETAIL:
                return self._detail(wish.code, person, alarm, scene)
            return Reply("list", self._book.teller.speech.rest(alarm, language, scene), alarm.id)
        if wish.verb is Verb.UNCLEAR:
            return Reply("refused: unclear", answer(language, "unclear"), alarm.id)
        signed = self._signature(wish, person, scene)
        if signed is None or alarm.state == "closed":
            if signed is None and wish.pin:  # guessing at PINs is guessing
                self._wrong(sender, scene)
            key = "initials" if signed is None else "closed"
            fields = {"code": wish.code, "appliance": alarm.appliance, "number": alarm.number}
            said = "refused: initials wanted" if signed is None else "nothing to do: closed"
            return Reply(said, answer(language, key, **fields), alarm.id)
        if wish.verb is Verb.ALL:
            return self._all(person, signed, wish, alarm, scene)
        if alarm.state == "acknowledged" or used:
            return self._already(person, alarm, scene)
        if wish.verb is Verb.PASS:
            done = self._book.teller.pass_on(alarm, person.id, scene)
            text = answer(language, "passed", appliance=alarm.appliance)
            return Reply(f"passed on by {signed}" if done else "nothing to do", text, alarm.id)
        return self._take(wish, person, signed, alarm, scene)

    def _take(self, wish: Wish, person: Person, signed: str, alarm: Alarm, scene: Scene) -> Reply:
        language, target = person.language, ""
        if wish.action is Action.MOVED:
            target = self._target(wish.target, alarm, scene)
            if not target:
                text = answer(language, "where_to", code=wish.code)
                return Reply("refused: moved where", text, alarm.id)
        outcome = self._book.acknowledge(alarm.id, signed, scene, action=wish.action.value, target=target)
        at = self._clock(scene.now_ms, scene, alarm)
        row = self._chains.chain(alarm.id)
        if target:
            text = answer(language, "moved", appliance=alarm.appliance, target=target, clock=at)
        elif row is not None and row.due_ms is not None:
            again = self._clock(row.due_ms, scene, alarm)
            text = answer(language, "taken", appliance=alarm.appliance, clock=again)
        else:
            text = answer(language, "closed", appliance=alarm.appliance, number=alarm.number)
        return Reply(outcome, text, alarm.id)

    def _already(self, person: Person, alarm: Alarm, scene: Scene) -> Reply:
        who = scene.registry.person_by_id.get(alarm.acknowledged_by or "")
        text = answer(
            person.language,
            "already",
            appliance=alarm.appliance,
            person=who.name if who else (alarm.acknowledged_by or "?"),
            person_id=alarm.acknowledged_by or "?",
            clock=self._clock(alarm.acknowledged_ms or scene.now_ms, scene, alarm),
        )
        return Reply("nothing to do: already taken", text, alarm.id)

    def _all(self, person: Person, signed: str, wish: Wish, alarm: Alarm, scene: Scene) -> Reply:
        """Every open alarm that this person has been told of, and only those."""
        mine = self._store.db.execute(
            "SELECT DISTINCT a.id, a.appliance, a.number FROM alarm a JOIN notice n ON n.alarm = a.id"
            " WHERE n.person = ? AND n.about = 'raised' AND n.state IN ('sent', 'unknown', 'sending')"
            " AND a.state IN ('unacknowledged', 'returned') ORDER BY a.number",
            (person.id,),
        ).fetchall()
        for id_, _, _ in mine:
            self._book.acknowledge(id_, signed, scene, action=wish.action.value)
        names = list(dict.fromkeys(name for _, name, _ in mine))
        shown = ", ".join(names[:4]) + (f" +{len(names) - 4}" if len(names) > 4 else "")
        text = answer(person.language, "taken_all", count=len(mine), list=shown)
        return Reply(f"applied: {len(mine)} alarms", text, alarm.id)

    def _detail(self, code: str, person: Person, alarm: Alarm, scene: Scene) -> Reply:
        speech = self._book.teller.speech
        if (moved := speech.moved_of(alarm.id)) is not None:
            text = answer(
                person.language,
                "moved_time",
                appliance=moved.source,
                target=moved.target,
                span=span(moved.out_ms),
                allowed="?" if moved.allowed_ms is None else span(moved.allowed_ms),
            )
            return Reply("detail: moved", text, alarm.id)
        facts = speech.facts(alarm, scene.now_ms, self._newest_value(alarm), scene)
        fields = {
            "appliance": alarm.appliance,
            "value": celsius(facts.value),
            "limit": celsius(alarm.limit_value),
            "clock": clock(alarm.since_ms, facts.zone),
            "peak": celsius(alarm.peak),
            "code": code,
            "left": span(facts.left_ms or 0),
        }
        more = ("left", "actions") if facts.left_ms is not None else ("actions",)
        for optional in (more, more[:1]):
            text = compose(person.language, ("detail",), fields, optional=optional)
            if say(person.language, optional[0], fields) in text:
                break
        return Reply("detail", text, alarm.id)

    def _list(self, person: Person, scene: Scene) -> Reply:
        """The card's list without a code: it changes nothing, and there is one card or none."""
        found = self._store.db.execute(
            "SELECT DISTINCT a.id FROM alarm a JOIN notice n ON n.alarm = a.id WHERE n.person = ?"
            " AND n.about = 'raised' AND a.kind = 'power' AND a.scope = 'site' AND a.returned_ms IS NULL",
            (person.id,),
        ).fetchall()
        alarm = self._store.alarm(found[0][0]) if len(found) == 1 else None
        if alarm is None:
            key = "which" if found else "no_code"
            return Reply(f"refused: {key}", answer(person.language, key))
        return Reply("list", self._book.teller.speech.rest(alarm, person.language, scene), alarm.id)

    def _ask(self, wish: Wish, person: Person, scene: Scene) -> Reply:
        """`vte-br-01?`: value, age, state, time left; for appliances of that person's sites."""
        appliance = _named(wish.target, person, scene)
        if appliance is None:
            return Reply(
                "ask: no such appliance", answer(person.language, "no_appliance", target=wish.target)
            )
        newest = self._book.newest_of(appliance.id, scene)
        if newest is None:
            text = answer(person.language, "asked_silent", appliance=appliance.id, value="?", span="?")
            return Reply("ask: never heard", text)
        value, at_ms = newest
        fields: dict[str, object] = {
            "appliance": appliance.id,
            "value": celsius(value),
            "span": span(scene.now_ms - at_ms),
        }
        if scene.now_ms - at_ms > STALE_MS:
            return Reply("ask: silent", answer(person.language, "asked_silent", **fields))
        open_ = self._store.db.execute(
            "SELECT number FROM alarm WHERE appliance = ? AND returned_ms IS NULL AND state <> 'closed'"
            " ORDER BY severity, number LIMIT 1",
            (appliance.id,),
        ).fetchone()
        if open_:
            state = compose(person.language, ("in_alarm",), {"number": open_[0]})
        else:
            state = compose(person.language, ("in_range",), {})
        left_ms = self._book.teller.speech.left_of(appliance.id, scene)
        fields |= {"state": state, "left": span(left_ms or 0)}
        more = ("left",) if left_ms is not None else ()
        return Reply("ask: answered", compose(person.language, ("asked",), fields, optional=more))

    def _by_hand(self, wish: Wish, person: Person, at_ms: int, scene: Scene) -> Reply:
        """`vte-br-01 4.2`: noted apart, never judged. On a shared telephone initials say whose eyes."""
        appliance = _named(wish.target, person, scene)
        if appliance is None or not HAND_MIN <= wish.value <= HAND_MAX:
            text = answer(person.language, "no_appliance", target=wish.target)
            return Reply(
                "by hand: no such appliance" if appliance is None else "by hand: no such value", text
            )
        signed = self._signature(wish, person, scene) or person.id
        read_ms = min(at_ms, scene.now_ms)
        Findings(self._store).write(appliance.id, read_ms, wish.value, signed, "sms", scene)
        at = clock(read_ms, next((s.zone for s in scene.registry.sites if s.id == appliance.site), "UTC"))
        text = answer(person.language, "noted", appliance=appliance.id, value=celsius(wish.value), clock=at)
        return Reply(f"by hand: {appliance.id} {wish.value} by {signed}", text)

    # --- small things

    def _signature(self, wish: Wish, person: Person, scene: Scene) -> str | None:
        """Who has answered: the person, or on a shared telephone whoever signed; None: nobody did.

        Signed by initials, by a PIN, or by both: then both must be the same person's.
        """
        if not person.shared:
            return person.id
        signed = [p for p in scene.registry.people if not wish.initials or p.initials == wish.initials]
        if wish.pin:
            signed = [p for p in signed if fits(wish.pin, p.pin)]
        return signed[0].id if len(signed) == 1 and (wish.initials or wish.pin) else None

    def _target(self, target: str, alarm: Alarm, scene: Scene) -> str:
        """An appliance of the same site by its name, or the one whose name ends in that number."""
        here = [a.id for a in scene.registry.appliances if a.site == alarm.site and a.id != alarm.appliance]
        if target in here:
            return target
        if not target.isdecimal():
            return ""
        kind = next((a.kind for a in scene.registry.appliances if a.id == alarm.appliance), "")
        fitting = [
            a.id
            for a in scene.registry.appliances
            if a.id in here and a.kind == kind and (tail := a.id.rpartition("-")[2]).isdecimal()
            and int(tail) == int(target)
        ]  # fmt: skip
        return fitting[0] if len(fitting) == 1 else ""

    def _newest_value(self, alarm: Alarm) -> int | None:
        return self._book.newest_value(alarm.sensor)

    def _wrong(self, number: str, scene: Scene) -> None:
        self._store.db.execute("INSERT INTO wrong_code VALUES (?,?)", (number, scene.now_ms))

    def _locked_until(self, number: str, scene: Scene) -> int:
        """0, or when that telephone may try codes again [ms]."""
        times = self._store.db.execute(
            "SELECT at_ms FROM wrong_code WHERE number = ? AND at_ms > ? ORDER BY at_ms DESC",
            (number, scene.now_ms - WRONG_WITHIN_MS),
        ).fetchall()
        return times[WRONG_MAX - 1][0] + WRONG_WITHIN_MS if len(times) >= WRONG_MAX else 0

    def _clock(self, at_ms: int, scene: Scene, alarm: Alarm | None = None) -> str:
        site = scene.registry.site_by_id.get(alarm.site) if alarm else None
        zone = site.zone if site else (scene.registry.sites[0].zone if scene.registry.sites else "UTC")
        return clock(at_ms, zone)


def _named(target: str, person: Person, scene: Scene) -> Appliance | None:
    """The one appliance of that person's sites with that name, or whose name ends so."""
    sites = {*person.sites} or {site.id for site in scene.registry.sites}
    mine = [a for a in scene.registry.appliances if a.site in sites]
    named = [a for a in mine if a.id == target] or [a for a in mine if a.id.endswith(f"-{target}")]
    return named[0] if len(named) == 1 else None


def _without_pin(text: str) -> str:
    """As it is kept: a PIN is nobody's to read.

    >>> _without_pin("ok 483126 7391"), _without_pin("ok 48 3126 ab"), _without_pin("moved 483126 2")
    ('ok 483126 ****', 'ok 48 3126 ab', 'moved 483126 2')
    """
    pin = parse(text).pin
    said = text if pin in text else plain(text)
    return said.replace(pin, "*" * len(pin)) if pin else text
