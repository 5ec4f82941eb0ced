# SPDX-License-Identifier: Apache-2.0
"""A text handed to a modem that is ready, part by part.

Until the last octet of a part has been written, whatever goes wrong is a failure; from then on silence is
UNKNOWN, never a guess.
"""

from alerts.notifiers.dialogue import Answer, Dialogue, Restarted, Silent
from alerts.notifiers.gsm7 import fit_gsm7
from alerts.notifiers.line import LineLost
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.pdu import Part, PduError, submit
from alerts.notifiers.refusals import meaning
from alerts.notifiers.session import Session
from alerts.notifiers.waking import NotSent
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["hand_over", "parts_of"]


def parts_of(to: str, text: str, reference: int, options: ModemOptions) -> tuple[Part, ...]:
    """The text as parts. Raises NotSent for a number that is none, and for a text that is too long."""
    try:
        parts = submit(
            to, fit_gsm7(text), reference=reference, validity=options.validity, report=options.report
        )
    except PduError as bad:
        raise NotSent(Delivery.FAILED_FINAL, str(bad)) from bad
    if len(parts) > options.parts_max:
        raise NotSent(
            Delivery.FAILED_FINAL,
            f"the text needs {len(parts)} messages, at most {options.parts_max} are sent: shorten it",
        )
    return parts


def hand_over(session: Session, dialogue: Dialogue, parts: tuple[Part, ...]) -> Sent:
    """All parts, until one is not taken."""
    taken: list[int] = []
    for place, part in enumerate(parts, start=1):
        delivery, why = _submit(session, dialogue, part, taken)
        if delivery is not Delivery.ACCEPTED:
            where = f"part {place} of {len(parts)}: " if len(parts) > 1 else ""
            gone = f"; {place - 1} before it taken" if place > 1 else ""
            out = delivery is Delivery.FAILED_RETRY and session.dialogue is None  # hung up: it fell out
            return Sent(delivery, f"{where}{why}{gone}", tuple(taken), out=out)
    plural = "message" if len(parts) == 1 else "messages"
    return Sent(Delivery.ACCEPTED, f"{len(parts)} {plural} taken by the network", tuple(taken))


def _submit(session: Session, dialogue: Dialogue, part: Part, taken: list[int]) -> tuple[Delivery, str]:
    """What came of one part, and why. The reference it got is added to `taken`."""
    options = session.options
    dialogue.pdu_out = False
    try:
        dialogue.require_pdu_mode(within_s=options.command_s)
        answer = dialogue.submit(part, prompt_s=options.prompt_s, answer_s=options.answer_s)
        reference = _reference(answer.lines)
    except Restarted as restarted:
        session.hang_up()
        return Delivery.FAILED_RETRY, f"{restarted}; nothing went out"
    except LineLost as lost:
        session.hang_up()
        if dialogue.pdu_out:
            return Delivery.UNKNOWN, f"{lost}; the message may have gone out"
        return Delivery.FAILED_RETRY, f"{lost}; plug the modem in again"
    except Silent:
        answer, reference = None, _late_reference(session, dialogue)
    if reference is not None:
        taken.append(reference)
        return Delivery.ACCEPTED, ""
    return _without_reference(dialogue, answer, options)


def _without_reference(
    dialogue: Dialogue, answer: Answer | None, options: ModemOptions
) -> tuple[Delivery, str]:
    if answer is None and dialogue.pdu_out:
        return Delivery.UNKNOWN, f"no answer in {options.answer_s:g} s; the message may have gone out"
    if answer is None:
        return Delivery.FAILED_RETRY, "the modem did not ask for the message; nothing went out"
    if answer.ok:
        # Siemens MC55 and others: OK for a message that failed (AT^SM20 of its manual).
        return Delivery.UNKNOWN, "the modem said OK but named no message; it may not have sent"
    return meaning(answer.final)


def _late_reference(session: Session, dialogue: Dialogue) -> int | None:
    """After silence: find the modem's place again; its answer may turn up on the way."""
    for line in [line for line in dialogue.heard if line.text.startswith("+CMGS:")]:
        dialogue.heard.remove(line)
    for _ in range(2):
        try:
            dialogue.escape()
            dialogue.ask("AT+CMGF?", within_s=session.options.command_s)
        except Silent:
            continue
        except LineLost:
            break
        late = [line.text.removeprefix("+CMGS:") for line in dialogue.heard if line.text.startswith("+CMGS:")]
        return _reference(late) if dialogue.pdu_out else None
    session.hang_up()
    return None


def _reference(lines: tuple[str, ...] | list[str]) -> int | None:
    """The message reference of ``+CMGS: mr[,time stamp]``."""
    for line in lines:
        number = line.split(",")[0].strip()
        if number.isdecimal():
            return int(number)
    return None
