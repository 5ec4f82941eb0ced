# SPDX-License-Identifier: Apache-2.0
"""Beginning anew where one of the two files was lost or restored: the journal, or our own.

Positions and series numbers mean nothing in another journal: what is in the log is judged from its first
batch, and the book is brought into line once that is done. Entries have identities made of the data, so what
is still true keeps its alarm and rings nobody twice.
"""

from __future__ import annotations

import structlog

from alerts.alarms.entries import Scene
from alerts.bookkeeping.book import Book
from alerts.judgement.engine import EngineState, all_late
from alerts.rules import CONDITIONS
from alerts.rules.limits import NEVER
from alerts.store import AlarmStore
from coldchain.kernel.words import Flag
from coldchain.records.journal import JournalReader

log = structlog.get_logger()

BACK_MS = 86_400_000
"""So much of the sealed record is judged again when our own file was lost [ms]: the alarms that are true."""
READMITTED = int(Flag.READMITTED)
GONE = "the record was begun anew"
KIND_NUMBER = {condition.name: number for number, condition in enumerate(CONDITIONS)}


def is_another(journal: JournalReader, judged: int) -> bool:
    """Does the journal end before what we have judged? Then it is not the one that we judged."""
    newest = journal.last_position()
    if newest >= judged:
        return False
    log.error(
        "journal.replaced",
        judged=judged,
        newest=newest,
        hint="readings.db was restored; judging from its start",
    )
    return True


def line_up(
    state: EngineState, journal: JournalReader, book: Book, store: AlarmStore, scene: Scene, lateness_ms: int
) -> EngineState:
    """The log has been judged from its first batch: the book follows, within the caller's transaction. What
    the log no longer holds is to be taken from the sealed record: see `_of_sealed`.
    """
    series = {sensor: number for number, sensor in scene.names.items()}
    if journal.first_position() > 1:
        state = _of_sealed(state, journal, series, lateness_ms)
    if n := _close_orphans(state, store, book, series, scene):
        log.warning("excursions_without_record", ended=n)
    return state


def _of_sealed(
    state: EngineState, journal: JournalReader, series: dict[str, int], lateness_ms: int
) -> EngineState:
    """The last `BACK_MS` of each sensor wait to be judged again, and a sensor that the log does not mention
    was heard when its newest reading says: its silence is told.
    """
    log.warning("alerts.starts_late", position=journal.first_position(), judged_again_ms=BACK_MS)
    table = all_late(state, BACK_MS).table
    for sensor, newest in journal.latest().items():
        number = series.get(sensor, len(table))
        live = newest.arrived_ms - newest.at_ms <= lateness_ms and not newest.flags & READMITTED
        if number < len(table) and table["live_at"][number] == NEVER and live:
            table["live_at"][number] = min(newest.at_ms, newest.arrived_ms)
    return EngineState(table, state.insight)


def _close_orphans(
    state: EngineState, store: AlarmStore, book: Book, series: dict[str, int], scene: Scene
) -> int:
    """Excursions that lasted when the record was lost, and that the new one does not show, are over: how
    many. Within the caller's transaction.
    """
    table, n = state.table, 0
    for excursion in store.lasting():
        number, kind = series.get(excursion.sensor, len(table)), KIND_NUMBER.get(excursion.kind)
        known = number < len(table) and kind is not None
        if known and table["standing"][number, kind] and table["since"][number, kind] == excursion.started_ms:
            continue
        n += 1
        newest = int(table["at"][number]) if number < len(table) else NEVER
        # Nobody knows when it ended: the newest reading of the record is the first that shows it gone.
        at_ms = newest if newest > excursion.started_ms else max(scene.now_ms, excursion.started_ms)
        store.end_excursion(excursion.id, at_ms)
        if excursion.alarm:
            book.over(excursion.alarm, at_ms, None, scene, why=GONE)
    return n
