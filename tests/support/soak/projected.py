# SPDX-License-Identifier: Apache-2.0
"""The checker's look into InfluxDB: every recorded reading once, with its value, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rig.influx import Influx

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records.influx_names import READING


@dataclass(slots=True)
class Projected:
    """missing, doubled, altered: of the recorded readings; `invented`: points that nobody recorded."""

    points: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    invented: int = 0

    @property
    def sound(self) -> bool:
        return not (self.missing or self.doubled or self.altered or self.invented)


def counted(influx: Influx) -> int:
    """Points of readings."""
    try:
        rows = influx.query(f'SELECT count("seq") FROM "{READING}"')
    except OSError:  # it is being started
        return 0
    return int(rows[0]["count"]) if rows else 0


def check_influx(influx: Influx, rows: Rows, names: dict[int, str]) -> Projected:
    """`rows`: all that is recorded; `names`: series -> sensor. Sensor by sensor, by (instant, sequence)."""
    found = Projected()
    order = np.argsort(rows["series"], kind="stable")
    rows = rows[order]
    starts = np.searchsorted(rows["series"], list(names))
    ends = np.searchsorted(rows["series"], list(names), side="right")
    for sensor, start, end in zip(names.values(), starts.tolist(), ends.tolist(), strict=True):
        mine = rows[start:end]
        columns = (mine["at_ms"].tolist(), mine["seq"].tolist(), mine["value"].tolist())
        ours = {
            (at, seq): None if value == NO_VALUE else value / 1000
            for at, seq, value in zip(*columns, strict=True)
        }
        points = influx.query(f'SELECT "value", "seq" FROM "{READING}" WHERE "sensor" = \'{sensor}\'')
        theirs = [((int(p["time"]), int(p["seq"])), p.get("value")) for p in points]
        _compare(found, ours, theirs)
    return found


def _compare(
    found: Projected,
    ours: Mapping[tuple[int, int], float | None],
    theirs: list[tuple[tuple[int, int], float | None]],
) -> None:
    times = Counter(key for key, _ in theirs)
    found.points += len(theirs)
    found.doubled += sum(n - 1 for key, n in times.items() if n > 1)
    found.invented += sum(key not in ours for key in times)
    found.missing += sum(key not in times for key in ours)
    found.altered += sum(ours[key] != value for key, value in dict(theirs).items() if key in ours)
