# SPDX-License-Identifier: Apache-2.0
"""Pages of lists. The cursor says what was told last: of a list that is newest first its instant and id, of
one by name its name. Nothing is told twice or missed while entries come and go, also when that one is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from fastapi import Query

from dashboards.console.problems import Problem

Before = Annotated[str, Query(max_length=140)]
"""`next` of the page before; empty: from the newest on."""
After = Annotated[str, Query(max_length=140)]
"""`next` of the page before, of a list by name; empty: from the first on."""
Limit = Annotated[int, Query(ge=1, le=200)]
EntryT = TypeVar("EntryT")


def page_of(
    entries: Iterable[EntryT], place: Callable[[EntryT], tuple[int, str]], before: str, limit: int
) -> tuple[list[EntryT], str | None]:
    """(at most `limit` entries, newest first; the cursor of the next page or None). place: (at [ms], id).

    >>> page_of([(1, "a"), (2, "b"), (2, "c")], lambda one: one, "", 2)
    ([(2, 'c'), (2, 'b')], '2.b')
    >>> page_of([(1, "a"), (2, "c")], lambda one: one, "2.b", 2)
    ([(1, 'a')], None)
    """
    rest = sorted(entries, key=place, reverse=True)
    if before:
        at, dot, id_ = before.partition(".")
        if not (dot and at.isascii() and at.isdecimal() and len(at) <= 15):
            raise Problem(400, "bad-request", "`before` is `next` of the page before")
        rest = [one for one in rest if place(one) < (int(at), id_)]
    found = rest[:limit]
    if len(rest) == len(found):
        return found, None
    last = place(found[-1])
    return found, f"{last[0]}.{last[1]}"


def page_after(
    entries: Iterable[EntryT], name: Callable[[EntryT], str], after: str, limit: int
) -> tuple[list[EntryT], str | None]:
    """(at most `limit` entries, by name; the cursor of the next page or None). Names are unique.

    >>> page_after("cab", str, "", 2), page_after("cab", str, "b", 2)
    ((['a', 'b'], 'b'), (['c'], None))
    """
    rest = sorted((one for one in entries if name(one) > after), key=name)
    found = rest[:limit]
    return found, name(found[-1]) if len(rest) > len(found) else None
