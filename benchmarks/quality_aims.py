# SPDX-License-Identifier: Apache-2.0
"""The aims, and what each type of appliance reaches of them: one table at the head of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import quality_cause
from firmware_sim.physics.designs import ApplianceType as Type

Tally = dict[str, Any]
LOSSES = ("mains_cut", "compressor_lost")


def table(broad: dict[Type, Tally], close: dict[Type, Tally]) -> list[str]:
    """Lines of a table: an aim a row, a type a column; what misses its aim is in bold."""
    kinds = [kind for kind in Type if kind in broad or kind in close]
    lines = ["| aim | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for aim, of_close, value, reached, shown in AIMS:
        cells = []
        for kind in kinds:
            tally = (close if of_close else broad).get(kind)
            found = value(tally) if tally else None
            text = "-" if found is None else shown.format(found)
            cells.append(text if found is None or reached(found) else f"**{text}**")
        lines.append(f"| {aim} | " + " | ".join(cells) + " |")
    return [*lines, "", "Bold: not reached. -: does not happen to it, or was not looked at.", ""]


def _share(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole else None


def _missed(t: Tally) -> float | None:
    return 1000.0 * t["load"]["missed"] / t["load"]["excursions"] if t["load"]["excursions"] else None


def _real(t: Tally) -> float | None:
    return _share(t["load"]["messages"] - t["load"]["nuisance"], t["load"]["messages"])


def _lead(t: Tally) -> float | None:
    found = [share for kind in LOSSES for share in t["seeing"].get(f"load_lead_{kind}", [])]
    return 100.0 * float(np.median(found)) if found else None


def _error(how: str, name: str) -> Callable[[Tally], float | None]:
    def value(t: Tally) -> float | None:
        found = t[how].get(f"{name}_error")
        return 100.0 * float(np.median(found)) if found else None

    return value


def _covered(how: str) -> Callable[[Tally], float | None]:
    def value(t: Tally) -> float | None:
        found = t[how].get("load_covered")
        return 100.0 * float(np.mean(found)) if found else None

    return value


def _cause(which: str) -> Callable[[Tally], float | None]:
    def value(t: Tally) -> float | None:
        pairs = t["causes"].get("with contacts, 10 min later", {})
        total = sum(pairs.values())
        unknown = sum(n for key, n in pairs.items() if key.endswith("> unknown"))
        right = sum(n for key, n in pairs.items() if _right(*key.split(" > ")))
        return _share(unknown if which == "unknown" else total - right - unknown, total)

    return value


def _right(fault: str, word: str) -> bool:
    return word in quality_cause.WORDS[fault]


def _false_yes(t: Tally) -> float | None:
    broken = [key for key in t["leave"] if key.startswith("broken") and ":" not in key]
    yes = sum(t["leave"].get(f"{key}: yes", 0) for key in broken)
    return _share(yes, sum(t["leave"][key] for key in broken))


def _yes(t: Tally) -> float | None:
    return _share(t["leave"].get("repaired: yes", 0), t["leave"].get("repaired", 0))


def _probes(t: Tally) -> float | None:
    p = t["faults"]["probes"]
    return float(p["probe_open_read_as_temperature"]) if p.get("probe_open") else None


AIMS: tuple[tuple[str, bool, Callable[[Tally], float | None], Callable[[float], bool], str], ...] = (
    ("missed of 1,000 excursions: at most 1", False, _missed, lambda x: x <= 1, "{:.2f}"),
    (
        "longest missed [min]: at most 30",
        False,
        lambda t: float(t["load"]["longest_missed_min"]),
        lambda x: x <= 30,
        "{:.0f}",
    ),
    (
        "nuisance per appliance-month: at most 0.05",
        False,
        lambda t: t["load"]["nuisance"] / max(t["load"]["months"], 1e-9),
        lambda x: x <= 0.05,
        "{:.3f}",
    ),
    ("messages that are real [%]: 95", False, _real, lambda x: x >= 95, "{:.1f}"),
    ("time left when a loss is first foreseen [%]: 80", True, _lead, lambda x: x >= 80, "{:.0f}"),
    ("time to limit on load, error [%]: 8", True, _error("unseeing", "load"), lambda x: x <= 8, "{:.1f}"),
    ("the same, room and mains known", True, _error("seeing", "load"), lambda x: x <= 8, "{:.1f}"),
    ("time to limit on air, error [%]: 15", True, _error("unseeing", "air"), lambda x: x <= 15, "{:.1f}"),
    (
        "90 % interval on load covers [%]: 85 to 95",
        True,
        _covered("unseeing"),
        lambda x: 85 <= x <= 95,
        "{:.1f}",
    ),
    ("cause wrong, with contacts [%]: under 3", True, _cause("wrong"), lambda x: x < 3, "{:.1f}"),
    ("cause unknown, with contacts [%]: under 10", True, _cause("unknown"), lambda x: x < 10, "{:.1f}"),
    (
        "defrosts passed in silence [%]: 99",
        False,
        lambda t: _share(t["faults"]["defrosts_passed"], t["faults"]["defrosts"]),
        lambda x: x >= 99,
        "{:.2f}",
    ),
    (
        "missed near a defrost: 0",
        False,
        lambda t: float(t["faults"]["hidden_by_defrosts"]) if t["faults"]["defrosts"] else None,
        lambda x: x == 0,
        "{:.0f}",
    ),
    ("sensor codes read as temperature: 0", False, _probes, lambda x: x == 0, "{:.0f}"),
    (
        "blind clock no later than the truth [%]: 95",
        True,
        lambda t: _share(sum(t["blind"]), len(t["blind"])),
        lambda x: x >= 95,
        "{:.1f}",
    ),
    ('false "may I leave: yes" [%]: under 2', True, _false_yes, lambda x: x < 2, "{:.1f}"),
    ("yes after a repair within 90 min [%]", True, _yes, lambda _: True, "{:.0f}"),
    (
        "messages that differ in another order: 0",
        True,
        lambda t: float(t["order"]["differ_shuffled"]) if "order" in t else None,
        lambda x: x == 0,
        "{:.0f}",
    ),
)
"""Words; from the close look or not; the figure; is it reached; how it is printed."""
