# SPDX-License-Identifier: Apache-2.0
"""At the hub: what guards did while it was out of reach becomes part of the book, each report once.

An alarm that a guard told is taken over as it stands, with its answer, its messages, its codes and its place
in the escalation. When the backlog is judged the excursion finds its alarm there, and tells nobody again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from alerts.alarms.lifecycle import Event, State, advance
from alerts.notices.chains import CALLING, ChainRow, Chains
from coldchain.records.alarms import Alarm
from coldchain.records.journal import JournalReader
from coldchain.records.site_copy import sites_of

if TYPE_CHECKING:
    from alerts.alarms.entries import Scene
    from alerts.bookkeeping.book import Book
    from alerts.store import AlarmStore

log = structlog.get_logger()

STATES = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED, State.DISPOSITION_DUE, State.CLOSED)
BY_GUARD = "by the site's guard"


class Adoption:
    """Follows the reports in the journal's file. `apply` is called before batches that came after them."""

    def __init__(self, store: AlarmStore, book: Book, chains: Chains) -> None:
        self._store, self._book, self._chains = store, book, chains
        self._number = 0

    def apply(self, journal: JournalReader | None, scene: Scene) -> bool:
        """What is new, each in a transaction with the note that it was applied. False: nothing was."""
        found = journal.guard_reports_after(self._number) if journal is not None else []
        for number, gateway, text in found:
            name = f"guard:{gateway}:{number}"
            if not self._store.is_applied(name):
                with self._store.transaction():
                    outcome = self._take(gateway, text, scene)
                    self._store.applied(name, outcome, scene.now_ms)
                log.info("guard.report", gateway=gateway, outcome=outcome)
            self._number = number
        return bool(found)

    def _take(self, gateway: str, text: str, scene: Scene) -> str:
        try:
            told = json.loads(text)
            alarm = _alarm(told["alarm"])
            if told["v"] != 1 or State(alarm.state) not in STATES:
                return f"refused: version {told['v']!r}, state {alarm.state!r}"
            chain = _chain(told["chain"])
            notices, codes = _rows(told["notices"], 8), _rows(told["codes"], 4)
        except (ValueError, KeyError, TypeError) as bad:
            return f"refused: malformed: {bad}"
        if alarm.scope == "appliance" and alarm.appliance not in scene.registry.appliance_by_id:
            return f"refused: {alarm.appliance} is not in the registry"
        if not _is_theirs(gateway, alarm, scene):
            return f"refused: {alarm.scope} {alarm.appliance} is not that gateway's"
        known = self._store.alarm(alarm.id) or self._store.open_alarm(
            alarm.scope, alarm.appliance, alarm.kind
        )
        if known is not None and not _is_theirs(gateway, known, scene):
            return f"refused: alarm {known.number} is not that gateway's"
        if known is None:
            known = self._adopt(alarm, chain, gateway, scene)
            outcome = f"adopted: alarm {known.number}, {known.state}"
        else:
            outcome = self._follow(known, alarm, chain, scene)
        self._keep(known.id, notices, codes)
        return outcome

    def _adopt(self, alarm: Alarm, chain: ChainRow | None, gateway: str, scene: Scene) -> Alarm:
        """The guard's alarm, as it stands, with our next number."""
        known = self._store.add_alarm(replace(alarm, number=0, position=scene.position, parent=None))
        self._store.note(known.id, alarm.raised_ms, "raised", f"{BY_GUARD} {gateway}")
        if alarm.acknowledged_ms is not None:
            action = chain.action if chain else ""
            said = " ".join(word for word in (alarm.acknowledged_by or "", action) if word)
            self._store.note(known.id, alarm.acknowledged_ms, "acknowledged", said)
        if alarm.returned_ms is not None:
            self._store.note(known.id, alarm.returned_ms, "returned", BY_GUARD)
        if known.state == State.CLOSED:
            self._store.note(known.id, alarm.returned_ms or scene.now_ms, "closed", BY_GUARD)
        if chain is not None and known.standing:
            self._chains.put(replace(chain, alarm=known.id))
        elif known.standing and known.state == State.UNACKNOWLEDGED:
            self._chains.put(ChainRow(known.id, CALLING, due_ms=scene.now_ms, at_ms=scene.now_ms))
        return known

    def _follow(self, known: Alarm, alarm: Alarm, chain: ChainRow | None, scene: Scene) -> str:
        """An alarm that we have: what was answered at the site counts here, what ended there may end here."""
        outcome = f"known: alarm {known.number}"
        if chain is not None and known.state == alarm.state and self._untold(known.id):
            self._chains.cancel(known.id)
            self._chains.put(replace(chain, alarm=known.id))
            outcome = f"taken over: alarm {known.number}"
        who = alarm.acknowledged_by
        answered = alarm.acknowledged_ms is not None and who and alarm.acknowledged_ms >= known.since_ms
        if answered and not known.acknowledged_ms and _open_for_answer(known):
            assert who is not None
            outcome = self._book.acknowledge(known.id, who, scene, action=chain.action if chain else "")
        if alarm.returned_ms is not None and known.id == alarm.id:
            self._book.over(known.id, alarm.returned_ms, None, scene, why=BY_GUARD)
        return outcome

    def _untold(self, alarm: str) -> bool:
        """Has nobody been written to by us?"""
        row = self._store.db.execute(
            "SELECT 1 FROM notice WHERE alarm = ? AND tries > 0 AND detail <> ? LIMIT 1", (alarm, BY_GUARD)
        ).fetchone()
        return row is None

    def _keep(self, alarm: str, notices: list[Any], codes: list[Any]) -> None:
        """Whom the guard told: they hear how it ends. Its codes: they may be replied to us."""
        db = self._store.db
        for step, person, channel, attempt, address, text, created_ms, sent_ms in notices:
            db.execute(
                "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text,"
                " site, created_ms, due_ms, state, tries, first_try_ms, sent_ms, detail)"
                " VALUES (?,'raised',?,?,?,?,?,?,'',?,?,'sent',1,?,?,?) ON CONFLICT DO UPDATE SET"
                " state = 'sent', tries = 1, text = excluded.text, first_try_ms = excluded.first_try_ms,"
                " sent_ms = excluded.sent_ms, detail = excluded.detail WHERE state = 'cancelled'",
                (alarm, step, person, channel, attempt, address, text, created_ms, created_ms,
                 sent_ms, sent_ms, BY_GUARD),
            )  # fmt: skip
        for code, person, made_ms, used_ms in codes:
            db.execute(
                "INSERT OR IGNORE INTO code VALUES (?,?,?,?,?)", (code, person, alarm, made_ms, used_ms)
            )
            if used_ms is not None:
                self._chains.use(person, alarm, used_ms)


