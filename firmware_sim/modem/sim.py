# SPDX-License-Identifier: Apache-2.0
"""A GSM modem on a pseudo-terminal, with telephones, in a thread of its own."""

import heapq
import itertools
import os
import queue
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

from firmware_sim.modem.control import Control
from firmware_sim.modem.machine import Machine
from firmware_sim.modem.network import Message, Network, Phone
from firmware_sim.modem.sim_card import SimCard
from firmware_sim.modem.tpdu import write_deliver

IDLE_S = 0.5


class ModemSim:
    """Start it, open `path` with any serial library, and talk AT.

    inbox       every message a telephone receives becomes a JSON line here, fsynced, before the modem
                answers: number, text, parts, instant
    pin         the SIM's; None asks for none
    link        a stable name for the port, a symbolic link that follows it through every replug
    on_message  called in the modem's thread
    control     what goes wrong, at any time
    """

    def __init__(
        self,
        inbox: Path | None = None,
        *,
        pin: str | None = None,
        link: Path | None = None,
        number: str = "+8562099900000",
        centre: str = "+8562099900001",
        on_message: Callable[[Message], None] | None = None,
        control: Control | None = None,
    ) -> None:
        self.control = control or Control()
        self.number, self.path = number, ""
        self.network = Network(inbox, on_message=on_message, say=self._reply, ring=self._ring)
        self.card = SimCard(pin, centre)
        self._machine = Machine(
            self.control, self.network, self.card,
            out=self._write, later=self._later, now_ms=_now_ms, unplug=self._close_line,
        )  # fmt: skip
        self._link = link
        self._master = self._slave = -1
        self._wake_read = self._wake_write = -1
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()
        self._replies = itertools.count()
        self._running = False
        self._thread: threading.Thread | None = None

    # -- life --------------------------------------------------------------------------------

    def start(self) -> str:
        """The port's path (the link, if there is one)."""
        assert self._thread is None, "started twice"
        self._wake_read, self._wake_write = os.pipe()
        self._open_line()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="modem-sim", daemon=True)
        self._thread.start()
        return self.path

    def stop(self) -> None:
        if self._thread is None:
            return
        self._running = False
        self._post(lambda: None)
        self._thread.join(timeout=5)
        self._thread = None
        self._close_line()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what a hand can do --------------------------------------------------------------------

    def phone(self, number: str) -> Phone:
        return self.network.phone(number)

    @property
    def commands(self) -> list[str]:
        """Every command line it was given, without AT."""
        return list(self._machine.commands)

    def unplug(self) -> None:
        """Pull the cable: the port is gone."""
        self._wait_for(self._close_line)

    def replug(self) -> None:
        """Put the cable back: the modem starts anew, its SIM locked again."""
        self._wait_for(self._power_and_open)

    def restart(self) -> None:
        """The modem starts anew by itself (a brown-out); the port stays, what was in flight is lost."""

        def restart() -> None:
            self._due.clear()
            self._machine.power_on()
            self._machine.say("RDY")

        self._wait_for(restart)

    def say(self, *lines: str) -> None:
        """Unsolicited lines."""
        self._wait_for(lambda: self._machine.say(*lines))

    def noise(self, octets: bytes) -> None:
        """Octets on the line that nobody meant."""
        self._wait_for(lambda: self._machine.raw(octets))

    def receive_parts(self, sender: str, text: str, *, order: tuple[int, ...] = ()) -> None:
        """A message from `sender`; `order` lists its parts (from 1) as the network delivers them."""
        reference = next(self._replies) % 256
        pdus = write_deliver(sender, text, centre=self.card.centre, at_ms=_now_ms(), reference=reference)
        chosen = [pdus[n - 1] for n in order] or pdus
        self._wait_for(lambda: self._machine.arrive(*chosen))

    def _reply(self, number: str, text: str) -> None:
        self.receive_parts(number, text)

    def _ring(self, number: str) -> None:
        self._wait_for(lambda: self._machine.ring(number))

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while self._running:
            wait_s = min(IDLE_S, self._due[0][0] - time.monotonic()) if self._due else IDLE_S
            ports = [self._wake_read] + ([self._master] if self._master >= 0 else [])
            ready, _, _ = select.select(ports, [], [], max(wait_s, 0.0))
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            while not self._posted.empty():
                self._posted.get()()
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            if self._master in ready:
                self._read()

    def _read(self) -> None:
        if self._master < 0:  # unplugged a moment ago
            return
        try:
            self._machine.feed(os.read(self._master, 4096))
        except BlockingIOError:
            return

    def _write(self, octets: bytes) -> None:
        """What nobody reads is lost, as on a real line."""
        size = 1 if self.control.dribble else len(octets)
        for start in range(0, len(octets), max(size, 1)):
            if self._master < 0:
                return
            try:
                os.write(self._master, octets[start : start + size])
            except BlockingIOError:
                return
            if self.control.dribble:
                time.sleep(0.0005)

    def _later(self, after_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + after_s, next(self._ticket), action))

    def _post(self, action: Callable[[], None]) -> None:
        self._posted.put(action)
        os.write(self._wake_write, b"!")

    def _wait_for(self, action: Callable[[], object]) -> None:
        """Run `action` in the thread, and return when it has run."""
        if threading.current_thread() is self._thread:
            action()
            return
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._post(run)
        if not done.wait(5):
            raise TimeoutError("the simulated modem does not run")

    # -- the line ------------------------------------------------------------------------------

    def _power_and_open(self) -> None:
        if self._master < 0:
            self._machine.power_on()
            self.card.power_on()
            self._open_line()

    def _open_line(self) -> None:
        # Our own handle on the far side keeps the line alive while nobody has it open.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        if self._link is not None:
            self._link.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.path)
            fresh.replace(self._link)
            self.path = str(self._link)

    def _close_line(self) -> None:
        if self._master < 0:
            return
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._due.clear()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
