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
    "high_warning": "WARNING {appliance} {value} over {limit} for {span} (since {clock}).",
    "low_warning": "WARNING {appliance} {value} under {limit} for {span} (since {clock}).",
    "high_warning_short": "WARNING {appliance} {value} over {limit}.",
    "low_warning_short": "WARNING {appliance} {value} under {limit}.",
    "rate": "{appliance} CHANGES FAST since {clock}, {value} now.",
    "forecast": "{appliance} {value}, will pass {limit} in {left}.",
    "forecast_soon": "{appliance} {value}, on its way past {limit}.",
    "cumulative": "{appliance} TOO LONG outside its limits within 24 h, {value} now.",
    "agitator": "{appliance} AGITATOR STOPPED since {clock}, for {span}. Start it.",
    "power": "POWER CUT at {place} since {clock}, {count} appliances.",
    "loss": "{appliance} READINGS LOST since {clock}. Check disk and link.",
    "exposure": "Blood of {appliance} in {target}: {span} out of limits, {allowed} allowed. Set it apart.",
    "left": "{left} left.",
    "sensor_fault": "{appliance} PROBE FAULT since {clock}: temperature unknown.",
    "silence": "{appliance} SILENT since {clock}, was {value}. Check power and node.",
    "group": "{appliance} SILENT since {clock}: {count} appliances unseen. Check power and link.",
    "drill": "TEST, no blood at risk: {appliance} {value}, limit {limit}, since {clock}.",
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
    "rest": "{place}: {list}.",
    "nothing_left": "No appliance of {place} is on a list now.",
    # it is over
    "back": "{appliance} back in range at {clock} after {span}, peak {peak}.",
    "back_near": "{appliance} back in range at {clock} after {span}; the limit was {left} away.",
    "back_within": "{appliance} back in range at {clock} after {span}, peak {peak}, limit {bound}.",
    "calm": "{appliance} steady again since {clock}.",
    "calm_near": "{appliance} steady again since {clock}; the limit was {left} away.",
    "budget_back": "{appliance}: time outside its limits is allowed again since {clock}.",
    "agitator_back": "{appliance} agitator runs again since {clock}, stopped for {span}.",
    "power_back": "POWER BACK at {place} since {clock}, off for {span}.",
    "drill_over": "{appliance}: the test is over.",
    "rota_filled": "Somebody is on call at {place} again.",
    "probe_back": "{appliance} probe measures again since {clock}, unknown for {span}.",
    "heard": "{appliance} reports again since {clock}, silent for {span}.",
    "over": "{appliance}: {kind} over since {clock}, lasted {span}.",
    # what to reply
    "reply": "Reply OK {code}",
    "reply_all": "Reply ALL {code}",
    "reply_list": "Reply OK {code}, or LIST",
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
    "initials": "Shared telephone: add your initials or PIN. OK {code} AB",
    "passed": "{appliance} is passed on.",
    "detail": "{appliance} {value}, limit {limit}, since {clock}, worst {peak}.",
    "moved_time": "Blood of {appliance} in {target}: {span} out of limits, {allowed} allowed.",
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
