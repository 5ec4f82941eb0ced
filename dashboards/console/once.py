# SPDX-License-Identifier: Apache-2.0
"""Changes that are not the same twice by themselves: a key that came before gets the answer that it got.

Answers are remembered in memory, as some hold a secret that nothing else may keep: KEPT of them, and none
after the console began anew. Where a command's or an entry's id can be the key, that is remembered for good.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Annotated, TypeVar

from fastapi import Header
from pydantic import BaseModel

from dashboards.console.accounts.gate import visitor
from dashboards.console.problems import Problem

Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9._:-]{8,64}$")]
KEPT = 1_000
AnswerT = TypeVar("AnswerT")


class Once:
    """One per group of addresses. What was refused may come again with the same key."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._lock = Lock()
        self._answers: OrderedDict[tuple[str, str], tuple[bytes, object]] = OrderedDict()

    def do(self, key: str, what: str, said: BaseModel | bytes | str, deed: Callable[[], AnswerT]) -> AnswerT:
        """What `deed` returned the first time. Problem when the key came with something else before."""
        account = visitor().account
        place = (account.name if account is not None else "", key)
        body = said.model_dump_json() if isinstance(said, BaseModel) else said
        raw = body.encode() if isinstance(body, str) else body
        mark = hashlib.blake2b(what.encode() + b"\0" + raw, key=self._salt, digest_size=16).digest()
        with self._lock:  # one at a time: sent twice at once, the second waits for the first
            if place not in self._answers:
                self._answers[place] = (mark, deed())
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
            before, answer = self._answers[place]
        if before != mark:
            raise Problem(422, "key-used")
        return answer  # type: ignore[return-value]
