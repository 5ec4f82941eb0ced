# SPDX-License-Identifier: Apache-2.0
"""From an open port to a modem that can send: attention, SIM, network.

Each function returns when all is well and raises `NotSent` with what to do when it is not.
"""

import contextlib
from pathlib import Path

from alerts.notifiers.dialogue import Answer, Dialogue, Silent
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.pdu import dialled
from alerts.notifiers.refusals import meaning
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["NotSent", "PinTrial", "require_network", "signal_of", "wake"]

_PAUSE_S = 0.4
_ATTEMPTS = 3
_SIM_BUSY = 14  # +CME ERROR, TS 27.007, 9.2.1
_PIN_REFUSED = 16
_REGISTERED = {"1", "5", "6", "7"}  # home, roaming, and both for SMS only: TS 27.007, 7.2
_DENIED = "3"

_SETTINGS = (
    "AT+CREG=0",  # no unsolicited +CREG, which looks like an answer
    "AT+CNMI=2,1,0,1,0",  # hand up delivery reports, announce incoming messages
)
"""Wanted; a modem that lacks one can still send."""


class NotSent(Exception):
    """Why a try ends before anything was handed over."""

    def __init__(self, delivery: Delivery, detail: str) -> None:
        super().__init__(detail)
        self.sent = Sent(delivery, detail, out=delivery is Delivery.FAILED_RETRY)


class PinTrial:
    """Remembers that a PIN was entered and not yet accepted, across restarts if it has a file."""

    def __init__(self, path: Path | None) -> None:
        self.path, self._pending = path, False

    @property
    def pending(self) -> bool:
        return self._pending or (self.path is not None and self.path.exists())

    def begin(self) -> None:
        self._pending = True
        if self.path is not None:
            with contextlib.suppress(OSError):  # a full disk must not silence the modem
                self.path.touch()

    def passed(self) -> None:
        self._pending = False
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def wake(dialogue: Dialogue, options: ModemOptions, trial: PinTrial, clock: SteadyClock) -> None:
    """Bring a modem in any state to PDU mode with its SIM unlocked."""
    within_s = options.command_s
    _attention(dialogue, options)
    dialogue.do("AT+CMEE=1", within_s=within_s)
    _unlock(dialogue, options, trial, clock)
    until_s = clock() + options.network_s
    while not (answer := dialogue.do("AT+CMGF=0", within_s=within_s)).ok:
        # A SIM that was just unlocked is not ready for messages at once.
        if clock() >= until_s:
            raise NotSent(*meaning(answer.final))
        dialogue.listen(_PAUSE_S)
    for wanted in _SETTINGS:
        dialogue.do(wanted, within_s=within_s)
    if options.smsc is not None:
        centre = dialled(options.smsc)
        kind = 145 if centre.startswith("+") else 129
        answer = dialogue.do(f'AT+CSCA="{centre}",{kind}', within_s=within_s)
        if not answer.ok:
            raise NotSent(*meaning(answer.final))


def require_network(dialogue: Dialogue, options: ModemOptions, clock: SteadyClock) -> None:
    """Wait a little for registration. Raises `Silent` when the modem does not answer."""
    until_s = clock() + options.network_s
    while (status := _registration(dialogue, options)) not in _REGISTERED:
        if status == _DENIED:
            raise NotSent(
                Delivery.FAILED_RETRY,
                "the network refuses this SIM: check that it is paid for and not blocked",
            )
        if clock() >= until_s:
            raise NotSent(
                Delivery.FAILED_RETRY,
                f"no network ({signal_of(dialogue, options)}): check aerial, coverage and SIM",
            )
        dialogue.listen(_PAUSE_S)


