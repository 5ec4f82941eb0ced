# SPDX-License-Identifier: Apache-2.0
"""Two versions of the registry: every difference that decides when somebody is told, and which way. Pure.

Also what makes a version unsound, whoever signs it. Profiles are given, so that new ones can be tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile
from coldchain.kernel.widening import Change, Effect, larger_is, of_profile, worst
from coldchain.records.duty import DEFAULTS, Policy, Rota
from coldchain.records.registry import Appliance, Person, Registry, Sensor

Profiles = Mapping[str, Profile]
WIDENS, NARROWS, NEUTRAL = Effect.WIDENS, Effect.NARROWS, Effect.NEUTRAL
FOREVER = float("inf")


def of_registry(before: Registry, after: Registry, profiles: Profiles, now_ms: int) -> list[Change]:
    """What becomes later or rarer, what earlier, and what is only another word."""
    found: list[Change] = []
    found += _appliances(before, after, profiles, now_ms)
    found += _sensors(before, after, now_ms)
    found += _people(before, after)
    found += _listed("policy", before.policies, after.policies, _policy)
    found += _listed("rota", before.rotas, after.rotas, _rota)
    found += _at_sites(before, after)
    gone = {g.id for g in before.gateways} - {g.id for g in after.gateways}
    found += [Change(f"gateway {name}", "entry", name, "", WIDENS) for name in sorted(gone)]
    for site in before.sites:
        if site.id not in after.site_by_id:
            found.append(Change(f"site {site.id}", "entry", site.name, "", WIDENS))
    return found


def faults_of_registry(before: Registry, after: Registry, profiles: Profiles, now_ms: int) -> list[str]:
    """Why this version must not come into force at all; each says what to do."""
    found = []
    for appliance in after.appliances:
        carried = appliance.carries(now_ms)
        if carried in {None, "empty"}:
            continue
        if carried != "loading" and carried not in profiles:
            found.append(f"{appliance.id} carries {carried}, of which there is no profile: put that in first")
        measured = [s for s in after.sensors if s.appliance == appliance.id and s.quantity == "temperature"]
        if not measured:
            found.append(
                f"{appliance.id} carries {carried} and nothing measures its temperature: "
                "name its sensor, or say that it is empty"
            )
        if appliance.id in before.appliance_by_id and _deaf(before, appliance) < _deaf(after, appliance):
            found.append(f"{appliance.id} carries {carried} and nobody is told of its alarms: name people")
    return found


def _deaf(registry: Registry, appliance: Appliance) -> bool:
    return not registry.people_for(appliance.site)


# --- appliances and sensors


def _appliances(before: Registry, after: Registry, profiles: Profiles, now_ms: int) -> list[Change]:
    found: list[Change] = []
    for old in before.appliances:
        new = after.appliance_by_id.get(old.id)
        if new is None:
            found.append(Change(f"appliance {old.id}", "entry", old.name, "", WIDENS))
            continue
        found += _carried(old, new, profiles, now_ms)
        for name, effect in (("service", WIDENS if new.service == "out" else NEUTRAL), ("site", WIDENS)):
            found += _plain(f"appliance {old.id}", name, getattr(old, name), getattr(new, name), effect)
        tau = larger_is(WIDENS, old.tau_s, new.tau_s, none=0.0) if old.tau_s and new.tau_s else WIDENS
        found += _plain(f"appliance {old.id}", "tau_s", old.tau_s, new.tau_s, tau)
        held = (old.hold_over_min, new.hold_over_min)  # until then nobody is called in a power cut
        bears = larger_is(WIDENS, *held, none=0.0) if all(held) else WIDENS
        found += _plain(f"appliance {old.id}", "hold_over_min", *held, bears)
        found += _plain(f"appliance {old.id}", "kind", old.kind, new.kind, WIDENS)
        if set(new.drills) - set(old.drills):
            found.append(
                Change(f"appliance {old.id}", "drills", str(len(old.drills)), str(len(new.drills)), WIDENS)
            )
    return found


def _carried(old: Appliance, new: Appliance, profiles: Profiles, now_ms: int) -> list[Change]:
    """What it carries, now and later; and the past, which is judged again."""
    turns = {
        t for a in (*old.assignments, *new.assignments) for t in (a.from_ms, a.until_ms) if t is not None
    }
    found: dict[tuple[str, str], Change] = {}
    for at_ms in sorted({now_ms} | turns):
        was, becomes = old.carries(at_ms), new.carries(at_ms)
        if was == becomes:
            continue
        what = "carries" if at_ms >= now_ms else "carried before"
        effect = _exchange(was, becomes, profiles)
        change = Change(f"appliance {old.id}", what, was or "", becomes or "", effect)
        found.setdefault((what, f"{was}>{becomes}"), change)
    return list(found.values())


def _exchange(was: str | None, becomes: str | None, profiles: Profiles) -> Effect:
    """One profile for another: its numbers decide. From a profile to none of them: nothing rings any more."""
    old, new = profiles.get(was or ""), profiles.get(becomes or "")
    if old is None:
        return NARROWS if new is not None else WIDENS
    return WIDENS if new is None else worst(of_profile(old, new))


PROBES = {"air": 0, None: 1, "load": 2}
"""Air is excused more than a probe of which nobody says where it is; a load never (alerts.rules.terms)."""


def _sensors(before: Registry, after: Registry, now_ms: int) -> list[Change]:
    found: list[Change] = []
    for old in before.sensors:
        subject, new = f"sensor {old.id}", after.sensor_by_id.get(old.id)
        if new is None:
            found.append(Change(subject, "entry", old.id, "", WIDENS))
            continue
        probe = larger_is(NARROWS, PROBES[old.probe], PROBES[new.probe], none=0.0)
        found += _plain(subject, "probe", old.probe, new.probe, probe)
        found += _plain(
            subject, "every_s", old.every_s, new.every_s, larger_is(WIDENS, old.every_s, new.every_s, none=0)
        )
        for name in ("appliance", "quantity", "site"):
            found += _plain(subject, name, getattr(old, name), getattr(new, name), WIDENS)
        found += _plain(subject, "channel", f"{old.node}/{old.channel}", f"{new.node}/{new.channel}", WIDENS)
        if _offsets(old) != _offsets(new):  # what reads colder rings later when it is warm, and the other way
            found.append(Change(subject, "offsets", _offsets(old), _offsets(new), WIDENS))
        found += _plain(subject, "paces", _paces(old, now_ms), _paces(new, now_ms), WIDENS)
    # Where a load probe is new, air beside it only warns.
    loads = {s.appliance for s in before.sensors if s.probe == "load"}
    warm = {s.appliance for s in before.sensors if s.quantity == "temperature"}
    for sensor in after.sensors:
        if sensor.id not in before.sensor_by_id and sensor.probe == "load" and sensor.appliance not in loads:
            effect = WIDENS if sensor.appliance in warm else NEUTRAL
            found.append(Change(f"sensor {sensor.id}", "entry", "", "load", effect))
    return found


def _offsets(sensor: Sensor) -> str:
    """With their dates: the same offset from another day is another one."""
    return ", ".join(f"{o.offset_k:+g} K from {_when(o.from_ms)}" for o in sensor.offsets)


def _when(at_ms: int) -> str:
    try:
        return rfc3339(at_ms)
    except OverflowError:  # after the year 9999, or long before any
        return f"{at_ms} ms"


def _paces(sensor: Sensor, now_ms: int) -> str:
    """Those that still hold; what a reading was due before is history."""
    still = [p for p in sensor.paces if p.until_ms > now_ms and p.every_s > sensor.every_s]
    return ", ".join(f"{p.every_s} s until {_when(p.until_ms)}" for p in still)


# --- people, rotas, policies


def _people(before: Registry, after: Registry) -> list[Change]:
    found: list[Change] = []
    for old in before.people:
        subject, new = f"person {old.id}", after.person_by_id.get(old.id)
        if new is None:
            found.append(Change(subject, "entry", old.name, "", WIDENS))
            continue
        found += _plain(subject, "sites", _sites(old), _sites(new), _reach(old, new))
        channels = NEUTRAL if set(old.channels) <= set(new.channels) else WIDENS
        found += _plain(subject, "channels", ", ".join(old.channels), ", ".join(new.channels), channels)
        quiet = NARROWS if new.quiet is None else WIDENS
        found += _plain(subject, "quiet", str(old.quiet or ""), str(new.quiet or ""), quiet)
        found += _plain(subject, "role", old.role, new.role, WIDENS)
        found += _plain(subject, "phone", old.phone, new.phone, NEUTRAL)
        found += _plain(subject, "email", old.email, new.email, NEUTRAL if new.email else WIDENS)
        numbers = NEUTRAL if len(new.numbers) >= len(old.numbers) else WIDENS
        found += _plain(subject, "numbers", ", ".join(old.numbers), ", ".join(new.numbers), numbers)
    return found


def _sites(one: Person | Rota) -> str:
    return ", ".join(one.sites) or "every site"


def _reach(old: Person | Rota, new: Person | Rota) -> Effect:
    """Empty is everywhere."""
    if not new.sites:
        return NARROWS if old.sites else NEUTRAL
    return WIDENS if not old.sites or set(old.sites) - set(new.sites) else NARROWS


def _listed(word: str, before: Iterable[object], after: Iterable[object], compare: object) -> list[Change]:
    found: list[Change] = []
    new_by_id = {one.id: one for one in after}  # type: ignore[attr-defined]
    for old in before:
        name = old.id  # type: ignore[attr-defined]
        if name in new_by_id:
            found += compare(old, new_by_id[name])  # type: ignore[operator]
        else:
            found.append(Change(f"{word} {name}", "entry", name, "", WIDENS))
    return found


def _rota(old: Rota, new: Rota) -> list[Change]:
    """Who takes turns is people's daily business; when nobody does is not."""
    subject = f"rota {old.id}"
    found = _plain(subject, "people", ", ".join(old.people), ", ".join(new.people), NEUTRAL)
    found += _plain(subject, "sites", _sites(old), _sites(new), _reach(old, new))
    found += _plain(subject, "site_levels", ", ".join(old.site_levels), ", ".join(new.site_levels), WIDENS)
    found += _plain(subject, "hours", str(old.hours), str(new.hours), NARROWS if not new.hours else WIDENS)
    found += _plain(
        subject, "level", str(old.level), str(new.level), larger_is(WIDENS, old.level, new.level, none=0)
    )
    unmanned = {h.day for h in new.holidays if not h.person} - {h.day for h in old.holidays if not h.person}
    if unmanned:
        days = ", ".join(str(day) for day in sorted(unmanned))
        found.append(Change(subject, "nobody on", "", days, WIDENS))
    return found


