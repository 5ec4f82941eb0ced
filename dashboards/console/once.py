# SPDX-License-Identifier: Apache-2.0
"""A program's change is done once: the same request with the same `Idempotency-Key` gets the answer it got.

One mechanism in front of every address for programs that changes something: whoever asks, the address, the
key and the body make the question; its answer stands in `desk.db`, sealed. What was refused may come again
with the same key. 202 is no last word: asked again, it tells how it stands by now.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import Header, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import ColdChainError
from coldchain.records.answered import Answers, Found, Question, State, question
from dashboards.console.accounts.gate import COOKIE, SAFE, bearer, visitor
from dashboards.console.problems import Answer, Problem

log = structlog.get_logger()
KEY = r"^[A-Za-z0-9._:-]{8,64}$"
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=KEY)]
WAIT_S, LOOK_S = 10.0, 0.05
"""Sent twice at once, the second waits so long for the first, and looks so often."""
AGAIN_S = 5
SPOKEN = re.compile(KEY)


class Store:
    """The answers of the desk, opened for the first key: a console may start before there is a desk."""

    def __init__(self, desk: Path, wall_ms: WallClock) -> None:
        self._desk, self._wall_ms = desk, wall_ms
        self._answers: Answers | None = None
        self._lock = threading.Lock()

    def open(self) -> Answers:
        with self._lock:
            if self._answers is None:
                self._answers = Answers(self._desk, self._wall_ms)
            return self._answers

    def close(self) -> None:
        """Another question opens it anew."""
        with self._lock:
            if self._answers is not None:
                self._answers.close()
                self._answers = None


class Once:
    """Middleware behind the gate, which knows who asks."""

    def __init__(self, app: ASGIApp, *, store: Store, answer: Answer, wait_s: float = WAIT_S) -> None:
        self._inner, self._store, self._answer, self._wait_s = app, store, answer, wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE or not scope["path"].startswith("/api/"):
            await self._inner(scope, receive, send)
            return
        request = Request(scope)
        key = request.headers.get("idempotency-key", "")
        if not SPOKEN.match(key):  # the address itself says whether it wants one
            await self._inner(scope, receive, send)
            return
        if (body := await _whole(receive)) is None:
            return
        asked = await asyncio.to_thread(_asked, request, key, body)
        try:
            found = await self._claim(asked)
        except (sqlite3.Error, ColdChainError) as bad:
            await self._answer(request, Problem(503, "unavailable", str(bad)))(scope, receive, send)
            return
        if found.state is State.OURS:
            await self._run(asked, scope, _again(body, receive), send)
        elif found.state is State.DONE and found.answer is not None:
            await _told(found.answer, send)
        else:
            await self._refused(found, request, receive, send)

    async def _claim(self, asked: Question) -> Found:
        """Waits for one that is under way."""
        answers, waited_s = await asyncio.to_thread(self._store.open), 0.0
        while True:
            found = await asyncio.to_thread(answers.claim, asked)
            if found.state is not State.BUSY or waited_s >= self._wait_s:
                return found
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S

    async def _run(self, asked: Question, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it; the answer is kept before it leaves."""
        answers, told = self._store.open(), list[Message]()

        async def hear(message: Message) -> None:
            told.append(message)

        try:
            await self._inner(scope, receive, hear)
        except Exception:
            await asyncio.to_thread(answers.release, asked, taken=False)
            raise
        status = told[0]["status"] if told else 500
        final = 200 <= status < 300 and status != 202
        try:
            if final:
                await asyncio.to_thread(answers.keep, asked, _written(told))
            else:
                await asyncio.to_thread(answers.release, asked, taken=status == 202)
        except sqlite3.Error as bad:  # what was done was done, and is told; asked again it is done again
            answers.let_go(asked)
            log.warning("console.answer_not_kept", why=str(bad))
        for message in told:
            await send(message)

    async def _refused(self, found: Found, request: Request, receive: Receive, send: Send) -> None:
        problem = {
            State.OTHER: Problem(422, "key-used"),
            State.BUSY: Problem(409, "key-busy"),
            State.DONE: Problem(409, "key-done"),
        }[found.state]
        response = self._answer(request, problem)
        if found.state is State.BUSY:
            response.headers["retry-after"] = str(AGAIN_S)
        await response(request.scope, receive, send)


def _asked(request: Request, key: str, body: bytes) -> Question:
    """A question of this account; no other token of it may read the answer."""
    account = visitor().account
    word = bearer(request) or (request.cookies.get(COOKIE, "") if account is not None else "")
    address = f"{request.method} {request.url.path}?{request.url.query}"
    return question(account.name if account is not None else "", word, address, key, body)


async def _whole(receive: Receive) -> bytes | None:
    """The body; None: whoever asked has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then what comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def heard() -> Message:
        return waiting.pop() if waiting else await receive()

    return heard


def _written(told: list[Message]) -> bytes:
    """status and headers as one line of JSON, then the body."""
    head = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in told[0]["headers"]]
    line = json.dumps({"status": told[0]["status"], "headers": head})
    return line.encode() + b"\n" + b"".join(message.get("body", b"") for message in told[1:])


async def _told(answer: bytes, send: Send) -> None:
    line, _, body = answer.partition(b"\n")
    head = json.loads(line)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
    headers.append((b"idempotent-replayed", b"true"))
    await send({"type": "http.response.start", "status": head["status"], "headers": headers})
    await send({"type": "http.response.body", "body": body})
