# SPDX-License-Identifier: Apache-2.0
"""The smallest gateway there can be: reads node frames from a port, keeps the reports, acknowledges them."""

import threading
from collections.abc import Callable
from pathlib import Path

import serial

from firmware_sim.firmware.frames import Ack, FrameDecoder, Hello, Lost, Message, SentReport, Who, encode


class Listener:
    """Plays the gateway on one port, in a thread. `deaf` : it reads and answers nothing.

    keeps  decides for each report whether it is kept and acknowledged (a damaged frame would not be)
    """

    def __init__(self, port: Path, *, keeps: Callable[[SentReport], bool] = lambda _: True) -> None:
        self._serial = serial.Serial(str(port), 115200, timeout=0.02, exclusive=True)
        self._keeps = keeps
        self._decoder = FrameDecoder()
        self._stop = threading.Event()
        self.hellos: list[Hello] = []
        self.lost: list[Lost] = []
        self.reports: list[SentReport] = []
        self.deaf = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._serial.write(encode(Who()))
        self._thread.start()

    @property
    def bytes_skipped(self) -> int:
        return self._decoder.bytes_skipped

    def close(self) -> None:
        """Close the port, as a killed gateway would."""
        self._stop.set()
        self._thread.join(5)
        self._serial.close()

    def say(self, message: Message) -> None:
        self._serial.write(encode(message))

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                chunk = self._serial.read(max(self._serial.in_waiting, 1))
                if chunk and not self.deaf:
                    self._answer(self._decoder.feed(chunk))
        except (OSError, serial.SerialException) as error:
            self.error = error

    def _answer(self, messages: list[Message]) -> None:
        seqs: dict[tuple[str, int], list[int]] = {}
        for message in messages:
            match message:
                case Hello():
                    self.hellos.append(message)
                case Lost():
                    self.lost.append(message)
                case SentReport(node, report) if self._keeps(message):
                    self.reports.append(message)
                    seqs.setdefault((node, report.boot), []).append(report.seq)
                case _:
                    pass
        for (node, boot), mine in seqs.items():
            self.say(Ack(node, boot, tuple((seq, seq) for seq in mine[:100])))
