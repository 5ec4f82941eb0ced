# SPDX-License-Identifier: Apache-2.0
"""Where blood could go, and why not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.site.refuge import BAGS_UNTOLD, Place, assign, distance_km, why_not

GOOD = Place(
    "good", "vte", 17.97, 102.6, "red cells", True, 2.0, 6.0, 4.0, True, True, True, False, True, 40
)  # fmt: skip
WORST = replace(GOOD, appliance="worst", powered=False, free_bags=0)

REFUSED = {
    "silent": {"reporting": False},
    "full": {"free_bags": 0},
    "has an open alarm": {"alarmed": True},
    "not in range": {"value_c": 5.9},
    "not for storing": {"storage": False},
    "out of service or without power": {"in_service": False},
    "its power is not known": {"powered": False},
    "its cooling is in doubt": {"cooling": None},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_surely_safe_is_no_refuge(why: str) -> None:
    bad = replace(GOOD, **REFUSED[why])  # type: ignore[arg-type]
    assert why_not(GOOD) == ""
    assert why_not(bad) == why
    assert assign([WORST], [bad])["worst"].appliance == ""
    assert assign([WORST], [GOOD])["worst"].appliance == "good"


def test_only_the_same_component_and_within_the_source_s_own_limits() -> None:
    plasma = replace(GOOD, component="plasma")
    assert assign([WORST], [plasma])["worst"].appliance == ""
    us = replace(GOOD, appliance="us", low_c=1.0, value_c=1.6)
    assert why_not(us) == ""
    assert assign([WORST], [us])["worst"].appliance == "", "1.6 °C is too cold under the source's limits"


def test_the_same_site_before_the_nearest_before_the_far() -> None:
    near = replace(GOOD, appliance="near", site="tha", latitude=18.5, longitude=102.5)
    far = replace(GOOD, appliance="far", site="pak", latitude=18.4, longitude=103.7)
    moon = replace(GOOD, appliance="moon", site="moon", latitude=48.0, longitude=2.0)
    sources = [replace(WORST, appliance=f"w{n}") for n in range(7)]
    told = assign(sources, [moon, far, near, GOOD])
    assert [told[f"w{n}"].appliance for n in range(7)] == ["good", "good", "near", "near", "far", "far", ""]
    km = distance_km(GOOD, near)
    assert km is not None
    assert 55 < km < 65


def test_room_for_all_before_room_for_some() -> None:
    tight = replace(GOOD, appliance="tight", free_bags=BAGS_UNTOLD - 1)
    wide = replace(GOOD, appliance="wide", site="tha", latitude=18.5, longitude=102.5)
    assert assign([WORST], [tight, wide])["worst"].appliance == "wide"
    assert assign([WORST], [tight])["worst"].bags == BAGS_UNTOLD - 1


@given(rooms=st.lists(st.integers(0, 90), max_size=6), sources=st.integers(1, 30))
def test_no_room_is_given_twice(rooms: list[int], sources: int) -> None:
    others = [replace(GOOD, appliance=f"r{n}", free_bags=free) for n, free in enumerate(rooms)]
    told = assign([replace(WORST, appliance=f"w{n}") for n in range(sources)], others)
    for place in others:
        assert sum(t.bags for t in told.values() if t.appliance == place.appliance) <= place.free_bags
    places = [told[f"w{n}"].appliance != "" for n in range(sources)]
    assert places == sorted(places, reverse=True), "the worst are served first"
