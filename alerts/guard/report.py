# SPDX-License-Identifier: Apache-2.0
"""What a guard did about its alarms, as reports for the hub. Reading its own file only."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from sqlite3 import Connection

from alerts.notices.chains import Chains
from alerts.store import AlarmStore
from coldchain.kernel.guard import Report, report_of

NOTICES_MAX = 24
"""Of one alarm's messages so many are reported, the newest: who was told, and by what."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A report, its alarm, and a mark of what it says that matters: who was told, what was answered."""

    report: Report
    alarm: str
    mark: str


def offers(store: AlarmStore, chains: Chains) -> list[Offer]:
    """A report for each alarm that was told here, unless the hub has kept all that it would say."""
    found = []
    for (id_,) in _told_alarms(store.db):
        alarm = store.alarm(id_)
        if alarm is None:
            continue
        notices = _notices(store.db, id_)
        answer = [alarm.state, alarm.acknowledged_ms, alarm.acknowledged_by, alarm.returned_ms, notices]
        mark = f"{zlib.crc32(json.dumps(answer).encode()):08x}"
        if mark == kept_mark(store.db, id_):
            continue
        chain = chains.chain(id_)
        body = {
            "v": 1,
            "alarm": asdict(alarm),
            "chain": asdict(chain) if chain else None,
            "notices": notices,
            "codes": store.db.execute(
                "SELECT code, person, made_ms, used_ms FROM code WHERE alarm = ? ORDER BY made_ms, code",
                (id_,),
            ).fetchall(),
        }
        found.append(Offer(report_of(id_, body), id_, mark))
    return found


def _told_alarms(db: Connection) -> list[tuple[str]]:
    return db.execute(
        "SELECT a.id FROM alarm a JOIN notice n ON n.alarm = a.id AND n.about = 'raised'"
        " AND n.state IN ('sent', 'unknown', 'sending') GROUP BY a.id ORDER BY a.number"
    ).fetchall()


def _notices(db: Connection, alarm: str) -> list[list[object]]:
    found = db.execute(
        "SELECT step, person, channel, attempt, address, text, created_ms, sent_ms FROM notice"
        " WHERE alarm = ? AND about IN ('raised', 'returned')"
        " AND state IN ('sent', 'unknown', 'sending') ORDER BY id DESC LIMIT ?",
        (alarm, NOTICES_MAX),
    )
    return [list(row) for row in reversed(found.fetchall())]


def kept_mark(db: Connection, alarm: str) -> str:
    """The mark of the newest report about that alarm that the hub has kept; empty: none."""
    row = db.execute("SELECT report FROM guard_kept WHERE alarm = ?", (alarm,)).fetchone()
    return str(row[0]) if row else ""


def kept_at(db: Connection, alarm: str) -> int:
    """When the hub took it over [ms]; 0: it has not."""
    row = db.execute("SELECT at_ms FROM guard_kept WHERE alarm = ?", (alarm,)).fetchone()
    return int(row[0]) if row else 0


def keep(db: Connection, offer: Offer, now_ms: int) -> None:
    """The hub has it. Within the caller's transaction."""
    db.execute("INSERT OR REPLACE INTO guard_kept VALUES (?,?,?)", (offer.alarm, offer.mark, now_ms))
