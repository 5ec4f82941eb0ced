# SPDX-License-Identifier: Apache-2.0
"""The spool: what the gateway has accepted and the hub has not yet receipted. One thread owns it.

*Accepted* means committed here with fsync. Readings are numbered from 1 by their link sequence; the counter
`accepted` is the last number given, committed with the rows. A row leaves only on the hub's receipt. The
epoch names this file: a new one has a new name, so that no number is ever used twice.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from coldchain.kernel.audit import Anchors
from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.readings import SPOOLED, Rows, empty
from coldchain.records.sql import open_writer, transaction
from gateway import anchors
from gateway.blocks import READINGS_MAX, pack_block, unpack_block
from gateway.codecs.frames import Pairs, Report
from gateway.gap_book import GapBook
from gateway.intake import Answers, Arrival, Loss, Outcome, Stored
from gateway.route import Route
from gateway.sources import Source
from gateway.spool_file import (
    CHECK_MAX_BYTES,
    MIGRATIONS,
    is_damage,
    pending_of,
    read_accounts,
    remaining,
    set_aside,
)
from gateway.stamping import is_live, stamp

PAGE_BYTES = 1024
"""A report is often a commit of its own: against 4,096 this halves what the disk has to write."""

__all__ = ["Arrival", "Loss", "Outcome", "Spool", "Stored", "open_spool", "read_accounts"]


class _Packing:
    """Rows of one kind (live or not) gathered during a commit."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.index: dict[int, int] = {}
        self.sources: list[Source] = []

    def add(self, source: Source, report: Report, gateway_ms: int) -> None:
        at = self.index.get(source.id)
        if at is None:
            at = self.index[source.id] = len(self.sources)
            self.sources.append(source)
        assert report.seq is not None
        self.parts.append(stamp(report, report.seq, at, gateway_ms))

    def chunks(self) -> Iterable[tuple[list[Source], Rows]]:
        """At most READINGS_MAX rows at a time, each with its own list of sources."""
        whole = np.frombuffer(b"".join(self.parts), SPOOLED)
        if len(whole) <= READINGS_MAX:
            yield self.sources, whole
            return
        for start in range(0, len(whole), READINGS_MAX):
            rows = whole[start : start + READINGS_MAX].copy()
            used, rows["node"] = np.unique(rows["node"], return_inverse=True)
            yield [self.sources[i] for i in used.tolist()], rows


