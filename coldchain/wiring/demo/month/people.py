# SPDX-License-Identifier: Apache-2.0
"""What the people of the month did about its alarms: commands on the desk, as the console writes them.

They answer after some minutes, move blood out of what does not cool, take it out of service, have it
repaired, bring it back, and record what became of the blood. Delays come from the alarm's own name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from alerts.oncall.rota import on_duty
from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.registry import Desk, Registry
from coldchain.wiring.demo.month.deeds import Orders, findings
from coldchain.wiring.demo.month.story import Repair

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
WAITING = ("returned", "disposition_due")
LOST_MS = 45 * MINUTE_MS
"""Blood that was outside its limits for longer is thrown away [ms]."""
DONE = {
    "power": ("power", "generator started; the grid was away"),
    "site_power": ("power", "generator started; the grid was away"),
    "sensor_fault": ("work", "looked at the probe; wrote down the display by hand"),
    "silent": ("work", "called the site: the display is in order; the link is down"),
}
WATCHED = Repair("its time outside for the day is used up", "held its range for a day", 0)
ELSE = ("door", "door was not shut; shut it and stayed until it cooled")


QUICK, SLOW, LATE = 82, 93, 97
"""Of a hundred alarms so many are answered within 12 minutes, 40, two hours; the rest by nobody."""
NEVER_MS = 2**62


def answer_ms(alarm: Alarm) -> int:
    """When somebody will answer it [ms]; NEVER_MS: nobody will, which happens to warnings only."""
    drawn = zlib.crc32(f"{alarm.id} answered".encode())
    luck, spread = drawn % 100, drawn // 100
    if alarm.kind == "drill" or luck < QUICK or (alarm.severity == "critical" and luck >= LATE):
        minutes = 2 + spread % 9
    elif luck < SLOW:
        minutes = 12 + spread % 28
    elif luck < LATE:
        minutes = 40 + spread % 80
    else:
        return NEVER_MS
    return alarm.raised_ms + minutes * MINUTE_MS + drawn % 60 * 1000


def _wrong(alarm: Alarm) -> tuple[str, ...]:
    """Where blood is not taken while it stands: its appliance; all of a site without power."""
    return (alarm.site,) if alarm.scope == "site" else (alarm.appliance,)


class People:
    """Call `react` after every step. `repairs`: what the contractor will have done, by appliance."""

    def __init__(
        self,
        desk: Desk,
        alarms: AlarmsReader,
        registry: Callable[[], Registry],
        repairs: dict[str, Repair],
        orders: Orders,
    ) -> None:
        self._desk, self._alarms, self._registry, self._repairs = desk, alarms, registry, repairs
        self._orders = orders
        self._marked: set[str] = set()
        self._due: dict[tuple[str, str], int] = {}
        self._asked = self._now_ms = 0
        self._back_ms: dict[str, int] = {}

    @property
    def next_ms(self) -> int | None:
        """When somebody answers next [ms]; None: nobody is about to."""
        found = [at_ms for (_, what), at_ms in self._due.items() if what == "answer" and at_ms < NEVER_MS]
        return min(found, default=None)

    @property
    def asked(self) -> int:
        """How many commands they gave."""
        return self._asked

    def react(self, now_ms: int) -> bool:
        """True when somebody did something: alerts has commands to apply."""
        before, self._now_ms = self._asked, now_ms
        alarms = self._alarms.open_alarms()
        called = {alarm.id for alarm in alarms if alarm.state == "unacknowledged"}
        for key in [key for key in self._due if key[1] == "answer" and key[0] not in called]:
            del self._due[key]  # it is over, or another answered
        for alarm in alarms:
            self._look(alarm, now_ms)
        self._repaired(now_ms)
        self._orders.look(now_ms, self._registry().people[0].id)
        return self._asked > before

    def judge(self, faults: Mapping[str, list[tuple[str, int, int]]], now_ms: int) -> None:
        """Say what closed alarms turned out to be. Call it once a day."""
        for alarm, verdict, cause in findings(self._alarms, faults, self._marked, now_ms):
            self._ask("finding", alarm, verdict=verdict, cause=cause, reason="looked back on")

    def _look(self, alarm: Alarm, now_ms: int) -> None:
        if alarm.state == "unacknowledged":
            key = alarm.id, "answer"
            if now_ms >= self._due.setdefault(key, max(now_ms + MINUTE_MS, answer_ms(alarm))):
                del self._due[key]
                self._answer(alarm, now_ms)
        elif alarm.state in WAITING and alarm.product and self._is_time(alarm, "fate", now_ms, 70, 170):
            self._dispose(alarm)
        elif alarm.state == "returned" and not alarm.product and self._is_time(alarm, "seen", now_ms, 10, 60):
            self._ask("acknowledge", alarm, action="work", reason="seen: it is in order again")

    def _is_time(self, alarm: Alarm, what: str, now_ms: int, least: int, most: int) -> bool:
        """So many minutes after it was first looked for, once; then it is looked for anew."""
        key = alarm.id, what
        spread = zlib.crc32(f"{alarm.id}{what}".encode()) % (most - least)
        if now_ms < self._due.setdefault(key, now_ms + (least + spread) * MINUTE_MS):
            return False
        del self._due[key]
        return True

    def _answer(self, alarm: Alarm, now_ms: int) -> None:
        repair = self._repairs.get(alarm.appliance) if alarm.scope == "appliance" else None
        if repair is None and alarm.kind == "cumulative":
            repair = self._repairs.setdefault(alarm.appliance, replace(WATCHED, done_ms=now_ms))
        if repair is not None:
            appliance = self._registry().appliance_by_id[alarm.appliance]
            self._orders.raised(alarm, appliance, self._who(alarm.site, "technician"))
        if repair is None or not repair.moves:
            action, reason = DONE.get(alarm.kind, ELSE)
            self._ask("acknowledge", alarm, action=action, reason=reason)
            return
        refuge, why = self._refuge(alarm.appliance), repair.seen
        if refuge is not None:
            why = f"blood moved to {refuge}: {repair.seen}"
            self._ask("acknowledge", alarm, action="moved", target=refuge, reason=why)
        else:
            self._ask("acknowledge", alarm, action="work", reason=why)
        # That the blood has left was said with the answer: it moved once.
        self._ask("out_of_service", alarm, whole=True, appliance=alarm.appliance, to="empty", reason=why)
        self._back_ms[alarm.appliance] = max(now_ms, repair.done_ms) + 25 * HOUR_MS

    def _repaired(self, now_ms: int) -> None:
        """A day after the repair the appliance has proved itself; the gate says whether it has."""
        for appliance, at_ms in list(self._back_ms.items()):
            if now_ms >= at_ms:
                done = self._repairs[appliance].done
                person = self._who(self._site_of(appliance), "supervisor")
                self._command("return_to_service", person, None, appliance=appliance, reason=done)
                self._back_ms[appliance] = now_ms + 6 * HOUR_MS  # the gate may refuse: then again
        for row in self._alarms.out_of_service(all_=True):
            if row.back_ms is not None:
                self._back_ms.pop(row.appliance, None)

    def _dispose(self, alarm: Alarm) -> None:
        lasted_ms = (alarm.returned_ms or alarm.since_ms) - alarm.since_ms
        lost = lasted_ms > LOST_MS and alarm.appliance not in self._repairs
        minutes = lasted_ms // MINUTE_MS
        what, why = (
            ("discard", "longer than the rule allows") if lost else ("keep", "within what the rule allows")
        )
        if lasted_ms > LOST_MS and not lost:
            why = "it had been moved out"
        site = alarm.site
        person = self._who(site, "supervisor")
        said = {"what": what, "reason": f"{minutes} min outside: {why}", "second": self._second(person)}
        self._command("dispose", person, alarm.id, **said)

    def _ask(self, verb: str, alarm: Alarm, *, whole: bool = False, **said: str) -> None:
        """whole: the command is about the appliance, not the alarm."""
        self._command(verb, self._who(alarm.site, "technician"), None if whole else alarm.id, **said)

    def _command(self, verb: str, person: str, alarm: str | None, **said: str) -> None:
        self._asked += 1
        body: dict[str, object] = {**said, "demo": "month"}
        self._desk.command(f"month-{self._asked}", verb, person=person, alarm=alarm, body=body)

    def _who(self, site: str, role: str) -> str:
        registry = self._registry()
        called = on_duty(registry, site, 1, self._now_ms) if role == "technician" else []
        if called:
            return called[0]
        people = registry.people_for(site) or registry.people
        return next((one.id for one in people if one.role == role), people[0].id)

    def _second(self, person: str) -> str:
        """Somebody else: of the same site, or wherever there is one."""
        registry = self._registry()
        sites = registry.person_by_id[person].sites
        others = [one for one in registry.people if one.id != person]
        near = [one for one in others if set(one.sites) & set(sites)]
        return next(iter(near or others)).id if others else ""

    def _site_of(self, appliance: str) -> str:
        return self._registry().appliance_by_id[appliance].site

    def _refuge(self, appliance: str) -> str | None:
        """Another one for the same component where nothing is wrong: of the site, or of the province."""
        registry = self._registry()
        mine = registry.appliance_by_id[appliance]
        wrong = {place for alarm in self._alarms.open_alarms() for place in _wrong(alarm)}
        for near in (mine.site, registry.site_by_id[mine.site].province):
            for other in registry.appliances:
                site = registry.site_by_id[other.site]
                same = near in (site.id, site.province) and other.carries(0) == mine.carries(0)
                fine = not {other.id, site.id} & wrong and other.id not in self._repairs
                if same and fine and other.id != mine.id and other.kind == mine.kind:
                    return other.id
        return None
