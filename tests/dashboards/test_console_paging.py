# SPDX-License-Identifier: Apache-2.0
"""Pages of lists: each entry once, whatever comes or goes between two of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.paging import page_of
from dashboards.console.problems import Problem

Entry = tuple[int, str]
ENTRIES = st.sets(st.tuples(st.integers(0, 5), st.text("ab.", min_size=1, max_size=3)), max_size=12)


@given(stay=ENTRIES, go=ENTRIES, come=ENTRIES, limit=st.integers(1, 4))
def test_what_stays_is_told_once(stay: set[Entry], go: set[Entry], come: set[Entry], limit: int) -> None:
    listed, told, before = stay | go, list[Entry](), ""
    for _ in range(40):  # more than there are
        found, following = page_of(listed, lambda one: one, before, limit)
        assert len(found) <= limit
        told += found
        if following is None:
            break
        before, listed = following, stay | come
    assert following is None, "it ends"
    assert len(told) == len(set(told))
    assert told == sorted(told, reverse=True)
    assert stay <= set(told)


@pytest.mark.parametrize("before", ["x", "1", "-1.a", "².", ".a", f"{10**20}.a"])
def test_a_cursor_that_is_none_is_refused(before: str) -> None:
    with pytest.raises(Problem) as bad:
        page_of([(1, "a")], lambda one: one, before, 1)
    assert bad.value.status == 400
