# SPDX-License-Identifier: Apache-2.0
"""Text messages, calls and answers through a GSM modem in PDU mode on a serial port.

One thread at a time has the modem. Each `send` is one try of the whole text, part by part.
"""

import threading
from collections.abc import Callable, Iterator
from itertools import count

from alerts.notifiers.credit import ask_credit
from alerts.notifiers.dialogue import Dialogue, Silent
from alerts.notifiers.hearing import Ear
from alerts.notifiers.incoming import StatusReport, decode
from alerts.notifiers.line import LineLost, OpenLine, open_serial
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.pdu import PduError, dialled
from alerts.notifiers.ringing import ring
from alerts.notifiers.session import Session
from alerts.notifiers.texting import hand_over, parts_of
from alerts.notifiers.waking import NotSent, signal_of
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Delivery, Heard, Sent

__all__ = ["CallNotifier", "ModemNotifier"]

LISTEN_AGAIN_S = 30.0
"""A modem that is not there is looked for so often, when nothing is to be sent."""


class ModemNotifier:
    """One modem. The first send opens the port, for us alone; it stays open.

    After silence or a lost line the port is closed, and the next send opens it anew.
    """

    def __init__(
        self,
        options: ModemOptions,
        *,
        open_line: OpenLine = open_serial,
        clock: SteadyClock = steady_s,
        references: Iterator[int] | None = None,
        reset: Callable[[], None] | None = None,
    ) -> None:
        """`references` numbers messages of several parts; taken modulo 256.

        reset  takes the modem's power away and gives it back; called when it was silent RESET_AFTER times
        """
        self._options, self._clock = options, clock
        self._references = references or count(int(clock()))
        self._session = Session(options, open_line, clock, reset)
        self._alone, self._wanted = threading.Lock(), threading.Event()
        self._ear = Ear(clock)
        self._listen_again_s = clock()
        self._attentive: Dialogue | None = None
        self.unreadable = 0

    @property
    def moved_s(self) -> float:
        """See `coldchain.ports.notifier.Moving`."""
        return self._session.moved_s

    def send(self, to: str, text: str) -> Sent:
        """A message goes before a call: one that rings now is cut short for it."""
        self._wanted.set()
        with self._alone:
            self._wanted.clear()
            try:
                parts = parts_of(to, text, next(self._references) % 256, self._options)
                dialogue = self._session.ready()
            except NotSent as reason:
                return reason.sent
            return hand_over(self._session, dialogue, parts)

    def call(self, to: str) -> Sent:
        """Let a telephone ring, and hang up. ACCEPTED: it was dialled; who heard it, nobody knows.

        FAILED_RETRY, too, when a message had to leave before it had rung for RING_LEAST_S.
        """
        with self._alone:
            try:
                number = dialled(to)
                dialogue = self._session.ready()
            except PduError as bad:
                return Sent(Delivery.FAILED_FINAL, str(bad))
            except NotSent as reason:
                return reason.sent
            try:
                return ring(self._session, dialogue, number, self._wanted, self._clock)
            except LineLost as lost:
                self._session.hang_up()
                return Sent(Delivery.UNKNOWN, f"{lost}; it may have rung")

    def credit(self, code: str) -> float | None:
        """What is left on the SIM, asked by USSD (``*123#``); None when the operator's text has no number."""
        with self._alone:
            try:
                return ask_credit(self._session.ready(), code, self._options, self._clock)
            except (NotSent, Silent, LineLost):
                return None

    def check(self) -> Sent:
        """Everything but a message: ACCEPTED and the signal when one could be sent now, else why not."""
        with self._alone:
            try:
                signal = signal_of(self._session.ready(), self._options)
            except NotSent as reason:
                return reason.sent
            except (Silent, LineLost) as trouble:
                self._session.hang_up()
                return Sent(Delivery.FAILED_RETRY, f"the modem fell out ({trouble}): switch it off and on")
            return Sent(Delivery.ACCEPTED, f"modem ready at {self._options.port}, {signal}")

    def reports(self, *, within_s: float = 0.0) -> tuple[StatusReport, ...]:
        """Delivery reports heard since the last call, oldest first, after listening for `within_s`.

        What cannot be read as one is counted in `unreadable`. A lost line ends the listening early.
        """
        with self._alone:
            if self._session.dialogue is not None:
                try:
                    self._session.dialogue.listen(within_s)
                except LineLost:
                    self._session.hang_up()
            heard = [line.body for line in self._session.heard if line.body]
            self._session.heard.clear()
            found = []
            for pdu in heard:
                try:
                    message = decode(pdu)
                except PduError:
                    self.unreadable += 1
                    continue
                if isinstance(message, StatusReport):
                    found.append(message)
            return tuple(found)

    def hear(self, within_s: float) -> list[Heard]:
        """Answers, reports and rings since the last call, after listening for at most `within_s`.

        Opens the port if need be, at most every half minute. A dead line hears nothing, nor one in use.
        """
        if not self._alone.acquire(timeout=within_s):
            return []
        try:
            return self._hear(within_s)
        finally:
            self._alone.release()

    def _hear(self, within_s: float) -> list[Heard]:
        try:
            if (dialogue := self._session.dialogue) is None:
                if self._clock() < self._listen_again_s:
                    return []
                self._listen_again_s = self._clock() + LISTEN_AGAIN_S
                dialogue = self._session.open()
            if dialogue is not self._attentive:
                dialogue.do("AT+CLIP=1", within_s=self._options.command_s)  # say who calls
                self._attentive = dialogue
                self._ear.look_soon()
            dialogue.listen(within_s)
            lines = list(self._session.heard)
            self._session.heard.clear()
            return self._ear.take(dialogue, lines, within_s=self._options.command_s)
        except NotSent:
            return []
        except (Silent, LineLost):
            self._session.hang_up()
            return []

    def forget(self, heard: list[Heard]) -> None:
        """These are written down: delete them from the SIM."""
        with self._alone:
            if self._session.dialogue is None:
                return
            try:
                self._ear.forget(self._session.dialogue, heard, within_s=self._options.command_s)
            except (Silent, LineLost):
                self._session.hang_up()

    def abandon(self) -> bool:
        """For whoever makes a new one in its place, from any thread: take the port from a try that hangs.

        Returns, does it hang still? Ask again later.
        """
        self._session.abandon()
        return self._alone.locked()

    def close(self) -> None:
        """Let go of the port. A later send opens it again."""
        with self._alone:
            self._session.hang_up()


class CallNotifier:
    """The same modem, ringing. A ringing telephone wakes where an SMS does not."""

    def __init__(self, modem: ModemNotifier) -> None:
        self.modem = modem

    @property
    def moved_s(self) -> float:
        return self.modem.moved_s

    def send(self, to: str, text: str) -> Sent:
        """Ring; `text` cannot be said."""
        return self.modem.call(to)

    def check(self) -> Sent:
        return self.modem.check()
