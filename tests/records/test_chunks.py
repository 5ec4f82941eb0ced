# SPDX-License-Identifier: Apache-2.0
"""Chunks give back every field of every reading, whatever was in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import NO_VALUE
from coldchain.records import chunks
from coldchain.records.columns import Columns, put_column, put_varint

LONGS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-1_000, 1_000),
    st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
)


@given(nps.arrays(np.int64, st.integers(1, 200), elements=LONGS))
def test_a_column_comes_back(column) -> None:
    take = Columns(put_column(column) + b"tail", len(column))
    assert np.array_equal(take.column(), column)


@given(st.integers(0, 62), st.integers(1, 300), st.integers(-(2**40), 2**40), st.integers(0, 5), st.randoms())
def test_a_narrow_column_with_outliers_comes_back(bits, n, least, outliers, random) -> None:
    column = np.array([least + random.getrandbits(bits + 1) // 2 for _ in range(n)], np.int64)
    for _ in range(outliers):
        column[random.randrange(n)] = random.randint(-(2**63), 2**63 - 1)
    assert np.array_equal(Columns(put_column(column), n).column(), column)


@given(LONGS)
def test_a_varint_comes_back(number) -> None:
    assert Columns(put_varint(number), 0).varint() == number


@given(st.integers(1, 40), st.randoms())
def test_rows_of_any_bytes_come_back(n, random) -> None:
    rows = np.frombuffer(random.randbytes(n * JOURNALLED.itemsize), JOURNALLED).copy()
    rows["series"] = 7
    rows = chunks.in_order(rows)
    back = chunks.decode(chunks.encode(rows), 7)
    for name in JOURNALLED.fields or ():
        assert np.array_equal(back[name], rows[name]), name


def live_rows(n: int, *, holes: bool = False) -> np.ndarray:
    """A sensor read each minute with a second of jitter."""
    rng = np.random.default_rng(3)
    rows = np.zeros(n, JOURNALLED)
    rows["series"], rows["source"], rows["seq"], rows["clock"] = 7, 4, 1_000 + np.arange(n), 2
    rows["at_ms"] = rows["device_ms"] = 1_700_000_000_000 + 60_000 * np.arange(n) + rng.integers(0, 1_000, n)
    rows["gateway_ms"] = rows["at_ms"] + rng.integers(5, 50, n)
    rows["arrived_ms"] = rows["gateway_ms"] + rng.integers(20, 1_020, n)
    rows["uptime_ms"] = rows["at_ms"] - 1_699_999_000_000
    rows["value"] = 4_000 + rng.normal(0, 25, n)
    if holes:
        rows["value"][::7], rows["status"][::7] = NO_VALUE, 1
        rows["device_ms"][::5] = 0
        rows["uptime_ms"][::3] = -1
    return rows


@pytest.mark.parametrize("holes", [False, True])
def test_live_rows_come_back(holes) -> None:
    rows = live_rows(360, holes=holes)
    assert np.array_equal(chunks.decode(chunks.encode(rows), 7), rows)


def test_six_hours_of_a_minute_take_at_most_five_bytes_a_reading() -> None:
    assert len(chunks.encode(live_rows(360))) / 360 < 5


def test_a_chunk_knows_its_extremes_without_the_failed_readings() -> None:
    rows = live_rows(50, holes=True)
    chunk = chunks.make_chunk(7, 0, rows)
    values = [value for value in rows["value"].tolist() if value != NO_VALUE]
    assert (chunk.n, chunk.valid) == (50, len(values))
    assert (chunk.vmin, chunk.vmax, chunk.vsum) == (min(values), max(values), sum(values))
    rows["value"] = NO_VALUE
    assert chunks.make_chunk(7, 0, rows).vmin is None


def test_a_chunk_of_a_later_version_is_refused() -> None:
    data = chunks.encode(live_rows(3))
    with pytest.raises(ValueError, match="chunk of format 2; this version reads 1"):
        chunks.decode(b"\2" + data[1:], 7)
