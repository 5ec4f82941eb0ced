# SPDX-License-Identifier: Apache-2.0
"""Serial lines on pyserial. Bytes are read in chunks as the event loop sees them; framing is the codec's.

A line that vanishes is reopened with growing pauses; a `device` that is a pattern is looked at again and
again, and every match is a line of its own. Pseudo-terminals have no modem lines: pyserial passes over that.
"""

from __future__ import annotations

import asyncio
import glob
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import serial

from coldchain.kernel.errors import LinkDown
from coldchain.settings import LineSettings
from gateway.codecs import CODECS
from gateway.codecs.frames import Codec, Event, Pairs
from gateway.drivers.base import LineFigures, Surroundings

CHUNK_BYTES = 65_536
OUT_MAX_BYTES = 65_536
"""Answers that wait for a slow line; more are dropped, since the node asks by sending again."""
IDLE_S = 0.5
"""A frame that pauses for so long is torn: at 300 baud a character takes 0.03 s."""
RETRY_FIRST_S, RETRY_MAX_S = 0.25, 10.0
RESCAN_S = 2.0


class Port(Protocol):
    """An open port, non-blocking."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


OpenPort = Callable[[str, int], Port]


def open_serial(device: str, baud: int) -> Port:
    """The device, for us alone. LinkDown when it is not there, or in use."""
    try:
        port: Port = serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
        return port
    except (OSError, ValueError) as bad:  # SerialException is an OSError
        raise LinkDown(link=device, why=str(bad)) from bad


class SerialLine:
    """One device. It is the Route of the nodes on it."""

    def __init__(
        self, device: str, baud: int, codec: Codec, around: Surroundings, open_port: OpenPort = open_serial
    ) -> None:
        self.device, self._baud, self._codec, self._around = device, baud, codec, around
        self._open_port = open_port
        self._out = bytearray()
        self._fd: int | None = None
        self._held = False
        self._lost: asyncio.Event | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._last_chunk_s = 0.0
        self._retry_s = RETRY_FIRST_S
        self.figures = LineFigures(device)

    async def run(self) -> None:
        """Open, read until it is lost, pause, open again."""
        while True:
            try:
                port = self._open_port(self.device, self._baud)
                try:
                    await self._attend(port)
                finally:
                    self._detach()
                    port.close()
            except LinkDown as gone:
                if self.figures.why != gone.why:  # each cause once, not each attempt
                    self._around.log("line_down", {"line": self.device, "why": gone.why})
                self.figures.state, self.figures.why = "down", gone.why
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)

    async def _attend(self, port: Port) -> None:
        """Read while the port lives; LinkDown when it is gone."""
        self._lost = asyncio.Event()
        self._fd = port.fileno()
        os.set_blocking(self._fd, False)
        self.figures.state, self.figures.why = "up", ""
        self.figures.opened += 1
        self._around.log("line_up", {"line": self.device})
        if not self._held:
            asyncio.get_running_loop().add_reader(self._fd, self._readable)
        self._send(self._codec.who())
        await self._lost.wait()
        raise LinkDown(link=self.device, why=self.figures.why or "the port is gone")

    def _detach(self) -> None:
        loop = asyncio.get_running_loop()
        if self._fd is not None:
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
        self._fd = None
        self._out.clear()
        self._deliver(self._codec.idle())

    def hold(self, *, held: bool) -> None:
        """While held, bytes stay in the port's own buffer."""
        self._held = held
        if self._fd is not None:
            loop = asyncio.get_running_loop()
            if held:
                loop.remove_reader(self._fd)
            else:
                loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        assert self._fd is not None
        try:
            chunk = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as bad:
            self._gone(str(bad))
            return
        if not chunk:
            self._gone("the port reports that it is ready but has no data: unplugged?")
            return
        self._last_chunk_s = self._around.steady_s()
        self._deliver(self._codec.feed(chunk))
        if self._codec.waiting and self._idle_timer is None:
            self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S, self._maybe_idle)

    def _gone(self, why: str) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
        self.figures.why = why
        if self._lost is not None:
            self._lost.set()

    def _maybe_idle(self) -> None:
        """Half a frame and then nothing: let the codec give it up, or it would hide what follows."""
        self._idle_timer = None
        if not self._codec.waiting:
            return
        quiet_s = self._around.steady_s() - self._last_chunk_s
        if quiet_s >= IDLE_S:
            self._deliver(self._codec.idle())
        else:
            self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S - quiet_s, self._maybe_idle)

    def _deliver(self, events: Sequence[Event]) -> None:
        figures = self.figures
        figures.skipped, figures.malformed = self._codec.skipped, self._codec.malformed
        if events:
            self._retry_s = RETRY_FIRST_S
            figures.events += len(events)
            figures.last_ms = self._around.wall_ms()
            self._around.sink(self, events)

    def acknowledge(self, node: str, boot: int, pairs: Pairs) -> None:
        self._send(self._codec.ack(node, boot, pairs))

    def ask_again(self, node: str, boot: int, pairs: Pairs) -> None:
        self._send(self._codec.resend(node, boot, pairs))

    def committed(self) -> None:
        """Bytes need no release."""

    def _send(self, frames: Sequence[bytes]) -> None:
        """Whole frames, as far as the line takes them."""
        if self._fd is None:
            return
        waiting = bool(self._out)
        for frame in frames:
            if len(self._out) + len(frame) <= OUT_MAX_BYTES:
                self._out += frame
        if self._out and not waiting:
            self._flush()

    def _flush(self) -> None:
        if self._fd is None:
            return
        loop = asyncio.get_running_loop()
        try:
            written = os.write(self._fd, self._out)
            del self._out[:written]
        except BlockingIOError:
            pass
        except OSError as bad:
            self._out.clear()
            self._gone(str(bad))
        if self._out:
            loop.add_writer(self._fd, self._flush)
        else:
            loop.remove_writer(self._fd)


