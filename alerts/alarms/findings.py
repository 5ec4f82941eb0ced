# SPDX-License-Identifier: Apache-2.0
"""What people tell about alarms and blood beside answering: what an alarm turned out to be, a temperature
read by hand, blood that was moved without an alarm.

Everything here is asked for by a command or an SMS, inside a transaction of the caller. Answers are words
that begin with `applied`, `nothing to do` or `refused`.
"""

from __future__ import annotations

from alerts.alarms.entries import Scene
from alerts.store import AlarmStore
from coldchain.kernel.instants import rfc3339
from coldchain.records.found import CAUSES, VERDICTS

REASON_MAX = 300
NUMBER_DIGITS = 15
HAND_MIN, HAND_MAX = -100_000, 60_000
"""A thermometer of a blood bank shows something between [thousandths of a degree]: ours."""
OLD_MS, AHEAD_MS = 31 * 86_400_000, 120_000
"""How old a reading by hand may be when it is entered, and how far ahead its clock: ours."""


class Findings:
    """`asked`: the words of a command's body."""

    def __init__(self, store: AlarmStore) -> None:
        self._store = store

    def mark(self, name: str, person: str, scene: Scene, asked: dict[str, str]) -> str:
        """True, nuisance or missed, and the cause. Once it is over; a later mark counts instead."""
        alarm = self._store.alarm_named(name)
        if alarm is None:
            return f"refused: there is no alarm {name}"
        verdict, cause, reason = (asked.get(key, "") for key in ("verdict", "cause", "reason"))
        if verdict not in VERDICTS:
            return f"refused: {verdict!r} is no finding; one of {', '.join(VERDICTS)}"
        if cause and cause not in CAUSES:
            return f"refused: {cause!r} is no cause; one of {', '.join(CAUSES)}"
        if alarm.standing:
            return f"refused: alarm {alarm.number} stands: say what it was when it is over"
        values = (alarm.id, verdict, cause, person, reason[:REASON_MAX], scene.now_ms)
        self._store.db.execute(
            "INSERT INTO finding (alarm, verdict, cause, person, reason, at_ms) VALUES (?,?,?,?,?,?)", values
        )
        said = f"{verdict} {cause or 'unknown'} {person}"
        self._store.note(alarm.id, scene.now_ms, "finding", f"{said}: {reason}" if reason else said)
        return f"applied: alarm {alarm.number} is marked {verdict}"

    def by_hand(self, person: str, scene: Scene, asked: dict[str, str], how: str) -> str:
        """A temperature that somebody read. It judges nothing."""
        appliance, value, at = (asked.get(key, "") for key in ("appliance", "value", "at_ms"))
        if appliance not in scene.registry.appliance_by_id:
            return f"refused: there is no appliance {appliance!r}"
        if not value.lstrip("-").isdecimal() or not HAND_MIN <= int(value) <= HAND_MAX:
            return f"refused: {value!r} is no temperature of a blood bank, in thousandths of a degree"
        at_ms = int(at) if at.isdecimal() else scene.now_ms
        if not scene.now_ms - OLD_MS <= at_ms <= scene.now_ms + AHEAD_MS:
            return f"refused: {rfc3339(at_ms)} is not within the last month"
        self.write(appliance, at_ms, int(value), person, how, scene)
        return f"applied: {appliance} {int(value) / 1000:.1f} °C at {rfc3339(at_ms)} is noted, and not judged"

    def write(self, appliance: str, at_ms: int, value: int, person: str, how: str, scene: Scene) -> None:
        row = (appliance, at_ms, value, person, how, scene.now_ms)
        self._store.db.execute(
            "INSERT INTO by_hand (appliance, at_ms, value, person, how, written_ms) VALUES (?,?,?,?,?,?)", row
        )

    def withdraw(self, person: str, scene: Scene, asked: dict[str, str]) -> str:
        """A slip of the pen: the row stays, and another one takes it back."""
        number = asked.get("number", "")
        known = number.isdecimal() and len(number) <= NUMBER_DIGITS
        row = self._store.db.execute(
            "SELECT appliance, at_ms, value FROM by_hand WHERE id = ? AND withdrawn IS NULL",
            (int(number) if known else -1,),
        ).fetchone()
        if row is None:
            return f"refused: there is no reading by hand {number[:NUMBER_DIGITS]!r}"
        gone = self._store.db.execute("SELECT 1 FROM by_hand WHERE withdrawn = ?", (int(number),)).fetchone()
        if gone is not None:
            return "nothing to do: it was taken back before"
        values = (*row, person, "console", scene.now_ms, int(number))
        self._store.db.execute(
            "INSERT INTO by_hand (appliance, at_ms, value, person, how, written_ms, withdrawn)"
            " VALUES (?,?,?,?,?,?,?)",
            values,
        )
        return f"applied: reading by hand {number} is taken back"

    def move(self, person: str, scene: Scene, asked: dict[str, str]) -> str:
        """Blood is somewhere else now: its exposure clock runs there, under an alarm that is open."""
        source, target = asked.get("source", ""), asked.get("target", "")
        known = scene.registry.appliance_by_id
        if source == target or source not in known or target not in known:
            return f"refused: from {source!r} to {target!r}: two different appliances of the registry, please"
        at = asked.get("at_ms", "")
        at_ms = min(int(at), scene.now_ms) if at.isdecimal() else scene.now_ms
        row = self._store.db.execute(
            "SELECT id FROM alarm WHERE scope = 'appliance' AND appliance = ? AND state <> 'closed'"
            " ORDER BY number LIMIT 1",
            (source,),
        ).fetchone()
        self._store.moved(row[0] if row else "", source, target, person, at_ms)
        return f"applied: the blood of {source} is in {target}; its exposure clock runs"
