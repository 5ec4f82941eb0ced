# SPDX-License-Identifier: Apache-2.0
"""Whose password somebody else knows: two names are not two people while one of them chose the other's.

Whoever makes an account, or gives it a new password, can sign in with it. For GIVEN_MS the two do not sign
for one another, nor does whoever got a password through a third. That one person gave passwords to both of
two others is no bar (at a first start somebody gives them to all) and is seen in the audit trail.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339

GIVEN_MS = 30 * 24 * 3_600_000
"""Ours: a month, in which its owner notices that the password they knew is no longer taken."""


@dataclass(frozen=True, slots=True)
class Given:
    """A password that somebody else chose. how: made (with the account) or reset; by: an account's name.

    kept: it has not been changed by its owner since
    """

    account: str
    at_ms: int
    by: str
    how: str
    kept: bool = False

    def counts(self, now_ms: int) -> bool:
        return self.kept or now_ms - self.at_ms < GIVEN_MS

    @property
    def until_ms(self) -> int:
        return self.at_ms + GIVEN_MS


class TooClose(BadData):
    """One of the two chose the other's password of late."""

    def __init__(self, first: str, second: str, given: Given) -> None:
        super().__init__(
            f"{second} cannot be the second to {first}: the password of the account {given.account}"
            f" was given by {given.by} at {rfc3339(given.at_ms)}; somebody else signs, or they do from"
            f" {rfc3339(given.until_ms)} on"
        )
        self.given = given


def bound(first: Iterable[str], second: Iterable[str], given: Sequence[Given], now_ms: int) -> Given | None:
    """What binds two people, told by the names of their accounts; None: nothing does.

    >>> word = Given("noy", 0, "kham", "reset")
    >>> bound(["kham"], ["noy"], [word], 5) == word == bound(["noy"], ["kham"], [word], 5)
    True
    >>> bound(["kham"], ["noy"], [word], GIVEN_MS) is None
    True
    """
    one, other = set(first), set(second)
    return _reaches(one, other, given, now_ms) or _reaches(other, one, given, now_ms)


def _reaches(start: set[str], goal: set[str], given: Sequence[Given], now_ms: int) -> Given | None:
    """Did anybody of `goal` choose a password of `start`, or of who chose it?"""
    seen, open_ = set(start), list(start)
    while open_:
        account = open_.pop()
        for word in given:
            if word.account != account or word.by == account or not word.counts(now_ms):
                continue
            if word.by in goal:
                return word
            if word.by not in seen:
                seen.add(word.by)
                open_.append(word.by)
    return None


def all_given(db: sqlite3.Connection) -> list[Given]:
    """Newest first. Of each account only the newest word may still be kept."""
    newest = "g.id = (SELECT max(id) FROM password_given o WHERE o.account = g.account)"
    sql = (
        f"SELECT g.account, g.at_ms, g.given_by, g.how, a.fresh AND {newest} FROM password_given g"  # noqa: S608
        " JOIN account a ON a.name = g.account ORDER BY g.id DESC"
    )
    return [Given(account, at, by, how, bool(kept)) for account, at, by, how, kept in db.execute(sql)]


def refuse_bound(db: sqlite3.Connection, first: Sequence[str], second: Sequence[str], now_ms: int) -> None:
    """TooClose when the one chose the other's password. first, second: names of each: their registry's id,
    their own, their account's; the first is how they are called.
    """
    names = _names(db)
    accounts: dict[str, set[str]] = {}
    for account, person in db.execute("SELECT name, person FROM account"):
        for name in (account, names.get(person, person)):
            accounts.setdefault(name, set()).add(account)
    mine, theirs = (
        {a for name in who for a in accounts.get(names.get(name, name), set())} for who in (first, second)
    )
    if (word := bound(mine, theirs, all_given(db), now_ms)) is not None:
        raise TooClose(first[0], second[0], word)


def called(db: sqlite3.Connection, name: str, since_ms: int) -> list[str]:
    """That name first, then by what else that person was called, id or name, in a registry that was in force
    since then [ms]: who is entered, left out or renamed meanwhile stays one person.
    """
    sql = (
        "SELECT DISTINCT json_extract(body, '$.people') FROM registry WHERE version >="
        " (SELECT coalesce(max(version), 0) FROM registry WHERE at_ms < ?)"
    )
    pairs = {
        pair for (text,) in db.execute(sql, (since_ms,)) for pair in _unique(json.loads(text or "[]")).items()
    }
    found, size = {name}, 0
    while size != len(found):
        size = len(found)
        known = {one.casefold() for one in found}
        found |= {one for pair in pairs if any(n.casefold() in known for n in pair) for one in pair}
    return [name, *sorted(found - {name})]


def _names(db: sqlite3.Connection) -> Mapping[str, str]:
    """Name -> id, as the registry has them now."""
    row = db.execute("SELECT body FROM registry ORDER BY version DESC LIMIT 1").fetchone()
    return _unique(json.loads(row[0]).get("people", []) if row else [])


def _unique(people: Sequence[Mapping[str, object]]) -> Mapping[str, str]:
    """Name -> id, of those whose name is nobody else's."""
    ids: dict[str, list[str]] = {}
    for one in people:
        ids.setdefault(str(one.get("name")), []).append(str(one["id"]))
    known = {str(one["id"]) for one in people}
    return {name: found[0] for name, found in ids.items() if len(found) == 1 and name not in known}
