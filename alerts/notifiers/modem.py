# SPDX-License-Identifier: Apache-2.0
"""Text messages through a GSM modem in PDU mode on a serial port.

Each `send` is one try of the whole text, part by part. Until the last octet of a part has been
written, whatever goes wrong is a failure; from then on silence is UNKNOWN, never a guess.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

from alerts.notifiers.at import Unsolicited
from alerts.notifiers.dialogue import HEARD_MAX, Answer, Dialogue, Restarted, Silent
from alerts.notifiers.gsm7 import fit_gsm7
from alerts.notifiers.hearing import Ear
from alerts.notifiers.incoming import StatusReport, decode
from alerts.notifiers.line import Line, LineLost, NoLine, OpenLine, open_serial
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.pdu import Part, PduError, dialled, submit
from alerts.notifiers.refusals import meaning
from alerts.notifiers.waking import NotSent, PinTrial, require_network, signal_of, wake
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Delivery, Heard, Sent

__all__ = ["CallNotifier", "ModemNotifier"]

RESET_AFTER = 2
RESET_EVERY_S = 300.0
"""Not more often: a modem needs a minute to find its network."""
SLICE_S, RING_LEAST_S = 0.25, 8.0
"""A call is given up for a message within a slice; having rung for so long, it has done its work [s]."""
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
        self._reset, self._mute, self._reset_at_s = reset, 0, clock()
        self._options, self._open_line, self._clock = options, open_line, clock
        self._references = references or count(int(clock()))
        self._trial = PinTrial(options.pin_guard)
        self._line: Line | None = None
        self._dialogue: Dialogue | None = None
        self._heard: deque[Unsolicited] = deque(maxlen=HEARD_MAX)
        self._alone, self._wanted = threading.Lock(), threading.Event()
        self._ear = Ear(clock)
        self._listen_again_s = clock()
        self._attentive: Dialogue | None = None
        self.unreadable = 0

    def send(self, to: str, text: str) -> Sent:
        """A message goes before a call: one that rings now is cut short for it."""
        self._wanted.set()
        with self._alone:
            self._wanted.clear()
            try:
                parts = self._parts(to, text)
                dialogue = self._ready()
            except NotSent as reason:
                return reason.sent
            return self._submit_all(dialogue, parts)

    def call(self, to: str) -> Sent:
        """Let a telephone ring, and hang up. ACCEPTED: it was dialled; who heard it, nobody knows.

        FAILED_RETRY, too, when a message had to leave before it had rung for RING_LEAST_S.
        """
        with self._alone:
            try:
                number = dialled(to)
                dialogue = self._ready()
            except PduError as bad:
                return Sent(Delivery.FAILED_FINAL, str(bad))
            except NotSent as reason:
                return reason.sent
            try:
                return self._ring(dialogue, number)
            except LineLost as lost:
                self._hang_up()
                return Sent(Delivery.UNKNOWN, f"{lost}; it may have rung")

    def _ring(self, dialogue: Dialogue, number: str) -> Sent:
        ring_s = self._options.ring_s
        began_s = self._clock()
        try:
            answer: Answer | None = dialogue.do(f"ATD{number};", within_s=min(SLICE_S, ring_s))
        except Silent:
            answer = self._rung(dialogue, began_s + ring_s)
        if answer is not None and not answer.ok:
            if answer.final.kind in ("BUSY", "NO ANSWER", "NO CARRIER"):
                return Sent(Delivery.FAILED_RETRY, f"the call ended: {answer.final.kind.lower()}")
            return Sent(*meaning(answer.final))
        while not self._wanted.is_set() and (left_s := began_s + ring_s - self._clock()) > 0:
            dialogue.listen(min(SLICE_S, left_s))
        rang_s = self._clock() - began_s
        try:
            dialogue.do("ATH", within_s=self._options.command_s)
        except Silent:
            self._hang_up()
        if rang_s < min(RING_LEAST_S, ring_s):
            return Sent(Delivery.FAILED_RETRY, f"cut short after {rang_s:.0f} s: a message had to leave")
        return Sent(Delivery.ACCEPTED, f"it rang for {rang_s:.0f} s")

    def _rung(self, dialogue: Dialogue, until_s: float) -> Answer | None:
        """Some modems answer only when somebody picks up; None: nobody did."""
        while not self._wanted.is_set() and (left_s := until_s - self._clock()) > 0:
            try:
                return dialogue.wait(min(SLICE_S, left_s))
            except Silent:
                continue
        return None

    def credit(self, code: str) -> float | None:
        """What is left on the SIM, asked by USSD (``*123#``); None when the operator's text has no number."""
        with self._alone:
            try:
                dialogue = self._ready()
                dialogue.do(f'AT+CUSD=1,"{code}",15', within_s=self._options.command_s)
                until_s = self._clock() + self._options.network_s
                while self._clock() < until_s:
                    for line in list(self._heard):
                        if line.text.startswith("+CUSD:"):
                            self._heard.remove(line)
                            return credit_in(line.text)
                    dialogue.listen(0.2)
            except (NotSent, Silent, LineLost):
                return None
            return None

    def check(self) -> Sent:
        """Everything but a message: ACCEPTED and the signal when one could be sent now, else why not."""
        with self._alone:
            try:
                signal = signal_of(self._ready(), self._options)
            except NotSent as reason:
                return reason.sent
            except (Silent, LineLost) as trouble:
                self._hang_up()
                return Sent(Delivery.FAILED_RETRY, f"the modem fell out ({trouble}): switch it off and on")
            return Sent(Delivery.ACCEPTED, f"modem ready at {self._options.port}, {signal}")

    def reports(self, *, within_s: float = 0.0) -> tuple[StatusReport, ...]:
        """Delivery reports heard since the last call, oldest first, after listening for `within_s`.

        What cannot be read as one is counted in `unreadable`. A lost line ends the listening early.
        """
        with self._alone:
            if self._dialogue is not None:
                try:
                    self._dialogue.listen(within_s)
                except LineLost:
                    self._hang_up()
            heard = [line.body for line in self._heard if line.body]
            self._heard.clear()
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
            if (dialogue := self._dialogue) is None:
                if self._clock() < self._listen_again_s:
                    return []
                self._listen_again_s = self._clock() + LISTEN_AGAIN_S
                dialogue = self._open()
            if dialogue is not self._attentive:
                dialogue.do("AT+CLIP=1", within_s=self._options.command_s)  # say who calls
                self._attentive = dialogue
                self._ear.look_soon()
            dialogue.listen(within_s)
            lines = list(self._heard)
            self._heard.clear()
            return self._ear.take(dialogue, lines, within_s=self._options.command_s)
        except NotSent:
            return []
        except (Silent, LineLost):
            self._hang_up()
            return []

    def forget(self, heard: list[Heard]) -> None:
        """These are written down: delete them from the SIM."""
        with self._alone:
            if self._dialogue is None:
                return
            try:
                self._ear.forget(self._dialogue, heard, within_s=self._options.command_s)
            except (Silent, LineLost):
                self._hang_up()

    def close(self) -> None:
        """Let go of the port. A later send opens it again."""
        with self._alone:
            self._hang_up()

    def _parts(self, to: str, text: str) -> tuple[Part, ...]:
        options = self._options
        try:
            parts = submit(
                to,
                fit_gsm7(text),
                reference=next(self._references) % 256,
                validity=options.validity,
                report=options.report,
            )
        except PduError as bad:
            raise NotSent(Delivery.FAILED_FINAL, str(bad)) from bad
        if len(parts) > options.parts_max:
            raise NotSent(
                Delivery.FAILED_FINAL,
                f"the text needs {len(parts)} messages, at most {options.parts_max} are sent: shorten it",
            )
        return parts

    def _ready(self) -> Dialogue:
        """A modem that answers and has a network. Nothing has gone out: one fresh start is free."""
        for _ in range(2):
            fresh = self._dialogue is None
            try:
                dialogue = self._dialogue or self._open()
                dialogue.require_pdu_mode(within_s=self._options.command_s)
                require_network(dialogue, self._options, self._clock)
            except (Silent, Restarted, LineLost) as trouble:
                self._hang_up()
                if fresh:
                    raise NotSent(
                        Delivery.FAILED_RETRY,
                        f"the modem at {self._options.port} fell out ({trouble}): switch it off and on",
                    ) from trouble
            else:
                return dialogue
        raise AssertionError("the second start is fresh")

    def _open(self) -> Dialogue:
        options = self._options
        try:
            self._line = self._open_line(options.port, options.baud)
        except NoLine as bad:
            raise NotSent(Delivery.FAILED_RETRY, str(bad)) from bad
        dialogue = Dialogue(self._line, self._clock, self._heard)
        try:
            wake(dialogue, options, self._trial, self._clock)
        except NotSent:
            self._hang_up()
            self._revive(answers=bool(dialogue.octets_in))
            raise
        self._mute = 0
        self._dialogue = dialogue
        return dialogue

    def _revive(self, *, answers: bool) -> None:
        """A modem that hangs comes back when its power was away, and not before."""
        self._mute = 0 if answers else self._mute + 1
        if self._reset is None or self._mute < RESET_AFTER or self._clock() < self._reset_at_s:
            return
        self._mute, self._reset_at_s = 0, self._clock() + RESET_EVERY_S
        self._reset()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = self._dialogue = None

    def _submit_all(self, dialogue: Dialogue, parts: tuple[Part, ...]) -> Sent:
        taken: list[int] = []
        for place, part in enumerate(parts, start=1):
            delivery, why = self._submit(dialogue, part, taken)
            if delivery is not Delivery.ACCEPTED:
                where = f"part {place} of {len(parts)}: " if len(parts) > 1 else ""
                gone = f"; {place - 1} before it taken" if place > 1 else ""
                out = delivery is Delivery.FAILED_RETRY and self._dialogue is None  # hung up: it fell out
                return Sent(delivery, f"{where}{why}{gone}", tuple(taken), out=out)
        plural = "message" if len(parts) == 1 else "messages"
        return Sent(Delivery.ACCEPTED, f"{len(parts)} {plural} taken by the network", tuple(taken))

    def _submit(self, dialogue: Dialogue, part: Part, taken: list[int]) -> tuple[Delivery, str]:
        """What came of one part, and why. The reference it got is added to `taken`."""
        options = self._options
        dialogue.pdu_out = False
        try:
            dialogue.require_pdu_mode(within_s=options.command_s)
            answer = dialogue.submit(part, prompt_s=options.prompt_s, answer_s=options.answer_s)
            reference = _reference(answer.lines)
        except Restarted as restarted:
            self._hang_up()
            return Delivery.FAILED_RETRY, f"{restarted}; nothing went out"
        except LineLost as lost:
            self._hang_up()
            if dialogue.pdu_out:
                return Delivery.UNKNOWN, f"{lost}; the message may have gone out"
            return Delivery.FAILED_RETRY, f"{lost}; plug the modem in again"
        except Silent:
            answer, reference = None, self._late_reference(dialogue)
        if reference is not None:
            taken.append(reference)
            return Delivery.ACCEPTED, ""
        return self._without_reference(dialogue, answer)

    def _without_reference(self, dialogue: Dialogue, answer: Answer | None) -> tuple[Delivery, str]:
        if answer is None and dialogue.pdu_out:
            within_s = self._options.answer_s
            return Delivery.UNKNOWN, f"no answer in {within_s:g} s; the message may have gone out"
        if answer is None:
            return Delivery.FAILED_RETRY, "the modem did not ask for the message; nothing went out"
        if answer.ok:
            # Siemens MC55 and others: OK for a message that failed (AT^SM20 of its manual).
            return Delivery.UNKNOWN, "the modem said OK but named no message; it may not have sent"
        return meaning(answer.final)

    def _late_reference(self, dialogue: Dialogue) -> int | None:
        """After silence: find the modem's place again; its answer may turn up on the way."""
        for line in [line for line in self._heard if line.text.startswith("+CMGS:")]:
            self._heard.remove(line)
        for _ in range(2):
            try:
                dialogue.escape()
                dialogue.ask("AT+CMGF?", within_s=self._options.command_s)
            except Silent:
                continue
            except LineLost:
                break
            late = [
                line.text.removeprefix("+CMGS:") for line in dialogue.heard if line.text.startswith("+CMGS:")
            ]
            return _reference(late) if dialogue.pdu_out else None
        self._hang_up()
        return None


def credit_in(text: str) -> float | None:
    """The first amount of a USSD text.

    >>> credit_in('+CUSD: 0,"Your balance: 12,500 LAK until 03/12",15'), credit_in("+CUSD: 4")
    (12500.0, None)
    """
    quoted = re.search(r'"(.*)"', text)
    said = quoted[1] if quoted else ""
    found = re.search(r"\d{1,3}(?:[ ,.]\d{3})+|\d+(?:\.\d+)?", said)
    return float(re.sub(r"[ ,]|\.(?=\d{3}\b)", "", found[0])) if found else None


class CallNotifier:
    """The same modem, ringing. A ringing telephone wakes where an SMS does not."""

    def __init__(self, modem: ModemNotifier) -> None:
        self.modem = modem

    def send(self, to: str, text: str) -> Sent:
        """Ring; `text` cannot be said."""
        return self.modem.call(to)

    def check(self) -> Sent:
        return self.modem.check()


def _reference(lines: tuple[str, ...] | list[str]) -> int | None:
    """The message reference of ``+CMGS: mr[,time stamp]``."""
    for line in lines:
        number = line.split(",")[0].strip()
        if number.isdecimal():
            return int(number)
    return None
