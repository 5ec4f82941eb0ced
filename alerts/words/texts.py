# SPDX-License-Identifier: Apache-2.0
"""What people are told, in one SMS: which appliance, how warm, how long, how long still, what to reply.

Pure. One segment in every language: 160 letters of the GSM alphabet or 70 of any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from zoneinfo import ZoneInfo

from alerts.notifiers.gsm7 import fit_gsm7, is_gsm7
from alerts.words import GSM_LANGUAGES, compose, fits, say
from alerts.words.templates import TEMPLATES
from coldchain.kernel.instants import EPOCH

TEMPERATURES = ("high", "low")
FORETOLD = (*TEMPERATURES, "rate", "forecast", "cumulative")
"""Kinds with a load whose time left may be known."""
LETTERS_MAX = 160
LISTED_MAX = 12
_RAISED = frozenset(
    {
        "sensor_fault",
        "rota_gap",
        "rate",
        "cumulative",
        "agitator",
        "loss",
        "exposure",
        "power",
        "drill",
        "chain",
    }
)
_BACK = {
    "sensor_fault": "probe_back", "silence": "heard", "cumulative": "budget_back",
    "agitator": "agitator_back",
    "power": "power_back", "rota_gap": "rota_filled", "drill": "drill_over",
    "chain": "chain_whole",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message may say. Values in thousandths of a degree, None where unknown; instants in ms.

    left_ms     until the limit, if anybody knows; of an alarm that is over: the least that it was
    site        its id, for where the place's name cannot be written
    bound       what the profile permits on that side, where the set-point is inside it
    link        of a broken chain: which link broke, a word of the templates `link_...`
    target      of blood that was moved: where it is; `allowed_ms` its budget, `out_ms` what it has used
    """

    number: int
    scope: str
    appliance: str
    name: str
    place: str
    zone: str
    kind: str
    since_ms: int
    at_ms: int
    value: int | None = None
    limit: int | None = None
    peak: int | None = None
    appliances: int = 0
    left_ms: int | None = None
    site: str = ""
    severity: str = "critical"
    bound: int | None = None
    target: str = ""
    out_ms: int | None = None
    allowed_ms: int | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class CardLine:
    """A line of a rescue list: an appliance, minutes within its limits (None: unknown), where to empty it."""

    appliance: str
    minutes: int | None
    refuge: str = ""


def raised(f: Facts, language: str = "en", code: str = "") -> str:
    """The message about an alarm that is open.

    >>> from dataclasses import replace
    >>> zone = "Asia/Vientiane"
    >>> fridge = Facts(7, "appliance", "vte-br-03", "Blood fridge", "Vientiane", zone, "high", 0, 720000)
    >>> warm = replace(fridge, value=7200, limit=6000, left_ms=2_400_000)
    >>> raised(warm, "en", "483126")
    'vte-br-03 7.2C over 6.0C for 12 min (since 07:00). 40 min left. Blood fridge, Vientiane. Reply OK 483126'
    >>> raised(warm, "vi", "483126")
    'vte-br-03 7.2C vượt 6.0C 12 min. Còn 40 min. Trả lời OK 483126'
    """
    key = _raised_key(f)
    optional = ("left",) if f.left_ms is not None and f.kind in FORETOLD and key != "forecast" else ()
    return compose(
        language,
        (key,),
        _fields(f, language, code),
        optional=optional,
        where=_where(f),
        tail="reply" if code else "number",
    )


def lapsed(f: Facts, answered_ms: int, language: str = "en", code: str = "") -> str:
    """An acknowledgement has come to nothing: the alarm is open again."""
    fields = _fields(f, language, code) | {"clock": clock(answered_ms, f.zone)}
    key = "lapsed" if f.kind in TEMPERATURES else "lapsed_other"
    optional = ("left",) if f.left_ms is not None and f.kind in FORETOLD else ()
    tail = "reply" if code else "number"
    return compose(language, (key,), fields, optional=optional, where=_where(f), tail=tail)


