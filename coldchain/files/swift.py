# SPDX-License-Identifier: Apache-2.0
"""Plain CSV without a loop over its rows: bytes to columns by positions of commas and line ends.

Takes only what is plain through and through (ASCII, no quotes, the same number of fields in every line, one
form of time); for anything else `columns_of` returns None, and the careful reader looks at each row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coldchain.files.formats import CELSIUS_MAX, LAST_S

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

NEWLINE, RETURN, COMMA, QUOTE = b'\n\r,"'
FIELD_MAX = 128
_ISO = np.frombuffer(b"0000-00-00T00:00:00", np.uint8)
_DIGIT = np.uint8(ord("0"))


@dataclass(frozen=True, slots=True)
class Plain:
    """N rows. `names` are as written, `name` (N,) indices into them, in the order in which they appear."""

    names: list[str]
    name: npt.NDArray[np.int64]
    at_ms: npt.NDArray[np.int64]
    celsius: npt.NDArray[np.float64]


def columns_of(data: bytes, fields: int, *, sensor: int | None, time: int, celsius: int) -> Plain | None:
    """Whole lines of CSV, without header. None: not so plain; the careful reader will say what is wrong.

    fields  how many each line must have; the others are column numbers
    """
    raw = np.frombuffer(data, np.uint8)
    if not len(raw) or raw.max() > 126 or raw.min() < 9 or (raw == QUOTE).any():
        return None
    n_returns = np.count_nonzero(raw == RETURN)
    if n_returns and n_returns != data.count(b"\r\n"):
        return None
    begin, end = _fields(raw, fields)
    if begin is None or end is None or not len(begin):
        return None
    at_ms = _instants(raw, begin[:, time], end[:, time])
    if at_ms is None:
        return None
    value = _numbers(raw, begin[:, celsius], end[:, celsius])
    if value is None or np.any(np.abs(value[np.isfinite(value)]) > CELSIUS_MAX):
        return None
    value[np.isinf(value)] = np.nan
    if sensor is None:
        return Plain([""], np.zeros(len(begin), np.int64), at_ms, value)
    named = _names(raw, begin[:, sensor], end[:, sensor])
    return None if named is None else Plain(*named, at_ms, value)


def _fields(raw: Bytes, fields: int) -> tuple[Places | None, Places | None]:
    """(N, fields) where each field begins and ends; None when a line has more or fewer."""
    marks = np.flatnonzero((raw == COMMA) | (raw == NEWLINE))
    if raw[-1] != NEWLINE:
        marks = np.append(marks, len(raw))
    if len(marks) % fields:
        return None, None
    ends = marks.reshape(-1, fields)
    at_end = np.append(raw, np.uint8(NEWLINE))[ends] == NEWLINE
    if at_end[:, :-1].any() or not at_end[:, -1].all():
        return None, None
    begins = np.empty_like(ends)
    begins[:, 1:] = ends[:, :-1] + 1
    begins[0, 0], begins[1:, 0] = 0, ends[:-1, -1] + 1
    last = ends[:, -1]
    returns = (last > begins[:, -1]) & (raw[last - 1] == RETURN)
    ends[:, -1] = last - returns
    return begins, ends


def _gather(raw: Bytes, begin: Places, end: Places) -> Bytes | None:
    """(N, widest) the fields' bytes, zeros behind; None when one is too long."""
    width = int((end - begin).max())
    if width > FIELD_MAX:
        return None
    place = begin[:, None] + np.arange(max(width, 1))
    inside = place < end[:, None]
    return np.where(inside, raw[np.minimum(place, len(raw) - 1)], np.uint8(0))


