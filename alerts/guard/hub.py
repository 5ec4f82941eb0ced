# SPDX-License-Identifier: Apache-2.0
"""The hub's side of guards, as one part of the service: their reports, and their lines by SMS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.chains import Chains
from alerts.guard.adopt import Adoption
from alerts.guard.hearing import GuardLines
from coldchain.records.journal import JournalReader

if TYPE_CHECKING:
    from alerts.book import Book, Scene
    from alerts.store import AlarmStore


class Guards:
    """Each call writes in transactions of its own, and says whether anything changed."""

    def __init__(self, store: AlarmStore, book: Book, chains: Chains) -> None:
        self._adoption, self._lines = Adoption(store, book, chains), GuardLines(store, book)

    def adopt(self, journal: JournalReader | None, scene: Scene) -> bool:
        """Reports that came with the batches at hand or before; call it before those are judged."""
        return self._adoption.apply(journal, scene)

    def hear(self, scene: Scene) -> bool:
        """Lines that have come in, and what they make of the alarms of silent gateways."""
        return self._lines.hear(scene) | self._lines.look(scene)
