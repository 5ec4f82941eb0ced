# SPDX-License-Identifier: Apache-2.0
"""At the hub: lines that guards send by SMS, and what they change.

A site that says by SMS that it is well is no longer a silence that may hide anything: the alarm of its
gateway is a warning, until the line is a day old; then it is critical again. A line acknowledges nothing.
"""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection
from typing import TYPE_CHECKING

import structlog

from alerts.alarms.lifecycle import State
from alerts.answers.codes import NATIONAL_DIGITS
from alerts.guard.lines import Kind, Line, read, speaks_for
from alerts.notices.chains import CALLING
from alerts.oncall.policy import Chain, after, policy_for
from alerts.words.texts import clock
from coldchain.records.alarms import Alarm
from coldchain.records.registry import GatewayEntry

if TYPE_CHECKING:
    from alerts.alarms.entries import Scene
    from alerts.bookkeeping.book import Book
    from alerts.store import AlarmStore

log = structlog.get_logger()

LOOK_EVERY_MS = 10_000
AHEAD_MS = 5 * 60_000
"""A line from further ahead than this has a clock that is wrong: it is not believed."""


class GuardLines:
    """`hear` takes lines out of what came in before anybody takes them for an answer."""

    def __init__(self, store: AlarmStore, book: Book) -> None:
        self._store, self._book = store, book
        self._again_ms = 0

    def hear(self, scene: Scene) -> bool:
        """Every line that has come in, each in a transaction. False: none had."""
        found = self._store.db.execute(
            "SELECT id, sender, text FROM incoming WHERE handled_ms IS NULL AND kind = 'sms'"
            " AND text LIKE '%CC1 %' ORDER BY at_ms, rowid LIMIT 100"
        ).fetchall()
        any_ = False
        for id_, sender, text in found:
            line = read(text)
            if line is not None:
                with self._store.transaction():
                    outcome = self._take(line, sender, scene)
                    self._store.db.execute(
                        "UPDATE incoming SET handled_ms = ?, outcome = ? WHERE id = ?",
                        (scene.now_ms, outcome, id_),
                    )
                log.info("guard.line", gateway=line.gateway, outcome=outcome)
                any_ = True
        return any_

    def _take(self, line: Line, sender: str, scene: Scene) -> str:
        entry = next((g for g in scene.registry.gateways if g.id == line.gateway), None)
        if entry is None or not _is_from(sender, entry):
            return "refused: a gateway's line from another telephone"
        if line.at_ms > scene.now_ms + AHEAD_MS:
            return "refused: a gateway's line from the future"
        self._store.db.execute(
            "INSERT OR REPLACE INTO guard_line VALUES (?,?,?,?,?,?,?,?)",
            (
                line.gateway,
                line.kind.value,
                line.at_ms,
                scene.now_ms,
                line.low,
                line.high,
                line.inside,
                line.text,
            ),
        )
        if line.kind is Kind.LAST and (alarm := self._silence_of(line.gateway)) is not None:
            self._store.note(alarm.id, line.at_ms, "site_says", line.text)
        self._again_ms = 0
        return f"{line.kind} line of {line.gateway}"

    def look(self, scene: Scene) -> bool:
        """Bring each silent gateway's alarm to the severity that its last line allows."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        changed = False
        for alarm in self._silences():
            line = word_for(self._store.db, alarm, scene.now_ms)
            if line is not None and alarm.severity == "critical":
                with self._store.transaction():
                    self._lower(alarm, line, scene)
                changed = True
            elif line is None and alarm.severity == "warning":
                with self._store.transaction():
                    self._raise(alarm, scene)
                changed = True
        return changed

    def _lower(self, alarm: Alarm, line: Line, scene: Scene) -> None:
        """The escalation goes on at the pace of a warning, from its first repetition."""
        site = scene.registry.site_by_id.get(alarm.site)
        at = clock(line.at_ms, site.zone if site else "UTC")
        spread = f"{(line.low or 0) / 1000:.1f} to {(line.high or 0) / 1000:.1f}"
        self._severity(alarm, "warning")
        self._store.note(
            alarm.id, scene.now_ms, "lowered", f"site reports by SMS: {spread}, in range at {at}"
        )
        chains = self._book.teller.chains
        chains.cancel(alarm.id)
        row = chains.chain(alarm.id)
        following = after(
            policy_for(scene.registry, "warning", alarm.site), Chain(0, scene.now_ms), scene.now_ms
        )
        if row is not None and row.state == CALLING and following is not None:
            chains.put(replace(row, step=following.step, rounds=0, due_ms=following.due_ms))

    def _raise(self, alarm: Alarm, scene: Scene) -> None:
        self._severity(alarm, "critical")
        self._store.note(alarm.id, scene.now_ms, "raised", "critical")
        if alarm.state == State.UNACKNOWLEDGED:
            worse = replace(alarm, severity="critical", raised_ms=scene.now_ms)
            count = sum(a.site == alarm.site for a in scene.registry.appliances)
            self._book.teller.raised(worse, None, count, scene, again=True)

    def _severity(self, alarm: Alarm, severity: str) -> None:
        self._store.db.execute("UPDATE alarm SET severity = ? WHERE id = ?", (severity, alarm.id))

    def _silences(self) -> list[Alarm]:
        return [a for a in self._store.standing() if a.scope == "gateway" and a.kind == "silence"]

    def _silence_of(self, gateway: str) -> Alarm | None:
        return next((a for a in self._silences() if a.appliance == gateway), None)


def word_for(db: Connection, alarm: Alarm, now_ms: int) -> Line | None:
    """The line by which a silent gateway's guard says that its site is well, and that it would tell if not;
    None: there is none that still counts.
    """
    if alarm.scope != "gateway":
        return None
    row = db.execute(
        "SELECT gateway, kind, at_ms, low, high, inside, text FROM guard_line WHERE gateway = ? AND kind = ?",
        (alarm.appliance, Kind.ALIVE.value),
    ).fetchone()
    if row is None:
        return None
    line = Line(row[0], Kind(row[1]), row[2], row[3], row[4], bool(row[5]), row[6])
    return line if speaks_for(line, alarm.since_ms, now_ms) else None


def _is_from(sender: str, entry: GatewayEntry) -> bool:
    """The gateway's own number, or a national form of it."""
    if entry.phone is None:
        return False
    bare = sender.removeprefix("+").removeprefix("00").lstrip("0")
    exact = sender == entry.phone
    return exact or (
        not sender.startswith("+") and len(bare) >= NATIONAL_DIGITS and entry.phone.endswith(bare)
    )
