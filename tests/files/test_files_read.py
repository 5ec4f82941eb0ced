# SPDX-License-Identifier: Apache-2.0
"""Recordings in: every kind, and every way in which a file can be wrong."""

import gzip
import io
import itertools
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.files import FileReading, read_columns, read_readings, write_csv
from coldchain.files.columns import _celsius_at_once, _instants_at_once
from coldchain.files.formats import Names, celsius_of, instant_of
from coldchain.kernel.errors import BadData
from coldchain.records.registry import Sensor

NOON_MS = 1_657_195_200_000  # 2022-07-07T12:00:00Z

CELSI = (
    "\ufeffDateTime,Date,Time,Time24,ISOdateTime,LinuxTime,Temperature,Humidity\r\n"
    '"7/7/2022, 4:00:00 PM",2022-07-07,4:00:00 PM,16:00:00,2022-07-07T12:00:00.000Z,1657195200,-19.3,49\r\n'
    '"7/7/2022, 4:01:00 PM",2022-07-07,4:01:00 PM,16:01:00,,1657195260,,49\r\n'
)
RUUVI = (
    "timestamp,temperature,humidity\n2022-07-07T14:00:00+0200,1.73,44.2\n2022-07-07T14:00:10+0200,1.72,44\n"
)


def file_of(folder: Path, text: str, name: str = "probe.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_plain_with_sensors_both_kinds_of_time_and_failed_readings(tmp_path: Path) -> None:
    text = (
        "sensor,time,celsius\na/load,2022-07-07T12:00:00Z,4.25\n"
        "a/load,1657195260,\nb,2022-07-07T19:02:00.5+07:00,nan\n"
    )
    assert list(read_readings(file_of(tmp_path, text))) == [
        FileReading("a/load", NOON_MS, 4.25),
        FileReading("a/load", NOON_MS + 60_000, None),
        FileReading("b", NOON_MS + 120_500, None),
    ]


def test_columns_in_any_order_and_the_files_own_name(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, "Celsius,note,TIME\n-127,x,1657195200\n\n85,y,1657195201\n", "Ward 3 (old).csv.gz"
    )
    assert list(read_readings(path)) == [
        FileReading("Ward 3 -old-", NOON_MS, -127.0),
        FileReading("Ward 3 -old-", NOON_MS + 1000, 85.0),
    ]


@pytest.mark.parametrize("name", ["celsi.csv", "celsi.csv.gz"])
def test_celsi_export(tmp_path: Path, name: str) -> None:
    assert list(read_readings(file_of(tmp_path, CELSI, name))) == [
        FileReading("celsi", NOON_MS, -19.3),
        FileReading("celsi", NOON_MS + 60_000, None),
    ]


def test_ruuvi_export(tmp_path: Path) -> None:
    assert list(read_readings(file_of(tmp_path, RUUVI, "fridge.csv"))) == [
        FileReading("fridge", NOON_MS, 1.73),
        FileReading("fridge", NOON_MS + 10_000, 1.72),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"probe\.csv:1: this header is unknown; known are `sensor,time,celsius`"),
        ("a,b\n1,2\n", r"probe\.csv:1: this header"),
        ("time,celsius\n1657195200,4\n1657195260\n", r"probe\.csv:3: 1 fields, the header promises 2"),
        ("time,celsius\n2022-07-07T12:00:00,4\n", r"csv:2: .*no time zone; write it as"),
        ("time,celsius\n1657195200000,4\n", r"csv:2: .*are these milliseconds\? give seconds"),
        ("time,celsius\n-5,4\n", r"csv:2: '-5' is not between 1970 and 9999"),
        ("time,celsius\nnan,4\n", r"csv:2: 'nan' is not a time; write"),
        ("time,celsius\ninf,4\n", r"csv:2: 'inf' is not a time; write"),
        ("time,celsius\n,4\n", r"csv:2: '' is not a time; write"),
        ("time,celsius\n2022-02-30T12:00:00Z,4\n", r"csv:2: '2022-02-30T12:00:00Z' is not a time"),
        ("time,celsius\n1657195200,4\n1657195200,warm\n", r"csv:3: 'warm' is not a temperature; leave"),
        ("time,celsius\n1657195200,1e9\n", r"csv:2: '1e9' °C is no temperature"),
        ("sensor,time,celsius\n ,1657195200,4\n", r"csv:2: no sensor is named"),
        ('time,celsius\n1657195200,"4\n', r"this is not CSV .* quote that does not end"),
        ('time,celsius,note\n1657195200,4,"two\nlines"\nx,4,\n', r"csv:4: 'x' is not a time"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_its_place_and_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        list(read_readings(file_of(tmp_path, text)))


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(CELSI.encode() * 100)[:-20])
    with pytest.raises(BadData, match=r"damaged or cut short; copy it again"):
        list(read_readings(cut))
    (tmp_path / "utf16.csv").write_bytes("time,celsius\n".encode("utf-16"))
    with pytest.raises(BadData, match=r"not UTF-8 text; save it as CSV in UTF-8"):
        list(read_readings(tmp_path / "utf16.csv"))
    with pytest.raises(BadData, match=r"absent\.csv: cannot be read: No such file"):
        list(read_readings(tmp_path / "absent.csv"))
    with pytest.raises(BadData, match=r"cannot be read: Is a directory"):
        list(read_readings(tmp_path))


def test_a_line_in_a_later_block_is_named_too(tmp_path: Path) -> None:
    rows = "".join(f"{1657195200 + n},4\n" for n in range(45_000))
    with pytest.raises(BadData, match=r"probe\.csv:45002: 'x'"):
        list(read_readings(file_of(tmp_path, f"time,celsius\n{rows}1657195200,x\n")))


def test_columns_hold_what_the_readings_say(tmp_path: Path) -> None:
    rows = "".join(f"s{n % 3},{1657195200 + n},{n / 8 if n % 7 else ''}\n" for n in range(50_000))
    path = file_of(tmp_path, "sensor,time,celsius\n" + rows)
    columns = read_columns(path)
    rebuilt = [
        FileReading(columns.sensors[s], at_ms, None if np.isnan(c) else c)
        for s, at_ms, c in zip(columns.sensor, columns.at_ms.tolist(), columns.celsius.tolist(), strict=True)
    ]
    assert rebuilt == list(read_readings(path))


_DAY, _HOUR = "20[0-9]{2}-[01][0-9]-[0-3][0-9]", "[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
TIMES = st.one_of(
    st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    st.from_regex(rf"\A{_DAY}[Tt ]{_HOUR}(\.[0-9]{{1,6}})?(Z|z|\+0[0-9]:?0?0?Z?|)\Z"),
    st.integers(-10, 2**33).map(str),
    st.floats(0, 2**34).map(str),
    st.text(max_size=12),
)  # fmt: skip


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_the_fast_way_to_read_times_is_the_slow_one(texts: list[str]) -> None:
    at_once = _instants_at_once(texts)
    if at_once is not None:
        assert at_once.tolist() == [instant_of(text) for text in texts]


NUMBERS = st.one_of(
    st.floats().map(str), st.sampled_from(["", " ", "nan", "-inf", "4,5", "1e400"]), st.text(max_size=5)
)


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_the_fast_way_to_read_temperatures_is_the_slow_one(texts: list[str]) -> None:
    at_once = _celsius_at_once(texts)
    if at_once is not None:
        assert [None if np.isnan(c) else c for c in at_once.tolist()] == [celsius_of(text) for text in texts]


@given(st.lists(st.text(min_size=1).filter(str.strip), unique=True))
def test_any_names_become_different_names_that_the_registry_takes(written: list[str]) -> None:
    names = Names()
    clean = [names.of(text) for text in written]
    assert len(set(clean)) == len(written)
    for name in clean:
        Sensor(id=name, node="n", channel=0)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    for head in (b"", b"time,celsius\n", b"\x1f\x8b", gzip.compress(b"time,celsius\n")):
        path.write_bytes(head + data)
        with suppress(BadData):
            list(read_readings(path))


MILLI = st.none() | st.integers(-300_000, 300_000).map(lambda milli: milli / 1000)
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b/air", "c d"]), st.integers(1, 4 * 10**12), MILLI))


@given(ROWS)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.getbasetemp() / "back.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        assert write_csv(rows, out) == len(rows)
    assert list(read_readings(path)) == rows


def test_how_it_is_written() -> None:
    out = io.StringIO()
    write_csv([("a/load", NOON_MS, -19.3), ("a/load", NOON_MS + 60_250, None)], out)
    assert (
        out.getvalue()
        == "sensor,time,celsius\na/load,2022-07-07T12:00:00Z,-19.3\na/load,2022-07-07T12:01:00.250Z,\n"
    )


def records() -> Path:
    folder = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real records: set COLDCHAIN_RECORDS (looked in {folder})")
    return folder


def test_the_real_exports() -> None:
    folder = records()
    celsi = list(read_readings(folder / "celsi-freezer" / "CELSI-raw-data-reports.csv.gz"))
    assert len(celsi) == 20_186
    assert {one.at_ms - other.at_ms for other, one in itertools.pairwise(celsi)} == {60_000}
    assert max(one.celsius for one in celsi if one.celsius is not None) == 8.4
    assert len(list(read_readings(folder / "ruuvi-fridge-freezer" / "fridge.csv"))) == 368
    assert len(list(read_readings(folder / "ruuvi-fridge-freezer" / "freezer.csv"))) == 371
