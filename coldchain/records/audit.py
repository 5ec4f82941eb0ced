# SPDX-License-Identifier: Apache-2.0
"""Reading and checking the audit chains of `alarms.db` and `desk.db`, and the rows that they speak of."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from coldchain.kernel.audit import Altered, Entry, Head, read_head, verify
from coldchain.kernel.errors import BadData
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.audit_schema import (
    ALARMS_WATCHED,
    BLOOD_WATCHED,
    CARRY_WATCHED,
    DESK_WATCHED,
    FOUND_WATCHED,
    GIVEN_WATCHED,
    HOLD_WATCHED,
    PROPOSAL_WATCHED,
    SIGNED_WATCHED,
    Watched,
)
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.devices_schema import DEVICES_WATCHED
from coldchain.records.filed_schema import FILED_WATCHED
from coldchain.records.sql import open_reader

CHAINS = {
    "alarms": (ALARMS_WATCHED + FOUND_WATCHED + HOLD_WATCHED, ALARMS_MIGRATIONS),
    "desk": (
        (
            *DESK_WATCHED,
            *SIGNED_WATCHED,
            *BLOOD_WATCHED,
            *DEVICES_WATCHED,
            *CARRY_WATCHED,
            *PROPOSAL_WATCHED,
            *GIVEN_WATCHED,
            *FILED_WATCHED,
        ),
        DESK_MIGRATIONS,
    ),
}
"""Name of the chain, which is that of its file without `.db`."""
_ENTRIES = "SELECT number, at_ms, kind, body, hash FROM audit"


@contextmanager
def _moment(path: Path, chain: str) -> Iterator[sqlite3.Connection]:
    """One moment of the file, whatever its writer does. StoreUnavailable when it is not there."""
    with closing(open_reader(path, len(CHAINS[chain][1]))) as db:
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("ROLLBACK")


def head_of(path: Path, chain: str) -> Head:
    """The newest sealed entry."""
    sql = "SELECT number, hash FROM audit WHERE hash IS NOT NULL ORDER BY number DESC LIMIT 1"
    with _moment(path, chain) as db:
        row = db.execute(sql).fetchone()
    return Head(*row) if row else Head()


def read_anchors(texts: Iterable[str]) -> dict[str, dict[int, bytes]]:
    """Chain -> number -> hash, of lines `[CHAIN] NUMBER:HASH [anything]`; a line may begin with #.

    BadData for a line that is none, and when two of one entry differ.
    """
    known: dict[str, dict[int, bytes]] = {chain: {} for chain in CHAINS}
    lines = [line.split() for text in texts for line in text.splitlines()]
    for words in lines:
        if not words or words[0].startswith("#"):
            continue
        chain = words.pop(0) if words[0] in CHAINS else "alarms"
        head = read_head(words[0] if words else "")
        if known[chain].setdefault(head.number, head.hash) != head.hash:
            raise BadData(f"two anchors of entry {head.number} of {chain} differ: one of them is not ours")
    return known


def entries(path: Path, chain: str, limit: int = 100, kind: str | None = None) -> list[Entry]:
    """The newest, newest first."""
    sql = f"{_ENTRIES} WHERE ?1 IS NULL OR kind = ?1 ORDER BY number DESC LIMIT ?2"
    with _moment(path, chain) as db:
        return [Entry(*row) for row in db.execute(sql, (kind, limit)).fetchall()]


def check(path: Path, chain: str, anchors: Mapping[int, bytes] | None = None) -> Head | Altered:
    """The head, when the chain is as written and as the anchors know it, and the rows are as it says."""
    with _moment(path, chain) as db:
        newest: dict[tuple[str, str], tuple[int, str]] = {}

        def told() -> Iterator[Entry]:
            for row in db.execute(f"{_ENTRIES} ORDER BY number"):
                entry = Entry(*row)
                yield entry  # verified before it is read
                if '{"row":' in entry.body[:7]:
                    newest[entry.kind, _row(entry.body)] = (entry.number, entry.body)

        head = verify(told(), anchors)
        if isinstance(head, Altered):
            return head
        found = [_differs(db, watched, newest, head) for watched in CHAINS[chain][0]]
        if chain == "desk":
            found.append(_registry_bodies(db, newest))
    wrong = sorted((one for one in found if one is not None), key=lambda one: one.number)
    return wrong[0] if wrong else head


def _row(body: str) -> str:
    return str(json.loads(body)["row"])


def _differs(
    db: sqlite3.Connection, watched: Watched, newest: dict[tuple[str, str], tuple[int, str]], head: Head
) -> Altered | None:
    """The first row of the table that is not what its newest entry says."""
    said = {row: at for (table, row), at in newest.items() if table == watched.table}
    sql = f"SELECT {watched.fact('now')} FROM {watched.table} now"  # noqa: S608
    first: Altered | None = None
    for (fact,) in db.execute(sql):
        if fact is None:
            continue
        number, body = said.pop(_row(fact), (head.number + 1, ""))
        if body != fact and (first is None or number < first.number):
            why = f"{watched.table} {_row(fact)} is now {fact}" if body else f"no entry speaks of {fact}"
            first = Altered(number, why)
    for row, (number, body) in said.items():
        if '"gone":1' not in body and (first is None or number < first.number):
            first = Altered(number, f"{watched.table} {row} is no more")
    return first


def _registry_bodies(
    db: sqlite3.Connection, newest: dict[tuple[str, str], tuple[int, str]]
) -> Altered | None:
    """The entry holds the digest of each version; is it that of the version as it is?"""
    for version, digest, body, author in db.execute("SELECT version, digest, body, author FROM registry"):
        if author != "hub" and hashlib.sha256(body.encode()).hexdigest()[:16] != digest:
            number, _ = newest.get(("registry", str(version)), (1, ""))
            return Altered(number, f"registry {version}: its contents are not those of its digest")
    return None
