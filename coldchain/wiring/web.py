# SPDX-License-Identifier: Apache-2.0
"""uvicorn as one of our services: starts, stops within three seconds even with open event streams."""

from __future__ import annotations

import asyncio

import uvicorn
from fastapi import FastAPI


class WebService:
    """Serves one application on one address until stopped."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
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
        # Not `Server.run`: that would take the signal handlers, which are the process's own.
        asyncio.run(self._server._serve())  # noqa: SLF001 -- `serve` installs signal handlers

    def stop(self) -> None:
        self._server.should_exit = True
        if self._stop_streams is not None:
            self._stop_streams()
