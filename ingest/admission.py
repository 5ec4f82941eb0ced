# SPDX-License-Identifier: Apache-2.0
"""A verdict for every reading. Little is refused: what can be kept is recorded, and flagged where it is odd.

    recorded   goes to the journal, with flags
    waiting    its channel is not in the registry yet: kept until somebody adopts it
    duplicate  the same reading again, same value: counted, and receipted like the first
    dead       to the dead letters, with a reason: see `Reason`

A payload that cannot be read at all is refused whole, by `why_refused` or `decode_batch`. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from coldchain.kernel.link import MAX_PAYLOAD, Batch, Pairs
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.kernel.words import FUTURE_TOLERANCE_MS, NO_VALUE, ClockQuality, Flag, Quantity, Status
from ingest.known import Bools, Known, Longs, Runs


class Verdict(IntEnum):
    """What becomes of a reading."""

    RECORDED = 0
    DUPLICATE = 1
    WAITING = 2
    DEAD = 3


class Reason(StrEnum):
    """Why a reading or a payload went to the dead letters. The words lie on disk: never change them."""

    CONFLICT = "conflict"  # the same (node, boot, seq, channel) came before with another value
    QUANTITY = "quantity"  # the registry knows another quantity at that channel
    CODE = "code"  # a quantity or status that no version of ours has
    INSTANT = "instant"  # further from 1970 than any clock can be
    WAITING_FULL = "waiting-full"  # unknown channel, and the waiting list is full
    BEFORE = "before"  # of a probe that took another's place, from before it did
    MALFORMED = "malformed"
    OVERSIZE = "oversize"
    RETAINED = "retained"
    INFLUX = "influx"  # recorded, but InfluxDB will not take the point
    TOPIC = "topic"  # topic and payload name different gateways
    BROKEN = "broken"  # admission itself failed on it: a bug of ours, set aside rather than tried for ever


_ROW_REASONS = (
    Reason.CODE,
    Reason.INSTANT,
    Reason.CONFLICT,
    Reason.QUANTITY,
    Reason.WAITING_FULL,
    Reason.BROKEN,
    Reason.BEFORE,
)

INSTANT_MAX_MS = 2**52
"""About 140,000 years: beyond it a number is not a time but damage."""


def _plausible() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Least and greatest plausible value by quantity code [thousandths].

    Temperatures: nothing in a blood bank, nor its room, is outside -100..100 °C, and the -127 °C of a lost
    DS18B20 is (its data sheet gives -55..125 °C as its range). Percentages and switches by their meaning.
    """
    spans = {
        Quantity.TEMPERATURE: (-100_000, 100_000),
        Quantity.DOOR: (0, 1_000),
        Quantity.MAINS: (0, 1_000),
        Quantity.BATTERY: (0, 100_000),
        Quantity.AMBIENT: (-100_000, 100_000),
        Quantity.HUMIDITY: (0, 100_000),
        Quantity.COMPRESSOR: (0, 1_000),
        Quantity.AGITATOR: (0, 1_000),
        Quantity.SET_POINT: (-100_000, 100_000),
        Quantity.CONTROLLER_ALARM: (0, 2**31 - 1),
    }
    assert set(spans) == set(Quantity)
    low, high = np.full(256, -(2**62)), np.full(256, 2**62)
    for quantity, (least, greatest) in spans.items():
        low[quantity], high[quantity] = least, greatest
    return low, high


_LOW, _HIGH = _plausible()
_QUANTITIES = np.isin(np.arange(256), [int(q) for q in Quantity])
_STATUSES = np.isin(np.arange(256), [int(s) for s in Status])

