# SPDX-License-Identifier: Apache-2.0
"""The machine: by which channels people are told; backups: made, tried out, taken away."""

from __future__ import annotations

import asyncio
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from coldchain.kernel.errors import ColdChainError
from coldchain.records.backup import MANIFEST, backup, verify
from dashboards.console.accounts.forms import read_form
from dashboards.console.office.duty import CHANNELS, tried
from dashboards.console.office.tools import Office
from dashboards.console.problems import Problem

NAME = re.compile(r"[0-9]{8}-[0-9]{6}")
PIECE = 1 << 20
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup beside the data. bytes: of its files."""

    name: str
    made_ms: int
    bytes: int
    counts: tuple[str, ...]


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/admin/channels")
    def channels(request: Request) -> Response:
        registry = office.console.records.registry()
        return office.console.render(
            request, "channels.html",
            lines=channel_lines(office), tried=tried(office), channels=CHANNELS,
            people=sorted(registry.people, key=lambda p: p.name), called=lambda id_: getattr(
                registry.person_by_id.get(id_), "name", id_
            ),
        )  # fmt: skip

    @routes.get("/admin/backup")
    def page(request: Request) -> Response:
        return office.console.render(request, "backup.html", kept=kept(office), tried="", why="")

    @routes.post("/admin/backup")
    async def make(request: Request) -> Response:
        await read_form(request)
        await asyncio.to_thread(make_backup, office)
        return RedirectResponse("/admin/backup", 303)

    @routes.post("/admin/backup/try")
    async def rehearse(request: Request) -> Response:
        form = await read_form(request)
        folder = folder_of(office, form.get("name", ""))
        try:
            await asyncio.to_thread(office.tools.rehearse, folder)
            why = ""
        except ColdChainError as bad:
            why = str(bad)
        return await asyncio.to_thread(
            office.console.render, request, "backup.html", kept=kept(office), tried=folder.name, why=why
        )

    @routes.get("/admin/backup/{name}.tar")
    def take(name: str) -> StreamingResponse:
        return tar_answer(office, name)

    return routes


def channel_lines(office: Office) -> list[tuple[str, str]]:
    """(channel, by what): as the settings say, no secret in them."""
    notify = office.console.settings.notify
    found: list[tuple[str, str]] = [("sms", notify.kind)] if notify.kind != "none" else []
    if notify.kind == "modem":
        found = [("sms", f"modem {notify.modem.device}")]
        found += [("sms", f"modem {notify.second.device}")] if notify.second else []
        found += [("call", f"modem {notify.modem.device}")] if notify.calls else []
    if notify.http is not None:
        found.append(("http", notify.http.ready or "HTTP"))
    if notify.mail is not None:
        found.append(("email", f"{notify.mail.host}:{notify.mail.port}, {notify.mail.sender}"))
    return found


# --- backups


def _root(office: Office) -> Path:
    return office.console.settings.data_dir / "backups"


def folder_of(office: Office, name: str) -> Path:
    """Problem when no backup has that name."""
    folder = _root(office) / name
    if not NAME.fullmatch(name) or not (folder / MANIFEST).is_file():
        raise Problem(404, "unknown-page")
    return folder


def kept(office: Office) -> list[Kept]:
    """Newest first."""
    found = []
    root = _root(office)
    for folder in sorted(root.iterdir(), reverse=True) if root.is_dir() else ():
        try:
            told: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            files = told["files"]
            counts = [
                f"{what} {n}" for said in files.values() for what, n in said.items() if what not in
                ("bytes", "sha256", "format")
            ]  # fmt: skip
            size = sum(said["bytes"] for said in files.values())
            found.append(Kept(folder.name, int(told["made_ms"]), size, tuple(counts)))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def make_backup(office: Office) -> str:
    """Its name: one for each second. Problem: backup-failed."""
    now_ms = office.console.wall_ms()
    name = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    if any(one.name == name for one in kept(office)):
        return name
    try:
        backup(office.console.settings.data_dir, _root(office) / name, now_ms)
        verify(_root(office) / name)
    except ColdChainError as bad:
        raise Problem(503, "backup-failed", str(bad)) from bad
    return name


def tar_answer(office: Office, name: str) -> StreamingResponse:
    """A backup to be taken away. Problem when no backup has that name."""
    headers = {"content-disposition": f'attachment; filename="coldchain-{name}.tar"'}
    return StreamingResponse(tar_of(folder_of(office, name)), media_type="application/x-tar", headers=headers)


def tar_of(folder: Path) -> Iterator[bytes]:
    """The folder as one tar, a piece at a time: a backup may be larger than the memory."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
        entry.size, entry.mtime, entry.mode = path.stat().st_size, int(path.stat().st_mtime), 0o600
        yield entry.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
        yield bytes(-entry.size % BLOCK)
    yield bytes(2 * BLOCK)
