# SPDX-License-Identifier: Apache-2.0
"""What waits in a spool, packed to be carried to the hub by hand; and the receipt that came back.

The spool is only read: the gateway may run, and forgets nothing until a receipt says that the hub has it. A
receipt lies in a folder until the gateway takes it up, which is the spool's one writer.
"""

from __future__ import annotations

import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import BadData
from coldchain.kernel.link import Batch, Receipt
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.readings import Rows
from coldchain.records import carry
from coldchain.records.carry import LENGTH, Bundle, BundleHead, BundleRefused
from coldchain.records.sql import open_reader
from gateway.blocks import unpack_block
from gateway.codecs.frames import Pairs
from gateway.fitting import fit
from gateway.gap_book import COLUMNS
from gateway.spool_file import MIGRATIONS, pending_of, remaining

Step = Callable[[int, int], None]
FRAME_READINGS = 500
KEY, HUB_KEY = "carry.key", "carry-hub.pub"
"""In the data folder: the gateway's secret key, and the hub's public one."""
FOLDER = "carry-receipts"
RECEIPTS_MAX = 100


class Packed(NamedTuple):
    """rotten: readings whose bytes changed on disk; the gateway counts them itself when it comes to them."""

    bundle: Bundle
    rotten: int


class _Piece(NamedTuple):
    ranges: Pairs
    nodes: list[tuple[str, int]]
    rows: Rows


def pack(data_dir: Path, gateway: str, out: Path, wall_ms: WallClock, step: Step | None = None) -> Packed:
    """Everything that is not receipted now. BadData when nothing waits; StoreUnavailable without a spool.

    step  (done, of) readings, for a progress bar
    """
    secret = carry.own_key(data_dir / KEY)
    with closing(open_reader(data_dir / "spool.db", len(MIGRATIONS))) as db:
        (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        names = ("id", *COLUMNS)
        sql = f"SELECT {', '.join(names)} FROM gap ORDER BY id LIMIT ?"  # noqa: S608
        gaps = [dict(zip(names, row, strict=True)) for row in db.execute(sql, (carry.GAPS_MAX,)).fetchall()]
        waits = pending_of(db)
        if not waits and not gaps:
            raise BadData(f"{gateway} has nothing to carry: the hub has receipted all that it accepted")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent) as draft:
            made = _Frames(gateway, epoch, wall_ms(), draft)
            for piece in _pieces(db, waits, made):
                made.add(piece)
                if step is not None:
                    step(made.readings + made.rotten, len(waits))
            made.flush()
            head = BundleHead(
                gateway,
                epoch,
                made.at_ms,
                made.readings,
                made.frames,
                made.found.pairs(),
                made.first_ms,
                made.last_ms,
                gaps,
                carry.public_of(secret),
            )
            return Packed(carry.write_bundle(out, head, _frames(draft), secret), made.rotten)


class _Frames:
    """Batches in the making, each as full as one message of the link may be."""

    def __init__(self, gateway: str, epoch: str, at_ms: int, draft: IO[bytes]) -> None:
        self._gateway, self._epoch, self.at_ms, self._draft = gateway, epoch, at_ms, draft
        self._held: list[_Piece] = []
        self._n = 0
        self.found = RangeSet()
        self.readings = self.frames = self.rotten = 0
        self.first_ms = self.last_ms = 0

    def add(self, piece: _Piece) -> None:
        at = piece.rows["at_ms"]
        low, high = int(at.min()), int(at.max())
        self.first_ms = low if not self.readings else min(low, self.first_ms)
        self.last_ms = high if not self.readings else max(high, self.last_ms)
        self._held.append(piece)
        self._n += len(piece.rows)
        self.readings += len(piece.rows)
        for pair in piece.ranges:
            self.found.add(*pair)
        if self._n >= FRAME_READINGS:
            self.flush()

    def flush(self) -> None:
        if not self._held:
            return
        nodes: dict[tuple[str, int], int] = {}
        parts = []
        for piece in self._held:
            places = np.array([nodes.setdefault(node, len(nodes)) for node in piece.nodes], "<u2")
            rows = piece.rows.copy()
            rows["node"] = places[rows["node"]]
            parts.append(rows)
        ranges = [pair for piece in self._held for pair in piece.ranges]
        rest = Batch(
            self._gateway, self._epoch, ranges, list(nodes), np.concatenate(parts), self.at_ms, backfill=True
        )
        while len(rest.rows):
            payload, kept = fit(rest)
            self._draft.write(LENGTH.pack(len(payload)) + payload)
            self.frames += 1
            left = RangeSet(rest.ranges)
            for pair in kept.ranges:
                left.remove(*pair)
            rest = Batch(
                self._gateway,
                self._epoch,
                left.pairs(),
                rest.nodes,
                rest.rows[len(kept.rows) :],
                self.at_ms,
                backfill=True,
            )
        self._held, self._n = [], 0


