# SPDX-License-Identifier: Apache-2.0
"""Serves the gateway's page: GET only, three paths, no framework. Of a request it reads the path alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HEAD_MAX_BYTES = 8_192
READ_TIMEOUT_S = 5.0
CLIENTS_MAX = 16
TYPES = {"/": "text/html", "/metrics": "text/plain; version=0.0.4", "/figures.json": "application/json"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

Contents = dict[str, Callable[[], str]]
"""Path -> what it answers, made anew for each request."""


class PageServer:
    """Listens until cancelled. A page that cannot be made is a 503, never the end of the gateway."""

    def __init__(
        self, host: str, port: int, contents: Contents, on_error: Callable[[Exception], None] = lambda _: None
    ) -> None:
        self._host, self._port, self._contents, self._on_error = host, port, contents, on_error
        self._clients = 0

    async def run(self) -> None:
        """OSError when the port is taken."""
        server = await asyncio.start_server(self._serve, self._host, self._port, limit=HEAD_MAX_BYTES)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                status, kind, body = await self._answer(reader)
                head = (
                    f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}; charset=utf-8\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n"
                    f"Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n"
                    "Referrer-Policy: no-referrer\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
        """(status, content type, body)."""
        if self._clients > CLIENTS_MAX:
            return 503, "text/plain", b"too many at once\n"
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return 400, "text/plain", b"not a request\n"
        if method not in ("GET", "HEAD"):
            return 405, "text/plain", b"this page can only be read\n"
        path = target.partition("?")[0]
        make = self._contents.get(path)
        if make is None:
            return 404, "text/plain", b"there is only /, /metrics and /figures.json\n"
        try:
            body = make().encode()
        except Exception as bad:  # noqa: BLE001  the page must not end the gateway
            self._on_error(bad)
            return 503, "text/plain", f"the page cannot be made: {type(bad).__name__}\n".encode()
        return 200, TYPES[path], b"" if method == "HEAD" else body
