# SPDX-License-Identifier: Apache-2.0
"""Every word that people read on the console, in one catalogue: stable keys, whole sentences.

English is here; other languages are gettext catalogues with the same keys. Which one speaks is chosen for
each request: `choose`.
"""

from __future__ import annotations

import gettext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = {"lo": "ລາວ", "en": "English", "fr": "Français", "vi": "Tiếng Việt"}
LOCALE = Path(__file__).parent / "locale"
_language: ContextVar[str] = ContextVar("language", default="en")

ENGLISH: dict[str, str] = {
    # states of an appliance
    "state.alarm": "Alarm",
    "state.silent": "Silent",
    "state.warning": "Warning",
    "state.waiting": "Waiting",
    "state.ok": "OK",
    "group.alarm": "In alarm",
    "group.silent": "Silent: state unknown",
    "group.warning": "Warnings",
    "group.waiting": "Never reported yet",
    "group.ok": "In order",
    # why an appliance is in its state
    "why.high": "above {limit} since {since}",
    "why.low": "below {limit} since {since}",
    "why.peak": "peak {peak}",
    "why.alarm": "{kind} since {since}",
    "why.acknowledged": "somebody is on it",
    "why.returned": "back inside, was {kind} since {since}; not answered yet",
    "why.disposition": "back inside, was {kind} since {since}; what became of the blood is not recorded",
    "why.above_now": "above {limit} now",
    "why.below_now": "below {limit} now",
    "why.unknown_was": "unknown, was {value} at {at}",
    "why.unknown_failed": "unknown, the probe has failed since {at}",
    "why.unknown": "unknown",
    "why.probe": "probe fault: {status}",
    "status.0": "it sends its error code",
    "why.mains": "no mains power",
    "why.door": "door open",
    "why.never": "no reading yet",
    "why.no_sensor": "no sensor is assigned",
    "why.no_profile": "no component assigned: limits are not judged",
    "why.future": "its clock runs ahead",
    # kinds of alarm
    "kind.high": "too warm",
    "kind.low": "too cold",
    "kind.silence": "silent",
    "kind.sensor_fault": "sensor fault",
    "kind.backlog": "readings are late",
    "kind.loss": "readings lost",
    "kind.rate": "changing fast",
    "kind.forecast": "about to leave its limits",
    "kind.cumulative": "out of limits too long in a day",
    "kind.agitator": "agitator stopped",
    "kind.rota_gap": "nobody on call",
    "kind.exposure": "moved blood out of limits too long",
    "kind.power": "no mains",
    "severity.critical": "critical",
    "severity.warning": "warning",
    "severity.info": "for information",
    "alarm.unacknowledged": "Nobody has answered",
    "alarm.acknowledged": "Acknowledged",
    "alarm.returned": "Back inside, not answered",
    "alarm.disposition_due": "Waits for what became of the blood",
    "alarm.shelved": "Put aside for a while",
    "alarm.suppressed": "Explained by something else",
    "alarm.out_of_service": "Out of service",
    "alarm.closed": "Closed",
    # quantities and their values
    "quantity.temperature": "Temperature",
    "quantity.door": "Door",
    "quantity.mains": "Mains",
    "quantity.battery": "Battery",
    "quantity.ambient": "Room",
    "quantity.humidity": "Humidity",
    "quantity.compressor": "Compressor",
    "quantity.agitator": "Agitator",
    "quantity.set-point": "Set-point",
    "quantity.controller-alarm": "Controller's own alarm",
    "value.door.0": "closed",
    "value.door.1": "open",
    "value.mains.0": "absent",
    "value.mains.1": "present",
    "value.compressor.0": "off",
    "value.compressor.1": "running",
    "value.agitator.0": "stopped",
    "value.agitator.1": "moving",
    "value.controller-alarm.0": "none",
    "value.controller-alarm.1": "too warm",
    "value.controller-alarm.2": "too cold",
    "value.controller-alarm.3": "door",
    "value.controller-alarm.4": "power",
    "value.controller-alarm.5": "sensor",
    "value.controller-alarm.other": "code {code}",
    "value.failed": "failed",
    "status.1": "circuit open",
    "status.2": "short circuit",
    "status.3": "no answer",
    "status.4": "out of range",
    "status.5": "not a number",
    # limits
    "limits.both": "{low} to {high} °C",
    "limits.high": "at most {high} °C",
    "limits.low": "at least {low} °C",
    "limits.none": "no limits",
    "limits.loading": "loading",
    "limits.empty": "empty",
    # ages and times
    "age.now": "just now",
    "age.s": "{n} s",
    "age.min": "{n} min",
    "age.h": "{h} h {min} min",
    "age.d": "{d} d {h} h",
    "age.ago": "{age} ago",
    "age.from_ahead": "from the future",
    # kinds of appliance
    "appliance.blood-refrigerator": "Blood refrigerator",
    "appliance.plasma-freezer": "Plasma freezer",
    "appliance.ultra-freezer": "Ultra-low freezer",
    "appliance.platelet-incubator": "Platelet incubator",
    "appliance.passive-box": "Passive transport box",
    "appliance.active-box": "Active transport box",
    # navigation and pages
    "nav.fleet": "Fleet",
    "nav.alarms": "Alarms",
    "nav.waiting": "To adopt",
    "nav.health": "System",
    "nav.skip": "Skip to the content",
    "nav.main": "Main",
    "page.fleet": "The fleet",
    "page.alarms": "Alarms",
    "page.waiting": "Reporting, not known",
    "page.health": "System",
    "page.problem": "Not here",
    "live.on": "Live",
    "live.connecting": "Connecting",
    "live.polling": "Updated every {n} s",
    "live.off": "Disconnected: last word {at}",
    "live.none": "This page renews itself every 30 s",
    "fleet.total": "{n} appliances",
    "fleet.one": "1 appliance",
    "wall.open": "Wall",
    "wall.leave": "Leave the wall",
    "wall.full": "Full screen",
    "wall.off": "Disconnected: everything below is as of",
    "fleet.search": "Find an appliance, site or province",
    "fleet.find": "Find",
    "fleet.all": "Show all",
    "fleet.none_found": "Nothing matches.",
    "fleet.empty": "Waiting for the first reading",
    "fleet.empty_help": "No appliance is in the registry yet. Import a registry, or adopt what reports.",
    "fleet.as_of": "As of {at}",
    "fleet.times": "Times: {zone}, {offset}",
    "fleet.spark": "Last 24 hours of {name}",
    "strip.system": "Path of the data",
    "strip.gateways": "Gateways",
    "strip.gateways_text": "{alive} of {all} heard",
    "strip.spool": "Waiting in spools",
    "strip.spool_text": "{n} readings",
    "strip.oldest": "oldest {age}",
    "strip.lost": "Counted losses",
    "strip.lost_text": "{n} readings",
    "strip.influx": "InfluxDB",
    "strip.influx.absent": "not configured",
    "strip.influx.up": "up",
    "strip.influx.down": "down",
    "strip.influx.unknown": "unknown",
    "strip.influx_behind": "{n} behind",
    "strip.recorded": "Recorded",
    "strip.recorded_text": "{n} readings",
    "strip.dead": "Dead letters",
    "strip.newest": "Newest reading",
    "strip.process": "Processes",
    "strip.process_text": "{alive} of {all} beating",
    "strip.stuck": "{names} not beating",
    "trouble.readings": "The record of readings is not there yet, or cannot be read: {why}",
    "trouble.alarms": "Alarms are not there yet, or cannot be read: alarm states below are incomplete. {why}",
    "trouble.desk": "The registry is not there yet, or cannot be read: {why}",
    "trouble.stale": "{name} has not done anything since {at}: what you see may be old.",
    # appliance
    "appliance.limits": "Limits",
    "appliance.carries": "Carries",
    "appliance.kind": "Kind",
    "appliance.id": "Name in messages",
    "appliance.range": "Range",
    "appliance.chart": "Temperature, lowest and highest of each step",
    "appliance.no_data": "no reading",
    "appliance.no_series": "No readings in this range.",
    "appliance.sensors": "Sensors",
    "appliance.sensor": "Sensor",
    "appliance.value": "Value",
    "appliance.at": "At",
    "appliance.alarms": "Alarms",
    "appliance.no_alarms": "No alarm so far.",
    "appliance.excursions": "Excursions",
    "appliance.no_excursions": "No excursion so far.",
    "appliance.notices": "Notices",
    "appliance.no_notices": "No notice so far.",
    "appliance.table": "The chart as a table",
    "appliance.csv": "Readings as CSV",
    "appliance.gaps": "{n} gaps in this range: {unknown} unknown",
    "appliance.one_gap": "1 gap in this range: {unknown} unknown",
    "appliance.no_gaps": "no gap in this range",
    "appliance.extremes": "lowest {low}, highest {high}",
    "appliance.back": "Fleet",
    "lane.alarm": "Alarms",
    "lane.door": "Door",
    "lane.mains": "Mains",
    "lane.door_is": "door open",
    "lane.mains_is": "no mains",
    "lane.summary": "{name}: {n} in this range, {span} together",
    "chart.band": "lowest to highest",
    "chart.limits": "limits in force",
    "chart.gap": "no reading",
    "chart.time": "Time",
    "chart.from": "From",
    "chart.until": "Until",
    "chart.min": "Lowest",
    "chart.max": "Highest",
    "chart.n": "Readings",
    "range.6h": "6 h",
    "range.24h": "24 h",
    "range.7d": "7 d",
    "range.30d": "30 d",
    "range.1y": "1 y",
    "excursion.start": "Began",
    "excursion.end": "Ended",
    "excursion.peak": "Peak",
    "excursion.limit": "Limit",
    "excursion.lasting": "lasting",
    "excursion.retrospective": "found later",
    "notice.who": "To",
    "notice.channel": "By",
    "notice.state": "State",
    "notice.text": "Text",
    "notice.at": "Written",
    "notice.due": "due",
    "notice.sending": "being sent",
    "notice.sent": "sent",
    "notice.failed": "failed",
    "notice.unknown": "not known whether it went out",
    "notice.given_up": "given up",
    "notice.bundled": "told in another message",
    # site
    "site.gateways": "Gateway and link",
    "site.no_gateway": "No gateway is registered for this site.",
    "site.never": "never heard",
    "site.heard": "heard",
    "site.not_heard": "not heard",
    "site.spool": "{n} readings wait in its spool",
    "site.mains": "Mains",
    "site.mains_all": "present wherever it is measured",
    "site.mains_dark": "absent at {n} appliances",
    "site.power": "Without power: who loses blood first",
    "site.power_left": "{span} left ({low} to {high})",
    "site.power_beyond": "beyond its limit",
    "site.power_to": "could go to {refuge}",
    "site.blind": "Not heard: the worst case",
    "site.blind_row": "if power is out, beyond its limit in {span}",
    "site.blind_never": "the room is too cool to pass the limit",
    "site.duty": "On call now",
    "site.level": "{n}. to be told",
    "site.nobody": "nobody: a gap in the rota",
    "site.no_rota": "No rota is in the registry: whoever is told about this site is listed below.",
    "site.people": "Told about this site",
    "site.no_people": "Nobody: no person in the registry is told about this site.",
    "site.appliances": "Appliances",
    "site.none": "No appliance stands here.",
    "role.technician": "technician",
    "role.on-call": "on call",
    "role.contractor": "contractor",
    "role.supervisor": "supervisor",
    "role.manager": "manager",
    "role.admin": "administrator",
    "role.auditor": "auditor",
    # alarms
    "alarms.open": "Open",
    "alarms.closed": "Latest closed",
    "alarms.none_open": "No open alarm.",
    "alarms.none_closed": "None so far.",
    "alarms.kind": "What",
    "alarms.since": "since",
    "alarms.number": "No. {n}",
    "alarms.ack": "Acknowledge",
    "alarms.name": "Your name",
    "alarms.asked": "Asked: {name}, {at}. It counts once the alarm engine has taken it up.",
    "alarms.remote": "Sign in to acknowledge here, or answer the message you got.",
    # waiting
    "waiting.none": "Everything that reports is known.",
    "waiting.intro": "These channels report and belong to no sensor yet. Their readings are kept. "
    "Give each a name; what it has sent so far is then taken up.",
    "waiting.readings": "Readings kept",
    "waiting.command": "Command",
    # health
    "health.processes": "Processes",
    "health.beat": "Last beat",
    "health.gateways": "Gateways",
    "health.gateway": "Gateway",
    "health.heard": "Heard",
    "health.pending": "In spool",
    "health.oldest": "Oldest",
    "health.lost": "Lost",
    "health.lines": "Lines",
    "health.counters": "Counted by ingest",
    "health.none": "No process has beaten yet.",
    "health.no_gateways": "No gateway has reported yet.",
    "health.alive": "beating",
    "health.stuck": "not beating",
    # accounts
    "page.signin": "Sign in",
    "page.account": "Your account",
    "page.accounts": "Accounts",
    "signin.name": "Name",
    "signin.password": "Password",
    "signin.go": "Sign in",
    "signin.wrong": "Name or password is wrong.",
    "signin.wait": "Too many wrong passwords. Try again in {n} s.",
    "signin.lost": "Forgotten? An administrator gives you a new password.",
    "account.fresh": "This password was made by somebody else: choose your own before you go on.",
    "account.password": "Password",
    "account.old": "Password now",
    "account.new": "New password, 10 letters or more",
    "account.change": "Change",
    "account.language": "Language",
    "account.token": "Token for a program",
    "account.token_help": "A program that shows it acts as you, for a year or until it is withdrawn.",
    "account.token_once": "Shown only now:",
    "account.label": "What it is for",
    "account.make": "Make",
    "account.out": "Sign out",
    "accounts.once": "Password of {name}, shown only now; it is to be changed at the first use:",
    "accounts.person": "Person",
    "accounts.role": "Role",
    "accounts.sites": "Sites",
    "accounts.sites_help": "Sites, with commas; province:NAME for a province; empty for the nation",
    "accounts.nation": "the nation",
    "accounts.change": "Change",
    "accounts.closed": "closed",
    "accounts.reset": "New password",
    "accounts.close": "Close",
    "accounts.add": "New account",
    "accounts.tokens": "Tokens of programs",
    "accounts.no_tokens": "None.",
    "accounts.revoke": "Withdraw",
    # refusals
    "problem.sign-in": "Sign in first.",
    "problem.not-allowed": "Your account may not do this.",
    "problem.not-your-site": "Your account is not for that site.",
    "problem.stale-form": "That page was of another session: load it again.",
    "problem.unknown-page": "There is no such page.",
    "problem.unknown-appliance": "No appliance has that name.",
    "problem.unknown-site": "No site has that name.",
    "problem.unknown-sensor": "That appliance has no such sensor.",
    "problem.unknown-alarm": "No open alarm has that name.",
    "problem.bad-request": "The request cannot be understood.",
    "problem.not-from-here": "This is taken only from a page of the console.",
    "problem.unavailable": "The record cannot be read just now; try again in a moment.",
    "problem.internal": "Something failed inside the console; its log says what.",
    "problem.name-missing": "Give a name of 1 to 60 characters.",
}


