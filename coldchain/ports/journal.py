# SPDX-License-Identifier: Apache-2.0
"""The journal as two ports, its writer's and its readers'. One suite tests every store against them:
tests/contracts/test_journal_contract.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coldchain.kernel.link import Batch, Receipt
from coldchain.kernel.readings import Rows


class JournalWriter(Protocol):
    """A durable record of readings; identity is (node, boot, sequence, channel). One writer at a time."""

    def record(self, arrivals: Sequence[Batch], arrived_ms: int) -> Sequence[Receipt | None]:
        """Commit the batches together. What a receipt names survives any death of the process.

        A reading that came before with the same value is receipted again and kept once; with another value it
        is dead-lettered. Order, batching and repetition change nothing of what `readings` answers.
        """
        ...


class JournalView(Protocol):
    """What the writer committed, for any number of readers."""

    def readings(self, sensor: str, start_ms: int, end_ms: int) -> Rows:
        """Every recorded reading with start_ms <= at_ms < end_ms, by at_ms, source, seq: as recorded."""
        ...

    def counters(self) -> dict[str, int]:
        """journalled, waiting, dead_lettered, duplicates: readings, committed with what they count."""
        ...
