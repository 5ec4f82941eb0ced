# SPDX-License-Identifier: Apache-2.0
"""What changed between two looks at the fleet, as small as it can be said. Pure.

A new value is a line of numbers; a new word or reason is the row's markup again; a row that moved says after
which other row it now stands, or, where many moved, the whole order of its group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboards.console.views import ORDER, Fleet, Row


def shape(row: Row) -> tuple[object, ...]:
    """Everything that needs the markup anew; value and age are changed in place."""
    told = (row.name, row.site_name, row.kind, row.state, row.reason, row.marks, row.limit, row.sensor)
    return (*told, row.number == "", row.limit_ms)


def changes(before: Fleet, after: Fleet, markup: Callable[[Row], str]) -> dict[str, Any]:
    """What to do to a page, only what is needed of these:

    rows    [[id, state, html]]      put this markup in place
    values  [[id, number, at_ms]]    a new value
    after   {id: id or ""}           moved: now stands after that one ("": first of its group)
    order   {state: [ids]}           the whole group, where many moved
    gone    [ids]                    not in the registry any more

    Empty when nothing changed. Applied to a page of `before` (or of anything between) it gives `after`.
    """
    old = {row.id: row for row in before.rows}
    rows, values = [], []
    for row in after.rows:
        was = old.get(row.id)
        if was is None or shape(was) != shape(row):
            rows.append([row.id, row.state.value, markup(row)])
        elif (was.number, was.at_ms) != (row.number, row.at_ms):
            values.append([row.id, row.number, row.at_ms])
    follows: dict[str, str] = {}
    order: dict[str, list[str]] = {}
    for state in ORDER:
        ids_before = [row.id for row in before.group(state)]
        ids = [row.id for row in after.group(state)]
        stay = set(ids_before) & set(ids)
        if [i for i in ids_before if i in stay] != [i for i in ids if i in stay]:
            order[state.value] = ids
        else:
            follows |= {one: ids[at - 1] if at else "" for at, one in enumerate(ids) if one not in stay}
    gone = sorted(old.keys() - {row.id for row in after.rows})
    found = {"rows": rows, "values": values, "after": follows, "order": order, "gone": gone}
    return {what: which for what, which in found.items() if which}
