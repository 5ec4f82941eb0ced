# SPDX-License-Identifier: Apache-2.0
"""Storms: the first message at once, then one digest a site; never more than two in ten minutes to a phone.

While a person has at most three alarms of a site within ten minutes, nothing is held back and nothing joined.
Neither are alarms about our own processes, which are four: while they last, nothing else may arrive.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from alerts.words.texts import digest

STORM_OVER = 3
"""More than so many alarms of one site within the window, to one person, are a storm."""
WINDOW_MS = 600_000
PER_WINDOW = 2
GATHER_MS = 20_000
"""So long after the first message of a storm the digest waits for more of it."""
UNWANTED = "no longer wanted"
"""The detail of a notice that was cancelled while it was being tried: it is not tried again."""
CALL_AGAIN_MS = 120_000
"""One ring is for everything that is due; a telephone is not rung again sooner."""


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is due."""

    id: int
    alarm: str
    person: str
    channel: str
    address: str
    text: str
    site: str
    about: str
    tries: int
    priority: int


def told_in(id_: int) -> str:
    return f"told in notice {id_}"


def let_go(db: sqlite3.Connection, id_: int) -> None:
    """That notice will not leave: what was to be told in it leaves by itself. In the caller's transaction."""
    db.execute(
        "UPDATE notice SET state = 'due', detail = '' WHERE state = 'bundled' AND detail = ?", (told_in(id_),)
    )


def bundle(
    db: sqlite3.Connection, due: Due, now: int, persona: Callable[[str, str], tuple[str, str]]
) -> Due | None:
    """What to send in place of `due`, with what else it takes along; None when it was put off.

    Inside the caller's transaction.
    """
    if due.about not in ("raised", "returned") or due.tries or _of_ours(db, due):
        return due
    together = _together(db, due, now)
    if due.channel == "call":
        return _one_ring(db, due, together, now)
    first, spent = _spent(db, due, now)
    if _alarms_in_window(db, due, now) <= STORM_OVER:
        return due
    if spent >= PER_WINDOW:
        until = first + WINDOW_MS
    elif spent and now < first + GATHER_MS:
        until = first + GATHER_MS
    elif len(together) == 1 or (len(together) <= STORM_OVER and not spent):
        return due
    else:
        return _digest(db, due, together, persona)
    _put_off(db, due, until)
    return None


def _of_ours(db: sqlite3.Connection, due: Due) -> bool:
    found = db.execute("SELECT 1 FROM alarm WHERE id = ? AND scope = 'process'", (due.alarm,)).fetchone()
    return found is not None


def _together(db: sqlite3.Connection, due: Due, now: int) -> list[tuple[int, str]]:
    """(notice, alarm) of everything like it that is due now."""
    return db.execute(
        "SELECT id, alarm FROM notice WHERE state = 'due' AND tries = 0 AND about = ? AND person = ?"
        " AND channel = ? AND address = ? AND site = ? AND due_ms <= ? ORDER BY id",
        (due.about, due.person, due.channel, due.address, due.site, now),
    ).fetchall()


def _spent(db: sqlite3.Connection, due: Due, now: int) -> tuple[int, int]:
    """(instant of the first, number) of messages tried to that person about that site in the window."""
    first, spent = db.execute(
        "SELECT coalesce(min(first_try_ms), 0), count(*) FROM notice WHERE person = ? AND first_try_ms > ?"
        " AND first_try_ms <= ? AND site = ? AND channel = ? AND about IN ('raised', 'returned')"
        " AND state <> 'bundled'",
        (due.person, now - WINDOW_MS, now, due.site, due.channel),
    ).fetchone()
    return int(first), int(spent)


def _alarms_in_window(db: sqlite3.Connection, due: Due, now: int) -> int:
    (alarms,) = db.execute(
        "SELECT count(DISTINCT alarm) FROM notice WHERE person = ? AND site = ? AND channel = ?"
        " AND about IN ('raised', 'returned') AND state <> 'cancelled'"
        " AND (created_ms > ? OR (state = 'due' AND tries = 0))",
        (due.person, due.site, due.channel, now - WINDOW_MS),
    ).fetchone()
    return int(alarms)


def _put_off(db: sqlite3.Connection, due: Due, until_ms: int) -> None:
    db.execute(
        "UPDATE notice SET due_ms = ? WHERE state = 'due' AND tries = 0 AND about IN ('raised', 'returned')"
        " AND person = ? AND site = ? AND channel = ? AND due_ms < ?",
        (until_ms, due.person, due.site, due.channel, until_ms),
    )


def _one_ring(db: sqlite3.Connection, due: Due, together: list[tuple[int, str]], now: int) -> Due | None:
    (last,) = db.execute(
        "SELECT coalesce(max(first_try_ms), 0) FROM notice WHERE address = ? AND channel = 'call'"
        " AND first_try_ms <= ?",  # not what a clock that ran ahead has left behind
        (due.address, now),
    ).fetchone()
    if last and now < last + CALL_AGAIN_MS:
        db.execute(
            "UPDATE notice SET due_ms = ?1 WHERE state = 'due' AND channel = 'call' AND address = ?2"
            " AND due_ms < ?1",
            (last + CALL_AGAIN_MS, due.address),
        )
        return None
    _take_along(db, due, together)
    return due


def _digest(
    db: sqlite3.Connection,
    due: Due,
    together: list[tuple[int, str]],
    persona: Callable[[str, str], tuple[str, str]],
) -> Due:
    language, place = persona(due.person, due.site)
    alarms = [alarm for _, alarm in together]
    subjects = db.execute(
        "SELECT appliance FROM alarm WHERE id IN (SELECT value FROM json_each(?)) ORDER BY severity, number",
        (json.dumps(alarms),),
    ).fetchall()
    code = db.execute(
        "SELECT code FROM code WHERE person = ? AND alarm = ? AND used_ms IS NULL ORDER BY made_ms DESC",
        (due.person, due.alarm),
    ).fetchone()
    text = digest(
        place,
        due.site,
        [subject for (subject,) in subjects],
        len(set(alarms)),
        language=language,
        code=code[0] if code else "",
        over=due.about == "returned",
    )
    db.execute("UPDATE notice SET text = ? WHERE id = ?", (text, due.id))
    _take_along(db, due, together)
    return replace(due, text=text)


def _take_along(db: sqlite3.Connection, due: Due, together: list[tuple[int, str]]) -> None:
    for id_, _ in together:
        if id_ != due.id:
            db.execute("UPDATE notice SET state = 'bundled', detail = ? WHERE id = ?", (told_in(due.id), id_))