def returned(f: Facts, language: str = "en") -> str:
    """It is over; `at_ms` is when.

    >>> from dataclasses import replace
    >>> zone = "Asia/Vientiane"
    >>> fridge = Facts(7, "appliance", "vte-br-03", "Blood fridge", "Vientiane", zone, "high", 0, 3360000)
    >>> returned(replace(fridge, value=5600, limit=6000, peak=9100))
    'vte-br-03 back in range at 07:56 after 56 min, peak 9.1C. Blood fridge, Vientiane. Alarm 7'
    >>> near = replace(
    ...     fridge, value=5400, limit=5700, peak=5900, bound=6000, left_ms=540_000, name="", place=""
    ... )
    >>> returned(near)
    'vte-br-03 back in range at 07:56 after 56 min; the limit was 9 min away. Alarm 7'
    """
    key = _over_key(f)
    fields = _fields(f, language, "") | {"clock": clock(f.at_ms, f.zone)}
    return compose(language, (key,), fields, where=_where(f), tail="number")


def released(f: Facts, language: str = "en") -> str:
    """Nobody watches it any more: no word that it is well.

    >>> released(Facts(7, "appliance", "vte-br-03", "Blood fridge 3", "Vientiane", "UTC", "high", 0, 0))
    'vte-br-03 is no longer monitored: taken out of the registry. Blood fridge 3, Vientiane. Alarm 7'
    """
    return compose(language, ("released",), _fields(f, language, ""), where=_where(f), tail="number")


def digest(
    place: str,
    site: str,
    appliances: Sequence[str],
    count: int,
    *,
    language: str = "en",
    code: str = "",
    over: bool = False,
) -> str:
    """Many alarms of one site in one message; what has no room is counted.

    >>> digest("Vientiane", "vte", ["vte-br-01", "vte-br-02", "vte-pf-01"], 4, code="483126")
    '4 alarms at Vientiane: vte-br-01, vte-br-02, vte-pf-01. Reply ALL 483126'
    """
    named = list(dict.fromkeys(appliances))
    fields: dict[str, object] = {"count": count, "place": written(place, site, language), "code": code}
    key, tail = ("digest_over" if over else "digest"), ("reply_all" if code else "")
    most, used = 0, 0
    while most < len(named) and (used := used + len(named[most]) + 2) <= LETTERS_MAX:
        most += 1
    for shown in range(most, -1, -1):
        more = f" +{len(named) - shown}" if shown < len(named) else ""
        fields["list"] = (", ".join(named[:shown]) + more).strip()
        text = compose(language, (key,), fields, tail=tail)
        if shown == 0 or fits(text):
            return text
    raise AssertionError("a list of nothing fits")


def rescue(f: Facts, listed: Sequence[CardLine], language: str = "en", code: str = "") -> str:
    """A site's power cut as one card: how many, which first, how long, where to; the rest on reply LIST.

    listed  worst first; empty while nothing is known of the appliances

    >>> site = Facts(7, "site", "vte", "", "Vientiane", "Asia/Vientiane", "power", 0, 0, appliances=9)
    >>> rescue(site, [CardLine("vte-br-03", 40, "vte-br-07"), CardLine("vte-pf-01", 300)], "en", "483126")
    'POWER CUT Vientiane, 9 appliances. First vte-br-03: 40 min left, to vte-br-07. Reply OK 483126, or LIST'
    """
    if not listed:
        return raised(f, language, code)
    worst = listed[0]
    fields = _fields(f, language, code) | {
        "appliance": worst.appliance,
        "left": minutes(worst.minutes),
        "refuge": worst.refuge,
        "count": max(f.appliances, len(listed)),
    }
    key = "rescue" if worst.refuge else "rescue_alone"
    return compose(language, (key,), fields, tail="reply_list" if code else "number")


def rest(f: Facts, listed: Sequence[CardLine], language: str = "en") -> str:
    """The list of a rescue card, worst first, as far as one message goes; what has no room is counted.

    >>> site = Facts(7, "site", "vte", "", "Vientiane", "Asia/Vientiane", "power", 0, 0, appliances=9)
    >>> rest(
    ...     site,
    ...     [CardLine("vte-br-03", 40, "vte-br-07"), CardLine("vte-pf-01", 300), CardLine("vte-pf-02", None)],
    ... )
    'Vientiane: vte-br-03 40 min > vte-br-07, vte-pf-01 5 h 00, vte-pf-02 ?.'
    """
    if not listed:
        return compose(language, ("nothing_left",), _fields(f, language, ""))
    lines = [
        f"{one.appliance} {minutes(one.minutes)}" + (f" > {one.refuge}" if one.refuge else "")
        for one in listed
    ]
    fields = _fields(f, language, "")
    for shown in range(min(len(lines), LISTED_MAX), -1, -1):
        more = f" +{len(lines) - shown}" if shown < len(lines) else ""
        fields["list"] = (", ".join(lines[:shown]) + more).strip()
        text = compose(language, ("rest",), fields)
        if shown == 0 or fits(text):
            return text
    raise AssertionError("a list of nothing fits")


