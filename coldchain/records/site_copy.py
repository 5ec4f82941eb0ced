# SPDX-License-Identifier: Apache-2.0
"""What a gateway's guard is to know of the registry: its own site, no more. Pure."""

from __future__ import annotations

from coldchain.records.registry import Registry


def sites_of(registry: Registry, gateway: str) -> set[str]:
    """Where the gateway stands, as the registry says; else every site that has no gateway of its own."""
    entry = next((g for g in registry.gateways if g.id == gateway), None)
    if entry is not None and entry.site is not None:
        return {entry.site}
    return {s.id for s in registry.sites} - {g.site for g in registry.gateways}


def copy_for(registry: Registry, gateway: str) -> Registry | None:
    """The registry of the gateway's sites, with all who may be told there. None: it has no site yet.

    ValueError when what is left is not sound by itself.
    """
    sites = sites_of(registry, gateway)
    if not sites:
        return None
    appliances = tuple(a for a in registry.appliances if a.site in sites)
    held = {a.id for a in appliances}
    rotas = tuple(r for r in registry.rotas if not r.sites or sites & set(r.sites))
    policies = tuple(p for p in registry.policies if not p.sites or sites & set(p.sites))
    named = {person for r in rotas for person in (*r.people, *(o.person for o in r.overrides))}
    named |= {h.person for r in rotas for h in r.holidays if h.person}
    steps = [step for p in policies for step in p.steps]
    named |= {w.removeprefix("person:") for step in steps for w in step.tell if w.startswith("person:")}
    people = (p for p in registry.people if not p.sites or sites & set(p.sites) or p.id in named)
    parts = {
        "sites": tuple(s for s in registry.sites if s.id in sites),
        "appliances": appliances,
        # Since when a channel counts is ingest's to know.
        "sensors": tuple(
            s.model_copy(update={"wired_ms": 0, "before": ()})
            for s in registry.sensors
            if s.appliance in held or s.site in sites
        ),
        "people": tuple(people),
        "gateways": tuple(g for g in registry.gateways if g.id == gateway or g.site in sites),
        "rotas": tuple(
            r.model_copy(update={"sites": tuple(s for s in r.sites if s in sites)}) for r in rotas
        ),
        "policies": policies,
    }
    whole = {name: getattr(registry, name) for name in Registry.model_fields}
    return Registry.model_validate({**whole, **parts})
