# SPDX-License-Identifier: Apache-2.0
"""What is left on a SIM, asked of the operator by USSD (3GPP TS 27.007, 7.15)."""

import re

from alerts.notifiers.dialogue import Dialogue
from alerts.notifiers.options import ModemOptions
from coldchain.kernel.clocks import SteadyClock

__all__ = ["ask_credit", "credit_in"]

_SLICE_S = 0.2


def ask_credit(dialogue: Dialogue, code: str, options: ModemOptions, clock: SteadyClock) -> float | None:
    """Ask by ``code`` (``*123#``); None when no text comes in time, or one without a number.

    Raises Silent and LineLost.
    """
    dialogue.do(f'AT+CUSD=1,"{code}",15', within_s=options.command_s)
    until_s = clock() + options.network_s
    while clock() < until_s:
        for line in list(dialogue.heard):
            if line.text.startswith("+CUSD:"):
                dialogue.heard.remove(line)
                return credit_in(line.text)
        dialogue.listen(_SLICE_S)
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