def answer(language: str, key: str, **fields: object) -> str:
    """An answer to an answer; `clock` and values are given as written.

    >>> answer("en", "wrong")
    'Wrong code. Reply OK and the code of the message.'
    """
    for name in ("person", "place", "target", "list"):
        if name in fields and language in GSM_LANGUAGES and not is_gsm7(fit_gsm7(str(fields[name]))):
            fields[name] = fields.get(f"{name}_id", "?")
    return compose(language, (key,), fields)


def _fields(f: Facts, language: str, code: str) -> dict[str, object]:
    return {
        "appliance": f.appliance,
        "value": celsius(f.value),
        "limit": celsius(f.limit),
        "peak": celsius(f.peak),
        "span": span(f.at_ms - f.since_ms if f.out_ms is None else f.out_ms),
        "allowed": span(f.allowed_ms or 0),
        "clock": clock(f.since_ms, f.zone),
        "left": span(f.left_ms or 0),
        "bound": celsius(f.bound),
        "target": f.target,
        "count": f.appliances,
        "kind": say(language, f"kind_{f.kind}", {}) if f"kind_{f.kind}" in TEMPLATES else f.kind,
        "number": f.number,
        "link": say(language, f"link_{f.link}", {}) if f.link else "?",
        "place": written(f.place, f.site or f.appliance, language),
        "code": code,
    }


def _raised_key(f: Facts) -> str:
    if f.kind == "silence":
        return "silence" if f.scope == "appliance" else "group"
    if f.kind == "forecast":
        return "forecast" if f.left_ms is not None else "forecast_soon"
    if f.kind in TEMPERATURES:
        return f.kind if f.severity == "critical" else f"{f.kind}_warning"
    if f.scope == "process":
        return "still"
    return f.kind if f.kind in _RAISED else "other"


def _over_key(f: Facts) -> str:
    """How near it came, where the limit itself was not passed: by forecast, else by the peak."""
    if f.kind in ("rate", "forecast"):
        return "calm" if f.left_ms is None else "calm_near"
    if f.scope == "process":
        return "moves"
    if f.kind not in TEMPERATURES:
        return _BACK.get(f.kind, "over")
    if f.bound is None or f.peak is None:
        return "back"
    passed = f.peak > f.bound if f.kind == "high" else f.peak < f.bound
    if passed:
        return "back"
    return "back_within" if f.left_ms is None else "back_near"


def _where(f: Facts) -> str:
    return ", ".join(part for part in (f.name, f.place) if part and is_gsm7(fit_gsm7(part)))


def written(name: str, instead: str, language: str) -> str:
    """The name, or what stands for it where its letters would make the message too dear."""
    return name if name and (language not in GSM_LANGUAGES or is_gsm7(fit_gsm7(name))) else instead


def celsius(value: int | None) -> str:
    """At least one decimal, at most two, cut and not rounded: 6.04 over 6.0 must not read 6.0.

    >>> celsius(7200), celsius(6040), celsius(-25000), celsius(None)
    ('7.2C', '6.04C', '-25.0C', '?')
    """
    if value is None:
        return "?"
    text = f"{value / 1000:.3f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{(rest or '0')[:2]}C"


def span(ms: int) -> str:
    """A length of time in the largest fitting unit.

    >>> span(45_000), span(720_000), span(5_400_000), span(200_000_000)
    ('45 s', '12 min', '1 h 30', '55 h')
    """
    seconds = max(0, ms) // 1000
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes < 48 * 60 else f"{minutes // 60} h"


def minutes(left: int | None) -> str:
    """Minutes that are left, as a span; ? where nobody knows.

    >>> minutes(40), minutes(None), minutes(0)
    ('40 min', '?', '0 s')
    """
    return "?" if left is None else span(left * 60_000)


def clock(at_ms: int, zone: str) -> str:
    """The hour and minute that the clock on the wall shows there.

    >>> clock(1657195200000, "Asia/Vientiane")
    '19:00'
    """
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(zone)).strftime("%H:%M")


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
