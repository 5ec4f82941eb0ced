# SPDX-License-Identifier: Apache-2.0
"""What the type of a refusal leads to: /problems/NAME says what it means, in the reader's language."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dashboards.console.console import Console
from dashboards.console.english import ENGLISH
from dashboards.console.problems import Problem


def router(console: Console) -> APIRouter:
    """What a person opens who reads a program's log."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/problems/{name}")
    def problem(request: Request, name: str) -> Response:
        if f"problem.{name}" not in ENGLISH:
            raise Problem(404, "unknown-page")
        return console.render(request, "problem.html", problem=Problem(200, name, f"/problems/{name}"))

    return routes
