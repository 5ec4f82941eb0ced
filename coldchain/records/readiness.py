# SPDX-License-Identifier: Apache-2.0
"""Is the installation ready to wake somebody tonight? One list for the command line, the doctor, the console
and the morning's message. Pure: what is known is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile, faults_of
from coldchain.kernel.words import Quantity
from coldchain.records.alarm_rows import Alarm, UpkeepRow
from coldchain.records.registry import Registry
from coldchain.records.site import Proving

DAY_MS = 86_400_000
Level = Literal["now", "soon", "note"]
"""now: somebody could miss an alarm tonight; soon: it will come to that; note: to be known."""

PROVEN_MS = 30 * DAY_MS
"""A telephone that no message has reached for so long may be lost, changed or empty."""
CALIBRATION_DAYS = (90, 30, 0)
DRILL_EVERY_MS = 92 * DAY_MS
"""Blood banks test the alarm of each appliance every quarter."""
AHEAD_MS = 7 * DAY_MS
BACKLOG_MS = 3_600_000
CERTIFICATE_MS = 30 * DAY_MS
UNANSWERED_MS = 30 * 60_000
GATE_QUIET_MS = 26 * 3_600_000
"""The longest proving time of a profile is a day; two hours more are for the work itself. Ours."""
WEAK_DBM = -100
"""At and below it messages begin to fail: two of five bars on most telephones. Ours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. `what` is a stable word; `subject` an id; `says` a sentence; `do` the remedy."""

    level: Level
    what: str
    subject: str
    says: str
    do: str

    @property
    def told(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at now_ms.

    delivered   person -> the last instant at which a message surely arrived
    asked       person -> the first instant at which one was sent to them
    gaps        (site, from, until): nobody is on call
    heard       sensor -> its newest reading's instant
    backlogs    gateway -> the oldest reading that waits there
    drills      appliance -> when its alarm was last tested
    since_ms    when the installation began: nothing older can be asked of it
    credit, reserve, signal_dbm  of the modem, where known
    gates       appliances whose work is done and that are not let back into service
    unsent      (report, why) of what should have been mailed and was not
    profiles_wait  why files of profiles are not what alerts judges by
    certificate_until_ms, certificate_refused  of the broker's: its end, or why our clients do not take it
    """

    now_ms: int
    registry: Registry
    profiles: Mapping[str, Profile]
    since_ms: int = 0
    alarms: Sequence[Alarm] = ()
    delivered: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    gaps: Sequence[tuple[str, int, int]] = ()
    heard: Mapping[str, int] = field(default_factory=dict)
    backlogs: Mapping[str, int] = field(default_factory=dict)
    drills: Mapping[str, int] = field(default_factory=dict)
    upkeep: Sequence[UpkeepRow] = ()
    gates: Sequence[Proving] = ()
    out_of_service: frozenset[str] = frozenset()
    credit: float | None = None
    reserve: float = 0.0
    signal_dbm: int | None = None
    certificate_until_ms: int | None = None
    certificate_refused: str = ""
    profiles_wait: str = ""
    unsent: Sequence[tuple[str, str]] = ()
    tells: bool = True
    """Is there any channel by which people are told?"""


def findings(known: Known) -> list[Finding]:
    """Everything, the most urgent first."""
    order: dict[str, int] = {"now": 0, "soon": 1, "note": 2}
    parts = (
        _begun,
        _profiles,
        _people,
        _duty,
        _calibrations,
        _drills,
        _modem,
        _alarms,
        _silent,
        _backlogs,
        _certificate,
        _unsent,
        _upkeep,
        _gates,
    )
    found = [finding for part in parts for finding in part(known)]
    return sorted(found, key=lambda one: (order[one.level], one.what, one.subject))


def _begun(known: Known) -> Iterator[Finding]:
    if not known.registry.appliances:
        says = "no appliance is in the registry: nothing is watched"
        yield Finding("now", "nothing", "registry", says, "coldchain sensor waiting, then adopt what reports")
    if not known.tells:
        says = "there is no channel: nobody is told of anything"
        yield Finding("now", "channel", "notify", says, "set [notify] kind, then coldchain test sms NUMBER")


def _carried(known: Known) -> dict[str, str]:
    """appliance -> what it carries now, those in use."""
    found = {}
    for appliance in known.registry.appliances:
        carries = appliance.carries(known.now_ms)
        if carries not in (None, "empty") and appliance.id not in known.out_of_service:
            found[appliance.id] = str(carries)
    return found