class SerialLines:
    """The lines of one entry of the settings: its device, or every match of its pattern."""

    def __init__(
        self, settings: LineSettings, around: Surroundings, open_port: OpenPort = open_serial
    ) -> None:
        self._settings, self._around, self._open_port = settings, around, open_port
        self._lines: dict[str, SerialLine] = {}
        self._held = False

    def figures(self) -> list[LineFigures]:
        return [line.figures for line in self._lines.values()]

    def hold(self, *, held: bool) -> None:
        self._held = held
        for line in self._lines.values():
            line.hold(held=held)

    async def run(self) -> None:
        device = self._settings.device
        async with asyncio.TaskGroup() as tasks:
            if not glob.has_magic(device):
                tasks.create_task(self._line(device).run())
                return
            running: dict[str, asyncio.Task[None]] = {}
            while True:
                self._look(device, tasks, running)
                await asyncio.sleep(RESCAN_S)

    def _look(self, pattern: str, tasks: asyncio.TaskGroup, running: dict[str, asyncio.Task[None]]) -> None:
        """Begin a line for each new match; end those whose device has left. Two names of a device are one."""
        found: dict[str, str] = {}
        for path in sorted(glob.glob(pattern)):  # noqa: PTH207  the pattern is absolute, as typed
            found.setdefault(os.path.realpath(path), path)
        for path in list(running):
            if path not in found.values() and self._lines[path].figures.state == "down":
                running.pop(path).cancel()
                del self._lines[path]
        for path in found.values():
            if path not in running:
                running[path] = tasks.create_task(self._line(path).run())

    def _line(self, device: str) -> SerialLine:
        codec = CODECS[self._settings.codec]()
        line = SerialLine(device, self._settings.baud, codec, self._around, self._open_port)
        line.hold(held=self._held)
        self._lines[device] = line
        return line
