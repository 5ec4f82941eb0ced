# SPDX-License-Identifier: Apache-2.0
"""Every sentence that may reach a telephone, in English: the message ids of the catalogues.

Fields in braces; a translation may leave out what its language has no room for, never the value or the code.
"""

from __future__ import annotations

from typing import Final

TEMPLATES: Final = {
    # what is wrong
    "high": "{appliance} {value} over {limit} for {span} (since {clock}).",
    "low": "{appliance} {value} under {limit} for {span} (since {clock}).",
    "left": "{left} left.",
    "sensor_fault": "{appliance} PROBE FAULT since {clock}: temperature unknown.",
    "silence": "{appliance} SILENT since {clock}, was {value}. Check power and node.",
    "group": "{appliance} SILENT since {clock}: {count} appliances unseen. Check power and link.",
    "rota_gap": "NOBODY ON CALL at {place} from {clock}. Fill the rota.",
    "other": "{appliance} ALARM ({kind}) since {clock}.",
    "lapsed": "OPEN AGAIN: {appliance} {value}, limit {limit}. The answer of {clock} has lapsed.",
    "lapsed_other": "OPEN AGAIN: {appliance} ({kind}). The answer of {clock} has lapsed.",
    "released": "{appliance} is no longer monitored: taken out of the registry.",
    # many of them
    "digest": "{count} alarms at {place}: {list}.",
    "digest_over": "{count} alarms over at {place}: {list}.",
    "rescue": "POWER CUT {place}, {count} appliances. First {appliance}: {left} left, to {refuge}.",
    "rescue_alone": "POWER CUT {place}, {count} appliances. First {appliance}: {left} left.",
    # it is over
    "back": "{appliance} back in range at {clock} after {span}, peak {peak}.",
    "probe_back": "{appliance} probe measures again since {clock}, unknown for {span}.",
    "heard": "{appliance} reports again since {clock}, silent for {span}.",
    "over": "{appliance}: {kind} over since {clock}, lasted {span}.",
    # what to reply
    "reply": "Reply OK {code}",
    "reply_all": "Reply ALL {code}",
    "number": "Alarm {number}",
    # answers to answers
    "taken": "Thank you, {appliance} is yours. You are asked again at {clock} if it does not improve.",
    "taken_all": "Thank you, {count} alarms are yours: {list}.",
    "moved": "Noted: blood of {appliance} is in {target} since {clock}. Its time outside counts on.",
    "already": "{appliance} was taken by {person} at {clock}.",
    "closed": "{appliance}: alarm {number} is over, nothing to do.",
    "wrong": "Wrong code. Reply OK and the code of the message.",
    "not_yours": "That code was sent to another telephone.",
    "locked": "Too many wrong codes. They work again at {clock}; until then use the console.",
    "which": "Which alarm? Reply one code in each message.",
    "no_code": "Reply OK, a space and the code of the message.",
    "unclear": "Not understood. Reply OK and the code, or PASS, INFO, ALL and the code.",
    "initials": "Shared telephone: add your initials. OK {code} AB",
    "passed": "{appliance} is passed on.",
    "detail": "{appliance} {value}, limit {limit}, since {clock}, worst {peak}.",
    "actions": "OK {code} and DOOR, POWER, MOVED 2, COMING or WORK",
    "where_to": "Moved where? MOVED {code} and the appliance.",
    "asked": "{appliance} {value} {span} ago: {state}.",
    "asked_silent": "{appliance} unknown, was {value} {span} ago.",
    "no_appliance": "There is no {target} that you may ask for.",
    # states, in `asked`
    "in_range": "in range",
    "in_alarm": "ALARM {number}",
    # proofs
    "test": "Coldchain test message, {clock}. No alarm.",
}
