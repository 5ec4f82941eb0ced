# SPDX-License-Identifier: Apache-2.0
"""A GSM modem on a pseudo-terminal, with telephones that receive and answer."""

from firmware_sim.modem.control import (
    TAKEN,
    Control,
    Outcome,
    false_ok,
    hangs,
    late,
    no_prompt,
    refused,
    unanswered,
    unplugged,
)
from firmware_sim.modem.network import Message, Phone
from firmware_sim.modem.sim import ModemSim

__all__ = [
    "TAKEN", "Control", "Message", "ModemSim", "Outcome", "Phone", "false_ok", "hangs", "late",
    "no_prompt", "refused", "unanswered", "unplugged",
]  # fmt: skip
