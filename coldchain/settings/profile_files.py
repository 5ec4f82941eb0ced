# SPDX-License-Identifier: Apache-2.0
"""Profiles as files: those that come with the program, and a site's own beside its data.

A file has one component, `[sources]`, and `[[profile]]` entries whose numbers are `[value, source]`. An
unknown key, a number without a source, or a set-point outside the limits refuses the whole file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from coldchain.kernel.errors import ConfigError
from coldchain.kernel.limits import Limits, Profile, faults_of

NUMBERS = (
    "low_c",
    "high_c",
    "critical_low_c",
    "critical_high_c",
    "critical_delay_s",
    "warning_low_c",
    "warning_high_c",
    "warning_delay_s",
    "deadband_k",
    "budget_s",
    "longest_s",
    "rate_k_min",
    "air_delay_s",
    "people_s",
    "stopped_s",
    "prove_s",
    "expected_every_s",
)
NEEDED = ("critical_delay_s", "deadband_k", "expected_every_s")
_WORDS = ("name", "version", "use")
_SIGNED = ("signed_by", "signed_on", "reason")
Read = TypeVar("Read")
_NAME = re.compile(r"[a-z][a-z0-9-]*@[a-z][a-z0-9-]*").fullmatch


@dataclass(frozen=True, slots=True)
class Written:
    """A profile with where each of its numbers comes from: key -> (value, source in words)."""

    profile: Profile
    numbers: Mapping[str, tuple[float, str]]


def read_profiles(text: str, where: str, *, own: bool = False) -> list[Written]:
    """The profiles of one file. own: a site's, to be signed off. ConfigError names place and fault."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as bad:
        raise ConfigError(f"{where}: not TOML: {bad}") from bad
    try:
        signed = _signature(told) if own else ""
        _no_more(told, ("component", "sources", "profile", *(_SIGNED if own else ())), "file")
        component, sources = told["component"], told["sources"]
        return [_profile(entry, component, sources, signed) for entry in told["profile"]]
    except KeyError as bad:
        raise ConfigError(f"{where}: {bad.args[0]} is missing") from bad
    except (TypeError, ValueError, AttributeError, AssertionError) as bad:
        raise ConfigError(f"{where}: {bad}") from bad


def _signature(told: Mapping[str, Any]) -> str:
    who, when, reason = (told.get(key) for key in _SIGNED)
    if not (isinstance(who, str) and who.strip() and isinstance(when, date) and reason):
        raise ValueError(
            "a site's own profile needs signed_by (a name), signed_on (a date) and reason: "
            "a medical director answers for its limits"
        )
    return f"{who}, {when.isoformat()}: {reason}"


