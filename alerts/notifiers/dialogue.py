# SPDX-License-Identifier: Apache-2.0
"""Questions and answers with a modem over a `Line`. It knows AT, not what to do about it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from alerts.notifiers.at import AtReader, Event, Final, Info, Prompt, Unsolicited
from alerts.notifiers.line import Line
from alerts.notifiers.pdu import Part
from coldchain.kernel.clocks import SteadyClock
from coldchain.kernel.errors import ColdChainError

__all__ = ["HEARD_MAX", "Answer", "Dialogue", "Restarted", "Silent"]

ESCAPE, SUBMIT_END = b"\x1b", b"\x1a"
HEARD_MAX = 64
"""Unsolicited lines kept until somebody listens; the oldest go first."""


class Silent(ColdChainError):
    """No answer in time."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class Restarted(ColdChainError):
    """The modem has lost our settings: it started anew by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The information lines and the final result of one command."""

    final: Final
    lines: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.final.ok


class Dialogue:
    """One command at a time over an open line. Raises `Silent` and `LineLost`.

    heard      gets unsolicited lines, and answers that came too late
    octets_in  all that was ever read: tells a silent port from one that speaks something else
    pdu_out    a `submit` got as far as its Ctrl-Z: the message may have gone out; to be reset
    """

    def __init__(
        self, line: Line, steady_s: SteadyClock, heard: deque[Unsolicited], moved: Callable[[], None]
    ) -> None:
        """moved  is called whenever a new wait for the modem begins"""
        self.heard, self._moved = heard, moved
        self.octets_in = 0
        self.pdu_out = False
        self._line, self._steady_s = line, steady_s
        self._reader = AtReader()
        self._events: deque[Event] = deque()

    def do(self, command: str, *, within_s: float, bare: bool = False) -> Answer:
        """Write `command` and collect until its final result."""
        self._start(command, bare=bare)
        return self._collect(within_s)

    def wait(self, within_s: float) -> Answer:
        """After `do` was Silent: go on waiting for its answer."""
        self._moved()
        return self._collect(within_s)

    def ask(self, command: str, *, within_s: float) -> Answer:
        """As `do`, for a question whose answer names it (``AT+CREG?``: ``+CREG: ...``).

        A bare OK is then the late answer to something else, and is skipped.
        """
        self._start(command)
        return self._collect(within_s, named=True)

    def require_pdu_mode(self, *, within_s: float) -> None:
        """Raise `Restarted` if it forgot: in text mode it would take a PDU's length for a number."""
        answer = self.ask("AT+CMGF?", within_s=within_s)
        if not answer.ok or answer.lines[0] != "0":
            raise Restarted("the modem has restarted")

    def submit(self, part: Part, *, prompt_s: float, answer_s: float) -> Answer:
        """``AT+CMGS``, prompt, PDU, Ctrl-Z. A refusal before the prompt is an answer too."""
        self._start(f"AT+CMGS={part.length}", prompt=True)
        until_s = self._steady_s() + prompt_s
        while not isinstance(event := self._next(until_s), Prompt):
            # An OK here is the late answer to something else.
            if isinstance(event, Final) and not event.ok:
                return Answer(event)
        hexadecimal = part.line
        self._reader.sending(hexadecimal.decode("ascii"))
        self._line.write(hexadecimal)
        self.pdu_out = True
        self._line.write(SUBMIT_END)
        self._moved()
        return self._collect(answer_s)

    def escape(self) -> None:
        """Leave a prompt that may be open, and forget what is half read."""
        self._line.write(ESCAPE)
        self.listen(0.1)

    def listen(self, for_s: float) -> None:
        """Take in what arrives unasked for so long; it lands in `heard`."""
        until_s = self._steady_s() + for_s
        self._moved()
        self._settle()
        self._reader.expect("")
        while (left_s := until_s - self._steady_s()) > 0:
            self._take_in(left_s)
            self._settle()

    def _start(self, command: str, *, bare: bool = False, prompt: bool = False) -> None:
        self._moved()
        self._settle()
        self._reader.expect(command, bare=bare, prompt=prompt)
        self._line.write(command.encode("ascii") + b"\r")

    def _collect(self, within_s: float, *, named: bool = False) -> Answer:
        until_s = self._steady_s() + within_s
        lines: list[str] = []
        while True:
            event = self._next(until_s)
            if isinstance(event, Info):
                lines.append(event.text)
            elif isinstance(event, Final) and (lines or not named or not event.ok):
                return Answer(event, tuple(lines))

    def _next(self, until_s: float) -> Event:
        """The next event that is not unsolicited, or Silent."""
        while True:
            while self._events:
                event = self._events.popleft()
                if not isinstance(event, Unsolicited):
                    return event
                self.heard.append(event)
            left_s = until_s - self._steady_s()
            if left_s <= 0:
                raise Silent
            self._take_in(left_s)

    def _settle(self) -> None:
        """Nothing is in flight: whatever is left over answers nothing we will ask."""
        for event in self._events:
            if isinstance(event, Unsolicited):
                self.heard.append(event)
        self._events.clear()

    def _take_in(self, within_s: float) -> None:
        chunk = self._line.read(within_s)
        self.octets_in += len(chunk)
        self._events.extend(self._reader.feed(chunk))
