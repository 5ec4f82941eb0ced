# SPDX-License-Identifier: Apache-2.0
"""What happened to an alarm, line by line, in the reader's language, with the names that people know. Pure.

Alerts writes each line in English, with ids, into the record. A line that is not known here stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from coldchain.records.registry import Registry
from dashboards.console.alarms.outcomes import evidence_said
from dashboards.console.english import ENGLISH
from dashboards.console.values import celsius
from dashboards.console.words import Figure, t, word

ACTIONS = ("door", "power", "moved", "coming", "work")
"""What somebody may say they do about it, as alerts knows it."""

_BLOOD = re.compile(r"(?P<why>.*) \(blood: (?P<place>\S+)\)")
_FATE = re.compile(r"(?P<what>\w+) by (?P<first>\S+?)(?: and (?P<second>\S+?))?(?:: (?P<why>.*))?")
_FOUND = re.compile(r"(?P<verdict>\w+) (?P<cause>\w+) (?P<person>\S+?)(?:: (?P<why>.*))?")
_SHELF = re.compile(r"(?P<first>\S+)(?: and (?P<second>\S+))? until (?P<until>\S+): (?P<why>.*)")
_BLIND = re.compile(
    r"\S+: no data since (?P<since>\S+); if power is out, .+ pass (?P<limit>\S+) °C at about (?P<at>\S+)"
)
_COOL = re.compile(r"\S+: no data since (?P<since>\S+); the room does not bring .+ to (?P<limit>\S+) °C")
_LOST = re.compile(r"(?P<n>\d+) readings(?: of (?P<node>\S+))?: (?P<why>.*)")
_LOWER = re.compile(r"site reports by SMS: (?P<low>\S+) to (?P<high>\S+), in range at (?P<at>\S+)")
_GUARD = re.compile(r"by the site's guard ?(?P<gateway>\S*)")
_ALARM = re.compile(r"(?:site/)?(?P<of>[^:]+):(?P<kind>[a-z_]+):\d+")
_FIXED = {
    "empty": "line.empty",
    "no longer empty": "line.not_empty",
    "expired": "line.expired",
    "exposed": "line.exposed",
    "chattered": "line.chattered",
    "no longer in the registry": "line.gone",
    "everybody": "line.everybody",
}


def happened(event: str, detail: str, registry: Registry) -> tuple[str, str]:
    """(what happened, the rest of it), of an event and its detail as the record has them."""
    return word("event", event), _LINES.get(event, _plain)(detail, registry)


def _plain(detail: str, registry: Registry) -> str:
    if (key := _FIXED.get(detail)) is not None:
        return t(key)
    if found := _GUARD.fullmatch(detail):
        return t("line.guard", gateway=found["gateway"]).strip()
    return _called(detail, registry)


def _called(name: str, registry: Registry) -> str:
    """By the name that people know: of a person, an appliance, a site; else as it is."""
    known = (registry.person_by_id, registry.appliance_by_id, registry.site_by_id)
    return next((str(table[name].name) for table in known if name in table), name)


def _listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _answered(detail: str, registry: Registry) -> str:
    said, _, reason = detail.partition(": ")
    who, *done = said.split(" ")
    words = [word("action", one) if one in ACTIONS else _called(one, registry) for one in done]
    return _listed(_called(who, registry), " → ".join(words), reason)


def _people(detail: str, registry: Registry) -> str:
    return _listed(*(_called(one, registry) for one in detail.split(",")))


def _cause(detail: str, _registry: Registry) -> str:
    cause, _, evidence = detail.partition("; ")
    said = word("cause", cause.replace(" ", "_"))
    return f"{said} ({evidence_said(evidence)})" if evidence and cause != "unknown" else said


def _raised(detail: str, registry: Registry) -> str:
    if f"severity.{detail}" in ENGLISH:
        return word("severity", detail)
    return word("kind", detail) if f"kind.{detail}" in ENGLISH else _plain(detail, registry)


def _bending(detail: str, registry: Registry) -> str:
    return celsius(int(detail)) if re.fullmatch(r"-?\d+", detail) else _plain(detail, registry)


def _out(detail: str, registry: Registry) -> str:
    who, colon, reason = detail.partition(": ")
    if not colon:
        return _plain(detail, registry)
    found = _BLOOD.fullmatch(reason)
    if found is None:
        return _listed(_called(who, registry), reason)
    none = found["place"] == "empty"  # as a command says it
    place = t("answer.was_empty" if none else "line.blood", place=_called(found["place"], registry))
    return _listed(_called(who, registry), found["why"], place)


def _fate(detail: str, registry: Registry) -> str:
    found = _FATE.fullmatch(detail)
    if found is None or f"fate.{found['what']}" not in ENGLISH:
        return detail
    people = [_called(one, registry) for one in (found["first"], found["second"]) if one]
    return _listed(word("fate", found["what"]), " + ".join(people), found["why"] or "")


def _found(detail: str, registry: Registry) -> str:
    found = _FOUND.fullmatch(detail)
    if found is None or f"found.{found['verdict']}" not in ENGLISH:
        return detail
    cause = "" if found["cause"] == "unknown" else word("cause", found["cause"])
    who = _called(found["person"], registry)
    return _listed(word("found", found["verdict"]), cause, who, found["why"] or "")


def _aside(detail: str, registry: Registry) -> str:
    found = _SHELF.fullmatch(detail)
    if found is None:
        return _plain(detail, registry)
    people = [_called(one, registry) for one in (found["first"], found["second"]) if one]
    return _listed(" + ".join(people), found["why"])


def _taken_up(detail: str, registry: Registry) -> str:
    return (
        _plain(detail.removeprefix("by "), registry) if not _GUARD.match(detail) else _plain(detail, registry)
    )


def _under(detail: str, registry: Registry) -> str:
    """The alarm that explains it: an id of alerts' making, told as what and where."""
    found = _ALARM.fullmatch(detail)
    if found is None:
        return _plain(detail, registry)
    place = found["of"].partition("/")[0]
    return f"{word('kind', found['kind'].removesuffix('_warning'))}: {_called(place, registry)}"


