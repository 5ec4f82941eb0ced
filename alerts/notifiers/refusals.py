# SPDX-License-Identifier: Apache-2.0
"""What a modem's refusals mean: try again or not, and a sentence for people. Pure.

``+CMS ERROR`` below 128: TP cause values of 3GPP TS 24.011, annex E-2; 128 to 255: TS 23.040,
9.2.3.22; from 300: TS 27.005, 3.2.5. ``+CME ERROR``: TS 27.007, 9.2. Makers add codes from 512 on.
"""

from alerts.notifiers.at import Final
from coldchain.ports.notifier import Delivery

__all__ = ["meaning"]

_RETRY, _FINAL, _UNKNOWN = Delivery.FAILED_RETRY, Delivery.FAILED_FINAL, Delivery.UNKNOWN

_NO_SIM = "no SIM card: switch the modem off, insert it, switch it on"
_PIN_WANTED = "the SIM asks for its PIN: set the modem's PIN in the configuration"
_PUK_WANTED = "the SIM is blocked: unblock it with its PUK in a telephone"
_SIM_FAULT = "the SIM card does not work: clean its contacts or replace it"
_SIM_BUSY = "the SIM card is busy"
_NO_NETWORK = "no network: check aerial and coverage"

_CMS: dict[int, tuple[Delivery, str]] = {
    1: (_FINAL, "no such number: correct it in the person's entry"),
    8: (_FINAL, "the operator bars this SIM from sending: ask the operator"),
    10: (_FINAL, "calls are barred for this SIM: ask the operator"),
    17: (_RETRY, "the network failed"),
    21: (_RETRY, "the network rejected the message: check the SIM's credit"),
    22: (_RETRY, "the network is congested"),
    27: (_RETRY, "the telephone cannot be reached"),
    28: (_FINAL, "the network does not know this number: correct it in the person's entry"),
    29: (_FINAL, "the network refuses the service: ask the operator"),
    30: (_FINAL, "the network does not know this number: correct it in the person's entry"),
    38: (_RETRY, "the network is out of order"),
    41: (_RETRY, "the network failed for the moment"),
    42: (_RETRY, "the network is congested"),
    47: (_RETRY, "the network has no resources left"),
    50: (_FINAL, "SMS is not part of this SIM's subscription: ask the operator"),
    69: (_FINAL, "the network does not offer this service"),
    301: (_RETRY, "the modem keeps its SMS service to itself: is another program using it?"),
    302: (_RETRY, "the modem does not allow it now: check the SIM's credit and its barring"),
    303: (_FINAL, "the modem cannot do this"),
    304: (_FINAL, "the modem finds the PDU malformed: report this, with the modem's name"),
    310: (_RETRY, _NO_SIM),
    311: (_FINAL, _PIN_WANTED),
    312: (_FINAL, "the SIM is tied to another telephone: use another SIM"),
    313: (_RETRY, _SIM_FAULT),
    314: (_RETRY, _SIM_BUSY),
    315: (_FINAL, "this SIM is not allowed in this modem: use another SIM"),
    316: (_FINAL, _PUK_WANTED),
    317: (_FINAL, "the SIM asks for PIN2: use another SIM"),
    318: (_FINAL, "the SIM asks for PUK2: use another SIM"),
    322: (_RETRY, "the message memory is full: delete old messages from the SIM"),
    330: (_FINAL, "the SIM holds no message centre: set the modem's smsc in the configuration"),
    331: (_RETRY, _NO_NETWORK),
    332: (_UNKNOWN, "the network gave no answer in time, the message may have gone out"),
}

_CME: dict[int, tuple[Delivery, str]] = {
    10: (_RETRY, _NO_SIM),
    11: (_FINAL, _PIN_WANTED),
    12: (_FINAL, _PUK_WANTED),
    13: (_RETRY, _SIM_FAULT),
    14: (_RETRY, _SIM_BUSY),
    15: (_FINAL, "this SIM is not allowed in this modem: use another SIM"),
    16: (_FINAL, "the SIM refused the PIN: correct the modem's PIN in the configuration"),
    18: (_FINAL, "the SIM asks for PUK2: use another SIM"),
    30: (_RETRY, _NO_NETWORK),
    31: (_UNKNOWN, "the network gave no answer in time"),
    32: (_RETRY, "the network allows only emergency calls: check the SIM's validity"),
}


def meaning(final: Final) -> tuple[Delivery, str]:
    """How a refusal is handled, and a sentence that ends with the code for the manual."""
    assert not final.ok
    if final.code is None:
        said = f" ({final.text})" if final.text else ""
        return _RETRY, f"the modem refused it without a reason{said}"
    if final.kind == "CME":
        delivery, why = _CME.get(final.code, (_RETRY, "the modem refused it"))
    else:
        delivery, why = _CMS.get(final.code, _by_range(final.code))
    return delivery, f"{why} (+{final.kind} ERROR {final.code})"


def _by_range(code: int) -> tuple[Delivery, str]:
    if 95 <= code <= 111:
        return _FINAL, "the network finds the message malformed"
    if 128 <= code <= 255:
        return _RETRY, "the message centre refused it"
    return _RETRY, "the modem or the network refused it"
