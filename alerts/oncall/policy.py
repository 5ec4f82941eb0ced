# SPDX-License-Identifier: Apache-2.0
"""Escalation: which policy, which step next, whom it names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from alerts.oncall.rota import instant_of, local_of, on_duty, rotas_of
from coldchain.records.duty import DEFAULTS, Policy
from coldchain.records.registry import Person, Registry

FIRST_ROLES = ("on-call", "technician")
"""Where no rota serves a site, people of these roles are its first level."""

POSTPONE_MS = 600_000
"""A missed call postpones the next step by ten minutes, once."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where an alarm's escalation stands: `step` runs at `due_ms`. `rounds`: repeats of the last step."""

    step: int
    due_ms: int
    rounds: int = 0


def policy_for(registry: Registry, severity: str, site: str) -> Policy:
    """The registry's policy that names the site, else its general one, else the built-in."""
    fitting = [p for p in registry.policies if p.severity == severity and (not p.sites or site in p.sites)]
    own = [p for p in fitting if p.sites]
    return (own or fitting or [p for p in DEFAULTS if p.severity == severity] or list(DEFAULTS))[0]


def after(policy: Policy, chain: Chain, now_ms: int) -> Chain | None:
    """The chain once its step has run at now_ms; None when nothing follows.

    Counted from now: after a long outage the steps missed do not come in a burst.
    """
    if chain.step + 1 < len(policy.steps):
        following = policy.steps[chain.step + 1]
        return Chain(chain.step + 1, now_ms + following.after_s * 1000, chain.rounds)
    if not policy.repeat_s:
        return None
    return replace(chain, due_ms=now_ms + policy.repeat_s * 1000, rounds=chain.rounds + 1)


def people_of(registry: Registry, site: str, names: Iterable[str], at_ms: int) -> list[Person]:
    """Whom a step's words name, each once, in order. Empty where nobody fits: the caller goes on."""
    found: dict[str, Person] = {}
    for whom in names:
        for person in _named(registry, site, whom, at_ms):
            found.setdefault(person.id, person)
    return list(found.values())


def _named(registry: Registry, site: str, whom: str, at_ms: int) -> list[Person]:
    people = registry.people_for(site)
    if whom == "everybody":
        return [p for p in people if p.role != "contractor"] or people or list(registry.people)
    kind, _, rest = whom.partition(":")
    if kind == "role":
        return [p for p in people if p.role == rest]
    if kind == "person":
        return [p for p in registry.people if p.id == rest]
    return _on_level(registry, site, int(rest), people, at_ms)


def _on_level(registry: Registry, site: str, level: int, people: list[Person], at_ms: int) -> list[Person]:
    if rotas_of(registry, site, level):
        ids = on_duty(registry, site, level, at_ms)
        return [registry.person_by_id[id_] for id_ in ids]
    if level > 1:
        return []
    return [p for p in people if p.role in FIRST_ROLES] or people


def routes(person: Person, available: Iterable[str]) -> list[tuple[str, str]]:
    """(channel, address) of everything that reaches a person, best first.

    Every number by SMS before the same numbers by voice, if that is the person's order of channels.
    """
    there = set(available)
    found: list[tuple[str, str]] = []
    for channel in person.channels:
        if channel not in there:
            continue
        if channel == "email":
            found += [("email", person.email)] if person.email else []
        else:
            found += [(channel, number) for number in (person.phone, *person.numbers)]
    return found


def first_routes(person: Person, by: Iterable[str], available: Iterable[str]) -> list[tuple[str, str]]:
    """One address for each channel of a step that this person has; never nothing if anything reaches them."""
    every = routes(person, available)
    chosen: dict[str, str] = {}
    for channel, address in every:
        if channel in set(by):
            chosen.setdefault(channel, address)
    return list(chosen.items()) or every[:1]


def quiet_until(person: Person, zone: str, at_ms: int) -> int | None:
    """The end of the person's quiet hours if they are now [ms], in the site's zone."""
    if person.quiet is None:
        return None
    today = local_of(at_ms, zone).date()
    for day in (today - timedelta(days=1), today):
        over = day + timedelta(days=1) if person.quiet.end <= person.quiet.start else day
        start, end = instant_of(day, person.quiet.start, zone), instant_of(over, person.quiet.end, zone)
        if start <= at_ms < end:
            return end
    return None