def _is_theirs(gateway: str, alarm: Alarm, scene: Scene) -> bool:
    """May that gateway's guard speak of it? Of its own sites alone: it would close those of others."""
    if alarm.scope == "gateway":
        return alarm.appliance == gateway
    appliance = scene.registry.appliance_by_id.get(alarm.appliance) if alarm.scope == "appliance" else None
    return (appliance.site if appliance else alarm.site) in sites_of(scene.registry, gateway)


def _open_for_answer(alarm: Alarm) -> bool:
    state = State(alarm.state)
    return advance(state, Event.ACKNOWLEDGE, alarm.kind) is not state


def _alarm(told: dict[str, Any]) -> Alarm:
    """The alarm in a report; what newer versions add is left out. TypeError or KeyError when it is none."""
    texts = ("id", "scope", "appliance", "sensor", "site", "kind", "severity", "state", "rule")
    numbers = ("since_ms", "raised_ms", "registry_version", "decided_ms")
    maybe = ("returned_ms", "acknowledged_ms", "value", "limit_value", "peak")
    found: dict[str, Any] = {}
    for keys, kinds in ((texts, str), (numbers, int), (maybe, (int, type(None)))):
        for key in keys:
            if not isinstance(told[key], kinds):
                raise TypeError(f"{key} is {told[key]!r}")
            found[key] = told[key]
    for key in ("acknowledged_by", "profile"):
        found[key] = None if told[key] is None else str(told[key])
    return Alarm(number=0, position=0, product=bool(told.get("product", False)), **found)


def _chain(told: dict[str, Any] | None) -> ChainRow | None:
    if told is None:
        return None
    keys = ("alarm", "state", "step", "rounds", "due_ms", "postponed", "person", "action", "value", "at_ms")
    (row,) = _rows([[told[key] for key in keys]], len(keys))
    return ChainRow(**dict(zip(keys, row, strict=True)))


def _rows(told: Any, n: int) -> list[list[Any]]:
    """Rows of n plain values. TypeError when they are not."""
    rows = [list(row) for row in told]
    if not all(len(row) == n and all(isinstance(v, int | str | None) for v in row) for row in rows):
        raise TypeError("not rows of plain values")
    return rows
