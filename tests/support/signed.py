# SPDX-License-Identifier: Apache-2.0
"""Accounts of two people who may sign, and what they sign."""

from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher

from coldchain.records.accounts import Accounts
from coldchain.records.signatures import Paper, Signature, Signatures

PASSWORD = "a long sentence of words"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def accounts_of(desk: Path, wall_ms: Callable[[], int], **people: tuple[str, str]) -> None:
    """account -> (role, person)."""
    made = Accounts(desk, wall_ms, hasher=QUICK)
    for name, (role, person) in people.items():
        made.add(name, PASSWORD, role=role, person=person, by="test", fresh=False)
    made.close()


def sign(desk: Path, at_ms: int, alarm: str, what: str, person: str, second: str, reason: str) -> None:
    """Two people sign a disposition, without a screen."""
    store = Signatures(desk, lambda: at_ms)
    body = {"alarm": "1", "what": what, "person": person, "reason": reason}
    paper = Paper("test-paper", "disposition", alarm, "vte", body)
    store.sign(paper, [Signature(1, 0, "a", person, "technician", "decided")])
    store.sign(paper, [Signature(2, 0, "b", second, "supervisor", "agreed")])
    store.close()
