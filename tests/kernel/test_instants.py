# SPDX-License-Identifier: Apache-2.0
"""Instants as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.instants import parse_instant, rfc3339


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_text_and_back(at_ms: int) -> None:
    assert parse_instant(rfc3339(at_ms)) == at_ms


def test_a_time_without_a_zone_is_nobodys_time() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        parse_instant("2022-07-07T12:00:00")


@pytest.mark.parametrize(
    "text", ["1657195200", "1657195200.000", "2022-07-07T12:00:00Z", "2022-07-07 14:00:00+02:00"]
)
def test_the_ways_people_write_it(text: str) -> None:
    assert rfc3339(parse_instant(text)) == "2022-07-07T12:00:00Z"
