# SPDX-License-Identifier: Apache-2.0
"""Refusals: problem details (RFC 9457) for programs, a plain page for people. Types are stable paths."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from coldchain.kernel.errors import StoreUnavailable
from dashboards.console.source import Unavailable
from dashboards.console.words import t

log = structlog.get_logger()
Page = Callable[[Request, "Problem"], Response]


class Problem(Exception):
    """An answer that is a refusal. `type` ends its path `/problems/{type}` and names its title."""

    def __init__(self, status: int, type_: str, detail: str = "") -> None:
        super().__init__(type_)
        self.status, self.type, self.detail = status, type_, detail

    @property
    def title(self) -> str:
        return t(f"problem.{self.type}")


class ProblemOut(BaseModel):
    """A refusal (RFC 9457). `type` is a stable path: /problems/NAME."""

    type: str
    title: str
    status: int
    detail: str | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A refusal.",
        "content": {"application/problem+json": {"schema": ProblemOut.model_json_schema()}},
    }
}
"""What every address for programs may answer besides its own."""

Answer = Callable[[Request, "Problem"], Response]


def answering(page: Page) -> Answer:
    """Makes an answer of a problem, in one form. Programs are those under /api."""

    def answer(request: Request, problem: Problem) -> Response:
        if not request.url.path.startswith("/api/"):
            shown = page(request, problem)
            shown.headers["x-problem"] = problem.type  # for the service worker, which reads no page
            return shown
        body = {"type": f"/problems/{problem.type}", "title": problem.title, "status": problem.status}
        if problem.detail:
            body["detail"] = problem.detail
        return JSONResponse(body, problem.status, media_type="application/problem+json")

    return answer


SECRET_PATHS = re.compile(r"(/(?:pass|answer|calendar|api/v1/delivery/[^/]*)/).+")


def discreet(path: str) -> str:
    """For the log: an address that is a secret itself is not written down.

    >>> discreet("/pass/5ecret/packet.pdf"), discreet("/alarm/7")
    ('/pass/…', '/alarm/7')
    """
    return SECRET_PATHS.sub(r"\1…", path)


def install(app: FastAPI, answer: Answer) -> None:
    """Answer every failure."""

    def refused(request: Request, bad: Exception) -> Response:
        assert isinstance(bad, Problem)
        return answer(request, bad)

    def unreadable(request: Request, bad: Exception) -> Response:
        return answer(request, Problem(503, "unavailable", str(bad)))

    def out_of_reach(request: Request, bad: Exception) -> Response:
        """A file that is locked, full or not there, told to nobody but the log: its path is ours."""
        log.error("console.file_unavailable", path=discreet(request.url.path), why=str(bad))
        return answer(request, Problem(503, "unavailable"))

    def invalid(request: Request, bad: Exception) -> Response:
        assert isinstance(bad, RequestValidationError)
        detail = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in bad.errors())
        return answer(request, Problem(400, "bad-request", detail))

    def other(request: Request, bad: Exception) -> Response:
        assert isinstance(bad, HTTPException)
        type_ = {404: "unknown-page", 413: "too-long"}.get(bad.status_code, "bad-request")
        return answer(request, Problem(bad.status_code, type_))

    def ours(request: Request, bad: Exception) -> Response:
        log.error("console.request_failed", path=discreet(request.url.path), exc_info=bad)
        return answer(request, Problem(500, "internal"))

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(Unavailable, unreadable)
    for kind in (sqlite3.OperationalError, StoreUnavailable):
        app.add_exception_handler(kind, out_of_reach)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)
    app.add_exception_handler(Exception, ours)
