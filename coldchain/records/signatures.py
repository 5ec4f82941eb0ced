# SPDX-License-Identifier: Apache-2.0
"""What people sign with their passwords: papers and their signatures, in `desk.db` and its audit chain.

A paper never changes. Its first place is signed when it is laid down, its second then or later, by another
person. What comes of it (a command to alerts) is written in the transaction of the last signature.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction
from coldchain.records.trust import refuse_bound

FIRST, SECOND = 1, 2
BY_PASSWORD = "password"  # noqa: S105 -- how it was signed
OPEN_MS = 30 * 24 * 3_600_000
"""A paper waits so long for its second signature; then it is to be laid down anew: ours."""


@dataclass(frozen=True, slots=True)
class Signature:
    """account signed as person (a person's id, where the registry knows one), in that role, meaning that."""

    place: int
    at_ms: int
    account: str
    person: str
    role: str
    meaning: str
    digest: str = ""
    how: str = BY_PASSWORD


@dataclass(frozen=True, slots=True)
class Paper:
    """id: 8 to 64 letters, the command's where one comes of it. second: who is asked, or nobody."""

    id: str
    kind: str
    subject: str
    site: str
    body: Mapping[str, str]
    second: str = ""
    at_ms: int = 0
    signatures: tuple[Signature, ...] = ()

    @property
    def text(self) -> str:
        """The body, as it is kept and signed."""
        return json.dumps(dict(self.body), sort_keys=True, ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of what is signed: kind, subject and body."""
        return hashlib.sha256(f"{self.kind}\n{self.subject}\n{self.text}".encode()).hexdigest()

    @property
    def whole(self) -> bool:
        """Two people have signed this very body."""
        good = {one.place: one.person for one in self.signatures if one.digest == self.digest}
        return good.keys() == {FIRST, SECOND} and good[FIRST] != good[SECOND]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The command that comes of a whole paper; its id is the paper's."""

    person: str
    verb: str
    alarm: str | None
    body: Mapping[str, str]


_SELECT = (
    "SELECT id, kind, subject, site, body, second, paper.at_ms, place, signature.at_ms, account, person,"
    " role, meaning, digest, how FROM paper LEFT JOIN signature ON signature.paper = paper.id"
)


class Signatures:
    """`desk.db` for those who sign, in short transactions."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._db = open_writer(path, DESK_MIGRATIONS)
        self._wall_ms = wall_ms

    def close(self) -> None:
        self._db.close()

    def sign(self, paper: Paper, by: Sequence[Signature], outcome: Outcome | None = None) -> Paper:
        """Lay the paper down, if it is new, and put the signatures on it; the outcome once it is whole.

        BadData when a place is signed already, by one person twice, or the id stands for something else;
        TooClose when one of them chose the other's password of late.
        """
        now_ms = self._wall_ms()
        try:
            with transaction(self._db) as db:
                _lay(db, paper, now_ms)
                for one in by:
                    _put(db, paper, replace(one, at_ms=now_ms, digest=paper.digest))
                    _apart(db, paper.id, one, now_ms)
                found = _of(db, "paper.id = ?", (paper.id,))[0]
                if found.whole and outcome is not None:
                    _ask(db, paper.id, now_ms, outcome)
        except sqlite3.Error as bad:
            raise StoreUnavailable(f"the desk: {bad}") from bad
        return found


def _apart(db: sqlite3.Connection, paper: str, one: Signature, now_ms: int) -> None:
    """TooClose when one of the two who sign chose the other's password of late."""
    sql = "SELECT person, account FROM signature WHERE paper = ? AND place <> ?"
    for other in db.execute(sql, (paper, one.place)).fetchall():
        first, second = (other, (one.person, one.account)) if one.place == SECOND else (
            (one.person, one.account), other)  # fmt: skip
        refuse_bound(db, first, second, now_ms)


def _ask(db: sqlite3.Connection, id_: str, now_ms: int, outcome: Outcome) -> None:
    """BadData when something else was asked under the paper's id: two would have signed for nothing."""
    asked = (outcome.person, outcome.verb, outcome.alarm, json.dumps(dict(outcome.body)))
    db.execute("INSERT OR IGNORE INTO command VALUES (?,?,?,?,?,?)", (id_, now_ms, *asked))
    row = db.execute("SELECT person, verb, alarm, body FROM command WHERE id = ?", (id_,)).fetchone()
    if tuple(row) != asked:
        raise BadData("something else was asked under the id of this paper: decide anew")


def _lay(db: sqlite3.Connection, paper: Paper, now_ms: int) -> None:
    values = (paper.id, now_ms, paper.kind, paper.subject, paper.site, paper.text, paper.second)
    db.execute("INSERT OR IGNORE INTO paper VALUES (?,?,?,?,?,?,?)", values)
    row = db.execute("SELECT kind, subject, body FROM paper WHERE id = ?", (paper.id,)).fetchone()
    if row != (paper.kind, paper.subject, paper.text):
        raise BadData("something else was laid down under that id: load the page again")


def _put(db: sqlite3.Connection, paper: Paper, one: Signature) -> None:
    sql = "SELECT place, person FROM signature WHERE paper = ?"
    there = dict(db.execute(sql, (paper.id,)).fetchall())
    if there.get(one.place) == one.person:
        return  # sent twice
    if one.place in there:
        raise BadData("somebody else has signed there already")
    accounts = {account for (account,) in db.execute(sql.replace("place, person", "account"), (paper.id,))}
    if one.person in there.values() or one.account in accounts:
        raise BadData("the second person is somebody else")
    row = (one.place, one.at_ms, one.account, one.person, one.role, one.meaning, one.digest, one.how)
    db.execute("INSERT INTO signature VALUES (?,?,?,?,?,?,?,?,?)", (paper.id, *row))


class SignedReader:
    """Opens the desk for each question; empty answers while there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def paper(self, id_: str) -> Paper | None:
        found = self._read("paper.id = ?", (id_,))
        return found[0] if found else None

    def about(self, kind: str, subject: str) -> list[Paper]:
        """Newest first."""
        return self._read("paper.kind = ? AND paper.subject = ?", (kind, subject))

    def waiting(self, now_ms: int) -> list[Paper]:
        """Newest first: signed once, the second still wanted; of several about one thing the newest."""
        found = self._read("paper.at_ms > ?", (now_ms - OPEN_MS,))
        newest: dict[tuple[str, str], Paper] = {}
        for one in found:
            newest.setdefault((one.kind, one.subject), one)
        return [one for one in newest.values() if one.signatures and not one.whole]

    def _read(self, where: str, values: tuple[object, ...]) -> list[Paper]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            return []
        with closing(db):
            return _of(db, where, values)


def _of(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Paper]:
    sql = f"{_SELECT} WHERE {where} ORDER BY paper.at_ms DESC, paper.rowid DESC, place"
    found: dict[str, Paper] = {}
    for id_, kind, subject, site, body, second, at_ms, *signed in db.execute(sql, values):
        known = found.get(id_) or Paper(id_, kind, subject, site, json.loads(body), second, at_ms)
        if signed[0] is not None:
            known = replace(known, signatures=(*known.signatures, Signature(*signed)))
        found[id_] = known
    return list(found.values())


def signed_disposition(
    papers: Sequence[Paper], what: str, person: str, second: str, reason: str
) -> Paper | None:
    """What two people signed of a disposition as alerts recorded it; None where it was recorded unsigned.

    papers  those about its alarm, as `SignedReader.about("disposition", alarm)` tells
    """
    for paper in papers:
        said = [paper.body.get(key) for key in ("what", "person", "reason")]
        names = [one.person for one in paper.signatures]
        if paper.whole and said == [what, person, reason] and names == [person, second]:
            return paper
    return None
