# SPDX-License-Identifier: Apache-2.0
"""The swift reader and the careful one agree wherever the swift one speaks at all."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldchain.files import columns, read_columns
from coldchain.files.swift import columns_of
from coldchain.kernel.errors import BadData

value = st.one_of(
    st.floats(-200, 200).map(repr),
    st.floats(-99, 99).map("{:.2f}".format),
    st.sampled_from(
        ["", "nan", "NaN", "-0.0", ".5", "-.5", "5.", "-", "85", "1e3", " 4.0", "abc", "inf", "4\r"]
    ),
)
instant = st.one_of(
    st.integers(0, 4_000_000_000).map(str),
    st.sampled_from(
        ["2022-02-30T12:00:00Z", "2022-07-07T12:00:00Z", "2024-02-29T23:59:59Z", "1.5", "2022-07-07"]
    ),
    st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")),
    st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"),
)
same_kind = st.sampled_from([instant, st.integers(1, 4_000_000_000).map(str)])
name = st.sampled_from(["a", "b/load", "fridge_1", "a ", "", "x:y", "Kühl", '"q,r"', "n" * 90])


@st.composite
def files(draw) -> bytes:
    at = draw(same_kind)
    rows = draw(st.lists(st.tuples(name, at, value), max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = ["sensor,time,celsius", *(",".join(row) for row in rows)]
    return (end.join(lines) + draw(st.sampled_from(["", end, end + end]))).encode()


def outcome(path: Path, *, as_written: bool):
    try:
        got = read_columns(path, as_written=as_written)
    except BadData:
        return "refused"
    named = [got.sensors[i] for i in got.sensor]
    return list(zip(named, got.at_ms.tolist(), map(repr, got.celsius.tolist()), strict=True))


@given(content=files(), as_written=st.booleans())
@settings(max_examples=400, deadline=None)
def test_swift_is_careful(tmp_path_factory: pytest.TempPathFactory, content: bytes, as_written: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "swift.csv"
    path.write_bytes(content)
    quick = outcome(path, as_written=as_written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_swiftly", lambda path, as_written: None)
        assert quick == outcome(path, as_written=as_written)


@given(st.floats(-2e6, 2e6).map(lambda x: f"{x:.4f}"))
def test_a_decimal_is_read_as_float_reads_it(text: str) -> None:
    rows = columns_of(f"1,{text}\n".encode(), 2, sensor=None, time=0, celsius=1)
    assert rows is not None
    assert math.copysign(1, rows.celsius[0]) == math.copysign(1, float(text))
    assert rows.celsius[0] == float(text)


def test_plain_files_take_the_swift_way_and_odd_ones_do_not() -> None:
    plain = b"s,2022-07-07T12:00:00Z,4.1\ns,2022-07-07T12:01:00Z,\n"
    rows = columns_of(plain, 3, sensor=0, time=1, celsius=2)
    assert rows is not None
    assert rows.at_ms.tolist() == [1_657_195_200_000, 1_657_195_260_000]
    assert rows.celsius[0] == 4.1
    assert np.isnan(rows.celsius[1])
    for odd in (b'"s",2022-07-07T12:00:00Z,4\n', b"s,4\n", b"s,2022-02-30T12:00:00Z,4\n", b"\xc3\xa4,1,4\n"):
        assert columns_of(odd, 3, sensor=0, time=1, celsius=2) is None
