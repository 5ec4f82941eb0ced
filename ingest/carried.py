# SPDX-License-Identifier: Apache-2.0
"""Bundles that were carried here: taken through the same admission and commit as what comes by the link.

They lie in DIR/carry/in. A bundle is read through whole before its first batch is taken; then a few batches a
turn, between what is live. What came of it lies in DIR/carry/out: a signed receipt, or the word of refusal. A
process that dies on the way begins the bundle anew: what is recorded already is then a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import structlog

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import BatchError, ColdChainError
from coldchain.kernel.link import Batch, Receipt
from coldchain.kernel.ranges import RangeSet
from coldchain.records import carry
from coldchain.records.carry import Bundle, BundleRefused, CarryReceipt
from coldchain.records.carry_box import HUB_KEY, CarryBox
from ingest.journal import SqliteJournal
from ingest.status import StatusWord, carried_gaps

log = structlog.get_logger()

BATCHES_A_TURN = 1
"""What is live waits for so many at most: readings that are here already are looked up one by one."""
LOOK_EVERY_MS = 1_000
AGAIN_MS = 20_000
"""What we may not read, or not answer, is looked at so often: somebody may have put its rights in order."""

KeyOf = Callable[[str], str | None]


class CarryDesk:
    """`step` again and again; `receipts` are for the link, should the gateway hear it again.

    key_of  gateway -> its public key; None: nobody has said that we trust it
    """

    def __init__(self, data_dir: Path, key_of: KeyOf, journal: SqliteJournal, wall_ms: WallClock) -> None:
        self._box, self._key_of, self._journal, self._wall_ms = CarryBox(data_dir), key_of, journal, wall_ms
        self._key_file = data_dir / HUB_KEY
        self._looked_ms = 0
        self._work: Iterator[None] | None = None
        self._receipts: list[Receipt] = []
        self._left: dict[Path, tuple[int, str]] = {}
        """When each was left last [ms], and why."""

    def step(self) -> bool:
        """One short piece of work. True when there is more at once."""
        if self._work is None:
            now_ms = self._wall_ms()
            if abs(now_ms - self._looked_ms) < LOOK_EVERY_MS:
                return False
            self._looked_ms = now_ms
            path = self._next()
            if path is None:
                return False
            self._work = self._merge(path)
        try:
            next(self._work)
        except StopIteration:
            self._work = None
            self._looked_ms = 0
        return True

    def receipts(self) -> list[Receipt]:
        """What was committed since the last call."""
        told, self._receipts = self._receipts, []
        return told

    def _merge(self, path: Path) -> Iterator[None]:
        try:
            self._box.require_ours()
            bundle, gaps = self._trusted(path)
            yield
            yield from self._take(path, bundle, gaps)
            self._left.pop(path, None)
        except OSError as bad:
            self._leave(path, str(bad))
        except ColdChainError as bad:
            if isinstance(bad.__cause__, OSError):  # it could not be read: that says nothing about what it is
                self._leave(path, str(bad))
                return
            log.warning("carry.refused", file=path.name, why=str(bad))
            self._refuse(path, str(bad).replace(str(path), "the bundle"))

    def _next(self) -> Path | None:
        try:
            now_ms, waiting = self._wall_ms(), self._box.waiting()
            self._left = {path: at for path, at in self._left.items() if path in waiting}
            due = (one for one in waiting if abs(now_ms - self._left.get(one, (0, ""))[0]) >= AGAIN_MS)
            return next(due, None)
        except OSError as bad:
            log.warning("carry.closed", why=str(bad), hint="whose is the folder?")
            return None

    def _refuse(self, path: Path, why: str) -> None:
        try:
            self._box.refuse(path, why)
        except OSError as bad:
            self._leave(path, str(bad))

    def _leave(self, path: Path, why: str) -> None:
        """A folder or a file that is not ours stops no link: the bundle lies there, and is tried again."""
        if self._left.get(path, (0, ""))[1] != why:
            log.warning("carry.left", file=path.name, why=why, hint="whose are the file and the folder?")
        self._left[path] = self._wall_ms(), why

    def _trusted(self, path: Path) -> tuple[Bundle, StatusWord]:
        """The bundle, whole, by a gateway that we know. BundleRefused before anything of it is taken."""
        bundle = carry.read_bundle(path)
        head = bundle.head
        known = self._key_of(head.gateway)
        if known is None:
            raise BundleRefused(
                f"nobody has told this hub the key of {head.gateway}: there `coldchain carry key`, "
                f"here `coldchain carry trust {head.gateway} KEY`; nothing was taken"
            )
        if known != head.key:
            raise BundleRefused(
                f"it is signed by another key than the one of {head.gateway} that we trust; nothing was taken"
            )
        try:
            return bundle, carried_gaps(head.gateway, head.epoch, head.gaps)
        except BatchError as bad:
            raise BundleRefused(f"the bundle: {bad}") from bad

    def _take(self, path: Path, bundle: Bundle, gaps: StatusWord) -> Iterator[None]:
        before = dict(self._journal.counters)
        secret = carry.own_key(self._key_file)
        found: list[Receipt] = []
        if (held := self._held(bundle, carry.public_of(secret))) is not None:
            found.append(held)
            self._receipts.append(held)
        else:
            done = 0
            left = carry.batches(path)
            while group := list(islice(left, BATCHES_A_TURN)):
                found += self._record(group)
                done += sum(len(batch.rows) for batch in group)
                self._box.tell(path, done, bundle.head.readings)
                yield
        if gaps.gaps:
            found += self._record([gaps])
        receipt = _summed(bundle, found, self._wall_ms())
        now = self._journal.counters

        def grown(*names: str) -> int:
            return sum(now.get(name, 0) - before.get(name, 0) for name in names)

        # What is live was counted meanwhile too, so of the three only the sum of this bundle is certain.
        dead = sum(high - low + 1 for low, high in receipt.dead)
        again = bundle.head.readings - dead
        if held is None:
            again = min(again, grown("duplicates"))
        taken = bundle.head.readings - dead - again
        result = CarryReceipt(bundle.digest, receipt, taken, again, dead, carry.public_of(secret))
        self._box.finish(path, carry.encode_carry_receipt(result, secret))
        log.info(
            "carry.merged", gateway=bundle.head.gateway, readings=bundle.head.readings, taken=result.taken
        )

    def _held(self, bundle: Bundle, own_key: str) -> Receipt | None:
        """Of a bundle whose every byte was merged before, and whose every reading is accounted for now: what
        is recorded and what dead-lettered, without looking at each again. None for any other.

        Our own receipt says the first, the record the second: a record from an older backup lacks readings;
        and that numbers are accounted for does not say that they were these readings.
        """
        head = bundle.head
        try:
            said = carry.decode_carry_receipt(
                (self._box.earlier(bundle.digest[:32]) or "").encode(), trusted=own_key
            )
        except BundleRefused:
            return None
        recorded, dead = self._journal.accounted(head.gateway, head.epoch)
        known = RangeSet([*recorded, *dead])
        if said.bundle != bundle.digest or not all(known.covers(low, high) for low, high in head.ranges):
            return None
        mine = RangeSet(head.ranges)
        for low, high in recorded:
            mine.remove(low, high)
        dead_here = mine.pairs()
        mine = RangeSet(head.ranges)
        for low, high in dead_here:
            mine.remove(low, high)
        return Receipt(head.gateway, head.epoch, mine.pairs(), dead_here, [], self._wall_ms())

    def _record(self, group: list[Batch] | list[StatusWord]) -> list[Receipt]:
        receipts = [one for one in self._journal.record(group, self._wall_ms()) if one is not None]
        self._receipts += receipts
        return receipts


def _summed(bundle: Bundle, receipts: list[Receipt], hub_ms: int) -> Receipt:
    """Everything of the bundle that is recorded or dead-lettered now."""
    recorded = RangeSet(pair for one in receipts for pair in one.recorded)
    dead = RangeSet(pair for one in receipts for pair in one.dead)
    gaps = sorted({gap for one in receipts for gap in one.gaps})
    return Receipt(bundle.head.gateway, bundle.head.epoch, recorded.pairs(), dead.pairs(), gaps, hub_ms)
