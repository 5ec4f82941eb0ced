# SPDX-License-Identifier: Apache-2.0
"""Commands: what people and programs ask of alarms, read from `desk.db` and applied once each, by id."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import structlog

from alerts.alarms.entries import Scene
from alerts.alarms.findings import Findings
from alerts.answers.parse import Action
from alerts.bookkeeping.aside import Aside
from alerts.bookkeeping.book import Book
from alerts.notices.trying import try_person
from alerts.store import AlarmStore
from coldchain.kernel.errors import ColdChainError, StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.registry import Registry
from coldchain.records.sql import open_reader

log = structlog.get_logger()

ACTIONS = tuple(action.value for action in Action)
TELLS = frozenset({"finding", "by_hand", "withdraw", "move"})
ASIDE = frozenset({"shelve", "unshelve", "dispose", "out_of_service", "return_to_service"})
BROKE = "refused: it cannot be understood; the log of alerts says why"


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the desk's `command`; `alarm` is an id or a number."""

    row: int
    id: str
    person: str
    verb: str
    alarm: str
    body: str = "{}"


class Commands:
    """Follows the desk."""

    def __init__(self, desk: Path, store: AlarmStore, book: Book, aside: Aside) -> None:
        self._path, self._store, self._book, self._aside = desk, store, book, aside
        self._findings = Findings(store)
        self._db: sqlite3.Connection | None = None
        self._row = 0

    def apply(self, scene: Scene) -> None:
        """Apply what is new, each in a transaction with the note that it was applied."""
        for command in self._new():
            if not self._store.is_applied(command.id):
                try:
                    outcome = self._apply(command, scene)
                except (sqlite3.Error, OSError, ColdChainError):
                    raise
                except Exception:
                    # Our bug. It would come again at each start, and nobody would be called for anything.
                    log.exception("command_broke", id=command.id, verb=command.verb)
                    outcome = BROKE
                    with self._store.transaction():
                        self._store.applied(command.id, outcome, scene.now_ms)
                log.info("command", id=command.id, verb=command.verb, outcome=outcome)
            self._row = command.row

    def _apply(self, command: Command, scene: Scene) -> str:
        with self._store.transaction():
            outcome = self._do(command, scene)
            self._store.applied(command.id, outcome, scene.now_ms)
        return outcome

    def _do(self, command: Command, scene: Scene) -> str:
        if command.verb == "acknowledge":
            said = _body(command.body)
            action = said.get("action", "")
            if action not in ACTIONS:
                return f"refused: {action!r} is no action; one of {', '.join(a for a in ACTIONS if a)}"
            target, reason = said.get("target", ""), said.get("reason", "")
            return self._book.acknowledge(
                command.alarm, command.person, scene, action=action, target=target, reason=reason
            )
        if command.verb == "pass":
            alarm = self._store.alarm_named(command.alarm)
            if alarm is None:
                return f"refused: there is no alarm {command.alarm}"
            done = self._book.teller.pass_on(alarm, command.person, scene)
            return f"applied: alarm {alarm.number} is passed on" if done else "nothing to do"
        if command.verb == "delivery":
            said = _body(command.body)
            chains, arrived = self._book.teller.chains, said.get("delivered") == "yes"
            known = chains.reported(said.get("carrier_id", "-"), scene.now_ms, delivered=arrived)
            return "applied: " + ("delivered" if arrived else "not delivered") if known else "nothing to do"
        if command.verb in ASIDE | TELLS:
            ask = self._put_aside if command.verb in ASIDE else self._tell
            return ask(command, _body(command.body), scene)
        if command.verb in ("test_sms", "work_order"):
            return self._message(command, _body(command.body), scene)
        return f"refused: {command.verb} is not known"

    def _message(self, command: Command, said: dict[str, str], scene: Scene) -> str:
        """Verbs that send one message about no alarm."""
        if command.verb == "work_order":
            return self._book.teller.work_order(said, scene)
        if "to" in said:
            return try_person(self._book.teller, f"test:{command.id}", said, scene)
        number = said.get("number", "")
        self._book.teller.test(f"test:{command.id}", number, scene)
        return f"applied: a test message to {number} is due"

    def _tell(self, command: Command, said: dict[str, str], scene: Scene) -> str:
        """Verbs that change no alarm's state: anybody whom the console lets in may say so."""
        person, findings = command.person, self._findings
        if command.verb == "finding":
            return findings.mark(command.alarm, person, scene, said)
        if command.verb == "by_hand":
            return findings.by_hand(person, scene, said, said.get("by", "console"))
        if command.verb == "withdraw":
            return findings.withdraw(person, scene, said)
        return findings.move(person, scene, said)

    def _put_aside(self, command: Command, said: dict[str, str], scene: Scene) -> str:
        """Verbs that put alarms or appliances aside; the person must be one of the registry."""
        name, person, aside = command.alarm, command.person, self._aside
        if person not in scene.registry.person_by_id:
            return f"refused: nobody of the registry is called {person!r}"
        reason, second, appliance = (said.get(key, "") for key in ("reason", "second", "appliance"))
        if command.verb == "shelve":
            minutes = said.get("minutes", "")
            return aside.shelve(name, person, scene, minutes=minutes, reason=reason, second=second)
        if command.verb == "unshelve":
            return aside.unshelve(name, person, scene)
        if command.verb == "dispose":
            what = said.get("what", "")
            return aside.dispose(name, person, scene, what=what, reason=reason, second=second)
        order = said.get("order", "")
        if command.verb == "out_of_service":
            to = said.get("to", "")
            return aside.take_out(appliance, person, scene, reason=reason, to=to, order=order)
        back = aside.put_back_later if said.get("wait") == "yes" else aside.put_back
        return back(appliance, person, scene, reason=reason, order=order)

    def registry(self, version: int) -> Registry | None:
        """That version of the registry, not the newest: what was judged under it is judged again under it."""
        db = self._desk()
        row = db.execute("SELECT body FROM registry WHERE version = ?", (version,)).fetchone() if db else None
        return Registry.model_validate_json(row[0]) if row else None

    def _desk(self) -> sqlite3.Connection | None:
        """The desk, or None while it is not there."""
        if self._db is None:
            try:
                self._db = open_reader(self._path, len(DESK_MIGRATIONS))
            except StoreUnavailable:
                return None
        return self._db

    def _new(self) -> list[Command]:
        db = self._desk()
        if db is None:
            return []
        found = db.execute(
            "SELECT rowid, id, person, verb, coalesce(alarm, ''), body FROM command WHERE rowid > ?"
            " ORDER BY rowid",
            (self._row,),
        )
        return [Command(*row) for row in found.fetchall()]


def _body(text: str) -> dict[str, str]:
    """The words of a command's body; what is no word is left out."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return (
        {key: value for key, value in said.items() if isinstance(value, str)}
        if isinstance(said, dict)
        else {}
    )
