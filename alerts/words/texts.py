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
from alerts.words import GSM_LANGUAGES, compose, fits
from coldchain.kernel.instants import EPOCH

TEMPERATURES = ("high", "low")
LETTERS_MAX = 160
_BACK = {"high": "back", "low": "back", "sensor_fault": "probe_back", "silence": "heard"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message may say. Values in thousandths of a degree, None where unknown; instants in ms.

    left_ms  until blood is lost, if anybody knows
    site     its id, for where the place's name cannot be written
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
    optional = ("left",) if f.left_ms is not None and f.kind in TEMPERATURES else ()
    return compose(
        language,
        (_raised_key(f),),
        _fields(f, language, code),
        optional=optional,
        where=_where(f),
        tail="reply" if code else "number",
    )


def lapsed(f: Facts, answered_ms: int, language: str = "en", code: str = "") -> str:
    """An acknowledgement has come to nothing: the alarm is open again."""
    fields = _fields(f, language, code) | {"clock": clock(answered_ms, f.zone)}
    key = "lapsed" if f.kind in TEMPERATURES else "lapsed_other"
    return compose(language, (key,), fields, where=_where(f), tail="reply" if code else "number")


def returned(f: Facts, language: str = "en") -> str:
    """It is over; `at_ms` is when.

    >>> from dataclasses import replace
    >>> zone = "Asia/Vientiane"
    >>> fridge = Facts(7, "appliance", "vte-br-03", "Blood fridge", "Vientiane", zone, "high", 0, 3360000)
    >>> returned(replace(fridge, value=5600, limit=6000, peak=9100))
    'vte-br-03 back in range at 07:56 after 56 min, peak 9.1C. Blood fridge, Vientiane. Alarm 7'
    """
    key = _BACK.get(f.kind, "over")
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
    fields: dict[str, object] = {"count": count, "place": _written(place, site, language), "code": code}
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


def rescue(
    place: str,
    site: str,
    worst: str,
    left_ms: int | None,
    count: int,
    refuge: str,
    *,
    language: str = "en",
    code: str = "",
) -> str:
    """A site's power cut as one card: how many, which first, how long, where to.

    >>> rescue("Vientiane", "vte", "vte-br-03", 2_400_000, 9, "vte-br-07", language="en", code="483126")
    'POWER CUT Vientiane, 9 appliances. First vte-br-03: 40 min left, to vte-br-07. Reply ALL 483126'
    """
    fields = {
        "place": _written(place, site, language),
        "count": count,
        "appliance": worst,
        "left": "?" if left_ms is None else span(left_ms),
        "refuge": refuge,
        "code": code,
    }
    return compose(language, ("rescue" if refuge else "rescue_alone",), fields, tail="reply_all")


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
        "span": span(f.at_ms - f.since_ms),
        "clock": clock(f.since_ms, f.zone),
        "left": span(f.left_ms or 0),
        "count": f.appliances,
        "kind": f.kind,
        "number": f.number,
        "place": _written(f.place, f.site or f.appliance, language),
        "code": code,
    }


def _raised_key(f: Facts) -> str:
    if f.kind == "silence":
        return "silence" if f.scope == "appliance" else "group"
    return f.kind if f.kind in ("high", "low", "sensor_fault", "rota_gap") else "other"


def _where(f: Facts) -> str:
    return ", ".join(part for part in (f.name, f.place) if part and is_gsm7(fit_gsm7(part)))


def _written(name: str, instead: str, language: str) -> str:
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


def clock(at_ms: int, zone: str) -> str:
    """The hour and minute that the clock on the wall shows there.

    >>> clock(1657195200000, "Asia/Vientiane")
    '19:00'
    """
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(zone)).strftime("%H:%M")


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
