# SPDX-License-Identifier: Apache-2.0
"""A ward whose watcher is watched: what is to be mended, a modem that hears itself, broken chains.

The site is in Vientiane, the clock of the stories is UTC: 07:00 there is 00:00 here, the day after.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ward import Ward, instant

from coldchain.ports.notifier import Kind
from coldchain.records.health import beats
from coldchain.records.readiness import Finding
from coldchain.settings.model import ModemSettings, NotifySettings

OWN = "+8562099000001"


def silent(name: str) -> Finding:
    return Finding("now", "silent", name, "", "")


class Watched(Ward):
    def __init__(
        self, folder: Path, start: str = "23:50", *, own: str | None = OWN, **notify: object
    ) -> None:
        self.to_mend: list[Finding] = []
        self.asked = 0
        modem = ModemSettings(own_number=own)
        wishes = NotifySettings.model_validate({"modem": modem, **notify})
        super().__init__(folder, start, notify=wishes, zone="Asia/Vientiane")
        self.person("manager", "+8562000000009", "manager")

    def ready(self, now_ms: int) -> Sequence[Finding]:
        self.asked += 1
        return self.to_mend

    def sleeps_until(self, clock: str) -> None:
        """Nothing happens until then; it is looked at once."""
        self.now_ms = instant(clock)
        self.settle()

    def hears_itself(self) -> None:
        """The modem gets what it has sent to its own number."""
        inbox = self.phones.phone(OWN).inbox
        while inbox:
            self.phones.incoming(Kind.SMS, OWN, inbox.popleft())
        self.settle()

    def chain(self) -> list[str]:
        return [f"{a.appliance} {a.state}" for a in self.alarms.open_alarms() if a.kind == "chain"]


def beat(ward: Watched) -> dict[str, Any]:
    ward.service._beat()
    (alerts,) = [one for one in beats(ward.settings.data_dir) if one.name == "alerts"]
    return alerts.figures
