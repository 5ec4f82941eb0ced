# SPDX-License-Identifier: Apache-2.0
"""The nodes' own ledger: what they measured, what was acknowledged to them, what they lost.

Append only. Each entry is 36 bytes, written to the kernel in the same call that brought the news, so it
survives the death of any process (not of the machine). A test reads it as its oracle.
"""

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from firmware_sim.firmware.ring import Held

NAME, MEASURED, ACKED, LOST = 0, 1, 2, 3
_NAME_PART = 32

ENTRY = np.dtype(
    [
        ("kind", "u1"),
        ("quantity", "u1"),
        ("status", "u1"),
        ("clock", "u1"),
        ("node", "<u2"),  # index into names
        ("channel", "<u2"),
        ("boot", "<u4"),
        ("seq", "<u4"),
        ("value", "<i4"),
        ("at_ms", "<i8"),  # true instant of the measurement
        ("unix_ms", "<i8"),  # what the node's clock said; 0 without one
    ]
)
_ENTRY = struct.Struct("<4BHHIIiqq")
assert ENTRY.itemsize == _ENTRY.size == 36
_TEXT = np.dtype([("kind", "u1"), ("part", "u1"), ("node", "<u2"), ("text", f"S{_NAME_PART}")])
assert _TEXT.itemsize == ENTRY.itemsize

Entries = npt.NDArray[np.void]
AckedReading = tuple[str, int, int, int, int, int, int]
"""node, boot, seq, channel, status, value, at_ms."""


class LedgerWriter:
    """A `Diary` on disk. Opening an existing file continues it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = 0
        self._numbers: dict[str, int] = {}
        if path.exists():
            ledger = read_ledger(path)
            self._numbers = {name: number for number, name in enumerate(ledger.names)}
            whole = len(ledger.entries) + ledger.name_entries
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, whole * ENTRY.itemsize)

    def measured(self, node: str, held: Held) -> None:
        self._note(MEASURED, node, [held])

    def acked(self, node: str, held: list[Held]) -> None:
        self._note(ACKED, node, held)

    def lost(self, node: str, held: list[Held]) -> None:
        self._note(LOST, node, held)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, kind: int, node: str, held: list[Held]) -> None:
        number = self._number(node)
        entries = [
            _ENTRY.pack(
                kind, r.quantity, r.status, one.report.clock, number, r.channel,
                one.report.boot, one.report.seq, r.value, one.at_ms, one.report.unix_ms,
            )
            for one in held
            for r in one.report.readings
        ]  # fmt: skip
        os.write(self._file, b"".join(entries))

    def _number(self, node: str) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._numbers)
            raw = node.encode("ascii")
            parts = [raw[at : at + _NAME_PART] for at in range(0, len(raw), _NAME_PART)]
            rows = [(NAME, part, number, text) for part, text in enumerate(parts)]
            os.write(self._file, np.array(rows, _TEXT).tobytes())
        return number


class Ledger:
    """A ledger as read. `names[entry["node"]]` is the node's name; one entry a reading."""

    def __init__(self, names: list[str], entries: Entries, name_entries: int) -> None:
        self.names, self.entries, self.name_entries = names, entries, name_entries

    def of(self, kind: int) -> Entries:
        """Entries of one kind: MEASURED, ACKED or LOST."""
        found: Entries = self.entries[self.entries["kind"] == kind]
        return found

    def acked_readings(self) -> set[AckedReading]:
        """Every reading that was acknowledged to its node."""
        return set(self.tuples(ACKED))

    def tuples(self, kind: int) -> list[AckedReading]:
        """Entries of one kind as (node, boot, seq, channel, status, value, at_ms)."""
        columns: list[list[Any]] = [
            self.of(kind)[name].tolist()
            for name in ("node", "boot", "seq", "channel", "status", "value", "at_ms")
        ]
        return [(self.names[node], *rest) for node, *rest in zip(*columns, strict=True)]


def read_ledger(path: Path) -> Ledger:
    """Read a ledger, also while it is written: a torn last entry is left out."""
    data = path.read_bytes()
    count = len(data) // ENTRY.itemsize
    entries: Entries = np.frombuffer(data, ENTRY, count)
    texts = np.frombuffer(data, _TEXT, count)[entries["kind"] == NAME]
    names: dict[int, bytes] = {}
    for text in texts:
        names[int(text["node"])] = names.get(int(text["node"]), b"") + bytes(text["text"])
    assert sorted(names) == list(range(len(names))), "the ledger numbers its nodes from 0"
    ordered = [names[number].decode("ascii") for number in range(len(names))]
    return Ledger(ordered, entries[entries["kind"] != NAME], len(texts))