def _policy(old: Policy, new: Policy) -> list[Change]:
    subject = f"policy {old.id}"
    found = _plain(subject, "severity", old.severity, new.severity, WIDENS)
    found += _plain(subject, "sites", ", ".join(old.sites), ", ".join(new.sites), WIDENS)
    repeat = larger_is(WIDENS, old.repeat_s or FOREVER, new.repeat_s or FOREVER, none=FOREVER)
    found += _plain(subject, "repeat_s", str(old.repeat_s), str(new.repeat_s), repeat)
    for name in ("lapse_s", "receipt_s"):
        was, becomes = getattr(old, name), getattr(new, name)
        found += _plain(subject, name, str(was), str(becomes), larger_is(WIDENS, was, becomes, none=FOREVER))
    found += _steps(subject, old, new)
    return found


def _at_sites(before: Registry, after: Registry) -> list[Change]:
    """A new entry takes the place of another at a site it names: what holds there is compared, not names."""
    found: dict[str, Change] = {}
    for site in (s.id for s in before.sites if s.id in after.site_by_id):
        for old in DEFAULTS:
            was, becomes = (_policy_at(one, old, site) for one in (before, after))
            if was.id != becomes.id or (was in DEFAULTS) != (becomes in DEFAULTS):
                alike = becomes.model_copy(update={"severity": was.severity, "sites": was.sites})
                found |= {str(change): change for change in _policy(was, alike)}
        for level in sorted({1, *(rota.level for rota in (*before.rotas, *after.rotas))}):
            was_on, is_on = (_rotas_at(one, site, level) for one in (before, after))
            if set(was_on) - set(is_on) or (level == 1 and is_on and not was_on and before.people_for(site)):
                words = [", ".join(sorted(names)) for names in (was_on, is_on)]
                change = Change(f"site {site}", f"on call {level}", words[0] or "everybody", words[1], WIDENS)
                found[str(change)] = change
    return list(found.values())


