# SPDX-License-Identifier: Apache-2.0
"""A change of rules from a file: is it sound, what would it have done, and does it need two people?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from coldchain.kernel.errors import BadData, ConfigError, StoreUnavailable
from coldchain.kernel.limits import Profile
from coldchain.kernel.widening import Change, Effect, of_profile, unsound_beside, worst
from coldchain.records.accounts import Accounts
from coldchain.records.changes import faults_of_registry, of_registry
from coldchain.records.journal import JournalReader
from coldchain.records.own_profiles import kept_texts
from coldchain.records.proposals import DECIDERS, Kind, Proposals, base_of, own_file, put_profiles
from coldchain.records.registry import Desk, Registry, RegistryReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import WRITTEN, of_site, read_profiles
from coldchain.wiring.preview import Preview, Rules, Step, preview

if TYPE_CHECKING:
    from fastapi import FastAPI

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a file would change. `faults`: why it must not, whoever signs; each says what to do.

    base  what it was compared with: see `Proposal`
    """

    kind: Kind
    name: str
    body: str
    base: str
    old: Rules
    new: Rules
    changes: list[Change]
    faults: list[str] = field(default_factory=list)

    @property
    def effect(self) -> Effect:
        return worst(self.changes)


@dataclass(frozen=True, slots=True)
class Done:
    """version: of the registry that is now in force; proposal: its number, when another person is asked."""

    version: int | None = None
    proposal: int | None = None
    file: Path | None = None


def kind_of(path: Path, text: str) -> Kind | None:
    """registry (JSON), profiles (TOML with [[profile]]), or None: a settings file."""
    if path.suffix == ".json" or text.lstrip().startswith("{"):
        return "registry"
    return "profiles" if "[[profile]]" in text else None


def candidate(settings: Settings, name: str, text: str, now_ms: int) -> Candidate:
    """Read and compare. ConfigError or BadData when it cannot even be read as what it is."""
    kind = kind_of(Path(name), text)
    reader = RegistryReader(settings.desk_db)
    try:
        reader.refresh()
        registry, version = reader.registry, reader.version
    finally:
        reader.close()
    profiles = _in_force(settings)
    old = Rules(registry, profiles, settings.alerts.silent_after)
    if kind == "registry":
        return _of_registry(name, text, old, version, now_ms)
    if kind == "profiles":
        return _of_profiles(settings, name, text, old)
    raise BadData(
        f"{name}: neither a registry (JSON) nor a file of profiles ([[profile]]): nothing to compare"
    )


def _in_force(settings: Settings) -> dict[str, Profile]:
    written = [*WRITTEN, *of_site(settings.data_dir / "profiles")]
    known = {one.profile.name: one.profile for one in written}
    return known | {name: one for name, one in _kept(settings).items() if name in known}


def _kept(settings: Settings) -> dict[str, Profile]:
    """What alerts judges by, where a file says otherwise: what was written by hand waits for two people."""
    found: dict[str, Profile] = {}
    for name, text in (kept_texts(settings.data_dir) or {}).items():
        found |= {one.profile.name: one.profile for one in read_profiles(text, name, own=True)}
    return found


def _of_registry(name: str, text: str, old: Rules, version: int, now_ms: int) -> Candidate:
    try:
        made = Registry.model_validate(json.loads(text))
    except ValidationError as bad:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'registry'}: {_plain(e['msg'])}" for e in bad.errors()]
        return Candidate("registry", name, text, str(version), old, old, [], faults)
    except ValueError as bad:
        raise BadData(f"{name}: not JSON: {bad}") from bad
    new = Rules(made, old.profiles, old.silent_after)
    changes = of_registry(old.registry, made, old.profiles, now_ms)
    faults = faults_of_registry(old.registry, made, old.profiles, now_ms)
    return Candidate("registry", name, made.model_dump_json(), str(version), old, new, changes, faults)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _of_profiles(settings: Settings, name: str, text: str, old: Rules) -> Candidate:
    path = own_file(settings.data_dir, Path(name).name)
    base = base_of(settings.data_dir, path.name)
    try:
        written = read_profiles(text, path.name, own=True)
    except ConfigError as bad:
        return Candidate("profiles", path.name, text, base, old, old, [], [str(bad)])
    fresh = {one.profile.name: one.profile for one in written}
    kept = _kept(settings)
    before = {name: kept.get(name, profile) for name, profile in _of_file(path).items()}
    profiles = {name: p for name, p in old.profiles.items() if name not in before} | fresh
    built_in = {one.profile.name: one.profile for one in WRITTEN}
    faults = [
        f"{n}: this name comes with the program; give it an authority of your own"
        for n in fresh
        if n in built_in
    ]
    elsewhere = {n for n in old.profiles if n not in before and n not in built_in}
    faults += [f"{n}: another file of yours has it already; change it there" for n in fresh if n in elsewhere]
    for profile in fresh.values():
        faults += unsound_beside(profile, built_in.values())
    faults += _gone(old, set(before) - set(fresh))
    changes: list[Change] = []
    for one, profile in fresh.items():
        if one not in before:
            changes.append(Change(one, "entry", "", profile.label, Effect.NEUTRAL))
            continue
        found = of_profile(before[one], profile)
        if found and profile.version <= before[one].version:
            faults.append(
                f"{one}: its numbers change and its version stays {before[one].version}: every alarm names "
                f"the version of its rule; write version = {before[one].version + 1}"
            )
        changes += found
    changes += [
        Change(n, "entry", before[n].label, "", Effect.WIDENS) for n in sorted(set(before) - set(fresh))
    ]
    new = Rules(old.registry, profiles, old.silent_after)
    return Candidate("profiles", path.name, text, base, old, new, changes, faults)


