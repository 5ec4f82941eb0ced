# SPDX-License-Identifier: Apache-2.0
"""Signing: somebody types the password anew, and name, time and meaning stand in the audit chain.

Who is signed in signs with their own password; at a screen that nobody is signed in at, name and password are
typed. The second person signs at the same screen (`signer2`, `password2`), or later from their own session.
What a kind of paper means, and what comes of it, its room says in a `Kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coldchain.kernel.errors import BadData
from coldchain.records.accounts import Account, Accounts, Refused
from coldchain.records.registry import Registry
from coldchain.records.signatures import FIRST, SECOND, Outcome, Paper, Signature, Signatures, SignedReader
from coldchain.records.trust import TooClose
from dashboards.console.accounts.gate import Visitor, visitor
from dashboards.console.accounts.roles import ROLES, May
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.words import Text

Rows = tuple[tuple[Text, Text], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of paper.

    meanings  codes of what the first and the second signature mean: words `meaning.CODE`
    outcome   the command that comes of it once both have signed; None: nothing but the signatures
    wanted    Problem when it is too late to sign it
    address   the page that it belongs to
    told      its name, and what is signed, as people read it
    """

    meanings: tuple[str, str]
    outcome: Callable[[Paper, str, str], Outcome | None]
    wanted: Callable[[Paper], None]
    address: Callable[[Paper], str]
    told: Callable[[Paper, Registry], tuple[Text, Rows]]


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has just typed the right password; person: an id of the registry, where it knows them."""

    account: Account
    person: str

    def signature(self, place: int, meaning: str) -> Signature:
        return Signature(place, 0, self.account.name, self.person, self.account.role, meaning)


class Signing:
    """One per application. `kinds`: each room adds its own when its routes are made."""

    def __init__(self, console: Console, accounts: Callable[[], Accounts]) -> None:
        self._console, self._accounts = console, accounts
        self.kinds: dict[str, Kind] = {}
        self.reader = SignedReader(console.settings.desk_db)

    def first(self, said: Mapping[str, str], address: str, site: str) -> Signer:
        """Who decides. said: `password`, and `signer` (an account's name) unless somebody is signed in."""
        mine = visitor().account
        name = mine.name if mine is not None else said.get("signer", "").strip()
        return self._signer(name, said.get("password", ""), address, site)

    def second(self, said: Mapping[str, str], address: str, site: str) -> Signer | None:
        """The second person, when they sign at the same screen: `signer2`, `password2`; else None."""
        name, password = said.get("signer2", "").strip(), said.get("password2", "")
        return self._signer(name, password, address, site) if name or password else None

    def lay(self, paper: Paper, first: Signer, second: Signer | None) -> Paper:
        """A new paper with its first signature, and the second where it is given at once."""
        kind = self.kinds[paper.kind]
        kind.wanted(paper)
        by = [first.signature(FIRST, kind.meanings[0])]
        if second is not None:
            by.append(second.signature(SECOND, kind.meanings[1]))
        return self._sign(paper, by, first.person)

    def join(self, paper_id: str, said: Mapping[str, str], address: str) -> Paper:
        """The second signature on a paper that waits for it."""
        paper = self.found(paper_id)
        kind = self.kinds[paper.kind]
        kind.wanted(paper)
        signer = self.first(said, address, paper.site)
        if not paper.signatures:
            raise Problem(404, "unknown-paper")
        by = [signer.signature(SECOND, kind.meanings[1])]
        return self._sign(paper, by, paper.signatures[0].person)

    def found(self, paper_id: str) -> Paper:
        """Problem when there is none, or whoever asks is not for its site."""
        paper = self.reader.paper(paper_id)
        if paper is None or paper.kind not in self.kinds:
            raise Problem(404, "unknown-paper")
        if not visitor().sees(paper.site, self._console.records.registry()):
            raise Problem(403, "not-your-site")
        return paper

    def waiting(self) -> list[Paper]:
        """Those of the sites of whoever asks that want a second signature and are still wanted."""
        registry, sees = self._console.records.registry(), visitor().sees
        found = [one for one in self.reader.waiting(self._console.wall_ms()) if one.kind in self.kinds]
        return [one for one in found if sees(one.site, registry) and self._wanted(one)]

    def _wanted(self, paper: Paper) -> bool:
        try:
            self.kinds[paper.kind].wanted(paper)
        except Problem:
            return False
        return True

    def _signer(self, name: str, password: str, address: str, site: str) -> Signer:
        if not name or not password:
            raise Problem(422, "not-signed")
        try:
            account = self._accounts().check(name, password, address, visitor().browser)
        except Refused as bad:
            if bad.wait_ms:
                raise Problem(429, "wait-first", f"{-(-bad.wait_ms // 1000)} s") from bad
            raise Problem(422, "wrong-password") from bad
        registry = self._console.records.registry()
        if account.fresh or May.SIGN not in ROLES[account.role]:
            raise Problem(403, "may-not-sign")
        if not Visitor(account).sees(site, registry):
            raise Problem(403, "not-your-site")
        return Signer(account, known_as(account.person, registry))

    def _sign(self, paper: Paper, by: list[Signature], first: str) -> Paper:
        kind = self.kinds[paper.kind]
        desk = Signatures(self._console.settings.desk_db, self._console.wall_ms)
        try:
            outcome = kind.outcome(paper, first, by[-1].person) if by[-1].place == SECOND else None
            return desk.sign(paper, by, outcome)
        except TooClose as bad:
            raise Problem(403, "too-close", str(bad)) from bad
        except BadData as bad:
            raise Problem(422, "signed-otherwise", str(bad)) from bad
        finally:
            desk.close()


def known_as(name: str, registry: Registry) -> str:
    """A person's id, where the registry knows them by id or name; else the name as it is.

    >>> known_as("Noy", Registry())
    'Noy'
    """
    if name in registry.person_by_id:
        return name
    named = [person.id for person in registry.people if person.name == name]
    return named[0] if len(named) == 1 else name
