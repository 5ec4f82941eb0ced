# SPDX-License-Identifier: Apache-2.0
"""What stays when the connection goes: the service worker, its words, and answers that come later.

docs/decisions/0870-offline.md says what is kept and for how long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from fastapi import APIRouter, Response

from dashboards.console.assets import Asset
from dashboards.console.problems import Problem
from dashboards.console.words import t

SHELL = ("console.css", "console.js", "offline.js", "icon.svg", "vendor/htmx.min.js")
"""What every page needs; fonts and charts are kept as they are used."""
ANSWER_OLD_MS = 30 * 60_000
"""An answer that stops escalation is a fresh one: as long as an acknowledgement lasts where nothing bends."""
WORDS = (
    "waiting", "refused", "already-closed", "answer-too-old", "sign-in", "other", "seen", "other-account",
    "theirs", "nobody", "keep", "discard",
)  # fmt: skip


def router(assets: Mapping[str, Asset]) -> APIRouter:
    """The service worker's script: at the root, so that it serves all pages."""
    routes = APIRouter(include_in_schema=False)
    addresses = json.dumps([assets[name].address for name in SHELL])
    worker = assets["worker.js"].plain.decode()
    version = hashlib.sha256((addresses + worker).encode()).hexdigest()[:12]
    script = f'const VERSION = "{version}", SHELL = {addresses};\n{worker}'

    @routes.get("/worker.js")
    def service_worker() -> Response:
        headers = {"cache-control": "no-cache"}
        return Response(script, media_type="text/javascript; charset=utf-8", headers=headers)

    return routes


def offline_words() -> str:
    """What offline.js says, as JSON; the page's language."""
    told = {key: t(f"offline.{key}", n="{n}", at="{at}", who="{who}") for key in WORDS}
    told |= {"unknown-alarm": told["already-closed"], "stale-form": told["sign-in"]}
    return json.dumps(told, ensure_ascii=False)


def check_late(form: Mapping[str, str], *, wanted: bool) -> None:
    """Problem for an answer that was given without a connection, where it came too late.

    form `ago_ms`: how long ago it was given, as whoever gave it counts; absent: just now
    wanted  does the alarm still wait for an answer?
    """
    ago = form.get("ago_ms", "")
    if not ago:
        return
    if not ago.isdecimal() or len(ago) > 12 or int(ago) > ANSWER_OLD_MS:
        raise Problem(409, "answer-too-old")
    if not wanted:
        raise Problem(409, "already-closed")
