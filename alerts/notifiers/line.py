# SPDX-License-Identifier: Apache-2.0
"""The serial line to a modem: open alone, read what is there, write, close."""

import contextlib
import errno
import termios
from typing import Protocol

import serial

from coldchain.kernel.errors import ColdChainError

__all__ = ["Line", "LineLost", "NoLine", "OpenLine", "open_serial"]

WRITE_WITHIN_S = 5.0
"""A PDU is 0.4 kB: a line that takes longer at any usual speed has nobody behind it."""


class NoLine(ColdChainError):
    """The port cannot be opened; the message says why and what to do."""

    exit_code = 69


class LineLost(ColdChainError):
    """The port was open and is gone."""

    exit_code = 69


class Line(Protocol):
    """What the dialogue needs of a port. Every failure is a `LineLost`."""

    def read(self, within_s: float) -> bytes:
        """What has arrived, as soon as anything has; empty when `within_s` passes in silence."""
        ...

    def write(self, octets: bytes) -> None: ...

    def close(self) -> None: ...


class OpenLine(Protocol):
    """Opens a port or raises `NoLine`."""

    def __call__(self, port: str, baud: int) -> Line: ...


class SerialLine:
    """A pyserial port. Modem lines (DTR, RTS, CTS) are left alone: a pty has none."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port

    def read(self, within_s: float) -> bytes:
        try:
            self._port.timeout = within_s
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except (OSError, TypeError, termios.error) as gone:  # TypeError: closed by another thread meanwhile
            raise LineLost(f"{self._port.port} is gone: {gone}") from gone

    def write(self, octets: bytes) -> None:
        try:
            self._port.write(octets)
        except (OSError, TypeError, termios.error) as gone:
            raise LineLost(f"{self._port.port} takes no bytes: {gone}") from gone

    def close(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # it may be gone already
            self._port.close()


_REMEDY = {
    errno.ENOENT: "nothing is plugged in under that name: look in /dev/serial/by-id",
    errno.ENXIO: "the device is gone: plug the modem in again",
    errno.ENODEV: "the device is gone: plug the modem in again",
    errno.EIO: "the device is gone: plug the modem in again",
    errno.EACCES: "not permitted: add this user to the group that owns the port (dialout)",
    errno.EPERM: "not permitted: add this user to the group that owns the port (dialout)",
    errno.EAGAIN: "another program holds it: stop ModemManager, or give it another port",
    errno.EBUSY: "another program holds it: stop ModemManager, or give it another port",
}


def open_serial(port: str, baud: int) -> Line:
    """Open `port` for us alone; a second opener is refused, which keeps one voice."""
    try:
        return SerialLine(
            serial.Serial(port, baud, timeout=0.1, write_timeout=WRITE_WITHIN_S, exclusive=True)
        )
    except (OSError, ValueError, termios.error) as bad:
        number = getattr(bad, "errno", None)
        why = _REMEDY.get(number or 0, f"{bad}: is it a serial port?")
        raise NoLine(f"no modem at {port}: {why}") from bad
