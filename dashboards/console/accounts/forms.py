# SPDX-License-Identifier: Apache-2.0
"""Forms of browsers: read within a bound, and taken only with what the session put into the page."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from fastapi import Request

from dashboards.console.accounts.gate import visitor
from dashboards.console.problems import Problem

FORM_MAX_BYTES = 4_096


async def read_form(request: Request) -> dict[str, str]:
    """Its fields, the last of each name. Problem when it is too long or of another session."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > FORM_MAX_BYTES:
            raise Problem(413, "bad-request")
    form = {key: values[-1] for key, values in parse_qs(raw.decode("utf-8", "replace")).items()}
    mine = visitor().form
    if mine and not hmac.compare_digest(form.get("form", "").encode(), mine.encode()):
        raise Problem(403, "stale-form")
    return form