def _pieces(db: sqlite3.Connection, waits: RangeSet, made: _Frames) -> Iterator[_Piece]:
    """Block by block, each read by itself: no reader keeps the spool's log from being emptied."""
    sources = {
        n: (node, boot) for n, node, boot in db.execute("SELECT id, node, boot FROM source").fetchall()
    }
    last, top = 0, waits.top()
    while (
        row := db.execute(
            "SELECT first, n, remain, rows FROM block WHERE first > ? AND first <= ? ORDER BY first LIMIT 1",
            (last, top),
        ).fetchone()
    ) is not None:
        first, n, remain, blob = row
        last = first
        try:
            numbers, rows = unpack_block(blob, n)
        except (ValueError, zlib.error):
            made.rotten += n
            continue
        ranges = remaining(first, n, remain).pairs()
        kept = np.concatenate([rows[low - first : high - first + 1] for low, high in ranges])
        yield _Piece(ranges, [sources[number] for number in numbers], kept)


def _frames(draft: IO[bytes]) -> Iterator[bytes]:
    draft.seek(0)
    while len(raw := draft.read(LENGTH.size)) == LENGTH.size:
        yield draft.read(LENGTH.unpack(raw)[0])


# --- the receipt


def trusted_hub(data_dir: Path) -> str | None:
    """The public key of the hub whose receipts this gateway believes; None while nobody has said."""
    path = data_dir / HUB_KEY
    return carry.key_of(path.read_text(encoding="ascii")) if path.exists() else None


def trust_hub(data_dir: Path, key: str) -> None:
    """Believe the receipts of the hub with that public key, and of no other."""
    with carry.whole_or_not(data_dir / HUB_KEY) as draft:
        draft.write_text(carry.key_of(key) + "\n", encoding="ascii")


def hear(data_dir: Path, text: bytes, gateway: str, epoch: str) -> Receipt:
    """A carried receipt that this gateway and spool may act on, or BundleRefused."""
    trusted = trusted_hub(data_dir)
    if trusted is None:
        raise BundleRefused(
            "nobody has told this gateway the hub's key: at the hub `coldchain carry key`, "
            "here `coldchain carry trust hub KEY`; nothing was forgotten"
        )
    receipt = carry.decode_carry_receipt(text, trusted).receipt
    if receipt.gateway != gateway:
        raise BundleRefused(f"the receipt is for {receipt.gateway}, this is {gateway}; nothing was forgotten")
    if receipt.epoch != epoch:
        raise BundleRefused(
            f"the receipt is for a spool that is no more ({receipt.epoch}; this one is {epoch}): "
            "what waits here is sent or carried anew; nothing was forgotten"
        )
    return receipt


def leave(data_dir: Path, text: bytes) -> Path:
    """Lay a receipt where the running gateway finds it."""
    bundle = carry.decode_carry_receipt(text).bundle
    path = data_dir / FOLDER / f"{bundle[:32]}.json"
    with carry.whole_or_not(path) as draft:
        draft.write_bytes(text)
    return path


def left(data_dir: Path, gateway: str, epoch: str) -> Iterator[tuple[Receipt | None, str]]:
    """Receipts that were laid down, each taken away when it is told: the receipt, or why it was refused."""
    folder = data_dir / FOLDER
    for path in sorted(folder.glob("[!.]*.json"))[:RECEIPTS_MAX] if folder.is_dir() else []:
        try:
            yield hear(data_dir, path.read_bytes(), gateway, epoch), path.name
        except (BundleRefused, BadData) as bad:
            yield None, str(bad)
        path.unlink(missing_ok=True)
