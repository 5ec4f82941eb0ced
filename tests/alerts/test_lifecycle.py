# SPDX-License-Identifier: Apache-2.0
"""The table of an alarm's life: total, reachable, drawn in the docs, and obeyed by all who write a state."""

import ast
import re
from collections import deque
from itertools import product
from pathlib import Path

import pytest

from alerts.alarms.lifecycle import TRANSITIONS, Event, Fork, State, advance, settled, why_not
from alerts.alarms.lifecycle_page import page

ROOT = Path(__file__).parents[2]
PUT_ASIDE = {State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE}
STANDING = {State.UNACKNOWLEDGED, State.ACKNOWLEDGED}


def followers(state: State) -> set[State]:
    found = set()
    for event, kind, stands, passed in product(Event, ("high", "silence"), (True, False), (True, False)):
        found.add(advance(state, event, kind, stands=stands, product=passed))
    return found


def reached(start: State) -> set[State]:
    seen, wave = {start}, deque([start])
    while wave:
        fresh = followers(wave.popleft()) - seen
        seen |= fresh
        wave.extend(fresh)
    return seen


def test_every_state_and_event_has_an_entry() -> None:
    assert set(TRANSITIONS) == set(product(State, Event))
    for pair, after in TRANSITIONS.items():
        assert isinstance(after, State | Fork) or after.strip(), f"{pair}: a reason in words"


def test_every_state_is_reached_and_every_one_but_closed_is_left_again() -> None:
    assert reached(State.UNACKNOWLEDGED) == set(State)
    for state in State:
        assert State.CLOSED in reached(state)
    assert reached(State.CLOSED) == {State.CLOSED}, "the next one is a new alarm"


def test_nobody_can_clear_what_stands() -> None:
    """From a state in which the condition is true, only its end leads to one that says that it is over."""
    over = {State.RETURNED, State.DISPOSITION_DUE, State.CLOSED}
    for state, event, passed in product(STANDING | PUT_ASIDE, Event, (True, False)):
        if event is not Event.RETURN:
            assert advance(state, event, "high", stands=True, product=passed) not in over, (state, event)


def test_what_passed_a_limit_of_the_product_closes_by_a_disposition_alone() -> None:
    for state, event, stands in product(set(State) - {State.CLOSED}, Event, (True, False)):
        after = advance(state, event, "high", stands=stands, product=True)
        assert after is not State.CLOSED or event is Event.DISPOSE, (state, event)


def test_a_shelf_ends_when_it_gets_worse() -> None:
    assert advance(State.SHELVED, Event.WORSEN, "high") is State.UNACKNOWLEDGED
    assert advance(State.SUPPRESSED, Event.WORSEN, "high") is State.SUPPRESSED


def test_forks_lead_where_the_page_says() -> None:
    assert settled(Fork.AS_FOUND, "silence", stands=True, product=False) is State.UNACKNOWLEDGED
    assert settled(Fork.AS_FOUND, "silence", stands=False, product=False) is State.CLOSED
    assert settled(Fork.AS_FOUND, "high", stands=False, product=True) is State.RETURNED
    assert settled(Fork.ANSWERED, "high", stands=False, product=False) is State.CLOSED


def test_what_does_nothing_says_why() -> None:
    for (state, event), after in TRANSITIONS.items():
        does_nothing = not isinstance(after, State | Fork)
        assert bool(why_not(state, event)) == does_nothing


def test_the_page_is_printed_from_the_table() -> None:
    assert (ROOT / "docs/alarm-lifecycle.md").read_text() == page(), "coldchain alarm states > it"


def test_the_drawing_has_every_arrow() -> None:
    for (state, event), after in TRANSITIONS.items():
        drawn = f"    {state.value} --> " in page() and f": {event.value}\n" in page()
        if isinstance(after, Fork):
            assert f"    {state.value} --> {after.name.lower()}: {event.value}\n" in page()
        elif isinstance(after, State) and after is not state:
            assert f"    {state.value} --> {after.value}: {event.value}\n" in page()
        assert drawn or not isinstance(after, State | Fork) or after is state


def writers_of_states() -> dict[str, set[str]]:
    """Functions of alerts that hand an alarm with another state to the one statement that writes it."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "alerts").rglob("*.py")):
        text = path.read_text()
        for function in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)):
            calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
            writes = any(isinstance(c.func, ast.Attribute) and c.func.attr == "change_alarm" for c in calls)
            if writes and any(keyword.arg == "state" for call in calls for keyword in call.keywords):
                found.setdefault(path.name, set()).add(function.name)
    return found


def test_nothing_else_changes_a_state() -> None:
    assert writers_of_states() == {"book.py": {"move"}, "telling.py": {"_review"}}
    for path in (ROOT / "alerts").rglob("*.py"):
        written = re.findall(r"UPDATE alarm SET ([^\"]*)", path.read_text())
        assert path.name == "store.py" or not any(re.search(r"\bstate\b", one) for one in written), path


@pytest.mark.parametrize("state", sorted(STANDING))
def test_a_condition_that_stands_says_so_when_it_is_disposed(state: State) -> None:
    assert "stands" in why_not(state, Event.DISPOSE)
