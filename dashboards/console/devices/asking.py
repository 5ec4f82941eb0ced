# SPDX-License-Identifier: Apache-2.0
"""What people and programs ask about devices: who may, in whose name, and what is missing as a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from coldchain.kernel.errors import BadData
from coldchain.records.work import CANCELLED, FINISHED, NOTED, SENT, STARTED, TooOften, WorkOrder
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.roles import May
from dashboards.console.accounts.signing import known_as
from dashboards.console.devices.fields import parts_of
from dashboards.console.devices.known import Bench, mine_to_do
from dashboards.console.problems import Problem
from dashboards.console.words import t, word

VERBS = (SENT, STARTED, FINISHED, CANCELLED, NOTED)
OF_THE_BANK = (SENT, CANCELLED)
"""What contractors do not decide."""
STEP_FIELDS = ("contractor", "to", "findings", "cause", "cost", "currency", "note")
UNSEEN = {"same": 0, "gained": 0, "lost": 0, "earlier": 0, "later": 0, "days": 0, "sensors": 0,
          "readings": 0, "alarms": []}  # fmt: skip
"""Of a change that nobody can look back for."""
NOTES = ("done", "part")
"""Kinds of entries that whoever works on a device may write."""


def actor(bench: Bench, given: str) -> str:
    """Who acts: the account, or the name that was given; a person's id where the registry knows it."""
    account = visitor().account
    who = known_as(account.person if account is not None else given.strip(), bench.registry)
    if not 1 <= len(who) <= 60 or not who.isprintable():
        raise Problem(422, "name-missing")
    return who


def raise_order(bench: Bench, key: str, said: Mapping[str, str], who: str) -> int:
    """said: appliance and what, or an alarm's number; contractor. Its number, or that of the live one."""
    registry, alarm = bench.registry, said.get("alarm", "")
    appliance, what, number = said.get("appliance", ""), said.get("what", ""), None
    if alarm:
        told = bench.console.records.told(int(alarm)) if alarm.isdecimal() and len(alarm) < 10 else None
        if told is None or told.alarm.scope != "appliance":
            raise Problem(404, "unknown-alarm", alarm)
        number, appliance = told.alarm.number, told.alarm.appliance
        kind = word("kind", told.alarm.kind)
        what = what.strip() or t("work.from_alarm", n=number, kind=kind)
    known = registry.appliance_by_id.get(appliance)
    if known is None:
        raise Problem(404, "unknown-appliance", appliance)
    bench.check(known.site)
    try:
        return bench.deeds.raise_(
            key, appliance, what, person=who, contractor=said.get("contractor", ""), alarm=number
        )
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad


def step_order(
    bench: Bench, key: str, order: WorkOrder, state: str, said: Mapping[str, str], who: str
) -> None:
    """Bring it on. The person must be one of the registry: alerts asks for that."""
    if state not in VERBS:
        raise Problem(404, "unknown-verb", state)
    account = visitor().account
    if account is not None and state in OF_THE_BANK and May.ACKNOWLEDGE not in visitor().rights:
        raise Problem(403, "not-allowed")
    if not mine_to_do(order, who):
        raise Problem(403, "not-your-order")
    if who not in bench.registry.person_by_id:
        raise Problem(422, "not-registered", who)
    body = {name: said[name] for name in STEP_FIELDS if said.get(name, "").strip()}
    try:
        cost = body.get("cost", "").replace(" ", "").replace(",", ".")
        if cost and not 0 <= float(cost) < 1e12:
            raise Problem(422, "field-wrong", "cost")
    except ValueError as bad:
        raise Problem(422, "field-wrong", "cost") from bad
    try:
        fresh = bench.deeds.step(key, order.number, state, person=who, body=body)
        if fresh and state in (FINISHED, NOTED):
            used = {"used_ms": bench.console.wall_ms(), "order": order.number}
            for place, part in enumerate(parts_of(said.get("parts", ""))):
                bench.deeds.enter(f"{key}:part:{place}", order.serial, "part", part | used, person=who)
    except TooOften as bad:
        raise Problem(429, "sent-too-often", str(bad)) from bad
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad


def _check_sensors(bench: Bench, fields: Mapping[str, object] | None, corrects: int | None) -> None:
    """A certificate changes its sensor, and that of the one it corrects: both are for whoever asks."""
    before = bench.devices.entry(corrects) if corrects is not None else None
    named = [str((fields or {}).get("sensor", ""))]
    if before is not None and before.kind == "certificate" and before.said is not None:
        named.append(before.said.sensor)
    registry = bench.registry
    for sensor in filter(None, (registry.sensor_by_id.get(name) for name in named)):
        place = registry.appliance_by_id.get(sensor.appliance or "")
        bench.check(place.site if place else sensor.site or "")


def ask_another(
    bench: Bench,
    key: str,
    serial: str,
    fields: Mapping[str, object] | None,
    *,
    who: str,
    corrects: int | None = None,
) -> int | None:
    """A certificate that one person may not bring into force: the number of the proposal that asks another
    one, with what it would have changed in the last days; None: it takes one. Problem as `enter`.
    """
    bench.check(bench.device(serial).site)
    _check_sensors(bench, fields, corrects)
    if bench.devices.entry(key) is not None:
        return None
    try:
        one = bench.deeds.calibration(key, serial, fields, corrects)
        if one.alone(bench.console.wall_ms()):
            return None
        preview = bench.tools.preview
        return bench.proposals.add(
            "calibration",
            serial,
            one.base,
            one.body,
            reason=f"calibration of {', '.join(sorted({span.sensor for span in one.spans}))}",
            person=who,
            changes=[span.as_change() for span in one.spans],
            preview=dict(preview(one.old, one.new) if preview is not None else UNSEEN),
        )
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad


def enter(
    bench: Bench,
    key: str,
    serial: str,
    kind: str,
    fields: Mapping[str, object] | None,
    *,
    who: str,
    corrects: int | None = None,
) -> int:
    """Write an entry about a device that is known, or is now. Problem says what is not sound."""
    try:
        bench.check(bench.device(serial).site)
    except Problem as unknown:
        if unknown.status != 404 or kind not in ("facts", "installed"):
            raise
    if kind == "certificate":
        _check_sensors(bench, fields, corrects)
    try:
        return bench.deeds.enter(key, serial, kind, fields, person=who, corrects=corrects)
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad
