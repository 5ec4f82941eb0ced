# SPDX-License-Identifier: Apache-2.0
"""A serial line that is a real pseudo-terminal, under a name that stays: DIR/lines/NODE.

The node's end is ours, the other end is opened by the gateway like any port. As on a cable, what is sent
while nobody has the port open is gone, and so is what stood in the port when it was closed.
"""

import os
import random
import select
import time
import tty
from contextlib import suppress
from pathlib import Path

READ_BYTES = 4096
DRAIN_ROUNDS, DRAIN_PAUSE_S = 3, 0.001


class PtyLine:
    """One line, not blocking. Faults: `unplug`, `plug`, `cut`, `byte_error_rate`."""

    def __init__(self, link: Path, *, seed: int = 0) -> None:
        self.link = link
        self.cut = False
        """True: bytes vanish in both directions, and nobody notices."""
        self.byte_error_rate = 0.0
        """Part of the bytes, in both directions, that are changed, lost or doubled."""
        self._noise = random.Random(seed)
        self._master = -1
        self._device = ""
        self._backlog = b""
        self.plug()

    def plug(self) -> None:
        """Make the port and its name. Nobody has it open yet."""
        if self._master >= 0:
            return
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._device = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(f".{self.link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._device)
        fresh.replace(self.link)

    def unplug(self) -> None:
        """Take the port away, as a pulled USB adapter does: its reader gets an error, its name is gone."""
        if self._master < 0:
            return
        self.link.unlink(missing_ok=True)
        os.close(self._master)
        self._master, self._backlog = -1, b""

    def fileno(self) -> int:
        """The node's end; -1 while unplugged."""
        return self._master

    @property
    def full(self) -> bool:
        """Bytes wait for the reader: do not write more."""
        return bool(self._backlog)

    def heard(self) -> bool:
        """Has anybody the port open?"""
        if self._master < 0:
            return False
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        return not any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))

    def hung_up(self) -> None:
        """Nobody listens any more: what stood in the port is gone."""
        self._backlog = b""
        with suppress(OSError):
            port = os.open(self._device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                # The kernel keeps more than one read gives, and brings the rest up a moment later.
                for _ in range(DRAIN_ROUNDS):
                    with suppress(BlockingIOError):
                        while os.read(port, READ_BYTES):
                            pass
                    time.sleep(DRAIN_PAUSE_S)
            finally:
                os.close(port)

    def read(self) -> bytes | None:
        """What came; empty when nothing did, None when nobody has the port open."""
        try:
            chunk = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            return None
        return b"" if self.cut else self._disturbed(chunk)

    def write(self, data: bytes) -> None:
        """Send as much as the port takes; the rest waits for `flush`."""
        if not self.cut:
            self._backlog += self._disturbed(data)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        try:
            while self._backlog:
                self._backlog = self._backlog[os.write(self._master, self._backlog) :]
        except BlockingIOError:
            pass
        except OSError:
            self._backlog = b""

    def _disturbed(self, data: bytes) -> bytes:
        rate = self.byte_error_rate
        if rate <= 0:
            return data
        noise, out = self._noise, bytearray()
        for byte in data:
            if noise.random() >= rate:
                out.append(byte)
            else:
                kind = noise.randrange(3)  # 0: lost
                if kind == 1:
                    out.append(byte ^ (1 << noise.randrange(8)))
                elif kind == 2:
                    out += bytes((byte, noise.randrange(256)))
        return bytes(out)
