# SPDX-License-Identifier: Apache-2.0
"""The audit chain: numbered entries, each with the hash of itself and of the one before. Pure.

A chain by itself shows edits, deletions and changes of order. That its end was cut off, or that all of it
was written anew, only an **anchor** shows: (number, hash) of its head, kept where the writer has no say.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coldchain.kernel.errors import BadData

START = bytes(32)
"""What stands for the hash before the first entry."""
FOREIGN = "foreign"
"""Kind of the entry in which a writer notes that rows were changed behind its back."""
_HEAD = struct.Struct(">32sQqQ")
_ANCHOR = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Entry:
    """number counts from 1 without gaps; at_ms as its writer said [ms UTC]; body: JSON as it was written.

    hash  None: not sealed (yet)
    """

    number: int
    at_ms: int
    kind: str
    body: str
    hash: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of a chain: an anchor, when it is kept elsewhere. number 0: an empty chain."""

    number: int = 0
    hash: bytes = START

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class Anchors:
    """Chain -> its head, as the hub tells its gateways at hub_ms [ms UTC]."""

    heads: Mapping[str, Head]
    hub_ms: int


@dataclass(frozen=True, slots=True)
class Altered:
    """Where a chain is first not what was written, and how that shows."""

    number: int
    why: str


def read_head(text: str) -> Head:
    """`NUMBER:HASH`, 64 hexadecimal digits. BadData when it is not.

    >>> str(read_head("7:" + "0a" * 32))[:8]
    '7:0a0a0a'
    """
    if (found := _ANCHOR.fullmatch(text.strip().lower())) is None:
        raise BadData(f"not NUMBER:HASH with 64 hexadecimal digits: {text[:80]!r}")
    return Head(int(found[1]), bytes.fromhex(found[2]))


def link(previous: bytes, number: int, at_ms: int, kind: str, body: str) -> bytes:
    """SHA-256 of the hash before, number, instant, length of the kind, kind and body."""
    name = kind.encode()
    return hashlib.sha256(_HEAD.pack(previous, number, at_ms, len(name)) + name + body.encode()).digest()


def seal(previous: Head, loose: Iterable[tuple[int, int, str, str]]) -> Iterator[Head]:
    """The heads after each of (number, at_ms, kind, body)."""
    last = previous.hash
    for number, at_ms, kind, body in loose:
        last = link(last, number, at_ms, kind, body)
        yield Head(number, last)


def verify(entries: Iterable[Entry], anchors: Mapping[int, bytes] | None = None) -> Head | Altered:
    """The chain's head, or the first entry at which it is not what was written or what an anchor knows.

    anchors  number -> hash, as kept elsewhere; an anchor of number 0 says nothing
    """
    known = dict(anchors or {})
    head = Head()
    for entry in entries:
        if entry.number != head.number + 1:
            return Altered(head.number + 1, f"it is missing, {entry.number} comes next")
        if entry.hash is None:
            return Altered(entry.number, "it has no hash: not our writer wrote it")
        if entry.hash != link(head.hash, entry.number, entry.at_ms, entry.kind, entry.body):
            return Altered(entry.number, "its hash is not that of its contents after the entry before")
        if entry.kind == FOREIGN:
            return Altered(entry.number, f"rows were changed by another hand: {entry.body}")
        if known.get(entry.number, entry.hash) != entry.hash:
            return Altered(entry.number, "the anchor knows another one: written anew, here or before")
        head = Head(entry.number, entry.hash)
    beyond = [number for number in known if number > head.number]
    if beyond:
        why = f"it is missing: the chain ends at {head.number}, the anchor knows entry {max(beyond)}"
        return Altered(head.number + 1, why)
    return head
