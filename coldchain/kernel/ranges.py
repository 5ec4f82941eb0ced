# SPDX-License-Identifier: Apache-2.0
"""Sets of whole numbers kept as ranges: which sequences are accepted, recorded, seen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """A set of non-negative integers as sorted, disjoint, non-adjacent closed ranges.

    >>> s = RangeSet([(1, 3), (7, 7)])
    >>> s.add(4, 6)
    >>> s.pairs()
    [(1, 7)]
    >>> 5 in s, 8 in s, len(s)
    (True, False, 7)
    """

    __slots__ = ("_highs", "_lows")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in pairs:
            self.add(low, high)

    def add(self, low: int, high: int) -> None:
        """Put low..high (both included) into the set."""
        if low < 0 or high < low:
            raise ValueError(f"not a range: {low}..{high}")
        lows, highs = self._lows, self._highs
        if highs and low == highs[-1] + 1:  # the common case: the next number in order
            highs[-1] = high
            return
        first = bisect_left(highs, low - 1)  # first range that touches or follows
        last = bisect_right(lows, high + 1)  # one past the last range that touches
        if first < last:
            low, high = min(low, lows[first]), max(high, highs[last - 1])
        lows[first:last] = [low]
        highs[first:last] = [high]

    def remove(self, low: int, high: int) -> None:
        """Take low..high (both included) out of the set, whatever of it was in.

        >>> s = RangeSet([(1, 9)])
        >>> s.remove(4, 6)
        >>> s.pairs()
        [(1, 3), (7, 9)]
        """
        if low < 0 or high < low:
            raise ValueError(f"not a range: {low}..{high}")
        lows, highs = self._lows, self._highs
        first = bisect_left(highs, low)  # first range that reaches low
        last = bisect_right(lows, high)  # one past the last range that begins by high
        if first >= last:
            return
        rest = [(lows[first], low - 1), (high + 1, highs[last - 1])]
        kept = [(a, b) for a, b in rest if a <= b]
        lows[first:last] = [a for a, _ in kept]
        highs[first:last] = [b for _, b in kept]

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._highs, number)
        return at < len(self._lows) and self._lows[at] <= number

    def covers(self, low: int, high: int) -> bool:
        """Is every number of low..high in the set?"""
        at = bisect_left(self._highs, low)
        return at < len(self._lows) and self._lows[at] <= low and high <= self._highs[at]

    def missing(self, low: int, high: int) -> list[tuple[int, int]]:
        """The parts of low..high that are not in the set, in order.

        >>> RangeSet([(3, 4), (8, 9)]).missing(1, 8)
        [(1, 2), (5, 7)]
        """
        holes: list[tuple[int, int]] = []
        at = bisect_left(self._highs, low)
        while at < len(self._lows) and self._lows[at] <= high and low <= high:
            if low < self._lows[at]:
                holes.append((low, self._lows[at] - 1))
            low = self._highs[at] + 1
            at += 1
        if low <= high:
            holes.append((low, high))
        return holes

    def pairs(self) -> list[tuple[int, int]]:
        """The ranges, sorted."""
        return list(zip(self._lows, self._highs, strict=True))

    def top(self) -> int:
        """The largest number, or -1 when empty."""
        return self._highs[-1] if self._highs else -1

    def ranges(self) -> int:
        """How many ranges: the memory it takes."""
        return len(self._lows)

    def union(self, other: RangeSet) -> RangeSet:
        return RangeSet([*self.pairs(), *other.pairs()])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.pairs())

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.pairs())

    def __bool__(self) -> bool:
        return bool(self._lows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self.pairs() == other.pairs()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"RangeSet({self.pairs()})"


def as_pairs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Any numbers as sorted closed ranges.

    >>> as_pairs([3, 1, 2, 9])
    [(1, 3), (9, 9)]
    """
    return RangeSet((n, n) for n in sorted(set(numbers))).pairs()
