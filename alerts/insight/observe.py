# SPDX-License-Identifier: Apache-2.0
"""All insight in one step: one record per series, one call per block of readings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alerts.insight import cycles, defrost, slots, time_to_limit, validity, virtual_load
from alerts.insight.cycles import Cycles, Known
from alerts.insight.defrost import Defrosts
from alerts.insight.scan import Floats, Readings, Table, put_rows, rows_of
from alerts.insight.slots import Slots
from alerts.insight.time_to_limit import Forecast
from alerts.insight.validity import Doubts
from alerts.insight.virtual_load import Virtual
from alerts.rules.flat import Bools, Ints, segments_of

STATE = np.dtype(
    [
        ("limit", time_to_limit.STATE),
        ("lag", virtual_load.STATE),
        ("defrost", defrost.STATE),  # from its end to the beginning of "cycle": what each reading touches
        ("doubt", validity.STATE),
        ("slot", slots.STATE),
        ("cycle", cycles.STATE),
    ],
    align=True,
)
HOT = np.dtype(
    [("bump", defrost.HOT), ("doubt", validity.STATE), ("slot", slots.STATE), ("cycle", cycles.HOT)]
)
_BEGIN = STATE.itemsize - cycles.STATE.itemsize - slots.STATE.itemsize - validity.STATE.itemsize
_BEGIN -= defrost.HOT.itemsize
_PARTS = np.dtype({"names": ["hot"], "formats": [HOT], "offsets": [_BEGIN], "itemsize": STATE.itemsize})
"""A record seen as that middle part and the rest: one gather, one scatter a block."""
PIECE, FEWEST = 32_768, 5_000
"""Readings in a piece where they are of few sensors, and where each is of another. By measurement."""
assert STATE.itemsize <= 1920, "2 KiB of state per sensor, the engine's own included"


@dataclass(frozen=True, slots=True)
class Around:
    """What is known beside the readings, (N,) each, in the order of the readings.

    high_c, low_c  limits in force [°C], NaN: none
    ceiling_c      nothing above is ever a defrost [°C]
    ambient_c      the room [°C], NaN unknown
    off            cooling is known to be off: mains, compressor, or siblings on the supply
    """

    high_c: Floats
    low_c: Floats
    ceiling_c: Floats
    ambient_c: Floats
    off: Bools


@dataclass(frozen=True, slots=True)
class Observed:
    """What a block told. All but `doubts` speak of readings that are temperatures: `plain` are their indices.

    load      the virtual load, when time constants were given
    slots     closed, with `forecast` for each; None when none closed
    cycles    finished; known: what was known of them at each plain reading
    """

    doubts: Doubts
    plain: Ints
    load: Virtual | None
    slots: Slots | None
    forecast: Forecast | None
    cycles: Cycles | None
    known: Known
    defrosts: Defrosts | None

    @property
    def usual(self) -> Floats:
        """(P, 6) the figures of cycles known at each plain reading."""
        return self.known.columns()


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    for name, module in (
        ("doubt", validity),
        ("lag", virtual_load),
        ("slot", slots),
        ("cycle", cycles),
        ("defrost", defrost),
        ("limit", time_to_limit),
    ):
        table[name] = module.blank(n)
    return table


def advance(
    table: Table, readings: Readings, around: Around, *, tau_s: Floats | None = None, gap_ms: int = 120_000
) -> Observed:
    """Observe sorted readings, finite and inside what the probe can say, newer than those before.

    tau_s  (S,) by series number: lag of the load behind what is measured; None: no virtual load

    Many are taken in pieces that the processor's cache holds: where they are cut changes nothing.
    """
    n, sensors = readings.seg.n, len(readings.seg.first)
    piece = min(PIECE, max(FEWEST, FEWEST * n // sensors))
    if n <= 2 * piece:
        return _advance(table, readings, around, tau_s, gap_ms)
    found, plain = [], 0
    for begin in range(0, n, piece):
        part = slice(begin, begin + piece)
        some = Readings.of(readings.series[part], readings.at[part], readings.milli[part])
        theirs = Around(*(getattr(around, name)[part] for name in Around.__slots__))
        found.append(_moved(_advance(table, some, theirs, tau_s, gap_ms), begin, plain))
        plain += len(found[-1].plain)
    return _joined(found)


def _moved(seen: Observed, begin: int, plain: int) -> Observed:
    """With indices that count from the whole block's beginning."""

    def moved(part: Any, *names: str) -> Any:
        return part and replace(part, **{name: getattr(part, name) + plain for name in names})

    return replace(
        seen,
        plain=seen.plain + begin,
        slots=moved(seen.slots, "by"),
        cycles=moved(seen.cycles, "by"),
        defrosts=moved(seen.defrosts, "ended_by"),
    )


def _joined(parts: list[Observed]) -> Observed:
    """One after the other."""

    def joined(which: list[Any]) -> Any:
        known = [one for one in which if one is not None]
        if not known:
            return None
        columns: dict[str, Any] = {}
        for name in known[0].__slots__:
            if name != "seg":
                columns[name] = np.concatenate([getattr(one, name) for one in known])
            else:
                columns[name] = segments_of(columns["series"])
        return type(known[0])(**columns)

    ends = np.cumsum([0, *(len(one.known.figures) for one in parts)])
    known = Known(
        np.concatenate([one.known.figures for one in parts]),
        np.concatenate([one.known.of + end for one, end in zip(parts, ends[:-1], strict=True)]),
    )
    whole = {
        name: joined([getattr(one, name) for one in parts])
        for name in ("doubts", "load", "slots", "forecast", "cycles", "defrosts")
    }
    return Observed(plain=np.concatenate([one.plain for one in parts]), known=known, **whole)


def _advance(table: Table, readings: Readings, around: Around, tau_s: Floats | None, gap_ms: int) -> Observed:
    who = readings.seg.series
    hot = rows_of(table.view(_PARTS)["hot"], who)
    doubts = validity.doubt(hot["doubt"], readings)
    doubtful = doubts.code | doubts.spike | doubts.stuck
    some = bool(doubtful.any())
    plain = np.flatnonzero(~doubtful) if some else np.arange(len(doubtful))
    if not len(plain):
        put_rows(table.view(_PARTS)["hot"], who, hot)
        nothing = Known(np.zeros((0, cycles.N)), plain)
        return Observed(doubts, plain, None, None, None, None, nothing, None)
    sound = readings.take(plain) if some else readings
    load = None if tau_s is None else virtual_load.advance(table["lag"], sound, tau_s, gap_ms)
    rows = np.searchsorted(who, sound.seg.series) if len(sound.seg.series) < len(who) else None
    part = hot if rows is None else rows_of(hot, rows)
    before = part["cycle"]["usual"].copy()
    closed = slots.add(part["slot"], sound)
    made = cycles.follow(table["cycle"], part["cycle"], sound, closed)
    known = cycles.in_force(before, made, sound.seg)
    ceiling_c = around.ceiling_c[plain] if some else around.ceiling_c
    defrosts = defrost.follow(table["defrost"], part["bump"], sound, known, ceiling_c)
    if rows is not None:
        put_rows(hot, rows, part)
    put_rows(table.view(_PARTS)["hot"], who, hot)
    forecast = None
    if closed is not None:
        by = plain[closed.by]
        forecast = time_to_limit.advance(
            table["limit"],
            closed,
            around.high_c[by],
            around.low_c[by],
            around.ambient_c[by],
            around.off[by],
        )
    return Observed(doubts, plain, load, closed, forecast, made, known, defrosts)
