# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a modem, to be set while it runs."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one ``AT+CMGS``.

    sent       it reaches the telephone
    prompt     the modem asks for the PDU
    refuse     ``+CMS ERROR`` with this number
    early      refuse in place of the prompt
    answer     there is an answer at all
    reference  the answer names the message; False is a bare OK
    after_s    how long the network takes; the modem hears nothing else meanwhile
    hang       from here on the modem is dead to everything
    unplug     the cable is pulled instead of an answer
    """

    sent: bool = True
    prompt: bool = True
    refuse: int | None = None
    early: bool = False
    answer: bool = True
    reference: bool = True
    after_s: float = 0.0
    hang: bool = False
    unplug: bool = False


TAKEN = Outcome()


def refused(code: int, *, early: bool = False) -> Outcome:
    return Outcome(sent=False, refuse=code, early=early)


def unanswered(*, sent: bool) -> Outcome:
    """The answer is lost; the modem works on."""
    return Outcome(sent=sent, answer=False)


def false_ok(*, reference: bool) -> Outcome:
    """OK, and nothing sent."""
    return Outcome(sent=False, reference=reference)


def late(after_s: float) -> Outcome:
    return Outcome(after_s=after_s)


def no_prompt() -> Outcome:
    return Outcome(sent=False, prompt=False)


def hangs(*, sent: bool) -> Outcome:
    return Outcome(sent=sent, answer=False, hang=True)


def unplugged(*, sent: bool, prompt: bool = True) -> Outcome:
    """The cable is pulled when the PDU is in, or (`prompt` False) when it should be asked for."""
    return Outcome(sent=sent, prompt=prompt, answer=False, unplug=True)


@dataclass(slots=True)
class Control:
    """Set any field at any time; the modem looks when it matters.

    hung             reads, never answers
    sim_card         False: there is none
    sim_busy         how many more questions a SIM that wakes up answers with "busy"
    registration     3GPP TS 27.007, 7.2: 1 home, 2 searching, 3 denied, 5 roaming
    signal           0..31, 99 unknown
    credit           messages left; None is without end
    reports          the centre sends delivery reports when asked
    report_after_s   when
    report_status    TP-Status: 0 delivered, 0x46 validity expired
    dribble          octets leave one by one
    chatter          unsolicited lines said between the prompt's PDU and its answer
    """

    hung: bool = False
    sim_card: bool = True
    sim_busy: int = 0
    registration: int = 1
    signal: int = 21
    credit: int | None = None
    reports: bool = True
    report_after_s: float = 0.02
    report_status: int = 0
    dribble: bool = False
    chatter: tuple[str, ...] = ()
    outcomes: deque[Outcome] = field(default_factory=deque)

    def next(self, *outcomes: Outcome) -> None:
        """What becomes of the next submissions, in order; after them all is well."""
        self.outcomes.extend(outcomes)
