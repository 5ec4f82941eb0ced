# SPDX-License-Identifier: Apache-2.0
"""Recordings read by blocks of rows into columns; row by row only where something is odd."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from coldchain.files import swift
from coldchain.files.formats import (
    CELSIUS_MAX,
    KNOWN_HEADERS,
    LAST_S,
    FileReading,
    Layout,
    Names,
    celsius_of,
    instant_of,
    name_of_file,
    sniff,
)
from coldchain.kernel.errors import BadData

Read = TypeVar("Read")
_BLOCK_ROWS = 20_000
_BLOCK_BYTES = 2**21
_LAST_MS = LAST_S * 1000


@dataclass(frozen=True, slots=True)
class FileColumns:
    """A recording in columns, in the order of the file.

    sensors  names; sensor (N,) indices into them
    at_ms    (N,) int64 [ms UTC]
    celsius  (N,) float64 [°C], NaN where the reading failed
    """

    sensors: tuple[str, ...]
    sensor: npt.NDArray[np.int32]
    at_ms: npt.NDArray[np.int64]
    celsius: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Block:
    names: list[str]
    at_ms: npt.NDArray[np.int64]
    celsius: npt.NDArray[np.float64]


def read_readings(path: Path) -> Iterator[FileReading]:
    """The readings of a recording, in the order of the file. BadData says where and what to do."""
    for block in _blocks(path):
        columns = zip(block.names, block.at_ms.tolist(), block.celsius.tolist(), strict=True)
        for name, at_ms, celsius in columns:
            yield FileReading(name, at_ms, None if math.isnan(celsius) else celsius)


def read_columns(path: Path, *, as_written: bool = False) -> FileColumns:
    """A whole recording at once. BadData as `read_readings`.

    as_written  sensors keep the names that the file gives them, instead of names that the registry would take
    """
    swift = _swiftly(path, as_written=as_written)
    if swift is not None:
        return swift
    numbers: dict[str, int] = {}
    sensors, instants, values = [], [], []
    for block in _blocks(path, as_written=as_written):
        for name in dict.fromkeys(block.names):
            numbers.setdefault(name, len(numbers))
        sensors.append(np.fromiter((numbers[name] for name in block.names), np.int32, len(block.names)))
        instants.append(block.at_ms)
        values.append(block.celsius)
    return _whole(tuple(numbers), sensors, instants, values)


def _whole(
    names: tuple[str, ...],
    sensors: list[npt.NDArray[np.int32]],
    instants: list[npt.NDArray[np.int64]],
    values: list[npt.NDArray[np.float64]],
) -> FileColumns:
    return FileColumns(
        names,
        np.concatenate([np.empty(0, np.int32), *sensors]),
        np.concatenate([np.empty(0, np.int64), *instants]),
        np.concatenate([np.empty(0, np.float64), *values]),
    )


def _swiftly(path: Path, *, as_written: bool) -> FileColumns | None:
    """The same, for files that are plain through and through; None for all others."""
    reader: _Reader | None = None
    numbers: dict[str, int] = {}
    sensors, instants, values = [], [], []
    with _bytes(path) as file:
        header = file.readline(10_000)
        if not header.isascii() and not header.startswith(codecs.BOM_UTF8):
            return None
        names = header.decode("utf-8-sig", errors="replace").strip().split(",")
        layout = sniff(names)
        if layout is None or len(layout.times) != 1 or '"' in header.decode(errors="replace"):
            return None
        reader = _Reader(path, layout, as_written=as_written)
        while data := file.read(_BLOCK_BYTES):
            data += file.readline()
            rows = swift.columns_of(
                data, len(names), sensor=layout.sensor, time=layout.times[0], celsius=layout.celsius
            )
            if rows is None:
                return None
            try:
                known = [reader.name_of(name if layout.sensor is not None else None) for name in rows.names]
            except ValueError:
                return None
            places = [numbers.setdefault(name, len(numbers)) for name in known]
            sensors.append(np.array(places, np.int32)[rows.name])
            instants.append(rows.at_ms)
            values.append(rows.celsius)
    return _whole(tuple(numbers), sensors, instants, values)


def _blocks(path: Path, *, as_written: bool = False) -> Iterator[_Block]:
    with _text(path) as text:
        rows = csv.reader(text, strict=True)
        header = next(rows, None)
        layout = sniff(header) if header else None
        if layout is None:
            raise BadData(f"{path}:1: this header is unknown; known are {KNOWN_HEADERS}")
        reader = _Reader(path, layout, as_written=as_written)
        block: list[list[str]] = []
        lines: list[int] = []
        for row in rows:
            if not row:
                continue
            block.append(row)
            lines.append(rows.line_num)
            if len(block) == _BLOCK_ROWS:
                yield reader.read(block, lines)
                block, lines = [], []
        if block:
            yield reader.read(block, lines)


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    """The file as text, unpacked; whatever breaks while reading it is told as BadData."""
    with _bytes(path) as plain:
        yield io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")


@contextmanager
def _bytes(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
    except UnicodeDecodeError as bad:
        raise BadData(f"{path}: this is not UTF-8 text; save it as CSV in UTF-8") from bad
    except (EOFError, gzip.BadGzipFile, zlib.error) as bad:
        raise BadData(f"{path}: the packed file is damaged or cut short; copy it again") from bad
    except csv.Error as bad:
        raise BadData(f"{path}: this is not CSV ({bad}); look for a quote that does not end") from bad
    except OSError as bad:
        raise BadData(f"{path}: cannot be read: {bad.strerror or bad}") from bad


class _Reader:
    """Blocks of rows of one file to columns."""

    def __init__(self, path: Path, layout: Layout, *, as_written: bool = False) -> None:
        self._path, self._layout, self._as_written = path, layout, as_written
        self._names = Names()
        self._own_name = name_of_file(path)

    def read(self, rows: list[list[str]], lines: list[int]) -> _Block:
        """`lines` are the rows' last line numbers, for BadData."""
        width, layout = self._layout.width, self._layout
        for row, line in zip(rows, lines, strict=True):
            if len(row) < width:
                raise BadData(f"{self._path}:{line}: {len(row)} fields, the header promises {width} or more")
        times = [next((row[at] for at in layout.times if row[at].strip()), "") for row in rows]
        values = [row[layout.celsius] for row in rows]
        at_ms = _instants_at_once(times)
        if at_ms is None:
            at_ms = np.array(self._each(instant_of, times, lines), np.int64)
        celsius = _celsius_at_once(values)
        if celsius is None:
            each = self._each(celsius_of, values, lines)
            celsius = np.array([np.nan if one is None else one for one in each], np.float64)
        if layout.sensor is None:
            names = [self._own_name] * len(rows)
        else:
            names = self._each(self.name_of, [row[layout.sensor] for row in rows], lines)
        return _Block(names, at_ms, celsius)

    def name_of(self, written: str | None) -> str:
        """What a sensor is called; None: the file names none. ValueError when the name is blank."""
        if written is None:
            return self._own_name
        return written if self._as_written and written.strip() else self._names.of(written)

    def _each(self, read: Callable[[str], Read], texts: list[str], lines: list[int]) -> list[Read]:
        found: list[Read] = []
        try:
            for text in texts:
                found.append(read(text))  # noqa: PERF401 - how many there are says which one failed
        except ValueError as bad:
            raise BadData(f"{self._path}:{lines[len(found)]}: {bad}") from bad
        return found


def _instants_at_once(texts: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """All of them, when they are of the two usual kinds and sound; None: look at each."""
    first = texts[0]
    try:
        if first.endswith("Z") and all(_ISO(text) for text in texts):
            at_ms = np.array([text[:-1] for text in texts], "datetime64[ms]").astype(np.int64)
        elif _NUMBER.issuperset(first):
            seconds = np.array(texts, np.float64)
            if not np.all((seconds > 0) & (seconds <= LAST_S)):
                return None
            at_ms = np.rint(seconds * 1000).astype(np.int64)
        else:
            return None
    except ValueError:
        return None
    return at_ms if np.all((at_ms > 0) & (at_ms <= _LAST_MS)) else None


_NUMBER = frozenset("0123456789.")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", re.ASCII).fullmatch


def _celsius_at_once(texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        celsius = np.array([text or "nan" for text in texts], np.float64)
    except ValueError:
        return None
    if np.any(np.abs(celsius[np.isfinite(celsius)]) > CELSIUS_MAX):
        return None
    celsius[np.isinf(celsius)] = np.nan
    return celsius
