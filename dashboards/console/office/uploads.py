# SPDX-License-Identifier: Apache-2.0
"""Forms with a file in them, read within a bound and only from a page of this session."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from dashboards.console.accounts.forms import bounded, of_this_session
from dashboards.console.problems import Problem

AROUND = 16_384
"""What a form may hold beside its file."""


async def read_upload(request: Request, most: int) -> tuple[dict[str, str], bytes, str]:
    """(fields, the file's contents, its name). Problem when it is longer, broken or of another session."""
    raw = await bounded(request, most + AROUND)

    async def again() -> AsyncGenerator[bytes, None]:
        yield raw

    try:
        parsed = await MultiPartParser(request.headers, again(), max_files=1, max_fields=20).parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as bad:
        raise Problem(422, "file-unreadable") from bad
    form = {key: value for key, value in parsed.items() if isinstance(value, str)}
    try:
        of_this_session(form)
        file = parsed.get("file")
        body = await file.read() if isinstance(file, UploadFile) else b""
        name = str(file.filename or "") if isinstance(file, UploadFile) else ""
    finally:
        await parsed.close()
    return form, body, name
