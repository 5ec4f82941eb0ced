# SPDX-License-Identifier: Apache-2.0
"""The journal's writer: what arrived, admitted and committed in one transaction; then it may be receipted.

One transaction holds the log rows, the link's ranges, dead letters, waiting readings, gaps, counters.
`seen` and `latest` are derived from the log, so they are kept only now and then (`checkpoint`) and caught
up with when the file is opened. After a failed commit the journal is not to be used again: the process
ends and opens it anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import structlog

from coldchain.kernel.link import Batch, Pairs, Receipt, encode_batch
from coldchain.kernel.readings import Rows
from coldchain.ports.journal import JournalWriter
from coldchain.records.journal import Latest, merge_latest
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.registry import Registry
from coldchain.records.rows import pack_rows, unpack_rows
from coldchain.records.sql import open_writer, transaction
from ingest import letters
from ingest.admission import Admitted, Bounds, Reason, admit, link_sequences, pairs_of_sequences, refuse_all
from ingest.guards import keep_reports
from ingest.known import Known, Longs, Wired
from ingest.letters import Letter, Projected, keep_letter
from ingest.links import Links
from ingest.recall import Recaller
from ingest.status import StatusWord, gap_row
from ingest.waiting import Readmitted, group_waiting, take_adopted

log = structlog.get_logger()

CHECKPOINT_COMMITS = 256
CHECKPOINT_ROWS = 50_000
"""`seen` and `latest` are kept after so many commits or rows: what a restart reads again is bounded by it."""

PAGE_BYTES = 1_024
"""Of `readings.db`: at 250 readings a commit 108 bytes are written a reading, against 177 with pages of
4096.
"""

DEAD_BYTES_MAX = 64 * 1024
"""A dead letter keeps at most so much of what came."""
REFUSED_KEPT_MAX = 10_000
"""Refused payloads kept with their bytes; beyond it they are only counted. Readings' dead letters all
stay.
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that was refused whole: not one of its readings is known."""

    gateway: str | None
    reason: Reason
    detail: str
    payload: bytes


Arrival = Batch | Refused | StatusWord


@dataclass(slots=True)
class _Since:
    """What was committed since the last checkpoint."""

    commits: int = 0
    rows: int = 0
    parts: list[Rows] = field(default_factory=list)


class SqliteJournal(JournalWriter):
    """`readings.db` for its one writer. Not for several threads.

    Raises StoreUnavailable or SchemaTooNew on opening; sqlite3.Error when a commit fails: end the process
    then.
    """

    def __init__(self, path: Path, *, lateness_ms: int = 600_000, waiting_max: int = 1_000_000) -> None:
        self.db = open_writer(path, READINGS_MIGRATIONS, page_bytes=PAGE_BYTES)
        self.known = Known()
        self.counters: dict[str, int] = {}
        self._bounds = Bounds(lateness_ms)
        self._waiting_max = waiting_max
        self._latest: dict[int, Latest] = {}
        self._since = _Since()
        self._changed: set[str] = set()
        self._recaller = Recaller(self.db, self.known)
        self._load()

    def close(self) -> None:
        """Keep what is derived, and close."""
        if self._since.commits:
            with transaction(self.db):
                self._checkpoint()
        self.db.close()

    @property
    def position(self) -> int:
        """The newest committed position."""
        return self.counters.get("position", 0)

    # --- opening

    def _load(self) -> None:
        self.counters = dict(self.db.execute("SELECT name, value FROM counter").fetchall())
        for number, sensor, quantity in self.db.execute("SELECT id, sensor, quantity FROM series"):
            self.known.series_of[sensor, quantity] = number
        kept = self.db.execute("SELECT id, node, boot, seen FROM source").fetchall()
        for number, node, boot, _ in kept:
            self.known.learn_source(number, node, boot)
        self.known.restore((number, seen) for number, _, _, seen in kept)
        self._links = Links(self.db)
        for series, *newest in self.db.execute(
            "SELECT series, at_ms, value, status, flags, arrived_ms FROM latest"
        ):
            self._latest[series] = Latest(*newest)
        self.known.changed()  # what was just read is not news
        self._catch_up()

    def _catch_up(self) -> None:
        row = self.db.execute("SELECT position, detail FROM cursor WHERE consumer = 'state'").fetchone()
        position, waiting = (row[0], json.loads(row[1])["waiting"]) if row else (0, 0)
        behind = self.db.execute(
            "SELECT rows FROM log WHERE position > ? ORDER BY position", (position,)
        ).fetchall()
        waited = self.db.execute("SELECT rows FROM waiting WHERE id > ?", (waiting,)).fetchall()
        for (blob,) in waited:
            self._mark(unpack_rows(blob))
        for (blob,) in behind:
            rows = unpack_rows(blob)
            self._mark(rows)
            self._since.parts.append(rows)
            self._since.rows += len(rows)
        self._since.commits = len(behind) + len(waited)

    def _mark(self, rows: Rows) -> None:
        slots = self.known.slots(rows["source"].astype("i8"), rows["channel"])
        self.known.mark(self.known.unseen(slots, rows["seq"].astype("i8"))[1])

    # --- recording

    def rewire(self, registry: Registry) -> None:
        """From now on channels belong to sensors as this registry says."""
        tests = {
            appliance.id: tuple((drill.from_ms, drill.until_ms) for drill in appliance.drills)
            for appliance in registry.appliances
        }
        wiring = {
            (was.node, was.channel): Wired(s.id, int(s.code), until_ms=was.until_ms)
            for s in registry.sensors
            for was in s.before
        }
        wiring |= {
            channel: Wired(s.id, int(s.code), tests.get(s.appliance or "", ()), s.wired_ms)
            for channel, s in registry.by_channel.items()
        }
        self.known.rewire(wiring)

    def record(self, arrivals: Sequence[Arrival], arrived_ms: int) -> list[Receipt | None]:
        """Commit all of them together, fsynced. The receipt for each; None for what is not to be
        receipted.
        """
        with transaction(self.db):
            receipts = [self._take(arrival, arrived_ms) for arrival in arrivals]
            self._keep()
        return receipts

    def _take(self, arrival: Arrival, arrived_ms: int) -> Receipt | None:
        if isinstance(arrival, Batch):
            return self._take_batch(arrival, arrived_ms)
        if isinstance(arrival, StatusWord):
            return self._take_status(arrival, arrived_ms)
        self._refuse(arrival, arrived_ms)
        return None

    def _take_batch(self, batch: Batch, arrived_ms: int) -> Receipt:
        link = self._links.of(batch.gateway, batch.epoch)
        room = self._waiting_max - self.counters.get("waiting", 0)
        bounds = replace(self._bounds, waiting_room=room, dead_before=link.dead)
        admitted = self._admit(batch, arrived_ms, bounds)
        self.known.mark(admitted.runs)
        self.append(admitted.rows, arrived_ms, link.number)
        if admitted.duplicates:
            self._count("duplicates", admitted.duplicates)
        if len(admitted.waiting):
            self._keep_waiting(admitted, arrived_ms, link.number)
        for reason, places in admitted.dead:
            self._keep_dead(batch, reason, places, arrived_ms)
        link.account(admitted.recorded_ranges, admitted.dead_ranges)
        return Receipt(
            batch.gateway, batch.epoch, admitted.recorded_ranges, admitted.dead_ranges, [], arrived_ms
        )

    def _admit(self, batch: Batch, arrived_ms: int, bounds: Bounds) -> Admitted:
        try:
            return admit(batch, self.known, arrived_ms, self._recaller, bounds)
        except Exception:
            # Our bug. The same batch would come again for ever and stop all others: it is set aside, loudly.
            log.exception("admission.broken", gateway=batch.gateway, ranges=batch.ranges)
            return refuse_all(batch, bounds)

    def append(self, rows: Rows, arrived_ms: int, link: int) -> None:
        """Put rows at the end of the log, within the caller's transaction."""
        if not len(rows):
            return
        self._count("position", 1)
        self._count("journalled", len(rows))
        at = rows["at_ms"]
        self.db.execute(
            "INSERT INTO log VALUES (?,?,?,?,?,?,?)",
            (self.position, arrived_ms, link, len(rows), int(at.min()), int(at.max()), pack_rows(rows)),
        )
        self._since.parts.append(rows)
        self._since.rows += len(rows)
        self._recaller.remember(rows)

    def _keep_waiting(self, admitted: Admitted, arrived_ms: int, link: int) -> None:
        self._count("waiting", len(admitted.waiting))
        self._recaller.remember(admitted.waiting)
        for node, channel, quantity, rows in group_waiting(
            admitted.waiting, admitted.waiting_quantity, self.known.node_of
        ):
            self.db.execute(
                "INSERT INTO waiting (node, channel, quantity, arrived_ms, link, n, rows)"
                " VALUES (?,?,?,?,?,?,?)",
                (node, channel, quantity, arrived_ms, link, len(rows), pack_rows(rows)),
            )

    def _keep_dead(self, batch: Batch, reason: Reason, places: Longs, arrived_ms: int) -> None:
        links = pairs_of_sequences(link_sequences(batch.ranges)[places])
        ordered = places[link_sequences(batch.ranges)[places].argsort(kind="stable")]
        part = replace(batch, ranges=links, rows=batch.rows[ordered])
        nodes = sorted({batch.nodes[n][0] for n in part.rows["node"].tolist()})
        detail = f"{len(places)} readings of {', '.join(nodes)[:200]}"
        letter = Letter(
            arrived_ms,
            reason,
            detail,
            encode_batch(part),
            batch.gateway,
            batch.epoch,
            json.dumps(links),
            len(places),
        )
        keep_letter(self.db, letter)
        self._count("dead_lettered", len(places))
        log.warning("readings.dead_lettered", gateway=batch.gateway, reason=str(reason), detail=detail)

    def _refuse(self, refused: Refused, arrived_ms: int) -> None:
        self._count("refused_payloads", 1)
        log.warning(
            "payload.refused", gateway=refused.gateway, reason=str(refused.reason), detail=refused.detail
        )
        if self.counters["refused_payloads"] > REFUSED_KEPT_MAX:
            return
        data = refused.payload[:DEAD_BYTES_MAX]
        keep_letter(self.db, Letter(arrived_ms, refused.reason, refused.detail, data, refused.gateway))

    def _take_status(self, word: StatusWord, arrived_ms: int) -> Receipt | None:
        if word.text:  # gaps that were carried here by hand are no sign of life
            self.db.execute(
                "INSERT INTO gateway_status VALUES (?,?,?) ON CONFLICT (gateway) DO UPDATE SET"
                " arrived_ms = excluded.arrived_ms, status = excluded.status",
                (word.gateway, arrived_ms, word.text),
            )
        if word.guard is not None and word.guard.reports:
            keep_reports(self.db, word.gateway, word.guard, arrived_ms)
        if not word.gaps:
            return None
        self.db.executemany(
            "INSERT INTO gap VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
            [gap_row(word, gap, arrived_ms) for gap in word.gaps],
        )
        return Receipt(word.gateway, word.epoch, gaps=[gap.id for gap in word.gaps], hub_ms=arrived_ms)

    # --- adopting

    def readmit(self, arrived_ms: int, limit: int = 200) -> Readmitted:
        """Move what waited for a sensor that is known now into the log, up to `limit` waiting batches.

        What disagrees with the registry's quantity goes to the dead letters. Call again while `more`.
        """
        with transaction(self.db):
            done = take_adopted(self.db, self.known, limit)
            for link, rows in done.batches:
                self.append(rows, arrived_ms, link)
                self._count("readmitted", len(rows))
                self._count("waiting", -len(rows))
            for node, channel, quantity, rows in done.refused:
                self._count("waiting", -len(rows))
                self._count("dead_lettered", len(rows))
                detail = f"{node}/{channel} waited as quantity {quantity}, adopted as another"
                letter = Letter(arrived_ms, Reason.QUANTITY, detail, pack_rows(rows), readings=len(rows))
                keep_letter(self.db, letter)
            for node, channel, _, rows in done.before:
                self._count("waiting", -len(rows))
                self._count("dead_lettered", len(rows))
                detail = f"{node}/{channel}: sent before it took another probe's place"
                letter = Letter(arrived_ms, Reason.BEFORE, detail, pack_rows(rows), readings=len(rows))
                keep_letter(self.db, letter)
            self._keep()
        return done

    # --- what is kept beside the rows

    def accounted(self, gateway: str, epoch: str) -> tuple[Pairs, Pairs]:
        """The link sequences recorded, and dead-lettered."""
        return self._links.accounted(gateway, epoch)

    def _count(self, name: str, more: int) -> None:
        if more:
            self.counters[name] = self.counters.get(name, 0) + more
            self._changed.add(name)

    def _keep(self) -> None:
        known = self.known
        if known.new_sources:
            rows = [(*new, b"") for new in known.new_sources]
            self.db.executemany("INSERT INTO source (id, node, boot, seen) VALUES (?,?,?,?)", rows)
            known.new_sources.clear()
        if known.new_series:
            self.db.executemany("INSERT INTO series (id, sensor, quantity) VALUES (?,?,?)", known.new_series)
            known.new_series.clear()
        self._links.keep()
        self._since.commits += 1
        if self._since.commits >= CHECKPOINT_COMMITS or self._since.rows >= CHECKPOINT_ROWS:
            self._checkpoint()
        self._keep_counters()

    def _keep_counters(self) -> None:
        if self._changed:
            self.db.executemany(
                "INSERT INTO counter VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [(name, self.counters[name]) for name in self._changed],
            )
            self._changed.clear()

    def checkpoint(self) -> None:
        """Keep `seen` and `latest` as of now, so that the log before now may go."""
        with transaction(self.db):
            self._checkpoint()

    def _checkpoint(self) -> None:
        fresh: set[int] = set()
        if self._since.parts:
            rows = np.concatenate(self._since.parts)
            merge_latest(self._latest, rows)
            fresh.update(np.unique(rows["series"]).tolist())
        newest = [(series, *_latest_row(self._latest[series])) for series in fresh]
        self.db.executemany("INSERT OR REPLACE INTO latest VALUES (?,?,?,?,?,?)", newest)
        self.db.executemany("UPDATE source SET seen = ? WHERE id = ?", self.known.changed())
        (waiting,) = self.db.execute("SELECT coalesce(max(id), 0) FROM waiting").fetchone()
        self.set_cursor("state", self.position, json.dumps({"waiting": waiting}))
        self._since = _Since()

    def keep_projection(self, progress: Sequence[Projected], now_ms: int) -> None:
        """Keep how far the InfluxDB projection has come, and what it could not write."""
        if not progress:
            return
        with transaction(self.db):
            for step in progress:
                letters.keep_refused_points(self.db, step.culprits, now_ms)
                letters.keep_parked(self.db, step.parked, now_ms)
                self._count("influx_refused", len(step.culprits))
                self._count("influx_parked", len(step.parked))
            self.set_cursor("influx", progress[-1].position, progress[-1].detail)
            self._keep_counters()

    def set_cursor(self, consumer: str, position: int, detail: str = "{}") -> None:
        """Say how far a duty has come, within the caller's transaction."""
        self.db.execute(
            "INSERT INTO cursor VALUES (?,?,?) ON CONFLICT (consumer) DO UPDATE SET"
            " position = excluded.position, detail = excluded.detail",
            (consumer, position, detail),
        )


def _latest_row(latest: Latest) -> tuple[int, int, int, int, int]:
    return latest.at_ms, latest.value, latest.status, latest.flags, latest.arrived_ms
