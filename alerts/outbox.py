# SPDX-License-Identifier: Apache-2.0
"""The outbox: notices leave one try at a time, each try committed before it is made.

due -> sending -> sent; or failed / unknown, tried again later; or given_up. A notice found in `sending` at
the start was cut off by a crash: it may have gone out, and is tried once more (one voice: at most one extra
message). Notices never tried come first, so that a dead number holds up nobody else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from alerts.messages import digest
from coldchain.kernel.clocks import WallClock
from coldchain.ports.notifier import Delivery, Notifier, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer, transaction

log = structlog.get_logger()

TRIES_MAX = 12
"""After so many failed tries a notice is given up (about 50 minutes)."""
UNKNOWN_MAX = 3
"""So many tries may end without an answer: each repetition may be a duplicate on the phone."""
BACKOFF_MS, BACKOFF_MAX_MS = 5_000, 300_000
BUNDLE_OVER = 3
"""More than so many alarms of one site, due to one person together, become one message."""
BUNDLE_WITHIN_MS = 60_000
WAIT_S = 1.0
BUSY_MS = 30_000
"""How long the outcome of a try may wait for the judge to finish writing."""


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    alarm: str
    person: str
    channel: str
    address: str
    text: str
    site: str
    about: str
    created_ms: int
    tries: int


_DUE = "SELECT id, alarm, person, channel, address, text, site, about, created_ms, tries FROM notice"


class Outbox:
    """One thread, one connection of its own. `send_one` is a round; `run` repeats it until `stop`.

    places  site id -> its name, for the digest
    """

    def __init__(
        self, path: Path, notifier: Notifier, wall_ms: WallClock, places: Callable[[str], str]
    ) -> None:
        self._db: sqlite3.Connection = open_writer(path, ALARMS_MIGRATIONS)
        self._db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self.broken: sqlite3.Error | None = None
        self._notifier, self._wall_ms, self._places = notifier, wall_ms, places
        self._wake, self._stopping = threading.Event(), threading.Event()
        with transaction(self._db) as db:
            # A crash came between the try and its outcome.
            db.execute(
                "UPDATE notice SET state = 'unknown', due_ms = ?, detail = 'cut off by a restart'"
                " WHERE state = 'sending'",
                (wall_ms(),),
            )

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, name="outbox", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Until `stop`. A store that fails ends it; `broken` then says why."""
        try:
            while not self._stopping.is_set():
                if not self.send_one():
                    self._wake.wait(WAIT_S)
                    self._wake.clear()
        except sqlite3.Error as bad:
            log.exception("outbox_broke")
            self.broken = bad
        finally:
            self._db.close()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def send_one(self) -> bool:
        """Try the notice that is due first. False when none is."""
        claimed = self._claim()
        if claimed is None:
            return False
        sent = self._try(claimed)
        self._settle(claimed, sent)
        return True

    def _try(self, due: _Due) -> Sent:
        try:
            return self._notifier.send(due.address, due.text)
        except Exception as bad:
            log.exception("notifier_broke", notice=due.id)
            return Sent(Delivery.FAILED_RETRY, f"the channel broke: {type(bad).__name__}")

    def _claim(self) -> _Due | None:
        now = self._wall_ms()
        row = self._db.execute(
            f"{_DUE} WHERE state IN ('due', 'failed', 'unknown') AND due_ms <= ?"
            " ORDER BY tries, due_ms, id LIMIT 1",
            (now,),
        ).fetchone()
        if row is None:
            return None
        due = _Due(*row)
        with transaction(self._db) as db:
            if due.about == "raised" and due.tries == 0:
                due = self._bundle(db, due)
            db.execute(
                "UPDATE notice SET state = 'sending', tries = tries + 1,"
                " first_try_ms = coalesce(first_try_ms, ?) WHERE id = ?",
                (now, due.id),
            )
        return due

    def _bundle(self, db: sqlite3.Connection, due: _Due) -> _Due:
        """Take along what else of that site waits for that person, when it is many."""
        found = db.execute(
            f"{_DUE} WHERE state = 'due' AND tries = 0 AND about = 'raised' AND person = ? AND channel = ?"
            " AND site = ? AND created_ms BETWEEN ? AND ? ORDER BY id",
            (
                due.person,
                due.channel,
                due.site,
                due.created_ms - BUNDLE_WITHIN_MS,
                due.created_ms + BUNDLE_WITHIN_MS,
            ),
        ).fetchall()
        together = [_Due(*row) for row in found]
        if len(together) <= BUNDLE_OVER:
            return due
        alarms = [
            db.execute("SELECT appliance, number FROM alarm WHERE id = ?", (one.alarm,)).fetchone()
            for one in together
        ]
        text = digest(self._places(due.site), [a for a, _ in alarms], [n for _, n in alarms])
        db.execute("UPDATE notice SET text = ? WHERE id = ?", (text, due.id))
        for one in together:
            if one.id != due.id:
                db.execute(
                    "UPDATE notice SET state = 'bundled', detail = ? WHERE id = ?",
                    (_told_in(due), one.id),
                )
        return _Due(due.id, due.alarm, due.person, due.channel, due.address, text, due.site, due.about, 0, 0)

    def _settle(self, due: _Due, sent: Sent) -> None:
        now, tries = self._wall_ms(), due.tries + 1
        state, due_ms = verdict(sent.delivery, tries, now)
        with transaction(self._db) as db:
            db.execute(
                "UPDATE notice SET state = ?, due_ms = ?, detail = ?, sent_ms = ? WHERE id = ?",
                (state, due_ms, sent.detail[:400], now if state == "sent" else None, due.id),
            )
            if state in ("sent", "given_up"):  # what was told in it shares its fate
                db.execute(
                    "UPDATE notice SET state = ?, sent_ms = ? WHERE state = 'bundled' AND detail = ?",
                    (state, now if state == "sent" else None, _told_in(due)),
                )
        log.info("notice", id=due.id, person=due.person, state=state, tries=tries, detail=sent.detail[:120])


def _told_in(due: _Due) -> str:
    return f"told in notice {due.id}"


def verdict(delivery: Delivery, tries: int, now_ms: int) -> tuple[str, int]:
    """(state, next try) after the `tries`-th try.

    >>> verdict(Delivery.FAILED_RETRY, 1, 0), verdict(Delivery.FAILED_RETRY, 4, 0)
    (('failed', 5000), ('failed', 40000))
    >>> verdict(Delivery.UNKNOWN, 1, 0), verdict(Delivery.UNKNOWN, 3, 0)
    (('unknown', 5000), ('given_up', 0))
    """
    if delivery is Delivery.ACCEPTED:
        return "sent", now_ms
    if delivery is Delivery.FAILED_FINAL or tries >= TRIES_MAX:
        return "given_up", now_ms
    if delivery is Delivery.UNKNOWN and tries >= UNKNOWN_MAX:
        return "given_up", now_ms
    wait = min(BACKOFF_MS * 2 ** (tries - 1), BACKOFF_MAX_MS)
    return ("unknown" if delivery is Delivery.UNKNOWN else "failed"), now_ms + wait
