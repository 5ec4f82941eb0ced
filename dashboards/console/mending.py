# SPDX-License-Identifier: Apache-2.0
"""What is to be mended, in the reader's language, and the page on which it is done. Pure.

The list itself is in English, for the command line. A sentence that is not known here stands as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from coldchain.records.readiness import Finding
from coldchain.records.registry import Registry
from dashboards.console.devices.saying import missing_said
from dashboards.console.english import ENGLISH
from dashboards.console.words import t, word

_PATTERNS = {
    key: re.compile(pattern)
    for key, pattern in (
        ("unwatched", r"no appliance is in the registry: .*"),
        ("channel", r"there is no channel: .*"),
        ("profiles", r"a file of profiles is not in force, the old numbers stand: (?P<why>.+)"),
        ("nobody", r"nobody is told about (?P<site>.+)"),
        ("never_sent", r"no message was ever sent to (?P<name>.+): the number is not proven"),
        ("never_reached", r"no message has surely reached (?P<name>.+) so far"),
        ("not_reached", r"no message has surely reached (?P<name>.+) since (?P<at>\S+)"),
        ("shift", r"nobody is on call for (?P<site>\S+) from (?P<start>\S+) to (?P<end>\S+)"),
        ("calibration_ends", r"calibration of (?P<sensor>\S+) ends in (?P<n>\d+) days"),
        ("calibration_over", r"calibration of (?P<sensor>\S+) has ended"),
        ("drill_last", r"the alarm of \S+ was last tested (?P<at>\S+)"),
        ("drill_never", r"the alarm of \S+ was never tested"),
        ("credit", r"credit is (?P<credit>[^,;]+)[,;] .*reserve (?:of|is) (?P<reserve>\S+)"),
        ("signal", r"signal is (?P<dbm>\S+) dBm"),
        ("unanswered", r"alarm (?P<n>\d+) \(.*\): nobody has answered"),
        ("disposition", r"alarm (?P<n>\d+) \(.*\): what became of the blood is not recorded"),
        ("never_reported", r"\S+ carries (?P<what>\S+) and has never reported a temperature"),
        ("silent", r"\S+ is silent since (?P<at>\S+)"),
        ("backlog", r"readings wait in \S+ since (?P<at>\S+)"),
        ("report", r"the report (?P<report>.+?) was not mailed: .*"),
        ("certificate_refused", r"the broker's certificate is refused: .*"),
        ("certificate_ends", r"the broker's certificate ends at (?P<at>\S+)"),
        ("defrost", r"no defrost of \S+ when one was due: (?P<detail>.+)"),
        ("defrost_long", r"a defrost of \S+ took too long: (?P<detail>.+)"),
        ("drift", r"\S+ drifts: (?P<detail>.+) more than it used to"),
        ("clock", r"the clock of \S+ disagrees: (?P<detail>.+)"),
        ("gate", r"\S+ waits since (?P<at>\S+?) to go back into service: (?P<missing>.+?)(?:; the gate .*)?"),
    )
}
_LASTS = re.compile(r"none for (\d+) h")
_PAGES = {
    "nothing": "/admin/discovery",
    "channel": "/admin/channels",
    "limits": "/admin/profiles",
    "profiles": "/changes",
    "nobody": "/admin/people",
    "unproven": "/oncall#tests",
    "shift": "/oncall",
    "report": "/admin/schedules",
}


@dataclass(frozen=True, slots=True)
class Mend:
    """One line of the list. `page`: where it is done, or where what it is about is looked at; or nothing."""

    level: str
    what: str
    of: str
    says: str
    do: str
    page: str


def mend_said(one: Finding, registry: Registry) -> Mend:
    """In the reader's words, with names."""
    what = "unwatched" if one.what == "nothing" else one.what
    do = t(f"do.{what}") if f"do.{what}" in ENGLISH else one.do
    of, says, page = _called(one.subject, registry), _says(one, registry), _page(one, registry)
    return Mend(one.level, word("mend", what), of, says, do, page)


def _called(name: str, registry: Registry) -> str:
    sensor = registry.sensor_by_id.get(name)
    known = (registry.person_by_id, registry.appliance_by_id, registry.site_by_id)
    if sensor is not None and sensor.appliance in registry.appliance_by_id:
        return f"{registry.appliance_by_id[sensor.appliance].name} ({name})"
    return next((f"{table[name].name} ({name})" for table in known if name in table), name)


def _says(one: Finding, registry: Registry) -> str:
    for key, pattern in _PATTERNS.items():
        if (found := pattern.fullmatch(one.says)) is not None:
            values = found.groupdict()
            if "missing" in values:
                values["missing"] = "; ".join(missing_said(values["missing"]))
            if (lasts := _LASTS.fullmatch(values.get("detail", ""))) is not None:
                values["detail"] = t("age.h", h=lasts[1], min=0)
            if key == "shift":
                values["site"] = _called(values["site"], registry)
            return t(f"says.{key}", **values)
    return one.says


def _page(one: Finding, registry: Registry) -> str:
    if (found := re.match(r"alarm (\d+) ", one.says)) is not None:
        return f"/alarm/{found[1]}"
    if one.what in _PAGES:
        return _PAGES[one.what]
    sensor = registry.sensor_by_id.get(one.subject)
    appliance = sensor.appliance if sensor is not None else one.subject
    return f"/appliance/{quote(appliance)}" if appliance in registry.appliance_by_id else ""