def _profiles(known: Known) -> Iterator[Finding]:
    if known.profiles_wait:
        says = f"a file of profiles is not in force, the old numbers stand: {known.profiles_wait}"
        do = "correct the file, or have it agreed to, before anything is restarted"
        yield Finding("now", "profiles", "alerts", says, do)
    for name in sorted(set(_carried(known).values())):
        profile = known.profiles.get(name)
        for fault in faults_of(profile) if profile is not None else ():
            yield Finding(
                "now", "limits", name, fault, f"correct the profile: coldchain profile check {name}"
            )


def _people(known: Known) -> Iterator[Finding]:
    registry = known.registry
    for site in registry.sites:
        if not registry.people_for(site.id):
            do = "add a person to the registry, or a site to a person"
            yield Finding("now", "nobody", site.id, f"nobody is told about {site.name}", do)
    for person in registry.people:
        asked, last = known.asked.get(person.id), known.delivered.get(person.id)
        if asked is None:
            if known.now_ms - known.since_ms >= PROVEN_MS:
                says = f"no message was ever sent to {person.name}: the number is not proven"
                yield Finding("soon", "unproven", person.id, says, f"coldchain test sms {person.phone}")
        elif known.now_ms - max(last or 0, min(asked, known.now_ms)) >= PROVEN_MS:
            since = f"since {rfc3339(last)}" if last else "so far"
            says = f"no message has surely reached {person.name} {since}"
            yield Finding("now", "unproven", person.id, says, f"coldchain test sms {person.phone}; ask them")


def _duty(known: Known) -> Iterator[Finding]:
    for site, start, end in known.gaps:
        if start - known.now_ms > AHEAD_MS:
            continue
        level: Level = "now" if start - known.now_ms <= DAY_MS else "soon"
        says = f"nobody is on call for {site} from {rfc3339(start)} to {rfc3339(end)}"
        yield Finding(level, "shift", site, says, "fill the rota: an override, or a swap")


def _calibrations(known: Known) -> Iterator[Finding]:
    used = _carried(known)
    for sensor in known.registry.sensors:
        until = sensor.calibrated_until_ms
        if until is None or sensor.appliance not in used:
            continue
        days = (until - known.now_ms) // DAY_MS
        step = next((n for n in reversed(CALIBRATION_DAYS) if days < n or (n == 0 and days < 0)), None)
        if step is None:
            continue
        says = f"calibration of {sensor.id} " + (f"ends in {days} days" if days >= 0 else "has ended")
        level: Level = "now" if days < 0 else "soon" if step <= 30 else "note"
        yield Finding(level, "calibration", sensor.id, says, "have it calibrated; enter the certificate")


def _drills(known: Known) -> Iterator[Finding]:
    for appliance in sorted(_carried(known)):
        last = known.drills.get(appliance)
        if known.now_ms - max(last or 0, known.since_ms) < DRILL_EVERY_MS:
            continue
        when = f"was last tested {rfc3339(last)}" if last else "was never tested"
        do = f"coldchain drill {appliance} --by PERSON"
        yield Finding("soon", "drill", appliance, f"the alarm of {appliance} {when}", do)


def _modem(known: Known) -> Iterator[Finding]:
    if known.credit is not None and known.credit <= known.reserve:
        says = f"credit is {known.credit:g}, at or under the reserve of {known.reserve:g}"
        yield Finding("now", "credit", "modem", says, "top up the SIM: only critical messages leave now")
    elif known.credit is not None and known.credit <= 3 * known.reserve:
        says = f"credit is {known.credit:g}; the reserve is {known.reserve:g}"
        yield Finding("soon", "credit", "modem", says, "top up the SIM")
    if known.signal_dbm is not None and known.signal_dbm <= WEAK_DBM:
        says = f"signal is {known.signal_dbm} dBm"
        yield Finding("soon", "signal", "modem", says, "move the antenna, or use another operator's SIM")


def _alarms(known: Known) -> Iterator[Finding]:
    for alarm in known.alarms:
        if alarm.state == "unacknowledged" and known.now_ms - alarm.raised_ms >= UNANSWERED_MS:
            says = f"alarm {alarm.number} ({alarm.appliance}, {alarm.kind}): nobody has answered"
            yield Finding("now", "unanswered", alarm.appliance, says, f"coldchain alarm ack {alarm.number}")
        elif alarm.state == "disposition_due":
            says = f"alarm {alarm.number} ({alarm.appliance}): what became of the blood is not recorded"
            yield Finding(
                "note", "disposition", alarm.appliance, says, f"coldchain alarm dispose {alarm.number}"
            )