def _instants(raw: Bytes, begin: Places, end: Places) -> Places | None:
    """[ms]: all of them `2022-07-07T12:00:00Z`, perhaps with milliseconds, or all Unix seconds."""
    text = _gather(raw, begin, end)
    if text is None:
        return None
    if raw[end[0] - 1] != ord("Z"):
        seconds = _numbers(raw, begin, end)
        if seconds is None or not np.all((seconds > 0) & (seconds <= LAST_S)):
            return None
        return np.rint(seconds * 1000).astype(np.int64)
    width = text.shape[1]
    if width not in (20, 24) or (end - begin != width).any() or (text[:, -1] != ord("Z")).any():
        return None
    digit = text - _DIGIT
    apart = [4, 7, 10, 13, 16]
    numeric = [i for i in range(19) if i not in apart] + list(range(20, width - 1))
    if (text[:, apart] != _ISO[apart]).any() or (digit[:, numeric] > 9).any():
        return None
    if width == 24 and (text[:, 19] != ord(".")).any():
        return None
    return _calendar(digit.astype(np.int64))


def _calendar(digit: Places) -> Places | None:
    def number(start: int, n: int) -> Places:
        total = np.zeros(len(digit), np.int64)
        for i in range(start, start + n):
            total = total * 10 + digit[:, i]
        return total

    year, month, day = number(0, 4), number(5, 2), number(8, 2)
    hour, minute, second = number(11, 2), number(14, 2), number(17, 2)
    if ((month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 59) | (year < 1970)).any():
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    next_first = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if ((day < 1) | (first + day > next_first)).any():
        return None
    at_ms = ((((first + day - 1) * 24 + hour) * 60 + minute) * 60 + second) * 1000
    if digit.shape[1] == 24:
        at_ms += number(20, 3)
    return at_ms if (at_ms > 0).all() else None


def _numbers(raw: Bytes, begin: Places, end: Places) -> npt.NDArray[np.float64] | None:
    """NaN where a field is empty. None when one is no number."""
    text = _gather(raw, begin, end)
    if text is None:
        return None
    quick = _decimals(text, end - begin)
    if quick is not None:
        return quick
    words = _words(text)
    words[begin == end] = b"nan"
    try:
        return words.astype(np.float64)
    except ValueError:
        return None


def _decimals(text: Bytes, length: Places) -> npt.NDArray[np.float64] | None:
    """Plain decimals such as -19.25, exactly as `float` reads them; None when there is anything else.

    Up to 15 digits make an exact integer, and its quotient by a power of ten is rounded once: that is the
    nearest double, as `float` gives.
    """
    if text.shape[1] > 16:
        return None
    minus, point = text[:, 0] == ord("-"), text == ord(".")
    filled = np.arange(text.shape[1]) < length[:, None]
    digit = (text - _DIGIT) <= 9
    sound = digit | point | ~filled
    sound[:, 0] |= minus
    count = digit.sum(axis=1)
    empty = length == 0
    if (
        not sound.all()
        or (point.sum(axis=1) > 1).any()
        or ((count == 0) & ~empty).any()
        or (count > 15).any()
    ):
        return None
    whole = np.zeros(len(text), np.int64)
    decimals = np.zeros(len(text), np.int64)
    seen = np.zeros(len(text), np.bool_)
    for i in range(text.shape[1]):
        is_digit = digit[:, i]
        whole = np.where(is_digit, whole * 10 + (text[:, i] - _DIGIT), whole)
        decimals += is_digit & seen
        seen |= point[:, i]
    value = whole / 10.0**decimals
    value = np.where(minus, -value, value)
    value[empty] = np.nan
    return value


def _words(text: Bytes) -> npt.NDArray[Any]:
    return np.ascontiguousarray(text).view(f"S{text.shape[1]}")[:, 0]


def _names(raw: Bytes, begin: Places, end: Places) -> tuple[list[str], Places] | None:
    text = _gather(raw, begin, end)
    if text is None:
        return None
    padded = np.zeros((len(text), -(-text.shape[1] // 8) * 8), np.uint8)
    padded[:, : text.shape[1]] = text
    parts = padded.view(np.uint64)
    mark = np.zeros(len(text), np.uint64)
    for i in range(parts.shape[1]):
        mark = (mark ^ parts[:, i]) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(29)
    _, first, group = np.unique(mark, return_index=True, return_inverse=True)
    if (parts != parts[first][group]).any():
        return None  # two names with one mark
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return [word.decode() for word in _words(text)[first[order]].tolist()], rank[group]