def _no_more(entry: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    if odd := sorted(set(entry) - set(known)):
        raise ValueError(f"{what}: unknown key {odd[0]!r}; known: {', '.join(known)}")


def _profile(entry: Mapping[str, Any], component: str, sources: Mapping[str, str], signed: str) -> Written:
    name, version, use = entry["name"], entry["version"], entry["use"]
    if not _NAME(name):
        raise ValueError(f"{name!r} is no name of a profile; write it as red-cells@eu")
    if use not in {"storage", "transport"}:
        raise ValueError(f"{name}: use is storage or transport, not {use!r}")
    if type(version) is not int or version < 1:
        raise ValueError(f"{name}: version is a whole number from 1 on, not {version!r}")
    _no_more(entry, (*_WORDS, *NUMBERS), name)
    numbers = {key: _number(name, key, entry[key], sources) for key in NUMBERS if key in entry}
    for key in NEEDED:
        if key not in numbers:
            raise KeyError(f"{name}: {key}")
    made = _made(name, version, use, component, numbers, signed)
    if faults := faults_of(made):
        raise ValueError(f"{name}: {'; '.join(faults)}")
    return Written(made, numbers)


def _number(name: str, key: str, told: Any, sources: Mapping[str, str]) -> tuple[float, str]:
    if not (isinstance(told, list) and len(told) == 2 and type(told[0]) in {int, float}):
        raise ValueError(f'{name}: {key} is a number with its source: {key} = [6.0, "directive"]')
    value, source = told
    if source not in sources:
        raise ValueError(f"{name}: {key}: [sources] has no {source!r}; it has {', '.join(sources)}")
    return float(value), sources[source]


def _made(
    name: str, version: int, use: str, component: str, numbers: Mapping[str, tuple[float, str]], signed: str
) -> Profile:
    def value(key: str) -> float | None:
        return numbers[key][0] if key in numbers else None

    def points(prefix: str) -> Limits | None:
        keys = [f"{prefix}{side}" for side in ("low_c", "high_c")]
        told = dict.fromkeys(numbers[key][1] for key in keys if key in numbers)
        low, high = value(keys[0]), value(keys[1])
        if low is not None and high is not None and low >= high:
            raise ValueError(
                f"{name}: {keys[0]} {low:g} °C is not below {keys[1]} {high:g} °C: exchange them?"
            )
        return Limits(value(keys[0]), value(keys[1]), "; ".join(told)) if told else None

    def span(key: str) -> timedelta | None:
        found = value(key)
        return None if found is None else timedelta(seconds=found)

    limits = points("")
    if limits is None:
        raise KeyError(f"{name}: low_c or high_c")
    return Profile(
        name=name,
        version=version,
        component=component,
        limits=limits,
        deadband_k=numbers["deadband_k"][0],
        on_delay=timedelta(seconds=numbers["critical_delay_s"][0]),
        expected_every=timedelta(seconds=numbers["expected_every_s"][0]),
        source=f"delay and deadband: {numbers['deadband_k'][1]}",
        use=use,
        critical=points("critical_"),
        warning=points("warning_"),
        warning_delay=span("warning_delay_s") or timedelta(minutes=10),
        budget=span("budget_s"),
        longest=span("longest_s"),
        rate_k_min=value("rate_k_min"),
        air_delay=span("air_delay_s") or timedelta(minutes=30),
        people_need=span("people_s") or timedelta(hours=2),
        stopped=span("stopped_s"),
        prove=span("prove_s"),
        signed=signed,
    )


def built_in() -> list[Written]:
    """All that come with the program, by name."""
    found: list[Written] = []
    for file in sorted(files("coldchain.settings").joinpath("profiles").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            found += read_profiles(file.read_text(encoding="utf-8"), file.name)
    names = [one.profile.name for one in found]
    assert len(set(names)) == len(names), "a name twice"
    return sorted(found, key=lambda one: one.profile.name)


def of_site(folder: Path) -> list[Written]:
    """A site's own, from the *.toml files of a folder; none when there is no such folder."""
    found: list[Written] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as bad:
            raise ConfigError(f"{path}: cannot be read: {bad}") from bad
        found += read_profiles(text, str(path), own=True)
    for one in found:
        if one.profile.name in _BUILT_IN or [f.profile.name for f in found].count(one.profile.name) > 1:
            raise ConfigError(f"{folder}: {one.profile.name} is taken; give it an authority of your own")
    return found


WRITTEN = built_in()
_BUILT_IN = {one.profile.name for one in WRITTEN}
PROFILES = {one.profile.name: one.profile for one in WRITTEN}
"""By name: those built in, and a site's own once `take_up` has read them."""


def take_up(data_dir: Path) -> None:
    """Read a site's own profiles from its data folder, at the start of a process. ConfigError: none is."""
    own = of_site(data_dir / "profiles")
    PROFILES.update({one.profile.name: one.profile for one in own})


def take_up_new(data_dir: Path) -> bool:
    """Of a site's own profiles those whose names this process does not know yet: numbers that it knows stay.
    Were there any? Files that are not sound have none.
    """
    try:
        own = of_site(data_dir / "profiles")
    except ConfigError:
        return False
    fresh = {one.profile.name: one.profile for one in own if one.profile.name not in PROFILES}
    PROFILES.update(fresh)
    return bool(fresh)


def with_new(data_dir: Path, read: Callable[[], Read]) -> Read:
    """What `read` gives; if it fails, perhaps by a profile that came after this process began, once more."""
    try:
        return read()
    except ValueError:
        if not take_up_new(data_dir):
            raise
        return read()
