# SPDX-License-Identifier: Apache-2.0
"""The outbox: notices leave one try at a time, each try committed before it is made.

due -> sending -> sent; or failed / unknown, tried again later; or given_up, cancelled. A notice found in
`sending` by a new holder of the lease was cut off by a crash: it may have gone out, and is tried again (at
most one extra message). Notices never tried come first, critical ones before others: a dead number holds up
nobody else. Reports, answers and rings that come in are written down before they are deleted.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import cast

import structlog

from alerts.notices.budget import Budget
from alerts.notices.bundle import UNWANTED, Due, bundle, let_go, told_in
from alerts.notices.errands import HEAR_S, Errand, Errands, Hangs
from alerts.notices.hanging import SHARED, hanging
from alerts.notices.heard import keep_heard
from alerts.notices.lease import Lease
from alerts.notices.senders import Done, Senders
from coldchain.kernel.clocks import WallClock
from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Delivery, Listener, Notifier, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer, transaction

log = structlog.get_logger()

TRIES_MAX = 12
"""After so many failed tries a notice is given up (about 50 minutes)."""
UNKNOWN_MAX = 3
"""So many tries may end without an answer: each repetition may be a duplicate on the phone."""
BACKOFF_MS, BACKOFF_MAX_MS = 5_000, 300_000
WAIT_S = 1.0
STOP_S = 1.5
"""A try that is under way when we are to stop has so long to come to its end [s]."""
TURN_S = 45.0
"""So long the outbox's own thread may need for one turn: a commit may wait BUSY_MS for the judge [s]."""
HOUR_MS = 3_600_000
BUSY_MS = 30_000
"""How long the outcome of a try may wait for the judge to finish writing."""

Persona = Callable[[str, str], tuple[str, str]]
"""(person, site) -> (their language, the site's name)"""


