# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that can spoil what passes: late, cut, half-open, corrupt, slow. One thread for all of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
CHUNK = 16 * 1024


@dataclass(slots=True)
class Weather:
    """What passing bytes meet. Set any field at any time.

    delay_s   each chunk waits so long
    stalled   nothing passes, nobody is told: half-open
    refusing  new connections are closed at once
    corrupt   part of the chunks in which one byte is changed
    bytes_s   at most so many bytes a second and connection; None is without bound
    """

    delay_s: float = 0.0
    stalled: bool = False
    refusing: bool = False
    corrupt: float = 0.0
    bytes_s: float | None = None


class Proxy:
    """Listens on `port`, passes on to `target`. `weather` and `cut` may be used from any thread."""

    def __init__(
        self, port: int, target: int, *, seed: int, weather: Weather | None = None, piece: int = CHUNK
    ) -> None:
        """piece  passes at once; with a small one nothing hides in buffers, as on a slow line"""
        self.port, self.target, self._piece = port, target, piece
        self.weather = weather or Weather()
        self.passed_bytes = self.corrupted = self.connections = 0
        self._dice = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        assert self._ready.wait(5), "the proxy does not listen"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset every connection that is open now."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listener = socket.create_server((HOST, self.port))
        if self._piece < CHUNK:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * self._piece)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=listener, limit=self._piece)
        )
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        try:
            ways: list[Coroutine[Any, Any, None]] = [
                self._pass(reader, far_writer),
                self._pass(far_reader, writer),
            ]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._open -= both
            for end in both:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due_s = self._loop.time()
        with contextlib.suppress(OSError):
            while chunk := await reader.read(self._piece):
                weather = self.weather
                if weather.delay_s:
                    await asyncio.sleep(weather.delay_s)
                while weather.stalled:  # noqa: ASYNC110 -- set from another thread
                    await asyncio.sleep(0.1)
                if weather.bytes_s:
                    due_s = max(due_s, self._loop.time()) + len(chunk) / weather.bytes_s
                    await asyncio.sleep(due_s - self._loop.time())
                if weather.corrupt and self._dice.random() < weather.corrupt:
                    chunk = self._spoilt(chunk)
                self.passed_bytes += len(chunk)
                writer.write(chunk)
                await writer.drain()

    def _spoilt(self, chunk: bytes) -> bytes:
        self.corrupted += 1
        spoilt = bytearray(chunk)
        spoilt[self._dice.randrange(len(spoilt))] ^= 1 << self._dice.randrange(8)
        return bytes(spoilt)