def _blind(detail: str, registry: Registry) -> str:
    for pattern, key in ((_BLIND, "line.blind"), (_COOL, "line.cool")):
        if found := pattern.fullmatch(detail):
            values = found.groupdict()
            return t(key, **values | {"limit": Figure(f"{values['limit']} °C")})
    return _plain(detail, registry)


def _lost(detail: str, _registry: Registry) -> str:
    found = _LOST.fullmatch(detail)
    return t("line.lost", n=found["n"], node=found["node"] or "–") if found else detail


def _lowered(detail: str, _registry: Registry) -> str:
    found = _LOWER.fullmatch(detail)
    if found is None:
        return detail
    return t("line.lowered", low=Figure(found["low"]), high=Figure(found["high"]), at=found["at"])


def _not_come(detail: str, registry: Registry) -> str:
    who, _, channel = detail.partition(": now by ")
    return f"{_called(who, registry)} → {word('channel', channel)}" if channel else _called(who, registry)


def _nobody(detail: str, _registry: Registry) -> str:
    roles = detail.split(" ")
    return t("line.everybody") if detail == "everybody" else _listed(*(word("role", one) for one in roles))


_LINES: dict[str, Callable[[str, Registry], str]] = {
    "acknowledged": _answered,
    "escalated": _people,
    "postponed": _people,
    "cause": _cause,
    "evidence": lambda detail, _registry: evidence_said(detail),
    "raised": _raised,
    "raised_again": _raised,
    "bending": _bending,
    "out_of_service": _out,
    "disposition": _fate,
    "finding": _found,
    "shelved": _aside,
    "unshelved": _taken_up,
    "suppressed": _under,
    "released": _under,
    "blind": _blind,
    "lost": _lost,
    "lowered": _lowered,
    "not_delivered": _not_come,
    "nobody": _nobody,
}