Recall = Callable[[Rows], tuple[Bools, npt.NDArray[np.int32], npt.NDArray[np.uint8]]]
"""Rows seen before -> (found, value, status) of what the record holds under the same identity."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A batch, judged.

    verdict   (n,) `Verdict` of each row of the batch
    rows      recorded rows, JOURNALLED, in the order of the batch
    waiting   waiting rows, JOURNALLED with series 0; `waiting_quantity` beside them
    dead      (reason, places of the batch's rows)
    recorded_ranges, dead_ranges   link sequences for the receipt; duplicates are in the one they were in
    first
    runs      what `Known.mark` is to be told
    """

    verdict: npt.NDArray[np.uint8]
    rows: Rows
    waiting: Rows
    waiting_quantity: npt.NDArray[np.uint8]
    dead: list[tuple[Reason, Longs]]
    duplicates: int
    recorded_ranges: Pairs
    dead_ranges: Pairs
    runs: Runs


@dataclass(frozen=True, slots=True)
class Bounds:
    """lateness_ms: a reading older on arrival is flagged late [ms]. waiting_room: so many more may wait."""

    lateness_ms: int = 600_000
    waiting_room: int = 1_000_000
    dead_before: RangeSet = field(default_factory=RangeSet)
    """Link sequences of this gateway and epoch that were dead-lettered before."""


def why_refused(*, topic_gateway: str, batch_gateway: str | None, size: int, retained: bool) -> Reason | None:
    """The reason to refuse a payload whole, or None. `batch_gateway` None: not decoded yet."""
    if size > MAX_PAYLOAD:
        return Reason.OVERSIZE
    if retained:
        return Reason.RETAINED
    if batch_gateway is not None and batch_gateway != topic_gateway:
        return Reason.TOPIC
    return None


def admit(batch: Batch, known: Known, arrived_ms: int, recall: Recall, bounds: Bounds) -> Admitted:
    """Judge every reading of the batch. Afterwards tell `known.mark(admitted.runs)`.

    New names get their numbers in `known`; nothing else changes there. `recall` is asked only about readings
    that were seen before.
    """
    spooled = batch.rows
    sources = known.sources(batch.nodes)[spooled["node"]] if len(spooled) else np.zeros(0, np.int64)
    slots = known.slots(sources, spooled["channel"]) if len(spooled) else sources
    there = spooled["gateway_ms"] < known.until_ms[slots]
    rows = _journalled(spooled, sources, known.series[slots] * there, arrived_ms, bounds.lateness_ms)
    at = spooled["at_ms"]
    span = (int(at.min()), int(at.max())) if len(at) else (0, -1)
    for series, start, end in known.tests_between(*span):
        rows["flags"][(rows["series"] == series) & (at >= start) & (at < end)] |= np.uint16(Flag.TEST)
    bad_code = ~(_QUANTITIES[spooled["quantity"]] & _STATUSES[spooled["status"]])
    bad_instant = (at > INSTANT_MAX_MS) | (at < -INSTANT_MAX_MS)
    agrees = (rows["series"] == 0) | (known.quantity[slots] == spooled["quantity"])
    early = _before_its_place(spooled, known.from_ms[slots])
    able = agrees & ~bad_code & ~bad_instant & ~early
    if able.all():
        fresh, runs = known.unseen(slots, rows["seq"].astype(np.int64))
        if fresh.all() and rows["series"].all():
            return _all_recorded(batch, rows, runs)
    reasons = _Reasons(len(rows))
    reasons.put(Reason.INSTANT, bad_instant)
    reasons.put(Reason.CODE, bad_code)
    fresh, runs = _fresh_among(known, slots, rows, able)
    duplicate = _judge_seen(rows, slots, fresh, reasons, recall)
    reasons.put(Reason.QUANTITY, ~agrees & ~duplicate)
    reasons.put(Reason.BEFORE, early & ~duplicate)
    waits = (rows["series"] == 0) & ~duplicate & ~reasons.any()
    if int(waits.sum()) > bounds.waiting_room:
        reasons.put(Reason.WAITING_FULL, waits)
        waits[:] = False
        runs = _runs_of(known, slots, rows, fresh & ~reasons.any())
    return _sorted_out(batch, rows, reasons, _Shares(duplicate, waits, runs), bounds.dead_before)


