# SPDX-License-Identifier: Apache-2.0
"""What people and programs ask of an alarm: fields in, a command out, or a refusal that says what is missing.

Pure. Whether it does anything then, alerts says: the console and the interface for programs ask alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coldchain.records.registry import Registry
from dashboards.console.accounts.signing import known_as
from dashboards.console.alarms.happened import ACTIONS
from dashboards.console.alarms.told import Told
from dashboards.console.problems import Problem

VERBS = ("acknowledge", "pass", "shelve", "unshelve", "out_of_service", "return_to_service", "dispose")
FATES = ("keep", "quarantine", "discard")
SHELF_MIN = (15, 30, 60)
"""What the page offers; alerts may allow less: what the blood bears."""
SHELF_MAX_MIN = 24 * 60
REASON_MAX = 300
OF_APPLIANCE = ("out_of_service", "return_to_service")


@dataclass(frozen=True, slots=True)
class Wish:
    """A command, but for its id. `alarm` None: it is about the appliance that the body names."""

    verb: str
    person: str
    alarm: str | None
    body: dict[str, str]


def wish(verb: str, person: str, said: Mapping[str, str], told: Told, registry: Registry, by: str) -> Wish:
    """person: who acts; said: fields of a form or a JSON object; by: console or api. Problem: refused."""
    if verb not in VERBS:
        raise Problem(404, "unknown-verb", verb)
    who, alarm = known_as(person, registry), told.alarm
    if not 1 <= len(who) <= 60 or not who.isprintable():
        raise Problem(422, "name-missing")
    if verb not in ("acknowledge", "pass") and who not in registry.person_by_id:
        raise Problem(422, "not-registered", who)
    body = {key: text for key, text in _fields(verb, who, said, told, registry).items() if text}
    if verb == "acknowledge" and told.needs_action:
        _given(body.get("reason", ""))  # not here: who answers by SMS at night types a code and one word
    if verb in OF_APPLIANCE:
        if alarm.scope != "appliance":
            raise Problem(422, "not-an-appliance", alarm.appliance)
        return Wish(verb, who, None, body | {"appliance": alarm.appliance, "by": by})
    return Wish(verb, who, alarm.id, body | {"by": by})


def _fields(verb: str, who: str, said: Mapping[str, str], told: Told, registry: Registry) -> dict[str, str]:
    reason = " ".join(said.get("reason", "").split())
    if len(reason) > REASON_MAX:
        raise Problem(422, "reason-missing")
    if verb == "acknowledge":
        return _answer(said, told, registry) | {"reason": reason}
    if verb == "shelve":
        minutes = said.get("minutes", "")
        if not minutes.isdecimal() or len(minutes) > 4 or not 1 <= int(minutes) <= SHELF_MAX_MIN:
            raise Problem(422, "minutes-missing")
        second = _second(said, who, registry)
        return {"minutes": str(int(minutes)), "reason": _given(reason), "second": second}
    if verb == "dispose":
        if (what := said.get("what", "")) not in FATES:
            raise Problem(422, "fate-missing")
        second = _second(said, who, registry)
        return {"what": what, "reason": _given(reason), "second": second}
    if verb == "out_of_service":
        if (to := said.get("to", "")) not in ("", "empty"):
            _elsewhere(to, told, registry)
        return {"reason": _given(reason), "to": to}
    return {"reason": reason}


def _answer(said: Mapping[str, str], told: Told, registry: Registry) -> dict[str, str]:
    action, target = said.get("action", ""), said.get("target", "")
    if action not in ("", *ACTIONS):
        raise Problem(422, "action-missing")
    if not action and told.needs_action:
        raise Problem(422, "action-missing")
    if action != "moved":
        return {"action": action}
    _elsewhere(target, told, registry)
    return {"action": action, "target": target}


def _elsewhere(name: str, told: Told, registry: Registry) -> None:
    if name == told.alarm.appliance or name not in registry.appliance_by_id:
        raise Problem(422, "target-missing")


def _second(said: Mapping[str, str], who: str, registry: Registry) -> str:
    second = said.get("second", "")
    if not second:
        return ""
    if second == who or second not in registry.person_by_id:
        raise Problem(422, "second-missing")
    return second


def _given(reason: str) -> str:
    if not reason:
        raise Problem(422, "reason-missing")
    return reason
