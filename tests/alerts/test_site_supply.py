# SPDX-License-Identifier: Apache-2.0
"""Is a supply without power? By contacts, batteries and siblings; and what one alone does not prove."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerts.site.contacts import Contacts
from alerts.site.supply import Seen, outages
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import Quantity
from coldchain.records.journal import Latest

NAN = float("nan")


def seen(n: int, **columns: Any) -> Seen:
    """Appliances of one supply of which nothing is known but those columns."""
    known: dict[str, Any] = {
        "supply": np.zeros(n, np.int64),
        "fixed": np.ones(n, np.bool_),
        "mains": np.full(n, NAN),
        "mains_since": np.full(n, -1),
        "drains": np.full(n, NAN),
        "stalled": np.full(n, NAN),
        "turned_at": np.full(n, 0),
        "rising": np.zeros(n, np.bool_),
    }
    return Seen(**{**known, **{name: np.array(column) for name, column in columns.items()}})


def test_most_contacts_without_mains_are_an_outage_since_their_median() -> None:
    found = outages(seen(4, mains=[0.0, 0.0, 0.0, 1.0], mains_since=[900, 1000, 5000, 0]))
    assert [(o.since_ms, o.off) for o in found] == [(1000, (0, 1, 2))]
    assert "mains absent at 3 of 4" in found[0].evidence


def test_one_without_mains_is_unplugged() -> None:
    assert not outages(seen(4, mains=[0.0, 1.0, 1.0, 1.0], mains_since=[9, 0, 0, 0]))
    assert not outages(seen(2, mains=[0.0, 1.0], mains_since=[9, 0])), "half is no majority"


def test_boxes_on_wheels_say_nothing_of_a_supply() -> None:
    on_wheels = seen(3, mains=[0.0, 0.0, 1.0], mains_since=[9, 9, 0], fixed=[False, False, True])
    assert not outages(on_wheels)


def test_supplies_are_judged_apart() -> None:
    two = seen(4, mains=[0.0, 0.0, 1.0, 1.0], mains_since=[5, 5, 0, 0], supply=[0, 0, 1, 1])
    assert [o.supply for o in outages(two)] == [0]


def test_an_outage_is_held_until_most_are_back() -> None:
    half = seen(4, mains=[0.0, 0.0, 1.0, 1.0], mains_since=[5, 5, 9, 9])
    assert not outages(half)
    assert outages(half, frozenset({0}))
    assert not outages(seen(4, mains=[0.0, 1.0, 1.0, 1.0], mains_since=[5, 9, 9, 9]), frozenset({0}))


def test_siblings_that_stopped_together_and_rise() -> None:
    stopped = seen(3, stalled=[3.0, 4.0, 2.6], turned_at=[10, 20, 30], rising=[True] * 3)
    found = outages(stopped)
    assert found[0].since_ms == 20
    assert 0.9 < found[0].confidence < 0.98
    assert not outages(seen(3, stalled=[3.0, 4.0, 2.6], turned_at=[10, 20, 30])), "nothing gets warmer"
    far = seen(3, stalled=[3.0, 4.0, 0.5], turned_at=[0, 90_000_000, 0], rising=[True] * 3)
    assert not outages(far), "a day apart: two failures, no outage"


def test_a_contact_that_says_mains_outweighs_cooling_that_stopped() -> None:
    said = seen(3, stalled=[9.0] * 3, rising=[True] * 3, mains=[1.0, NAN, NAN])
    assert not outages(said)


def test_batteries_that_fall_tell_where_mains_are_not_wired() -> None:
    assert "batteries" in outages(seen(3, drains=[1.0, 1.0, 0.0], mains_since=[7, 8, 9]))[0].evidence
    assert not outages(seen(3, drains=[1.0, 0.0, 0.0], mains_since=[7, 8, 9]))


# --- contacts


def rows(*readings: tuple[int, int, int]) -> Any:
    found = np.zeros(len(readings), JOURNALLED)
    for row, (series, at, value) in zip(found, readings, strict=True):
        row["series"], row["at_ms"], row["value"], row["arrived_ms"] = series, at, value, at
    return found


def mains(n: int = 3) -> Contacts:
    return Contacts({0: Quantity.TEMPERATURE, **dict.fromkeys(range(1, n), Quantity.MAINS)})


def test_since_when_a_contact_stands() -> None:
    one = mains()
    one.feed(rows((1, 10, 1000), (1, 20, 0), (1, 30, 0), (0, 40, 5), (2, 5, 1000)))
    series = np.array([1, 2, -1])
    assert one.since_of(series).tolist() == [20, 5, -1]
    assert one.of(series)[:2].tolist() == [0.0, 1.0]
    assert np.isnan(one.of(series)[2])
    one.feed(rows((1, 25, 1000)))
    assert one.since_of(series)[0] == 20, "a late reading changes nothing"


def test_what_the_record_knows_at_a_start() -> None:
    one = mains()
    one.begin({1: Latest(50, 0, 0, 0, 50), 0: Latest(60, 7, 0, 0, 60)})
    assert one.since_of(np.array([1])).tolist() == [50]
    assert mains(2).taken_over(one).of(np.array([1]))[0] == 0.0


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 50), st.sampled_from([0, 1000])), max_size=30),
    st.integers(0, 30),
)
def test_cuts_change_nothing(readings: list[tuple[int, int, int]], cut: int) -> None:
    """In order of time, a block cut anywhere leaves the same; one instant has one value."""
    by_time = sorted({(s, at): (s, at, v) for s, at, v in readings}.values(), key=lambda r: r[1])
    whole, parts = mains(), mains()
    whole.feed(rows(*by_time))
    parts.feed(rows(*by_time[:cut]))
    parts.feed(rows(*by_time[cut:]))
    for name in ("value", "since", "at", "before"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist(), name
