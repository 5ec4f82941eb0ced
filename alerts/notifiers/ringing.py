# SPDX-License-Identifier: Apache-2.0
"""A call: a telephone rings for a while, and is hung up; a message that has to leave cuts it short."""

import threading

from alerts.notifiers.dialogue import Answer, Dialogue, Silent
from alerts.notifiers.refusals import meaning
from alerts.notifiers.session import Session
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["ring"]

SLICE_S, RING_LEAST_S = 0.25, 8.0
"""A call is given up for a message within a slice; having rung for so long, it has done its work [s]."""


def ring(
    session: Session, dialogue: Dialogue, number: str, wanted: threading.Event, clock: SteadyClock
) -> Sent:
    """wanted  set when a message is to leave: the call ends. Raises LineLost."""
    ring_s = session.options.ring_s
    began_s = clock()
    try:
        answer: Answer | None = dialogue.do(f"ATD{number};", within_s=min(SLICE_S, ring_s))
    except Silent:
        answer = _rung(dialogue, began_s + ring_s, wanted, clock)
    if answer is not None and not answer.ok:
        if answer.final.kind in ("BUSY", "NO ANSWER", "NO CARRIER"):
            return Sent(Delivery.FAILED_RETRY, f"the call ended: {answer.final.kind.lower()}")
        return Sent(*meaning(answer.final))
    while not wanted.is_set() and (left_s := began_s + ring_s - clock()) > 0:
        dialogue.listen(min(SLICE_S, left_s))
    rang_s = clock() - began_s
    try:
        dialogue.do("ATH", within_s=session.options.command_s)
    except Silent:
        session.hang_up()
    if rang_s < min(RING_LEAST_S, ring_s):
        return Sent(Delivery.FAILED_RETRY, f"cut short after {rang_s:.0f} s: a message had to leave")
    return Sent(Delivery.ACCEPTED, f"it rang for {rang_s:.0f} s")


def _rung(dialogue: Dialogue, until_s: float, wanted: threading.Event, clock: SteadyClock) -> Answer | None:
    """Some modems answer only when somebody picks up; None: nobody did."""
    while not wanted.is_set() and (left_s := until_s - clock()) > 0:
        try:
            return dialogue.wait(min(SLICE_S, left_s))
        except Silent:
            continue
    return None
