# SPDX-License-Identifier: Apache-2.0
"""Modbus registers to readings, by the map of a device type. Pure: what to read, what the answer means."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coldchain.kernel.words import QUANTITY_OF_WORD, Status
from coldchain.settings import RegisterSettings
from gateway.codecs.frames import Channel

WORDS_MAX = 125
"""Registers in one answer (MODBUS Application Protocol 1.1b3, section 6.3)."""
BITS_MAX = 2000
"""Coils in one answer (same, section 6.1)."""
WORDS_OF_TYPE = {"int16": 1, "uint16": 1, "bit": 1, "int32": 2, "uint32": 2, "float32": 2}
FORMAT_OF_TYPE = {"int16": ">h", "uint16": ">H", "bit": ">H", "int32": ">i", "uint32": ">I", "float32": ">f"}
VALUE_MAX = 2**31 - 1
BIT_TABLES = ("coil", "discrete")


class Read(NamedTuple):
    """One request: `size` registers or bits of a table, and the map's entries that it answers."""

    table: str
    address: int
    size: int
    registers: tuple[RegisterSettings, ...]


def plan_reads(registers: Iterable[RegisterSettings]) -> list[Read]:
    """As few requests as the map allows. Only what the map names is read: devices refuse other addresses."""
    reads: list[Read] = []
    for register in sorted(registers, key=lambda r: (r.table, r.address)):
        bits = register.table in BIT_TABLES
        end = register.address + (1 if bits else WORDS_OF_TYPE[register.type])
        last = reads[-1] if reads else None
        most = BITS_MAX if bits else WORDS_MAX
        if (
            last is not None
            and last.table == register.table
            and register.address <= last.address + last.size
            and end - last.address <= most
        ):
            size = max(last.size, end - last.address)
            reads[-1] = Read(last.table, last.address, size, (*last.registers, register))
        else:
            reads.append(Read(register.table, register.address, end - register.address, (register,)))
    return reads


def decode_read(read: Read, answer: Sequence[int] | Sequence[bool] | None) -> list[Channel]:
    """The readings in an answer; None or too short an answer means that the probes did not answer."""
    readings = []
    for register in read.registers:
        at = register.address - read.address
        size = 1 if read.table in BIT_TABLES else WORDS_OF_TYPE[register.type]
        words = None if answer is None or len(answer) < at + size else answer[at : at + size]
        status, value = _value(register, words)
        readings.append((register.channel, int(QUANTITY_OF_WORD[register.quantity]), int(status), value))
    return readings


def _value(register: RegisterSettings, words: Sequence[int] | None) -> tuple[Status, int]:
    if words is None:
        return Status.NO_ANSWER, 0
    raw = _raw(register, words)
    if raw in register.failed:
        return Status.NO_ANSWER, 0
    if not math.isfinite(raw):
        return Status.NOT_A_NUMBER, 0
    value = (raw * register.scale + register.offset) * 1000
    if not abs(value) <= VALUE_MAX:
        return Status.OUT_OF_RANGE, 0
    return Status.OK, round(value)


def _raw(register: RegisterSettings, words: Sequence[int]) -> float:
    if register.type == "bit" or register.table in BIT_TABLES:
        return int(bool(words[0]))
    ordered = words if register.word_order == "big" else words[::-1]
    packed = b"".join(struct.pack(">H", word & 0xFFFF) for word in ordered)
    value: float = struct.unpack(FORMAT_OF_TYPE[register.type], packed)[0]
    return value