def _silent(known: Known) -> Iterator[Finding]:
    used = _carried(known)
    temperatures = [
        s for s in known.registry.sensors if s.appliance in used and s.code is Quantity.TEMPERATURE
    ]
    by_appliance: dict[str, list[int]] = {}
    for sensor in temperatures:
        by_appliance.setdefault(str(sensor.appliance), []).append(known.heard.get(sensor.id, 0))
    for appliance in sorted(used):
        newest = max(by_appliance.get(appliance, [0]))
        if newest == 0:
            says = f"{appliance} carries {used[appliance]} and has never reported a temperature"
            yield Finding("now", "silent", appliance, says, "connect its probe, or adopt it")
        elif known.now_ms - newest >= BACKLOG_MS:
            yield Finding(
                "now", "silent", appliance, f"{appliance} is silent since {rfc3339(newest)}",
                "look at its node, its power and the site's link",
            )  # fmt: skip


def _backlogs(known: Known) -> Iterator[Finding]:
    for gateway, oldest in sorted(known.backlogs.items()):
        if known.now_ms - oldest >= BACKLOG_MS:
            says = f"readings wait in {gateway} since {rfc3339(oldest)}"
            yield Finding("soon", "backlog", gateway, says, "look at its link: credit, antenna, broker")


def _unsent(known: Known) -> Iterator[Finding]:
    for report, why in known.unsent:
        says = f"the report {report} was not mailed: {why}"
        yield Finding(
            "soon", "report", report, says, "look at [notify.mail] and at the addresses of the schedule"
        )


def _certificate(known: Known) -> Iterator[Finding]:
    do = "make a new one, put it where the broker reads it, and start the broker anew"
    until_ms = known.certificate_until_ms
    if known.certificate_refused:
        says = (
            f"the broker's certificate is refused: {known.certificate_refused}; gateways keep their readings"
        )
        yield Finding("now", "certificate", "broker", says, do)
    elif until_ms is not None and until_ms - known.now_ms < CERTIFICATE_MS:
        says = f"the broker's certificate ends at {rfc3339(until_ms)}"
        yield Finding(
            "now" if until_ms - known.now_ms < DAY_MS else "soon", "certificate", "broker", says, do
        )


_UPKEEP = {
    "defrost": (
        "no defrost of {subject} when one was due: {detail}",
        "ask for maintenance: timer, heater",
    ),
    "defrost_long": (
        "a defrost of {subject} took too long: {detail}",
        "ask for maintenance: heater, drain, door",
    ),
    "drift": (
        "{subject} drifts: {detail} more than it used to",
        "bring the calibration of both probes forward",
    ),
    "clock": (
        "the clock of {subject} disagrees: {detail}",
        "set its clock; if it jumps again, change the board's battery",
    ),
}


def _upkeep(known: Known) -> Iterator[Finding]:
    used = _carried(known)
    for row in known.upkeep:
        sensor = known.registry.sensor_by_id.get(row.subject)
        if row.kind not in _UPKEEP or (sensor is not None and sensor.appliance not in used):
            continue
        says, do = _UPKEEP[row.kind]
        yield Finding("soon", row.kind, row.subject, says.format(subject=row.subject, detail=row.detail), do)


def _gates(known: Known) -> Iterator[Finding]:
    """For a day it may simply be proving itself; then somebody has to look."""
    for one in known.gates:
        level: Level = "soon" if one.ended_ms or known.now_ms - one.asked_ms >= GATE_QUIET_MS else "note"
        ended = "; the gate looks no longer: ask again" if one.ended_ms else ""
        says = f"{one.appliance} waits since {rfc3339(one.asked_ms)} to go back into service: {one.missing}"
        do = "mend what is missing, or say in the registry that it is empty: blood has one place fewer"
        yield Finding(level, "gate", one.appliance, says + ended, do)


def site_of(finding: Finding, registry: Registry) -> str | None:
    """The site that it is about; None: it is about everybody, or about a person."""
    name = finding.subject
    sensor = registry.sensor_by_id.get(name)
    appliance = registry.appliance_by_id.get(sensor.appliance or "" if sensor else name)
    if appliance is not None:
        return appliance.site
    gateway = next((one for one in registry.gateways if one.id == name), None)
    if gateway is not None:
        return gateway.site
    return name if name in registry.site_by_id else None


def line_of(found: Sequence[Finding]) -> str:
    """The morning's message in a line: how many of what, the urgent ones first.

    >>> line_of([])
    'all ready'
    """
    if not found:
        return "all ready"
    urgent = [one for one in found if one.level == "now"]
    words = [f"{one.what} {one.subject}" for one in urgent[:3]]
    more = f" +{len(urgent) - 3}" if len(urgent) > 3 else ""
    later = sum(one.level == "soon" for one in found)
    return f"{len(urgent)} now: {', '.join(words)}{more}; {later} soon" if urgent else f"0 now; {later} soon"