def _of_file(path: Path) -> dict[str, Profile]:
    if not path.exists():
        return {}
    return {
        one.profile.name: one.profile for one in read_profiles(path.read_text("utf-8"), path.name, own=True)
    }


def _gone(old: Rules, names: set[str]) -> list[str]:
    """A rule that is deleted while blood is kept by it."""
    found = []
    for name in sorted(names):
        holders = [a.id for a in old.registry.appliances if name in {one.carries for one in a.assignments}]
        if holders:
            found.append(
                f"{name} is deleted, and {', '.join(holders[:5])} {'is' if len(holders) == 1 else 'are'} or "
                "were judged by it: keep it in the file; assign another profile from now on"
            )
    return found


def look_back(settings: Settings, one: Candidate, now_ms: int, step: Step | None = None) -> Preview:
    """The last week under both; nothing to look at before there is a record."""
    if one.old is one.new:
        return Preview(0, 0, 0, 0)
    try:
        journal = JournalReader(settings.readings_db)
    except StoreUnavailable:
        return Preview(0, 0, 0, 0)
    return preview(journal, one.old, one.new, now_ms, step=step)


def look_back_between(settings: Settings, old: Registry, new: Registry, now_ms: int) -> Mapping[str, Any]:
    """The same for two registries under the profiles in force, as proposals keep it."""
    profiles = _in_force(settings)
    before, after = (Rules(one, profiles, settings.alerts.silent_after) for one in (old, new))
    one = Candidate("registry", "", "", "", before, after, [])
    return look_back(settings, one, now_ms).as_dict()


def refuse_unsound(one: Candidate) -> None:
    """ConfigError with every fault; what is in force stays so."""
    if one.faults:
        lines = "\n  ".join(one.faults)
        raise ConfigError(f"{one.name} does not come into force; what is in force stays:\n  {lines}")


def apply(
    settings: Settings, one: Candidate, seen: Preview, *, person: str, reason: str, wall_ms: Clock
) -> Done:
    """Into force, or to be decided by another person when anything widens. ConfigError when it is unsound."""
    refuse_unsound(one)
    if one.effect is Effect.WIDENS:
        asking = decider(settings, person)
        changes = [{**asdict(change), "effect": str(change.effect)} for change in one.changes]
        number = Proposals(settings.data_dir, wall_ms).add(
            one.kind,
            one.name,
            one.base,
            one.body,
            reason=reason,
            person=asking,
            changes=changes,
            preview=seen.as_dict(),
        )
        return Done(proposal=number)
    if one.kind == "profiles":
        return Done(file=put_profiles(settings.data_dir, one.name, one.body))
    made = Registry.model_validate_json(one.body)
    if made.digest() == one.old.registry.digest():  # nothing changes, so there is no new version
        return Done(version=int(one.base))
    desk = Desk(settings.desk_db, wall_ms)
    try:
        return Done(version=desk.publish(made, author=person, reason=reason, after=int(one.base)))
    finally:
        desk.close()


def alone_may(settings: Settings, name: str, text: str, now_ms: int) -> int:
    """The version it was compared with, if one person may bring it into force; else ConfigError."""
    one = candidate(settings, name, text, now_ms)
    refuse_unsound(one)
    widening = [str(change) for change in one.changes if change.effect is Effect.WIDENS]
    if widening:
        lines = "\n  ".join(widening[:20])
        raise ConfigError(
            f"{name} makes alarms later or rarer, which needs two people: "
            f"`coldchain config apply {name} --as NAME --reason WHY`, then another one confirms:\n  {lines}"
        )
    return int(one.base)


def decider(settings: Settings, name: str) -> str:
    """One name for one person, who may propose and decide: in the registry, or with an account.

    BadData for somebody who is not known, or is neither supervisor nor manager.
    """
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    people = reader.registry.people
    known: dict[str, str] = {p.id: p.role for p in people}
    reader.close()
    who, role = name, known.get(name)
    accounts = Accounts(settings.desk_db, lambda: 0)
    account = accounts.find(name)
    accounts.close()
    if account is not None and not account.closed:
        who, role = account.person or name, account.role
    if role not in DECIDERS:
        allowed = sorted(n for n, r in known.items() if r in DECIDERS)
        raise BadData(
            f"{name} may not widen a rule: a supervisor or manager has to; there are: "
            f"{', '.join(allowed) or 'none yet, see `coldchain registry person`'}"
        )
    if who not in known and len(named := [p.id for p in people if p.name == who]) == 1:
        return named[0]  # one person, by id at one account and by name at another
    return who


def add_changes(app: FastAPI, settings: Settings, wall_ms: Clock) -> None:
    """Let the console look at changes of rules and bring them into force."""
    from dashboards.console.changes import Tools

    def look(name: str, text: str) -> Mapping[str, Any]:
        one = candidate(settings, name, text, wall_ms())
        return told(one, look_back(settings, one, wall_ms()))

    def bring(name: str, text: str, person: str, reason: str) -> Done:
        one = candidate(settings, name, text, wall_ms())
        refuse_unsound(one)
        seen = look_back(settings, one, wall_ms())
        return apply(settings, one, seen, person=person, reason=reason, wall_ms=wall_ms)

    app.state.changes.given = Tools(look, bring)


def told(one: Candidate, seen: Preview) -> Mapping[str, Any]:
    """For programs."""
    changes = [{**asdict(change), "effect": str(change.effect)} for change in one.changes]
    return {
        "kind": one.kind,
        "name": one.name,
        "effect": str(one.effect),
        "faults": one.faults,
        "changes": changes,
        "preview": seen.as_dict(),
    }