def _before_its_place(spooled: Rows, from_ms: Longs) -> Bools:
    """(n,) a backlog that a probe sent from its bench. Taken there by its gateway, too: a node's clock that
    is slow makes no reading of now one of then, nor does a gateway's that is not set.
    """
    sure = spooled["clock"] != int(ClockQuality.GATEWAY_DOUBT)
    return np.asarray((np.maximum(spooled["at_ms"], spooled["gateway_ms"]) < from_ms) & sure)


def refuse_all(batch: Batch, bounds: Bounds) -> Admitted:
    """What to do with a batch on which `admit` itself fails: every row dead, unless it was so before."""
    n = len(batch.rows)
    none, empty = np.zeros(n, np.bool_), np.zeros(0, np.int64)
    reasons = _Reasons(n)
    reasons.put(Reason.BROKEN, ~none)
    rows: Rows = np.zeros(n, JOURNALLED)
    return _sorted_out(
        batch, rows, reasons, _Shares(none, none, Runs(empty, empty, empty)), bounds.dead_before
    )


def _journalled(
    spooled: Rows, sources: Longs, series: npt.NDArray[np.uint32], arrived_ms: int, lateness_ms: int
) -> Rows:
    """The rows as the journal keeps them: flags set, failed ones without a value."""
    rows: Rows = np.empty(len(spooled), JOURNALLED)
    rows["series"], rows["source"], rows["arrived_ms"] = series, sources, arrived_ms
    for name in (
        "seq",
        "channel",
        "status",
        "clock",
        "value",
        "at_ms",
        "uptime_ms",
        "device_ms",
        "gateway_ms",
    ):
        rows[name] = spooled[name]
    quantity, value, at = spooled["quantity"], spooled["value"], spooled["at_ms"]
    failed = (spooled["status"] != 0) | (value == NO_VALUE)
    odd = ~failed & ((value < _LOW[quantity]) | (value > _HIGH[quantity]))
    flags = failed * np.uint16(Flag.FAILED)
    flags |= odd * np.uint16(Flag.IMPLAUSIBLE)
    flags |= (at > arrived_ms + FUTURE_TOLERANCE_MS) * np.uint16(Flag.FUTURE)
    flags |= (at < arrived_ms - lateness_ms) * np.uint16(Flag.LATE)
    flags |= (spooled["clock"] >= int(ClockQuality.GATEWAY_DOUBT)) * np.uint16(Flag.CLOCK_DOUBT)
    rows["flags"] = flags
    if failed.any():
        rows["value"][failed] = NO_VALUE
    return rows


def _all_recorded(batch: Batch, rows: Rows, runs: Runs) -> Admitted:
    none = rows[:0]
    verdict = np.zeros(len(rows), np.uint8)
    return Admitted(verdict, rows, none, np.zeros(0, np.uint8), [], 0, batch.ranges, [], runs)


def _fresh_among(known: Known, slots: Longs, rows: Rows, able: Bools) -> tuple[Bools, Runs]:
    """Which rows were never seen, and the runs that the able ones among them make."""
    fresh, runs = known.unseen(slots, rows["seq"].astype(np.int64))
    if able.all():
        return fresh, runs
    # A row that cannot be recorded must not hide an able one of the same name behind it.
    places = np.flatnonzero(able)
    able_fresh, runs = known.unseen(slots[places], rows["seq"][places].astype(np.int64))
    fresh[places] = able_fresh
    return fresh, runs


def _runs_of(known: Known, slots: Longs, rows: Rows, chosen: Bools) -> Runs:
    return known.unseen(slots[chosen], rows["seq"][chosen].astype(np.int64))[1]


