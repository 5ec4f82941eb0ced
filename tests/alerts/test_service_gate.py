# SPDX-License-Identifier: Apache-2.0
"""The return-to-service gate: each thing that it wants, alone and together."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from alerts.alarms import gate
from coldchain.kernel.limits import Profile
from coldchain.settings.profile_files import PROFILES

MINUTE, HOUR = 60_000, 3_600_000
RED = PROFILES["red-cells@eu"]


def shown(values: list[float], *, hole: int = 0) -> gate.Shown:
    """A reading a minute, the newest now (0); with that many minutes of nothing before the last hour."""
    at = np.arange(-len(values) + 1, 1, dtype=np.int64) * MINUTE
    at = np.where(at < -HOUR, at - hole * MINUTE, at)
    value = np.round(np.array(values) * 1000).astype(np.int64)
    return gate.Shown("f/load", MINUTE, at, value, np.ones(len(at), np.bool_))


SHORT = replace(RED, prove=timedelta(hours=2))


@pytest.mark.parametrize(
    ("profile", "probes", "people", "wants"),
    [
        (SHORT, [shown([4.0] * 121)], ["noy"], []),
        (SHORT, [shown([4.0] * 120)], ["noy"], ["1 h 59 min of 2 h 00 min"]),
        (SHORT, [shown([4.0] * 100 + [6.1] + [4.0] * 20)], ["noy"], ["0 h 19 min of 2 h"]),
        (SHORT, [shown([4.0] * 121, hole=10)], ["noy"], ["1 h 00 min of 2 h"]),
        (SHORT, [shown([4.0] * 121), shown([1.9] * 121)], ["noy"], ["0 h 00 min of 2 h"]),
        (SHORT, [], ["noy"], ["no probe measures it"]),
        (SHORT, [shown([4.0] * 121)], [], ["nobody is told"]),
        (None, [shown([4.0] * 121)], ["noy"], ["no profile is assigned"]),
        (None, [], [], ["no profile", "nobody is told", "no probe"]),
    ],
)
def test_each_thing_the_gate_wants(
    profile: Profile | None, probes: list[gate.Shown], people: list[str], wants: list[str]
) -> None:
    said = gate.missing(profile, probes, people, gap_ms=5 * MINUTE, now_ms=0)
    assert len(said) == len(wants), said
    for line, part in zip(said, wants, strict=True):
        assert part in line


def test_how_long_is_the_profiles_to_say() -> None:
    assert RED.proving == timedelta(days=1)
    assert PROFILES["red-cells-transport@eu"].proving == timedelta(hours=1)
    assert SHORT.proving == timedelta(hours=2)
