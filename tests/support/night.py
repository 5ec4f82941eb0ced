# SPDX-License-Identifier: Apache-2.0
"""A ward at night: a technician on call, a supervisor, a manager; and short words for its stories."""

import re
from pathlib import Path

from ward import Ward

from coldchain.records.duty import DEFAULTS

BOSS, MANAGER, SECOND = "+8562000000008", "+8562000000009", "+8562000000007"


def night_ward(folder: Path) -> Ward:
    """Policies as built in; SMS and calls; one refrigerator in its range until 08:30."""
    ward = Ward(folder, policies=DEFAULTS, channels=("sms", "call"))
    ward.person("boss", BOSS, role="supervisor")
    ward.person("manager", MANAGER, role="manager")
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 4.0).run_until("08:30")
    return ward


def warm(ward: Ward, celsius: float = 9.0, *, until: str = "09:05:20", at: str = "09:00") -> str:
    """An alarm is raised five minutes after `at`; the technician's first message."""
    ward.at(at).temperature("vte-br-03", celsius).run_until(until)
    return ward.phone("technician").expect_sms("vte-br-03", f"{celsius}C over 6.0C")


def code_in(text: str) -> str:
    found = re.search(r"(?:OK|ALL) (\d{6})", text)
    assert found, text
    return found[1]


def state(ward: Ward, number: int = 1) -> str:
    alarm = ward.alarms.alarm(number)
    assert alarm is not None
    return alarm.state


def events(ward: Ward, number: int = 1) -> list[str]:
    """What happened to the alarm; its cause, and readings that joined it, are another story."""
    alarm = ward.alarms.alarm(number)
    assert alarm is not None
    return [e.event for e in ward.alarms.events(alarm.id) if e.event not in ("cause", "joined")]