class Spool:
    """One open spool. Not thread-safe: one thread owns it. Changes go inside `with spool.change():`."""

    def __init__(
        self, path: Path, *, max_bytes: int, new_epoch: Callable[[], str], wall_ms: WallClock
    ) -> None:
        """Open or create; StoreUnavailable, SchemaTooNew, or sqlite3.DatabaseError when it is damaged."""
        self._path, self._max_bytes, self._wall_ms = path, max_bytes, wall_ms
        self._db = open_writer(path, MIGRATIONS, page_bytes=PAGE_BYTES)
        try:
            self._begin(new_epoch)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, new_epoch: Callable[[], str]) -> None:
        if self._one("SELECT count(*) FROM meta") == 0:
            with transaction(self._db) as db:
                db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (new_epoch(),))
                db.execute("INSERT OR IGNORE INTO counter VALUES ('accepted', 0), ('lost', 0)")
        self.epoch: str = self._one("SELECT value FROM meta WHERE key = 'epoch'")
        self._page_bytes: int = self._one("PRAGMA page_size")
        if self._path.stat().st_size <= CHECK_MAX_BYTES:
            self._check()
        self._load()

    def _one(self, sql: str, *values: Any) -> Any:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _load(self) -> None:
        """Take everything kept in memory from the file."""
        self.accepted: int = self._one("SELECT value FROM counter WHERE name = 'accepted'")
        self.gaps = GapBook(self._db)
        self._sources: dict[tuple[str, int], Source] = {}
        for number, node, boot, state in self._db.execute(
            "SELECT id, node, boot, state FROM source ORDER BY id"
        ):
            source = self._sources[node, boot] = Source(number, node, boot)
            source.restore(state)
        self._by_id = {source.id: source for source in self._sources.values()}
        self.pending = pending_of(self._db)

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction. When it fails the memory is read from the file again, and the exception goes on."""
        try:
            with transaction(self._db):
                yield
        except BaseException:
            self._load()  # memory ran ahead of the file
            raise

    def accept(self, arrivals: Sequence[Arrival], losses: Sequence[Loss], now_s: float) -> Outcome:
        """Store these reports, in order. Every report must be numbered.

        now_s  a steady clock
        """
        routes = {route for _, _, route in (*arrivals, *losses) if route is not None}
        outcome = Outcome([], routes, {}, {}, 0, 0)
        parts = {True: _Packing(), False: _Packing()}
        touched: dict[int, tuple[Source, Route | None, int]] = {}
        full = self.full()
        duplicates = withheld = 0
        for arrival in arrivals:
            report, gateway_ms, route = arrival
            assert report.boot is not None
            assert report.seq is not None
            source = self._source(report.node, report.boot)
            touched[source.id] = source, route, gateway_ms
            source.notice(report.seq)
            if report.seq in source.seen:
                duplicates += 1
                self._doubt(source, arrival)
            elif full:
                withheld += 1
                self._refuse(source, arrival, "spool-full")
                continue
            else:
                source.seen.add(report.seq, report.seq)
                source.readings = len(report.readings)
                source.remember(report.seq, report.readings)
                if report.readings:
                    parts[is_live(report, gateway_ms)].add(source, report, gateway_ms)
            if route is not None:
                nodes = outcome.acks.setdefault(route, {})
                nodes.setdefault((report.node, report.boot), []).append((report.seq, report.seq))
        for lost, now_ms, route in losses:
            source = self._source(lost.node, lost.boot)
            touched.setdefault(source.id, (source, route, now_ms))
            self._give_up(source, source.missing_of(lost.low, lost.high), "told-lost", now_ms)
        self._pursue(touched.values(), now_s, outcome.asks)
        self._save([source for source, _, _ in touched.values()])
        for live, packing in parts.items():
            if packing.parts:
                outcome.stored.extend(self._append(packing, live=live))
        for nodes in outcome.acks.values():
            for key, pairs in nodes.items():
                nodes[key] = RangeSet(sorted(pairs)).pairs()
        return outcome._replace(duplicates=duplicates, withheld=withheld)

    def refuse(self, arrivals: Iterable[Arrival], reason: str) -> None:
        """Count these as gaps: there was no room for them, and nobody will send them again."""
        for arrival in arrivals:
            assert arrival.report.boot is not None
            source = self._source(arrival.report.node, arrival.report.boot)
            self._refuse(source, arrival, reason)
            self._save([source])

    def _refuse(self, source: Source, arrival: Arrival, reason: str) -> None:
        """A node that is answered keeps its report, as no acknowledgement comes: it is not lost yet."""
        seq = arrival.report.seq
        if arrival.route is None and seq is not None and seq not in source.lost:
            source.readings = len(arrival.report.readings)
            self._give_up(source, [(seq, seq)], reason, arrival.gateway_ms)

    def _doubt(self, source: Source, arrival: Arrival) -> None:
        """Its number has been accepted before. With other readings it is lost, and loudly."""
        report, now_ms, _ = arrival
        assert report.seq is not None
        if source.contradicts(report.seq, report.readings):
            span, readings = (report.seq, report.seq), len(report.readings)
            self.gaps.add(
                source.node, source.boot, span, readings=readings, reason="number-used-twice", now_ms=now_ms
            )

    def _pursue(
        self, touched: Iterable[tuple[Source, Route | None, int]], now_s: float, asks: Answers
    ) -> None:
        for source, route, now_ms in touched:
            ask, give_up = source.pursue(now_s)
            if ask and route is not None:
                asks.setdefault(route, {})[source.node, source.boot] = ask
            self._give_up(source, give_up, "never-came", now_ms)

    def _source(self, node: str, boot: int) -> Source:
        source = self._sources.get((node, boot))
        if source is None:
            source = Source(max(self._by_id, default=0) + 1, node, boot)
            self._sources[node, boot] = self._by_id[source.id] = source
        return source

    def _save(self, sources: list[Source]) -> None:
        self._db.executemany(
            "INSERT INTO source VALUES (?,?,?,?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            [(source.id, source.node, source.boot, source.saved()) for source in sources],
        )

    def _append(self, packing: _Packing, *, live: bool) -> Iterable[Stored]:
        for sources, rows in packing.chunks():
            low, high = self.accepted + 1, self.accepted + len(rows)
            blob = pack_block([source.id for source in sources], rows)
            self._db.execute("INSERT INTO block VALUES (?,?,?,NULL,?)", (low, len(rows), int(live), blob))
            self.accepted = high
            self.pending.add(low, high)
            yield Stored(low, high, live, [(source.node, source.boot) for source in sources], rows)
        self._db.execute("UPDATE counter SET value = ? WHERE name = 'accepted'", (self.accepted,))

    def _give_up(self, source: Source, pairs: Pairs, reason: str, now_ms: int) -> None:
        source.lose(pairs)
        for low, high in pairs:
            readings = (high - low + 1) * source.readings
            self.gaps.add(
                source.node, source.boot, (low, high), readings=readings, reason=reason, now_ms=now_ms
            )

    def receipt(self, pairs: Pairs, gaps: Iterable[int]) -> None:
        """The hub has these link sequences and these gap records: forget them."""
        for low, high in pairs:
            low, high = max(low, 1), min(high, self.accepted)  # noqa: PLW2901  a receipt may claim more
            if low <= high:
                self._forget(low, high)
        self.gaps.forget(list(gaps))

    def _forget(self, low: int, high: int) -> None:
        self._db.execute(
            "DELETE FROM block WHERE first BETWEEN ? AND ? AND first + n - 1 <= ?", (low, high, high)
        )
        for number in {low, high}:  # blocks that the range cuts
            row = self._db.execute(
                "SELECT first, n, remain FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
            ).fetchone()
            if row is None or row[0] + row[1] - 1 < number:
                continue
            rest = remaining(*row)
            rest.remove(low, high)
            if rest:
                self._db.execute(
                    "UPDATE block SET remain = ? WHERE first = ?", (json.dumps(rest.pairs()), row[0])
                )
            else:
                self._db.execute("DELETE FROM block WHERE first = ?", (row[0],))
        self.pending.remove(low, high)

    def read(self, pairs: Pairs) -> tuple[Pairs, list[tuple[str, int]], Rows]:
        """(ranges found, nodes, rows): the readings of these link sequences that are still to be receipted.

        Call it inside a change: a block whose bytes have rotted is set aside and counted as a gap here.
        """
        found: Pairs = []
        pieces: list[Rows] = [empty(SPOOLED)]
        index: dict[int, int] = {}
        for low, high in pairs:
            start = self._one("SELECT max(first) FROM block WHERE first <= ?", low) or low
            for first, n, remain, blob in self._db.execute(
                "SELECT first, n, remain, rows FROM block WHERE first BETWEEN ? AND ? ORDER BY first",
                (start, high),
            ).fetchall():
                try:
                    sources, rows = unpack_block(blob, n)
                except (ValueError, zlib.error):
                    self._set_aside(first, n)
                    continue
                places = np.array([index.setdefault(s, len(index)) for s in sources], "<u2")
                for a, b in remaining(first, n, remain):
                    a, b = max(a, low), min(b, high)  # noqa: PLW2901  the part that was asked for
                    if a <= b:
                        piece = rows[a - first : b - first + 1]
                        piece["node"] = places[piece["node"]]
                        pieces.append(piece)
                        found.append((a, b))
        nodes = [(self._by_id[s].node, self._by_id[s].boot) for s in index]
        return found, nodes, np.concatenate(pieces)

    def _set_aside(self, first: int, n: int) -> None:
        self._db.execute("INSERT INTO damaged SELECT first, n, rows FROM block WHERE first = ?", (first,))
        self._db.execute("DELETE FROM block WHERE first = ?", (first,))
        self.pending.remove(first, first + n - 1)
        self.gaps.add_nameless("spool-damaged", n, self._wall_ms())

    def keep_anchors(self, told: Anchors, now_ms: int) -> list[str]:
        """The hub's word on its audit chains; returns the chains in which it contradicts an earlier word."""
        return anchors.keep(self._db, told, now_ms)

    def anchors(self) -> dict[str, str]:
        """The newest of each chain, NUMBER:HASH."""
        return anchors.newest(self._db)

    def bytes_used(self) -> int:
        """Bytes of the file that hold something. Pages of forgotten rows are used again."""
        pages: int = self._one("PRAGMA page_count")
        free: int = self._one("PRAGMA freelist_count")
        return (pages - free) * self._page_bytes

    def full(self) -> bool:
        """No room for new readings (gap records and receipts still have some)?"""
        return self.bytes_used() >= self._max_bytes

    def oldest_ms(self) -> int | None:
        """When the gateway received the oldest reading that waits for its receipt; None when none waits."""
        for low, _ in self.pending:
            first, n, blob = self._db.execute(
                "SELECT first, n, rows FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1", (low,)
            ).fetchone()
            try:
                _, rows = unpack_block(blob, n)
            except (ValueError, zlib.error):
                return 0
            return int(rows["gateway_ms"][low - first])
        return None

    def newest(self, blocks: int) -> Iterable[Stored]:
        """What waits, newest blocks first, for the page after a restart. Rotten blocks are passed over."""
        for first, n, live, blob in self._db.execute(
            "SELECT first, n, live, rows FROM block ORDER BY first DESC LIMIT ?", (blocks,)
        ):
            try:
                sources, rows = unpack_block(blob, n)
            except (ValueError, zlib.error):
                continue
            nodes = [(self._by_id[s].node, self._by_id[s].boot) for s in sources]
            yield Stored(first, first + n - 1, bool(live), nodes, rows)

    def _check(self) -> None:
        """Raise sqlite3.DatabaseError when the file is not sound."""
        for row in self._db.execute("PRAGMA quick_check(1)"):
            if row[0] != "ok":
                bad = sqlite3.DatabaseError(f"{self._path}: {row[0]}")
                bad.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise bad

    def close(self) -> None:
        self._db.close()


def open_spool(path: Path, *, max_bytes: int, new_epoch: Callable[[], str], wall_ms: WallClock) -> Spool:
    """The spool; a damaged file is renamed, counted, and a new one begun with a new epoch.

    StoreUnavailable when the place cannot be written at all, SchemaTooNew for a file of a newer version.
    """
    try:
        return Spool(path, max_bytes=max_bytes, new_epoch=new_epoch, wall_ms=wall_ms)
    except (StoreUnavailable, sqlite3.DatabaseError, ValueError, TypeError, KeyError) as bad:
        if not is_damage(bad):
            raise
    now_ms = wall_ms()
    held = set_aside(path, now_ms)
    spool = Spool(path, max_bytes=max_bytes, new_epoch=new_epoch, wall_ms=wall_ms)
    with spool.change():
        spool.gaps.add_nameless("spool-damaged", held, now_ms)
    return spool
