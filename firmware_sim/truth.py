# SPDX-License-Identifier: Apache-2.0
"""What really happened in a run, kept for scoring: the noiseless load temperature and the faults.

`TruthWriter` writes one JSON object a line: a header (version, appliances, faults), then one row for
every ``every_s`` seconds. It is flushed row by row, so a killed run leaves a readable file.
Nothing that is judged may read it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from firmware_sim.faults import Fault, FaultKind, Schedule
from firmware_sim.physics.noise import FloatArray
from firmware_sim.physics.world import World

VERSION = 1


class TruthError(ValueError):
    """The file is not a truth file, or a newer version wrote it."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A run's truth. R rows of time, N appliances.

    t_s      (R,) seconds after the start; start_utc_s makes them Unix seconds
    load_c   (R, N) the load's true temperature [°C], to 0.1 mK
    """

    ids: tuple[str, ...]
    seed: int
    start_utc_s: float
    every_s: int
    faults: tuple[Fault, ...]
    t_s: FloatArray
    load_c: FloatArray

    def of(self, appliance_id: str) -> FloatArray:
        """(R,) the true load temperature of one appliance [°C]."""
        column: FloatArray = self.load_c[:, self.ids.index(appliance_id)]
        return column

    def passes(self, appliance_id: str, limit_c: float) -> float:
        """When the load first crosses the limit in either direction [s after the start], linear between rows.

        NaN when it never does.
        """
        beyond = self.of(appliance_id) - limit_c
        crossed = np.flatnonzero((beyond[:-1] <= 0) != (beyond[1:] <= 0))
        if crossed.size == 0:
            return math.nan
        row = int(crossed[0])
        part = beyond[row] / (beyond[row] - beyond[row + 1])
        return float(self.t_s[row] + part * (self.t_s[row + 1] - self.t_s[row]))

    def faults_of(self, appliance_id: str, t_s: float) -> tuple[Fault, ...]:
        """The faults that act on an appliance at an instant."""
        return tuple(f for f in self.faults if appliance_id in f.appliances and f.start_s <= t_s < f.end_s)


class TruthWriter:
    """Writes a World's truth as it is stepped, by whomever. Close it, or use it as a context manager.

    ``every_s`` must be a multiple of the World's grid.
    """

    def __init__(
        self,
        path: Path,
        world: World,
        schedule: Schedule,
        *,
        seed: int,
        start_utc_s: float,
        every_s: int = 60,
    ) -> None:
        self._world = world
        self._file: TextIO = path.open("w", encoding="utf-8")
        header = {
            "truth": VERSION,
            "ids": world.ids,
            "seed": seed,
            "start_utc_s": start_utc_s,
            "every_s": every_s,
            "faults": [_plain(fault) for fault in schedule.faults],
        }
        self._line(header)
        if world.now_s % every_s == 0:
            self._row()
        world.watch(every_s, self._row)

    def close(self) -> None:
        """Write no more. The World may go on."""
        self._file.close()

    def _row(self) -> None:
        if not self._file.closed:
            loads = [round(value, 4) for value in self._world.load_c.tolist()]
            self._line({"t": self._world.now_s, "load_c": loads})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._file.flush()


def load(path: Path) -> Truth:
    """Read a truth file; a torn last line is left out. Raises TruthError, OSError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        header = json.loads(lines[0])
        version = header["truth"]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise TruthError(f"{path.name}: not a truth file") from error
    if version > VERSION:
        raise TruthError(f"{path.name}: version {version}; this program reads up to {VERSION}")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise TruthError(f"{path.name}: line {number} is broken") from error
    return Truth(
        ids=tuple(header["ids"]),
        seed=header["seed"],
        start_utc_s=header["start_utc_s"],
        every_s=header["every_s"],
        faults=tuple(_fault(entry) for entry in header["faults"]),
        t_s=np.array([row["t"] for row in rows], dtype=np.float64),
        load_c=np.array([row["load_c"] for row in rows], dtype=np.float64).reshape(
            len(rows), len(header["ids"])
        ),
    )


def _plain(fault: Fault) -> dict[str, Any]:
    plain = asdict(fault)
    plain.pop("passing")
    plain["numbers"] = dict(fault.numbers)
    plain["end_s"] = None if math.isinf(fault.end_s) else fault.end_s  # JSON has no infinity
    return plain


def _fault(entry: Mapping[str, Any]) -> Fault:
    return Fault(
        kind=FaultKind(entry["kind"]),
        start_s=entry["start_s"],
        end_s=math.inf if entry["end_s"] is None else entry["end_s"],
        appliances=tuple(entry["appliances"]),
        site=entry["site"],
        node=entry["node"],
        numbers=entry["numbers"],
    )