def _attention(dialogue: Dialogue, options: ModemOptions) -> None:
    """Leave whatever the last user left behind; be sure that answers belong to questions."""
    within_s = min(options.command_s, 1.0)
    for _ in range(_ATTEMPTS):
        dialogue.escape()
        try:
            dialogue.do("ATE0V1", within_s=within_s)
            dialogue.ask("AT+CPIN?", within_s=options.command_s)
        except Silent:
            continue
        return
    if dialogue.octets_in:
        raise NotSent(
            Delivery.FAILED_RETRY,
            f"something answers at {options.port}, but not as a modem does: wrong port or speed? "
            "Modems show several ports; try the next one",
        )
    raise NotSent(
        Delivery.FAILED_RETRY,
        f"nothing answers at {options.port}: wrong port, or the modem hangs; "
        "switch it off and on, or try its next port",
    )


def _unlock(dialogue: Dialogue, options: ModemOptions, trial: PinTrial, clock: SteadyClock) -> None:
    until_s = clock() + options.network_s
    entered = False
    while True:
        answer = dialogue.ask("AT+CPIN?", within_s=options.command_s)
        state = answer.lines[0] if answer.ok else ""
        if state == "READY":
            trial.passed()
            return
        if state == "SIM PIN" and not entered:
            _enter_pin(dialogue, options, trial)
            entered = True
            continue
        if answer.ok and state != "SIM PIN":
            raise _locked(state)
        if clock() >= until_s or not (entered or answer.final.code == _SIM_BUSY):
            raise _sim_trouble(answer)
        dialogue.listen(_PAUSE_S)


def _enter_pin(dialogue: Dialogue, options: ModemOptions, trial: PinTrial) -> None:
    if options.pin is None:
        raise NotSent(
            Delivery.FAILED_FINAL,
            "the SIM asks for its PIN: set the modem's PIN in the configuration, or switch the "
            "PIN off in a telephone",
        )
    if trial.pending:
        where = f", then delete {trial.path}" if trial.path else ", then restart"
        raise NotSent(
            Delivery.FAILED_FINAL,
            "the SIM refused the PIN before and it is not tried again, since three refusals "
            f"block the SIM: correct the modem's PIN in the configuration{where}",
        )
    trial.begin()
    answer = dialogue.do(f'AT+CPIN="{options.pin}"', within_s=max(options.network_s, options.command_s))
    if not answer.ok:
        if answer.final.code == _PIN_REFUSED or answer.final.code is None:
            where = f", then delete {trial.path}" if trial.path else ""
            raise NotSent(
                Delivery.FAILED_FINAL,
                "the SIM refused the PIN, and it is not tried again: correct the modem's PIN in "
                f"the configuration{where}",
            )
        raise NotSent(*meaning(answer.final))


def _sim_trouble(answer: Answer) -> NotSent:
    """The SIM cannot be asked, or does not become ready after its PIN."""
    if answer.ok or answer.final.code is None:
        return NotSent(
            Delivery.FAILED_RETRY,
            "the modem cannot use its SIM card: switch it off, seat the SIM, switch it on",
        )
    return NotSent(*meaning(answer.final))


def _locked(state: str) -> NotSent:
    puk = state == "SIM PUK"
    remedy = "unblock it with its PUK in a telephone" if puk else "use another SIM"
    return NotSent(Delivery.FAILED_FINAL, f"the SIM is locked ({state}): {remedy}")


def _registration(dialogue: Dialogue, options: ModemOptions) -> str:
    """The status of the first network that has us: circuit-switched, then LTE, then GPRS."""
    seen = ""
    for question in ("AT+CREG?", "AT+CEREG?", "AT+CGREG?"):
        answer = dialogue.ask(question, within_s=options.command_s)
        if not answer.ok:
            continue
        fields = [part.strip() for part in answer.lines[0].split(",")]
        status = fields[1] if len(fields) > 1 else fields[0]
        if status in _REGISTERED:
            return status
        seen = seen or status
    # A modem that answers none of these can still be asked to send.
    return seen or "1"


def signal_of(dialogue: Dialogue, options: ModemOptions) -> str:
    """Field strength in words (``AT+CSQ``: 0..31, 99 unknown)."""
    answer = dialogue.ask("AT+CSQ", within_s=options.command_s)
    level = answer.lines[0].split(",")[0] if answer.ok else ""
    if not level.isdecimal() or int(level) > 31:
        return "signal unknown"
    return f"signal {level} of 31"
