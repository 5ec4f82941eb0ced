# SPDX-License-Identifier: Apache-2.0
"""`POST /api/v1/readings`, and nothing else: for nodes that speak HTTP. Import only when configured: it is
heavy.

A request goes through the same inbox and commit as what comes by MQTT; 200 is its receipt, so it means
recorded. Refusals are problem details (RFC 9457) with the types of `PROBLEMS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from concurrent.futures import Future

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.link import MAX_PAYLOAD, Receipt, encode_receipt
from ingest import inbox
from ingest.inbox import Inbox
from ingest.json_reports import NotJson, Unsound, batch_of

log = structlog.get_logger()

ANSWER_WITHIN_S = 15.0
BODY_WITHIN_S = 20.0
"""A client that sends its request more slowly than this is let go: connections are few."""
CONNECTIONS_MAX = 200

PROBLEMS = {
    "oversize": (413, f"The request is longer than {MAX_PAYLOAD} bytes; send fewer readings at a time"),
    "malformed": (400, "The request is not JSON"),
    "slow": (408, "The request took too long to come"),
    "unsound": (422, "The request is not of version 1 of the format"),
    "busy": (503, "Not recorded yet; keep the readings and send them again"),
    "no-such-thing": (404, "Only POST /api/v1/readings is served here"),
    "method": (405, "Only POST /api/v1/readings is served here"),
}
"""Last part of the type's URN -> status and title. Nodes may rely on them: add, never change."""


class Problem(Exception):
    """A refusal. `detail` says what is wrong with this request."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail

    def answer(self) -> Response:
        """The problem details."""
        status, title = PROBLEMS[self.kind]
        body = {
            "type": f"urn:coldchain:problem:{self.kind}",
            "title": title,
            "status": status,
            "detail": self.detail,
        }
        headers = {"Retry-After": "5"} if status == 503 else None
        return Response(json.dumps(body), status, headers, media_type="application/problem+json")


def make_app(
    box: Inbox,
    wall_ms: WallClock,
    *,
    answer_within_s: float = ANSWER_WITHIN_S,
    body_within_s: float = BODY_WITHIN_S,
) -> FastAPI:
    """The application. Whoever commits what lies in `box` answers its requests."""
    app = FastAPI(title="Coldchain ingest", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(Problem)
    async def refuse(_request: Request, problem: Problem) -> Response:
        return problem.answer()

    @app.exception_handler(HTTPException)
    async def not_here(request: Request, bad: HTTPException) -> Response:
        kind = "method" if bad.status_code == 405 else "no-such-thing"
        return Problem(kind, f"{request.method} {request.url.path[:200]}").answer()

    @app.post("/api/v1/readings", summary="Record readings; 200 is the receipt")
    async def record(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_within_s):
                body = await _body(request)
        except TimeoutError as late:
            raise Problem("slow", f"not whole within {body_within_s:g} s") from late
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        try:
            batch = batch_of(body, wall_ms())
        except NotJson as bad:
            raise Problem("malformed", str(bad)[:500]) from bad
        except Unsound as bad:
            raise Problem("unsound", str(bad)[:500]) from bad
        receipt: Future[Receipt] = Future()
        if not await asyncio.to_thread(box.put, inbox.Request(batch, receipt)):
            raise Problem("busy", "ingest is behind")
        try:
            done = await asyncio.wait_for(asyncio.wrap_future(receipt), answer_within_s)
        except (TimeoutError, asyncio.CancelledError) as late:
            raise Problem("busy", "the commit takes too long") from late
        return Response(encode_receipt(done), media_type="application/json")

    return app


async def _body(request: Request) -> bytes:
    """The body, given up as soon as it is too long."""
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > MAX_PAYLOAD:
            raise Problem("oversize", f"{request.headers['content-length'][:20]} bytes")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_PAYLOAD:
            raise Problem("oversize", f"more than {MAX_PAYLOAD} bytes")
    return bytes(body)


class HttpServer:
    """uvicorn on a thread of its own."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            log.exception("http.not_served", host=self._server.config.host, port=self._server.config.port)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(0.5)
