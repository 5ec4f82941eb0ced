# SPDX-License-Identifier: Apache-2.0
"""`readings.db` as the console follows it: the newest reading of each sensor, the gateways' last words."""

from __future__ import annotations

import ctypes
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldchain.records.journal import JournalReader, Latest, merge_latest

FOLLOW_MAX = 500
"""So many batches are followed one by one; further behind, the newest readings are asked for as a whole."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's last word, and when ingest got it [ms]."""

    id: str
    arrived_ms: int
    pending: int = 0
    oldest_ms: int | None = None
    lost: int = 0
    lines: tuple[tuple[str, str], ...] = ()


class FollowedJournal:
    """`readings.db`, followed batch by batch, so that a look costs what is new and no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: JournalReader | None = None
        self._inode = 0
        self._position = 0
        self._known: dict[int, Latest] = {}
        self._names: dict[int, tuple[str, int]] = {}
        self.latest: dict[str, Latest] = {}
        self.gateways: tuple[Gateway, ...] = ()
        self.counters: dict[str, int] = {}

    def reader(self) -> JournalReader:
        """The reader of the file that is there now; a file that was replaced is opened anew."""
        inode = self._path.stat().st_ino if self._path.exists() else 0
        if self._reader is None or inode != self._inode:
            self.close()
            self._reader, self._inode = JournalReader(self._path), inode
        return self._reader

    def follow(self) -> None:
        reader = self.reader()
        self.counters = reader.counters()
        newest = self.counters.get("position", reader.last_position())
        if newest != self._position:
            self._take(reader, newest)
        self.gateways = tuple(_gateway(g.gateway, g.arrived_ms, g.status) for g in reader.gateways())

    def _take(self, reader: JournalReader, newest: int) -> None:
        """`latest` becomes true up to `newest` at least."""
        batches = reader.batches_after(self._position, FOLLOW_MAX) if self._position else []
        whole = bool(batches) and batches[0].position == self._position + 1
        if not whole or batches[-1].position < newest:
            # `newest` was read before: what comes in between is merged once more, which changes nothing.
            self._names = reader.series()
            latest = reader.latest()
            self._known = {n: latest[s] for n, (s, _) in self._names.items() if s in latest}
            self.latest, self._position = latest, newest
            return
        for batch in batches:
            merge_latest(self._known, batch.rows)
        if not self._known.keys() <= self._names.keys():
            self._names = reader.series()
        self.latest = {self._names[n][0]: last for n, last in self._known.items() if n in self._names}
        self._position = batches[-1].position

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader, self._position = None, 0


def _gateway(id_: str, arrived_ms: int, text: str) -> Gateway:
    """What is written of a status; another version's words are left out, never an error."""
    try:
        status: Any = json.loads(text)
        spool, lines = status.get("spool", {}), status.get("lines", [])
        named = tuple((str(line.get("name")), str(line.get("state"))) for line in lines)
        pending, lost = int(spool.get("pending") or 0), int(spool.get("lost") or 0)
        return Gateway(id_, arrived_ms, pending, spool.get("oldest_ms") or None, lost, named)
    except (ValueError, AttributeError, TypeError):
        return Gateway(id_, arrived_ms)


def give_back_memory() -> None:
    """Decoding the log takes a few large arrays; glibc would keep their space for the life of the process."""
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)
