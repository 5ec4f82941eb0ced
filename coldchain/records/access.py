# SPDX-License-Identifier: Apache-2.0
"""Who had access at an instant, from the entries of the desk's audit chain."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader
from coldchain.records.trust import Given


@dataclass(frozen=True, slots=True)
class Access:
    """An account as it was. entry: the newest entry about it then; tokens: (label, until) that worked; given:
    passwords that others chose for it until then, oldest first.
    """

    name: str
    person: str
    role: str
    sites: tuple[str, ...]
    made_by: str
    entry: int
    last_ms: int | None
    tokens: tuple[tuple[str, int | None], ...]
    given: tuple[Given, ...] = ()


def access_at(desk: Path, at_ms: int) -> list[Access]:
    """Accounts that were open at that instant, by name. Passwords and sessions are nobody's business.

    An entry counts from the latest instant that it or one before it names: a change of an account is
    dated by the account's beginning, and cannot be older than what stands before it in the chain.
    """
    accounts: dict[str, tuple[int, dict[str, object]]] = {}
    tokens: dict[str, dict[str, object]] = {}
    seen: dict[str, int] = {}
    given: dict[str, list[Given]] = {}
    with closing(open_reader(desk, len(DESK_MIGRATIONS))) as db:
        latest = 0
        sql = "SELECT number, at_ms, kind, body FROM audit ORDER BY number"
        for number, entry_ms, kind, body in db.execute(sql):
            latest = max(latest, entry_ms)
            if latest > at_ms:
                break
            if kind not in ("account", "api_token", "sign_in", "password_given"):
                continue
            said = json.loads(body)
            if kind == "account":
                accounts[said["row"]] = (number, said)
            elif kind == "password_given":
                word = Given(said["account"], said["at_ms"], said["given_by"], said["how"])
                given.setdefault(word.account, []).append(word)
            elif kind == "api_token":
                tokens[str(said["row"])] = said
            elif said.get("right"):
                seen[said["name"]] = entry_ms
    found = [_access(name, *accounts[name], tokens, seen.get(name), at_ms) for name in sorted(accounts)
             if not _gone(accounts[name][1], at_ms)]  # fmt: skip
    return [replace(one, given=tuple(given.get(one.name, ()))) for one in found]


def _gone(said: dict[str, object], at_ms: int) -> bool:
    closed = said.get("closed_ms")
    return bool(said.get("gone")) or (isinstance(closed, int) and closed <= at_ms)


def _access(
    name: str, entry: int, said: dict[str, object], tokens: dict[str, dict[str, object]], last: int | None,
    at_ms: int,
) -> Access:  # fmt: skip
    mine = []
    for token in tokens.values():
        until, revoked = token.get("until_ms"), token.get("revoked_ms")
        if (
            token.get("account") != name
            or token.get("gone")
            or (isinstance(revoked, int) and revoked <= at_ms)
        ):
            continue
        if until is None or (isinstance(until, int) and until >= at_ms):
            mine.append((str(token.get("label", "")), until if isinstance(until, int) else None))
    sites = tuple(json.loads(str(said.get("sites") or "[]")))
    return Access(
        name, str(said.get("person", "")), str(said.get("role", "")), sites, str(said.get("made_by", "")),
        entry, last, tuple(mine),
    )  # fmt: skip
