# SPDX-License-Identifier: Apache-2.0
"""uvicorn as one of our services: starts, stops within three seconds even with open event streams."""

from __future__ import annotations

import asyncio
from typing import Protocol

import uvicorn
from fastapi import FastAPI


class Beside(Protocol):
    """Something that works beside the pages, in threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class WebService:
    """Serves one application on one address until stopped."""

    def __init__(self, app: FastAPI, host: str, port: int, beside: Beside | None = None) -> None:
        self._beside = beside
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._stop_streams = getattr(app.state, "stop_streams", None)

    def run(self) -> None:
        if self._beside is not None:
            self._beside.start()
        # Not `Server.run`: that would take the signal handlers, which are the process's own.
        asyncio.run(self._server._serve())  # noqa: SLF001 -- `serve` installs signal handlers

    def stop(self) -> None:
        self._server.should_exit = True
        if self._stop_streams is not None:
            self._stop_streams()
        if self._beside is not None:
            self._beside.stop()
