# SPDX-License-Identifier: Apache-2.0
"""Exposure rules as files: those that come with the program; a site's own in `exposure/` of its data folder.

As with profiles, each number is `[value, source]`; an unknown key, a number without a source or a line for
discarding inside the one for stock refuses the whole file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from coldchain.kernel.errors import ConfigError
from coldchain.kernel.exposure import ExposureRule, faults_of_rule
from coldchain.kernel.limits import Profile

NUMBERS = (
    "once_s", "total_s", "occasions", "low_c", "high_c", "unknown_s",
    "discard_once_s", "discard_total_s", "discard_low_c", "discard_high_c",
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9-]*@[a-z][a-z0-9-]*").fullmatch
_SIGNED = ("signed_by", "signed_on", "reason")
ANY = "any"


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A rule with where each of its numbers comes from: key -> (value, source in words)."""

    rule: ExposureRule
    numbers: Mapping[str, tuple[float, str]]


def read_rules(text: str, where: str, *, own: bool = False) -> list[WrittenRule]:
    """The rules of one file. own: a site's, to be signed off. ConfigError names place and fault."""
    try:
        told = tomllib.loads(text)
        signed = _signature(told) if own else ""
        _no_more(told, {"component", "sources", "rule", *(_SIGNED if own else ())}, "file")
        return [_rule(entry, told["component"], told["sources"], signed) for entry in told["rule"]]
    except KeyError as bad:
        raise ConfigError(f"{where}: {bad.args[0]} is missing") from bad
    except (TypeError, ValueError, AttributeError) as bad:
        raise ConfigError(f"{where}: {bad}") from bad


def _no_more(told: Mapping[str, Any], known: set[str], what: str) -> None:
    if odd := sorted(set(told) - known):
        raise ValueError(f"{what}: unknown key {odd[0]!r}")


def _signature(told: Mapping[str, Any]) -> str:
    who, when, reason = (told.get(key) for key in _SIGNED)
    if not (isinstance(who, str) and who.strip() and isinstance(when, date) and reason):
        raise ValueError("a site's own rule needs signed_by (a name), signed_on (a date) and reason")
    return f"{who}, {when.isoformat()}: {reason}"


def _rule(entry: Mapping[str, Any], component: str, sources: Mapping[str, str], signed: str) -> WrittenRule:
    name, version = entry["name"], entry["version"]
    if not _NAME(name):
        raise ValueError(f"{name!r} is no name of a rule; write it as red-cells-30-minutes@au")
    if type(version) is not int or version < 1:
        raise ValueError(f"{name}: version is a whole number from 1 on, not {version!r}")
    _no_more(entry, {"name", "version", *NUMBERS}, name)
    numbers = {key: _number(name, key, entry[key], sources) for key in NUMBERS if key in entry}
    if "once_s" not in numbers:
        raise KeyError(f"{name}: once_s")
    values: dict[str, Any] = {key: value for key, (value, _) in numbers.items()}
    if "occasions" in values:
        values["occasions"] = round(values["occasions"])
    rule = ExposureRule(name, version, component, signed=signed, **values)
    if faults := faults_of_rule(rule):
        raise ValueError(f"{name}: {'; '.join(faults)}")
    return WrittenRule(rule, numbers)


def _number(name: str, key: str, told: Any, sources: Mapping[str, str]) -> tuple[float, str]:
    if not (isinstance(told, list) and len(told) == 2 and type(told[0]) in {int, float}):
        raise ValueError(f'{name}: {key} is a number with its source: {key} = [1800, "au"]')
    value, source = told
    if source not in sources:
        raise ValueError(f"{name}: {key}: [sources] has no {source!r}; it has {', '.join(sources)}")
    return float(value), sources[source]


def built_in_rules() -> list[WrittenRule]:
    """Those that come along, by file and place in it: of several for one component the first is taken."""
    found: list[WrittenRule] = []
    for file in sorted(files("coldchain.settings").joinpath("exposure").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            found += read_rules(file.read_text(encoding="utf-8"), file.name)
    return found


def rules_of(data_dir: Path) -> dict[str, WrittenRule]:
    """By name: a site's own first, so that they are taken first; ConfigError where one is unsound."""
    own: list[WrittenRule] = []
    for path in sorted((data_dir / "exposure").glob("*.toml")):
        try:
            own += read_rules(path.read_text(encoding="utf-8"), str(path), own=True)
        except (OSError, UnicodeDecodeError) as bad:
            raise ConfigError(f"{path}: cannot be read: {bad}") from bad
    found: dict[str, WrittenRule] = {}
    for one in own + BUILT_IN:
        if one.rule.name in found:
            raise ConfigError(f"{one.rule.name}: there are two; give yours an authority of its own")
        found[one.rule.name] = one
    return found


def fitting(rules: Mapping[str, WrittenRule], profile: Profile | None) -> list[WrittenRule]:
    """Those for a profile's component, its own authority first; else those for any component."""
    mine = [one for one in rules.values() if profile is not None and one.rule.component == profile.component]
    if profile is not None:
        mine.sort(key=lambda one: (not one.rule.signed, one.rule.authority != profile.authority))
    return mine or [one for one in rules.values() if one.rule.component == ANY]


BUILT_IN = built_in_rules()