def t(key: str, **values: object) -> str:
    """The text for a key, filled in. KeyError for a key that is not in the catalogue: our bug.

    >>> t("age.min", n=4)
    '4 min'
    """
    return _text(key, ENGLISH[key]).format(**values)


def word(group: str, name: object) -> str:
    """The word of a code that others may extend: a code that is not in the catalogue stands for itself.

    >>> word("kind", "high"), word("kind", "brand_new")
    ('too warm', 'brand new')
    """
    key = f"{group}.{name}"
    found = ENGLISH.get(key)
    return _text(key, found) if found is not None else str(name).replace("_", " ").replace("-", " ")


@dataclass(frozen=True, slots=True)
class Said:
    """A text that is put into words when somebody reads it, in their language. Empty `key`: nothing."""

    key: str
    values: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return t(self.key, **dict(self.values))

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Coded:
    """As `Said`, of a code that others may extend: `word`."""

    group: str
    name: str

    def __str__(self) -> str:
        return word(self.group, self.name)

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts with something between them."""

    parts: tuple[Text, ...]
    between: str = ", "

    def __str__(self) -> str:
        return self.between.join(map(str, self.parts))

    def __bool__(self) -> bool:
        return bool(self.parts)


Text = str | Said | Coded | Joined


def said(key: str, **values: object) -> Said:
    """`t`, for later. KeyError for a key that is not in the catalogue."""
    assert key in ENGLISH, key
    return Said(key, tuple(sorted(values.items())))


def preferred(accepted: str) -> str:
    """The first language of an Accept-Language header that we speak.

    >>> preferred("lo-LA,lo;q=0.9,en;q=0.5"), preferred("de, fr;q=0.8"), preferred("")
    ('lo', 'fr', 'en')
    """
    for part in accepted.split(",")[:20]:
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return "en"


def choose(language: str) -> None:
    """From here on, in this request, this language speaks."""
    _language.set(language if language in LANGUAGES else "en")


def language() -> str:
    """The language that speaks."""
    return _language.get()


@cache
def catalogue(code: str) -> gettext.NullTranslations:
    return gettext.translation("console", LOCALE, [code], fallback=True)


def _text(key: str, english: str) -> str:
    code = _language.get()
    return english if code == "en" else catalogue(code).pgettext(key, english)
