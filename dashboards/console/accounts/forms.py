# SPDX-License-Identifier: Apache-2.0
"""Forms of browsers: read within a bound, and taken only with what the session put into the page."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs

from fastapi import Request

from dashboards.console.accounts.gate import visitor
from dashboards.console.problems import Problem

FORM_MAX_BYTES = 4_096


async def read_form(request: Request, most: int = FORM_MAX_BYTES) -> dict[str, str]:
    """Its fields, the last of each name. Problem when it is too long or of another session."""
    raw = await bounded(request, most)
    form = {key: values[-1] for key, values in parse_qs(raw.decode("utf-8", "replace")).items()}
    of_this_session(form)
    return form


async def bounded(request: Request, most: int) -> bytes:
    """Its body. Problem when it is longer than that."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            raise Problem(413, "too-long", f"at most {most} bytes")
    return bytes(raw)


def of_this_session(form: Mapping[str, str]) -> None:
    """Problem when the form is of a page of another session, or was filled in by another account.

    `given_by`: the service worker's word of who gave an answer that comes later
    """
    if (by := form.get("given_by")) is not None and by != visitor().called:
        raise Problem(409, "other-account")
    mine = visitor().form
    if mine and not hmac.compare_digest(form.get("form", "").encode(), mine.encode()):
        raise Problem(403, "stale-form")
