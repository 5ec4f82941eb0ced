# SPDX-License-Identifier: Apache-2.0
"""How to reach a modem and how patient to be with it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from alerts.notifiers.pdu import PduError, dialled
from coldchain.kernel.errors import ConfigError

__all__ = ["ModemOptions"]


@dataclass(frozen=True, slots=True)
class ModemOptions:
    """One modem.

    port        a by-id name survives a reboot: /dev/serial/by-id/...
    pin         of the SIM, 4 to 8 digits; never printed
    pin_guard   a file that exists while a PIN is on trial. Three refusals block a SIM, so a PIN that
                was refused is not entered again, not even after a restart: whoever corrects the
                PIN deletes the file
    smsc        message centre, if the SIM does not hold the right one
    validity    how long the centre tries; a stale alarm helps nobody
    report      ask for delivery reports
    answer_s    for one part, network included; tens of seconds happen
    prompt_s    for the modem to ask for a PDU
    command_s   for what stays within the modem
    network_s   for a modem or SIM that was just switched on
    parts_max   longer texts are refused
    ring_s      how long a call rings; nothing else leaves this modem meanwhile

    Raises ConfigError for a PIN or a message centre that cannot be one.
    """

    port: str
    baud: int = 115_200
    pin: str | None = field(default=None, repr=False)
    pin_guard: Path | None = None
    smsc: str | None = None
    validity: timedelta = timedelta(hours=4)
    report: bool = True
    answer_s: float = 60.0
    prompt_s: float = 5.0
    command_s: float = 3.0
    network_s: float = 8.0
    parts_max: int = 10
    ring_s: float = 15.0

    def __post_init__(self) -> None:
        if self.pin is not None and not (
            self.pin.isascii() and self.pin.isdigit() and 4 <= len(self.pin) <= 8
        ):
            raise ConfigError("the modem's PIN must be 4 to 8 digits")
        if self.smsc is not None:
            try:
                dialled(self.smsc)
            except PduError as bad:
                raise ConfigError(f"the modem's message centre (smsc): {bad}") from bad
