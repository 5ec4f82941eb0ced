# SPDX-License-Identifier: Apache-2.0
"""Register maps: few requests, right numbers, and a word for every failure."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.words import Status
from coldchain.settings import RegisterSettings
from gateway.codecs.registers import BIT_TABLES, WORDS_MAX, WORDS_OF_TYPE, Read, decode_read, plan_reads


def register(address: int, **more) -> RegisterSettings:
    return RegisterSettings(**{"address": address, "channel": address, **more})


def one(words: list[int] | None, **more) -> tuple[int, int]:
    (reading,) = decode_read(Read("holding", 7, 1, (register(7, **more),)), words)
    assert reading[:2] == (7, 1)
    return reading[2], reading[3]


@pytest.mark.parametrize(
    ("words", "more", "expected"),
    [
        ([41], {"scale": 0.1}, (0, 4100)),
        ([65536 - 805], {"scale": 0.1}, (0, -80_500)),
        ([65535], {"type": "uint16"}, (0, 65_535_000)),
        ([0xFFFF, 0xFFF6], {"type": "int32"}, (0, -10_000)),
        ([0xFFF6, 0xFFFF], {"type": "int32", "word_order": "little"}, (0, -10_000)),
        (list(struct.unpack(">HH", struct.pack(">f", -79.875))), {"type": "float32"}, (0, -79_875)),
        (
            list(struct.unpack(">HH", struct.pack(">f", float("nan")))),
            {"type": "float32"},
            (Status.NOT_A_NUMBER, 0),
        ),
        ([0x7FFF, 0xFFFF], {"type": "uint32"}, (Status.OUT_OF_RANGE, 0)),
        ([0x8000], {"failed": (-32768,)}, (Status.NO_ANSWER, 0)),
        ([250], {"scale": 0.1, "offset": -40.0}, (0, -15_000)),
        ([3], {"type": "bit"}, (0, 1000)),
        ([], {}, (Status.NO_ANSWER, 0)),
        (None, {}, (Status.NO_ANSWER, 0)),
    ],
)
def test_values(words, more, expected) -> None:
    assert one(words, **more) == expected


REGISTERS = st.lists(
    st.builds(
        register,
        st.integers(0, 300),
        table=st.sampled_from(["holding", "input", "coil", "discrete"]),
        type=st.sampled_from(sorted(WORDS_OF_TYPE)),
    ),
    max_size=30,
)


@given(registers=REGISTERS)
def test_every_register_is_read_once_and_nothing_else_is_read(registers: list[RegisterSettings]) -> None:
    reads = plan_reads(registers)
    assert sorted(r.model_dump_json() for read in reads for r in read.registers) == sorted(
        r.model_dump_json() for r in registers
    )
    for read in reads:
        named = set()
        for r in read.registers:
            assert r.table == read.table
            named |= set(
                range(r.address, r.address + (1 if r.table in BIT_TABLES else WORDS_OF_TYPE[r.type]))
            )
        assert named == set(range(read.address, read.address + read.size))
        assert read.size <= WORDS_MAX or read.table in BIT_TABLES


@given(registers=REGISTERS, data=st.data())
def test_any_answer_gives_one_reading_a_register(
    registers: list[RegisterSettings], data: st.DataObject
) -> None:
    for read in plan_reads(registers):
        answer = data.draw(st.none() | st.lists(st.integers(0, 65535), max_size=read.size + 3))
        readings = decode_read(read, answer)
        assert [reading[0] for reading in readings] == [r.channel for r in read.registers]
        assert all(abs(value) < 2**31 and (not status or value == 0) for _, _, status, value in readings)