class Outbox:
    """One thread and one connection for all that is written; `run` sends by a thread for each channel until
    `stop`. `send_one` is a round on the spot, for those who keep their own time.

    channels  by name; a notifier alone is the channel `sms`
    """

    def __init__(
        self,
        path: Path,
        channels: Notifier | Mapping[str, Notifier],
        wall_ms: WallClock,
        persona: Persona,
        budget: Budget | None = None,
    ) -> None:
        self._db: sqlite3.Connection = open_writer(path, ALARMS_MIGRATIONS)
        self._db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self.broken: Exception | None = None
        self.channels: dict[str, Notifier] = (
            dict(channels) if isinstance(channels, Mapping) else {"sms": channels}
        )
        self._wall_ms, self._persona = wall_ms, persona
        self.budget = budget or Budget()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._turned_s = 0.0
        self._out: dict[str, set[int]] = {}
        self.lease = Lease(self._db, wall_ms, self._succeed)

    # --- life

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, name="outbox", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Until `stop`. Whatever fails ends it; `broken` then says why."""
        senders = Senders(self.channels, self._try, self.wake)
        errands = Errands(self.channels, self.budget, self.wake)
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                self._turned_s = now_s = steady_s()
                for done in senders.results():
                    self._settle(*done)
                for errand in errands.results():
                    self._take_in(errand, errands)
                self._require_end(hanging(self.channels, senders, errands, now_s))
                if not self._give_one(senders):
                    self._send_out(errands, senders.busy, now_s)
                    self._wake.wait(HEAR_S if errands.listening else WAIT_S)
            for done in senders.stop(STOP_S):
                self._settle(*done)
        except Exception as bad:  # whoever runs us looks at `broken`: nobody would be told any more
            log.exception("outbox_broke")
            self.broken = bad
        finally:
            senders.stop(0.0)
            errands.stop()
            self.close()

    def _require_end(self, found: tuple[Hangs, list[Done]] | None) -> None:
        if found is not None:
            for done in found[1]:
                self._settle(*done)
            raise found[0]

    def require_progress(self) -> None:
        """For whoever runs us: raise what ended its thread, or Hangs when that does not come round."""
        if self.broken:
            raise self.broken
        still_s = steady_s() - self._turned_s if self._turned_s else 0.0
        if still_s > TURN_S:
            raise Hangs("outbox", still_s)

    def close(self) -> None:
        """Leave the lease to others and let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self.lease.release()
        self._db.close()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def _succeed(self, fence: int) -> None:
        """The lease is ours now: what others were sending may or may not have gone out.

        A try that a restart cut off is no answer of the network's: it does not count towards giving up.
        """
        self._db.execute(
            "UPDATE notice SET state = 'unknown', due_ms = ?, detail = 'cut off by a restart',"
            " tries = max(tries - 1, 1) WHERE state = 'sending' AND detail <> ?",
            (self._wall_ms(), UNWANTED),
        )
        unwanted = self._db.execute("SELECT id FROM notice WHERE state = 'sending'").fetchall()
        for (id_,) in unwanted:
            self._db.execute("UPDATE notice SET state = 'cancelled' WHERE id = ?", (id_,))
            let_go(self._db, id_)
        # Why these failed is forgotten: perhaps their channel was out.
        for id_, channel in self._db.execute("SELECT id, channel FROM notice WHERE state = 'failed'"):
            self._out.setdefault(channel, set()).add(id_)
        log.info("lease", fence=fence)

    # --- sending

    def send_one(self) -> bool:
        """Try the notice that is due first. False when none is, or another sender has the lease."""
        if not self.lease.hold():
            return False
        claimed = self._claim()
        if claimed is None:
            return False
        fence = self.lease.fence
        sent = self._try(claimed)
        self._settle(claimed, sent, fence)
        return True

    def _give_one(self, senders: Senders) -> bool:
        """Start the try that is due first among the channels that are free."""
        if not self.lease.hold():
            return False
        claimed = self._claim(senders.busy)
        if claimed is None:
            return False
        senders.give(claimed, self.lease.fence)
        return True

    def _try(self, due: Due) -> Sent:
        channel = self.channels.get(due.channel)
        if channel is None:
            return Sent(
                Delivery.FAILED_FINAL, f"there is no channel {due.channel}: set it up, or use another"
            )
        try:
            return channel.send(due.address, due.text)
        except Exception as bad:
            log.exception("notifier_broke", notice=due.id)
            return Sent(Delivery.FAILED_RETRY, f"the channel broke: {type(bad).__name__}")

    def _claim(self, busy: Collection[str] = ()) -> Due | None:
        """The next notice to try, marked as being sent; holds back what waits for a digest or a budget."""
        now = self._wall_ms()
        while (due := self._first(now, busy)) is not None:
            with transaction(self._db) as db:
                if not _still_due(db, due.id):
                    continue  # cancelled while we waited for the judge to finish writing
                chosen = bundle(db, due, now, self._persona)
                if chosen is None:
                    continue  # held back until later: there may be another
                db.execute(
                    "UPDATE notice SET state = 'sending', tries = tries + 1,"
                    " first_try_ms = coalesce(first_try_ms, ?) WHERE id = ?",
                    (now, chosen.id),
                )
                db.execute(
                    "INSERT INTO delivery (notice, priority, receipt_s, fence) VALUES (?, 2, 0, ?)"
                    " ON CONFLICT (notice) DO UPDATE SET fence = excluded.fence",
                    (chosen.id, self.lease.fence),
                )
            return chosen
        return None

    def _first(self, now: int, busy: Collection[str]) -> Due | None:
        """The due notice that comes before all others and may still be paid for."""
        due = self._due(now, 2, busy)
        if due is None or due.priority == 0:
            return due
        lowest = self.budget.lowest(self._tries_since(now - HOUR_MS))
        return due if due.priority <= lowest else self._due(now, lowest, busy)

    def _due(self, now: int, lowest: int, busy: Collection[str]) -> Due | None:
        row = self._db.execute(
            "SELECT n.id, n.alarm, n.person, n.channel, n.address, n.text, n.site, n.about, n.tries,"
            " coalesce(d.priority, 2) AS priority FROM notice n LEFT JOIN delivery d ON d.notice = n.id"
            " WHERE n.state IN ('due', 'failed', 'unknown') AND n.due_ms <= ?"
            " AND coalesce(d.priority, 2) <= ? AND n.channel NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY n.tries > 0, priority, n.tries, n.due_ms, n.id LIMIT 1",
            (now, lowest, json.dumps([*busy])),
        ).fetchone()
        return Due(*row) if row else None

    def _tries_since(self, at_ms: int) -> int:
        (spent,) = self._db.execute(
            "SELECT count(*) FROM notice WHERE first_try_ms > ? AND state <> 'bundled'", (at_ms,)
        ).fetchone()
        return int(spent)

    def _settle(self, due: Due, sent: Sent, fence: int) -> None:
        now, tries = self._wall_ms(), due.tries + 1
        state, due_ms = verdict(sent.delivery, tries, now)
        with transaction(self._db) as db:
            if state in ("failed", "unknown") and _is_unwanted(db, due.id):
                state = "cancelled"
            done = db.execute(
                "UPDATE notice SET state = ?, due_ms = ?, detail = ?, sent_ms = ?"
                " WHERE id = ? AND state = 'sending'"
                " AND (SELECT fence FROM delivery WHERE notice = notice.id) = ?",
                (state, due_ms, sent.detail[:400], now if state == "sent" else None, due.id, fence),
            )
            if not done.rowcount:  # another sender took over meanwhile: its word counts
                return
            if state == "cancelled":
                let_go(db, due.id)
            if state in ("sent", "given_up"):  # what was told in it shares its fate
                db.execute(
                    "UPDATE notice SET state = ?, sent_ms = ? WHERE state = 'bundled' AND detail = ?",
                    (state, now if state == "sent" else None, told_in(due.id)),
                )
            # A ring proves nothing: look again, too.
            if sent.references or sent.carrier_id or due.channel == "call":
                db.execute(
                    "UPDATE delivery SET refs = ?, carrier_id = ?, delivered_ms = NULL, fate = '',"
                    " receipt_due_ms = CASE WHEN receipt_s > 0 AND ? = 'sent' THEN ? + receipt_s * 1000 END"
                    " WHERE notice = ?",
                    (",".join(map(str, sent.references)), sent.carrier_id, state, now, due.id),
                )
        if sent.out and state == "failed":
            self._out.setdefault(due.channel, set()).add(due.id)
        elif sent.delivery is Delivery.ACCEPTED:
            self._works_again(due.channel)
        log.info("notice", id=due.id, person=due.person, state=state, tries=tries, detail=sent.detail[:120])

    def _works_again(self, channel: str) -> None:
        """What failed because that channel was out, and for no other reason, waits no longer."""
        if ids := self._out.pop(channel, None):
            with transaction(self._db) as db:
                db.execute(
                    "UPDATE notice SET due_ms = ? WHERE state = 'failed'"
                    " AND id IN (SELECT value FROM json_each(?))",
                    (self._wall_ms(), json.dumps([*ids])),
                )
            self.wake()

    # --- hearing

    def _send_out(self, errands: Errands, busy: Collection[str], now_s: float) -> None:
        """Let the channels that are free listen, and those that are out be looked at."""
        if not self.lease.fence:
            return
        for channel in self.channels:
            if channel not in SHARED or SHARED.isdisjoint(busy):
                errands.start(channel, now_s, out=channel in self._out)

    def _take_in(self, errand: Errand, errands: Errands) -> None:
        if errand.works:
            self._works_again(errand.channel)
        if errand.heard:
            keep_heard(self._db, errand.heard, self._wall_ms())
            errands.forget(errand)  # heard again, it is known by its name

    def _listeners(self) -> list[Listener]:
        return [cast("Listener", c) for c in self.channels.values() if hasattr(c, "hear")]

    def hear(self, within_s: float) -> bool:
        """Take in what has arrived, on the spot; False when that was nothing."""
        if not self.lease.fence:
            return False
        any_ = False
        for listener in self._listeners():
            try:
                heard = listener.hear(within_s)
            except Exception:
                log.exception("listener_broke")
                continue
            if heard:
                any_ = True
                keep_heard(self._db, heard, self._wall_ms())
                try:
                    listener.forget(heard)  # heard again, it is known by its name
                except Exception:
                    log.exception("listener_broke")
        return any_


def _still_due(db: sqlite3.Connection, notice: int) -> bool:
    row = db.execute("SELECT state FROM notice WHERE id = ?", (notice,)).fetchone()
    return row is not None and row[0] in ("due", "failed", "unknown")


def _is_unwanted(db: sqlite3.Connection, notice: int) -> bool:
    """Was it cancelled while it was being tried?"""
    row = db.execute("SELECT detail FROM notice WHERE id = ?", (notice,)).fetchone()
    return row is not None and row[0] == UNWANTED


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
