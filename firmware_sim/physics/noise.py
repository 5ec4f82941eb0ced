# SPDX-License-Identifier: Apache-2.0
"""Randomness without state: a number is a function of (key, lane, tick), so no order of asking changes a run.

Only integer arithmetic and exact divisions by powers of two: the same bits on every machine and for every
array length (a vectorised logarithm may differ in its last bit between a lane and a remainder).
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
KeyArray = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
"""Increment of splitmix64: 2^64 divided by the golden ratio (Steele, Lea, Flood, OOPSLA 2014)."""
_MASK = (1 << 64) - 1
_SD_OF_FOUR_U16 = float(np.sqrt(4 * (65536.0**2 - 1) / 12))
"""Standard deviation of the sum of four independent integers 0..65535."""


def key_of(*words: str | int) -> int:
    """A 64-bit key of the words, the same in every process (Python's own ``hash`` is salted)."""
    text = "\x1f".join(str(word) for word in words)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(keys: KeyArray, lane: int, tick: int) -> KeyArray:
    """64 mixed bits for each key, for one purpose (``lane``) at one instant (``tick``, may be negative)."""
    offset = ((lane + 1) * 0xD1342543DE82EF95 + (tick & _MASK) * _GOLDEN) & _MASK
    z = keys + np.uint64(offset)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(keys: KeyArray, lane: int, tick: int) -> FloatArray:
    """Uniform in [0, 1), 53 bits."""
    return (bits(keys, lane, tick) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(keys: KeyArray, lane: int, tick: int) -> FloatArray:
    """Nearly normal, mean 0, variance 1, never beyond 3.5: four uniform lanes added."""
    word = bits(keys, lane, tick)
    total = np.zeros(word.shape)
    for shift in (0, 16, 32, 48):
        total += ((word >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
    return (total - 2.0 * 65535.0) / _SD_OF_FOUR_U16
