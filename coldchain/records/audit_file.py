# SPDX-License-Identifier: Apache-2.0
"""The audit chain as a file that others keep, and such a file held against the record.

One JSON object a line: first what it is, then every entry with its hash, oldest first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from coldchain.kernel.audit import Altered, Entry, Head, verify
from coldchain.kernel.errors import BadData
from coldchain.records.audit import CHAINS
from coldchain.records.sql import open_reader

WORD, VERSION = "coldchain-audit", 1
PIECE = 2_000
"""Entries of one short read."""


def lines(path: Path, chain: str) -> Iterator[str]:
    """The chain's sealed entries as lines, in short reads."""
    yield json.dumps({"what": WORD, "v": VERSION, "chain": chain}) + "\n"
    after = 0
    while True:
        with closing(open_reader(path, len(CHAINS[chain][1]))) as db:
            sql = (
                "SELECT number, at_ms, kind, body, hash FROM audit WHERE number > ? AND hash IS NOT NULL"
                " ORDER BY number LIMIT ?"
            )
            rows = db.execute(sql, (after, PIECE)).fetchall()
        if not rows:
            return
        for number, at_ms, kind, body, hash_ in rows:
            said = {"number": number, "at_ms": at_ms, "kind": kind, "body": body, "hash": hash_.hex()}
            yield json.dumps(said, ensure_ascii=False) + "\n"
        after = rows[-1][0]


def chain_of(text: str) -> str | None:
    """Which chain a file is of, by its first line; None: it is no such file."""
    try:
        said = json.loads(text.partition("\n")[0])
        chain = str(said["chain"]) if said["what"] == WORD and said["v"] == VERSION else None
    except (ValueError, KeyError, TypeError):
        return None
    return chain if chain in CHAINS else None


def compare_file(text: str, path: Path) -> tuple[Head | Altered, int]:
    """(the head of the file, or the first entry that is not as written; entries read).

    The chain must hold in itself, and be the one that the record has: same number, same hash.
    """
    chain = chain_of(text)  # lines end by LF alone: what people wrote may hold U+2028 and the like
    if chain is None:
        raise BadData("that is no file of `coldchain audit export`")
    read: list[Entry] = []
    broken: Altered | None = None
    for place, line in enumerate(filter(None, text.split("\n")[1:]), 1):
        try:
            read.append(_entry(line))
        except (ValueError, KeyError, TypeError):
            broken = Altered(place, "its line cannot be read")
            break
    found = verify(read)
    if broken is not None and not (isinstance(found, Altered) and found.number < broken.number):
        return broken, len(read)
    if isinstance(found, Altered):
        return found, len(read)
    return _against(read, path, chain) or found, len(read)


def _entry(line: str) -> Entry:
    said = json.loads(line)
    return Entry(
        int(said["number"]),
        int(said["at_ms"]),
        str(said["kind"]),
        str(said["body"]),
        bytes.fromhex(said["hash"]),
    )


def _against(read: Iterable[Entry], path: Path, chain: str) -> Altered | None:
    """The first entry that the record knows otherwise, or not."""
    with closing(open_reader(path, len(CHAINS[chain][1]))) as db:
        sql = "SELECT hash FROM audit WHERE number = ?"
        for entry in read:
            row = db.execute(sql, (entry.number,)).fetchone()
            if row is None:
                return Altered(
                    entry.number, "the record has no such entry: its end was cut off, or it is another"
                )
            if row[0] != entry.hash:
                return Altered(entry.number, "the record knows another one: one of the two was written anew")
    return None