def _judge_seen(rows: Rows, slots: Longs, fresh: Bools, reasons: _Reasons, recall: Recall) -> Bools:
    """Rows seen before: duplicates of what the record or an earlier row here holds; or conflicts."""
    duplicate = np.zeros(len(rows), np.bool_)
    seen = np.flatnonzero(~fresh & ~reasons.any())
    if not len(seen):
        return duplicate
    found, value, status = _recall_in_batch(rows, slots, seen, fresh)
    outside = np.flatnonzero(~found)
    if len(outside):
        asked = rows[seen[outside]]
        found[outside], value[outside], status[outside] = recall(asked)
    # What is seen but no longer held (its time was up) cannot disagree.
    same = ~found | ((value == rows["value"][seen]) & (status == rows["status"][seen]))
    duplicate[seen[same]] = True
    conflict = np.zeros(len(rows), np.bool_)
    conflict[seen[~same]] = True
    reasons.put(Reason.CONFLICT, conflict)
    return duplicate


def _recall_in_batch(
    rows: Rows, slots: Longs, seen: Longs, fresh: Bools
) -> tuple[Bools, npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    first = {
        (slot, seq): place
        for place, slot, seq in zip(
            np.flatnonzero(fresh).tolist(), slots[fresh].tolist(), rows["seq"][fresh].tolist(), strict=True
        )
    }
    names = zip(slots[seen].tolist(), rows["seq"][seen].tolist(), strict=True)
    places = np.array([first.get(name, -1) for name in names], np.int64)
    return places >= 0, rows["value"][places].copy(), rows["status"][places].copy()


class _Reasons:
    """The reason of each row; the first that was put stands."""

    def __init__(self, n: int) -> None:
        self._code = np.zeros(n, np.uint8)

    def put(self, reason: Reason, where: Bools) -> None:
        self._code[where & (self._code == 0)] = _ROW_REASONS.index(reason) + 1

    def any(self) -> Bools:
        given: Bools = self._code != 0
        return given

    def drop(self, where: Bools) -> None:
        self._code[where] = 0

    def places(self) -> Iterator[tuple[Reason, Longs]]:
        for code in np.unique(self._code[self._code != 0]).tolist():
            yield _ROW_REASONS[code - 1], np.flatnonzero(self._code == code)


@dataclass(frozen=True, slots=True)
class _Shares:
    duplicate: Bools
    waits: Bools
    runs: Runs


def _sorted_out(
    batch: Batch, rows: Rows, reasons: _Reasons, shares: _Shares, dead_before: RangeSet
) -> Admitted:
    links = link_sequences(batch.ranges)
    dead = reasons.any()
    told = np.zeros(len(rows), np.bool_)
    if dead.any() and dead_before:
        told[dead] = [int(number) in dead_before for number in links[dead]]
        reasons.drop(told)  # dead-lettered already: a redelivery, counted as a duplicate
    verdict = np.zeros(len(rows), np.uint8)
    verdict[shares.waits] = Verdict.WAITING
    verdict[shares.duplicate | told] = Verdict.DUPLICATE
    verdict[reasons.any()] = Verdict.DEAD
    return Admitted(
        verdict,
        rows[verdict == Verdict.RECORDED],
        rows[verdict == Verdict.WAITING],
        batch.rows["quantity"][verdict == Verdict.WAITING],
        list(reasons.places()),
        int((verdict == Verdict.DUPLICATE).sum()),
        pairs_of_sequences(links[~dead]),
        pairs_of_sequences(links[dead]),
        shares.runs,
    )


def link_sequences(ranges: Pairs) -> Longs:
    """The link sequence of each row of a batch."""
    if not ranges:
        return np.zeros(0, np.int64)
    return np.concatenate([np.arange(low, high + 1, dtype=np.int64) for low, high in ranges])


def pairs_of_sequences(numbers: Longs) -> Pairs:
    """Sequences as sorted closed ranges.

    >>> pairs_of_sequences(np.array([3, 1, 2, 9]))
    [(1, 3), (9, 9)]
    """
    if not len(numbers):
        return []
    ordered = np.unique(numbers)
    breaks = np.flatnonzero(np.diff(ordered) > 1)
    starts = ordered[np.concatenate([[0], breaks + 1])].tolist()
    ends = ordered[np.append(breaks, len(ordered) - 1)].tolist()
    return list(zip(starts, ends, strict=True))
