# SPDX-License-Identifier: Apache-2.0
"""Fields of forms as entries: days of the site's zone, numbers with a comma or a point. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from dashboards.console.problems import Problem

DAY_MS = 86_400_000
ENDS = {"until", "expires", "warranty_until"}
"""These days count to their end."""
DAYS = {
    "facts": ("warranty_until",), "installed": ("from", "until"), "plan": ("first",), "done": ("done",),
    "part": ("used",), "certificate": ("from", "expires"), "mapping": ("mapped",), "paper": (),
    "model_plan": ("first",), "plan_other": ("first",),
}  # fmt: skip
NUMBERS = {
    "offset_k": float, "coldest_c": float, "warmest_c": float, "every_days": int, "count": int, "points": int,
    "hold_min": int, "plan": int, "order": int, "off": int,
}  # fmt: skip
WORDS = {
    "facts": ("maker", "model", "status", "reason"),
    "installed": ("appliance", "note"),
    "plan": ("task", "every_days", "note"),
    "done": ("plan", "note", "order"),
    "part": ("number", "name", "count", "order"),
    "certificate": ("sensor", "offset_k", "laboratory", "number", "paper"),
    "mapping": ("load", "points", "coldest_c", "warmest_c", "hold_min", "by", "note", "paper"),
    "paper": ("title", "sort", "order"),
    "model_plan": ("model", "task", "every_days", "note"),
    "plan_other": ("plan", "off", "every_days", "note"),
}


def entry_fields(kind: str, form: Mapping[str, str], zone: tzinfo, now_ms: int) -> dict[str, object]:
    """What a form says, as the fields of that kind. Problem names the field that cannot be read."""
    found: dict[str, object] = {}
    for name in WORDS[kind]:
        text = " ".join(form.get(name, "").split())
        if not text:
            continue
        try:
            found[name] = (
                NUMBERS[name](text.replace(",", ".").replace("\u2212", "-")) if name in NUMBERS else text
            )
        except ValueError as bad:
            raise Problem(422, "field-wrong", name) from bad
    for name in DAYS[kind]:
        if text := form.get(name, "").strip():
            found[f"{name}_ms"] = day_ms(text, zone, name)
        elif name in ("done", "used", "mapped"):
            found[f"{name}_ms"] = now_ms
    return found


def day_ms(text: str, zone: tzinfo, name: str = "day") -> int:
    """A day as 2026-11-22, by the zone's clock: its beginning, or its end for a day that ends something.

    >>> from datetime import UTC
    >>> day_ms("1970-01-02", UTC, "from"), day_ms("1970-01-02", UTC, "until")
    (86400000, 172800000)
    """
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError as bad:
        raise Problem(422, "field-wrong", name) from bad
    if not 1970 <= at.year <= 2200:
        raise Problem(422, "field-wrong", name)
    at += timedelta(days=1 if name in ENDS else 0)
    return round(at.timestamp() * 1000)


def parts_of(text: str) -> list[dict[str, object]]:
    r"""Parts as people write them in one field, one a line: `2 x 4501-77 Door seal`.

    >>> parts_of("2 x 4501-77 Door seal\nF-9")
    [{'number': '4501-77', 'name': 'Door seal', 'count': 2}, {'number': 'F-9', 'name': '', 'count': 1}]
    """
    found: list[dict[str, object]] = []
    for line in text.splitlines()[:20]:
        words = line.split()
        if not words:
            continue
        count = 1
        if len(words) > 2 and words[0].isdecimal() and words[1].lower() in ("x", "×"):
            count, words = int(words[0]), words[2:]
        found.append({"number": words[0][:60], "name": " ".join(words[1:])[:120], "count": count})
    return found
