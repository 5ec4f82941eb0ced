# SPDX-License-Identifier: Apache-2.0
"""What a process counts of itself, as people read it. Pure.

Instants and check words are for programs: the API and `coldchain doctor` give all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from dashboards.console.strip import count
from dashboards.console.values import figure
from dashboards.console.words import t, word

LEFT_OUT = frozenset({"anchors", "position"})
OCTETS = ((1_000_000, "MB"), (1_000, "kB"))


def figures_said(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of each figure; of a part that counts for itself, its name and the figure's.

    >>> figures_said({"accepted": 15462, "full": False, "bytes": 17408, "oldest_ms": None})
    [('accepted', '15\u202f462'), ('spool full', 'no'), ('size of the spool', '17.4 kB')]
    >>> figures_said({"lines": {"/run/n1": {"state": "up"}, "/run/n2": {"state": "down"}}})
    [('lines', '1 up, 1 down: n2')]
    """
    return list(_said(figures))


def _said(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        if value is None or name in LEFT_OUT or name.endswith("_ms"):
            continue
        if name == "lines" and isinstance(value, Mapping):
            yield word("figure", name), _lines(value)
        elif isinstance(value, Mapping):
            part = word("figure", name)
            yield from ((f"{part}: {inner}", text) for inner, text in _said(value))
        else:
            yield word("figure", name), _value(name, value)


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return t("figure.yes") if value else t("figure.no")
    if isinstance(value, int) and name.startswith("bytes"):
        size, unit = next(((s, u) for s, u in OCTETS if value >= s), (1, "B"))
        return f"{figure(value / size) if size > 1 else value} {unit}"
    if isinstance(value, int):
        return count(value)
    return figure(value) if isinstance(value, float) else word("figure", value)


def _lines(lines: Mapping[str, Any]) -> str:
    """How many in which state, and which are not up: the last part of their names."""
    states = {name: str(said.get("state", "")) for name, said in lines.items() if isinstance(said, Mapping)}
    counts = ", ".join(f"{n} {word('figure', state)}" for state, n in Counter(states.values()).most_common())
    down = ", ".join(name.rpartition("/")[2] for name, state in states.items() if state != "up")
    return f"{counts}: {down}" if down else counts