def _policy_at(registry: Registry, built_in: Policy, site: str) -> Policy:
    """As alerts chooses it: that which names the site, else a general one, else the built-in."""
    mine = [p for p in registry.policies if p.severity == built_in.severity]
    own = [p for p in mine if site in p.sites]
    return (own or [p for p in mine if not p.sites] or [built_in])[0]


def _rotas_at(registry: Registry, site: str, level: int) -> list[str]:
    """As alerts chooses them: rotas that name the site, else the general ones of its level."""
    place = registry.site_by_id[site].level
    fit = [r for r in registry.rotas if r.level == level and (not r.site_levels or place in r.site_levels)]
    own = [r.id for r in fit if site in r.sites]
    return own or [r.id for r in fit if not r.sites]


def _steps(subject: str, old: Policy, new: Policy) -> list[Change]:
    """By when everybody is told who was told before, by whichever step, and by which channel."""
    was, becomes = _told(old), _told(new)
    later = {whom: at for whom, at in was.items() if becomes.get(whom, FOREVER) > at}
    sooner = {whom: at for whom, at in becomes.items() if was.get(whom, FOREVER) > at}
    found = []
    for whom in sorted({**later, **sooner}):
        before, after = was.get(whom), becomes.get(whom)
        words = ["" if s is None else f"after {s:g} s" for s in (before, after)]
        effect = WIDENS if whom in later else NARROWS
        found.append(Change(subject, " by ".join(whom), words[0], words[1], effect))
    if not found and old.steps != new.steps:
        fewer = len(new.steps) < len(old.steps)
        effect = WIDENS if fewer else NARROWS
        found.append(Change(subject, "steps", str(len(old.steps)), str(len(new.steps)), effect))
    return found


def _told(policy: Policy) -> dict[tuple[str, str], float]:
    """(whom, channel) -> seconds after the alarm."""
    found: dict[tuple[str, str], float] = {}
    at_s = 0.0
    for step in policy.steps:
        at_s += step.after_s
        for whom in step.tell:
            for channel in step.by:
                found.setdefault((whom, channel), at_s)
    return found


def _plain(subject: str, what: str, before: object, after: object, effect: Effect) -> list[Change]:
    if before == after:
        return []
    old, new = ("" if value is None else str(value) for value in (before, after))
    return [Change(subject, what, old, new, effect)]
