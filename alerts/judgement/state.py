# SPDX-License-Identifier: Apache-2.0
"""What the engine carries from block to block: two tables, one record per series number each, and their form.

`table` holds what every reading changes, `insight` what is learnt of each sensor. Together at most 2 KiB.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.insight import observe
from alerts.rules.cumulative import RING
from alerts.rules.limits import LEAST, NEVER
from alerts.rules.validity import UNKNOWN
from coldchain.kernel.errors import SchemaTooNew

FORMAT = 2
N_CONDITIONS = 9

STATE = np.dtype(
    [
        ("at", "<i8"),  # event time of the newest judged reading; NEVER before the first
        ("live_at", "<i8"),  # event time of the newest reading that arrived live; NEVER before the first
        ("sound_at", "<i8"),  # event time of the newest temperature; NEVER before the first
        ("value", "<i4"),  # of the newest judged reading, as it came
        ("plain", "<i4"),  # the last value that is no code, UNKNOWN before the first
        ("sound", "<i4"),  # the newest temperature, as judged: corrected, or of the virtual load
        ("stirs", "?"),  # some condition has a run or stands: `since` is not NEVER
        ("rough", "?"),  # among the late readings is one beyond a limit, or no temperature
        # So far what every reading touches: together, in one line of the processor's cache.
        ("late_from", "<i8"),  # span of late readings that wait to be judged again; NEVER if none
        ("late_until", "<i8"),
        ("since", "<i8", N_CONDITIONS),  # the rest of each condition: see limits.Carried
        ("cooled", "<i8"),  # begin of the loading in which its range was reached; NEVER if none
        ("soon_at", "<i8"),  # when the limit was last foreseen near; NEVER if never
        ("spike_at", "<i8"),  # event time of the newest reading, if it was a spike; else NEVER
        ("slot_at", "<f8"),  # mean instant [s] of the last closed slot, and its mean [°C]
        ("slot_c", "<f8"),
        ("limit_at", "<i8"),  # when its limit will be passed, as foreseen by the last slot; NEVER if not
        ("slot_rate", "<i8"),  # how it changed from the slot before [thousandths of K/min]
        ("spike", "<i4"),  # its value, as judged
        ("peak", "<i4", N_CONDITIONS),
        ("hour", "<i4"),  # of `out_s`: number of the newest hour in it; NEVER before the first
        ("out_s", "<u2", RING),  # seconds beyond the limits, by the hour: see cumulative
        ("standing", "?", N_CONDITIONS),
        ("announced", "?", N_CONDITIONS),
    ],
    align=True,
)
"""One record per series, aligned, or numpy would copy each column before using it."""
assert STATE.itemsize + observe.STATE.itemsize <= 2048, "2 KiB of state per sensor"

FIRST_CONDITIONS = 3
FIRST = np.dtype(
    [
        ("at", "<i8"),
        ("live_at", "<i8"),
        ("late_from", "<i8"),
        ("late_until", "<i8"),
        ("since", "<i8", FIRST_CONDITIONS),
        ("value", "<i4"),
        ("plain", "<i4"),
        ("peak", "<i4", FIRST_CONDITIONS),
        ("standing", "?", FIRST_CONDITIONS),
        ("announced", "?", FIRST_CONDITIONS),
        ("rough", "?"),
    ],
    align=True,
)
"""Of format 1: limits and faults, no insight."""

_PART = 4
_LAYOUT = b"".join(
    hashlib.sha256(repr(dtype.descr).encode()).digest()[:_PART] for dtype in (STATE, observe.STATE)
)
"""Which fields the two tables have."""

Table = npt.NDArray[np.void]
HEAD = struct.Struct("<BI")


class Rows(NamedTuple):
    """One series' records of both tables, (1,) each."""

    table: Table
    insight: Table


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is carried: `table` of STATE and `insight` of observe.STATE, by series number."""

    table: Table
    insight: Table

    @classmethod
    def fresh(cls, series: int = 0) -> EngineState:
        return cls(blank(series), observe.blank(series))

    def grown(self, series: int) -> EngineState:
        """With room for that many series."""
        more = series - len(self.table)
        if more <= 0:
            return self
        return EngineState(_joined(self.table, blank(more)), _joined(self.insight, observe.blank(more)))

    def rows(self, series: int) -> Rows:
        """A copy of one series' records."""
        one = slice(series, series + 1)
        return Rows(copied(self.table[one]), copied(self.insight[one]))

    def save(self) -> bytes:
        body = self.table.tobytes() + self.insight.tobytes()
        return HEAD.pack(FORMAT, len(self.table)) + _LAYOUT + zlib.compress(body, 1)

    @classmethod
    def load(cls, blob: bytes) -> EngineState:
        """The saved state; what an older one did not know is blank. SchemaTooNew when saved by a newer."""
        found, n = HEAD.unpack_from(blob)
        if found > FORMAT:
            raise SchemaTooNew(path="engine state in alarms.db", found=found, supported=FORMAT)
        if found == 1:
            body = zlib.decompress(blob[HEAD.size :])
            return cls(_of_first(np.frombuffer(body, FIRST, n)), observe.blank(n))
        told = blob[HEAD.size : HEAD.size + len(_LAYOUT)]
        assert told[:_PART] == _LAYOUT[:_PART], "STATE has changed: raise FORMAT with it"
        body = zlib.decompress(blob[HEAD.size + len(_LAYOUT) :])
        split = n * STATE.itemsize
        table = as_bytes(body[:split], STATE)
        if told != _LAYOUT:
            return cls(table, observe.blank(n))  # what was learnt in another form is learnt anew
        return cls(table, as_bytes(body[split:], observe.STATE))


def as_bytes(told: bytes, dtype: np.dtype[np.void]) -> Table:
    """Records to write to. What lies between the fields is kept, so that equal states are saved equal."""
    return np.frombuffer(bytearray(told), dtype)


def copied(table: Table) -> Table:
    """A copy, many times faster than field by field."""
    return np.frombuffer(bytearray(np.ascontiguousarray(table).view(np.uint8)), table.dtype)


def _joined(table: Table, more: Table) -> Table:
    return as_bytes(table.tobytes() + more.tobytes(), table.dtype)


def blank(n: int) -> Table:
    """Records of series that nothing is known of."""
    table = np.zeros(n, STATE)
    for name in (
        "at",
        "live_at",
        "late_from",
        "late_until",
        "since",
        "sound_at",
        "cooled",
        "soon_at",
        "limit_at",
        "spike_at",
        "hour",
    ):
        table[name] = NEVER
    table["slot_at"] = float(NEVER)
    table["plain"] = table["sound"] = UNKNOWN
    table["peak"] = LEAST
    return table


def _of_first(old: Table) -> Table:
    table = blank(len(old))
    assert FIRST.names is not None
    for name in FIRST.names:
        if FIRST[name].shape:
            table[name][:, :FIRST_CONDITIONS] = old[name]
        else:
            table[name] = old[name]
    table["stirs"] = (old["since"] != NEVER).any(axis=1)
    judged = old["plain"] != UNKNOWN
    table["sound_at"] = np.where(judged, old["at"], NEVER)
    table["sound"] = old["plain"]
    return table
