# SPDX-License-Identifier: Apache-2.0
"""Readings summed up in slots of five minutes of each sensor's own event time; slow filters step on these.

Sums are of integers, so they are exact and no cut changes them. A slot closes when a reading of a later one
comes; what is still open is carried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import NEVER, Floats, Readings, Table, put_rows, rows_of
from alerts.rules.flat import Ints, Segments, segments_of

SLOT_MS = 300_000

STATE = np.dtype(
    [
        ("slot", "<i8"),
        ("sum", "<i8"),
        ("offsets", "<i8"),
        ("n", "<i4"),
        ("least", "<i4"),
        ("most", "<i4"),
    ],
    align=True,
)
"""sum [thousandths]; offsets: of the instants from the slot's beginning, summed [ms]."""


@dataclass(frozen=True, slots=True)
class Slots:
    """M closed slots, sorted by (series, slot). Never empty: `close` gives None instead.

    by        (M,) index of the reading that closed each
    mean_c    (M,) [°C]; at_s (M,) mean instant of its readings [s since epoch]
    least_c, most_c  (M,) [°C]
    """

    series: Ints
    slot: Ints
    n: Ints
    mean_c: Floats
    at_s: Floats
    least_c: Floats
    most_c: Floats
    by: Ints
    seg: Segments


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["slot"] = NEVER
    return table


def close(table: Table, readings: Readings) -> Slots | None:
    """Add readings; the slots that they closed."""
    carried = rows_of(table, readings.seg.series)
    found = add(carried, readings)
    put_rows(table, readings.seg.series, carried)
    return found


def add(carried: Table, readings: Readings) -> Slots | None:
    """As `close`; `carried` are the records of the readings' segments."""
    if readings.seg.single:
        return _tick(carried, readings)
    who = readings.seg.series
    rows, first = _rows(readings)
    head = np.searchsorted(first, readings.seg.first)
    joins = carried["slot"] == rows["slot"][head]
    _join(rows, head[joins], rows_of(carried, np.flatnonzero(joins)))
    apart = np.flatnonzero((carried["slot"] != NEVER) & ~joins)
    rows = _inserted(rows, head[apart], rows_of(carried, apart))
    series = np.insert(readings.series[first], head[apart], who[apart])
    by = np.insert(first, head[apart], NEVER)
    ends = np.append(series[1:] != series[:-1], values=True)
    put_rows(carried, np.arange(len(who)), rows_of(rows, np.flatnonzero(ends)))
    closed = np.flatnonzero(~ends)
    return _closed(rows_of(rows, closed), series[closed], by[closed + 1]) if len(closed) else None


def _closed(r: Table, series: Ints, by: Ints) -> Slots:
    return Slots(
        series,
        r["slot"],
        r["n"],
        r["sum"] / r["n"] / 1000.0,
        (r["slot"] * SLOT_MS + r["offsets"] / r["n"]) / 1000.0,
        r["least"] / 1000.0,
        r["most"] / 1000.0,
        by,
        segments_of(series),
    )


def _tick(carried: Table, readings: Readings) -> Slots | None:
    """One reading of each sensor; `carried` (S,) are its open slots and become those after it."""
    milli, slot = readings.milli, readings.at // SLOT_MS
    ends = carried["slot"] != slot
    closed = np.flatnonzero(ends & (carried["slot"] != NEVER))
    found = None
    if len(closed):
        found = _closed(rows_of(carried, closed), readings.series[closed], closed)
    begun = np.flatnonzero(ends)
    if len(begun):
        fresh = np.zeros(len(begun), STATE)
        fresh["slot"], fresh["least"], fresh["most"] = slot[begun], milli[begun], milli[begun]
        put_rows(carried, begun, fresh)
    carried["n"] += 1
    carried["sum"] += milli
    carried["offsets"] += readings.at - slot * SLOT_MS
    carried["least"] = np.minimum(carried["least"], milli)
    carried["most"] = np.maximum(carried["most"], milli)
    return found


def _inserted(rows: Table, where: Ints, more: Table) -> Table:
    """`np.insert` as bytes: field by field it is many times slower."""
    out = np.empty(len(rows) + len(where), STATE)
    new = np.zeros(len(out), np.bool_)
    new[where + np.arange(len(where))] = True
    put_rows(out, np.flatnonzero(new), more)
    put_rows(out, np.flatnonzero(~new), rows)
    return out


def _rows(readings: Readings) -> tuple[Table, Ints]:
    """The block's own runs of equal slot, and where each begins."""
    slot = readings.at // SLOT_MS
    opens = np.empty(len(slot), np.bool_)
    opens[0] = True
    opens[1:] = slot[1:] != slot[:-1]
    opens[readings.seg.first] = True
    first = np.flatnonzero(opens)
    rows = np.zeros(len(first), STATE)
    rows["slot"] = slot[first]
    rows["n"] = np.diff(np.append(first, len(slot)))
    rows["sum"] = np.add.reduceat(readings.milli, first)
    rows["offsets"] = np.add.reduceat(readings.at - slot * SLOT_MS, first)
    rows["least"] = np.minimum.reduceat(readings.milli, first)
    rows["most"] = np.maximum.reduceat(readings.milli, first)
    return rows, first


def _join(rows: Table, which: Ints, carried: Table) -> None:
    for name in ("n", "sum", "offsets"):
        rows[name][which] += carried[name]
    rows["least"][which] = np.minimum(rows["least"][which], carried["least"])
    rows["most"][which] = np.maximum(rows["most"][which], carried["most"])
