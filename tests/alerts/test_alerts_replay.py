# SPDX-License-Identifier: Apache-2.0
"""Replay with plain limits agrees with the definition, read reading by reading."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.judgement.replay import PlainLimits, judge_limits
from coldchain.files.columns import FileColumns
from coldchain.kernel.instants import rfc3339

MINUTE = 60_000
T0 = 1_657_195_200_000


def plainly(readings: list[tuple[int, float]], limits: PlainLimits) -> list[tuple[str, str, int, int]]:
    """(event, kind, at, since) of one sensor: the words of the definition, one reading at a time."""
    found = []
    for kind, limit, sign in (("high", limits.high_c, 1), ("low", limits.low_c, -1)):
        run = alarm = None
        for at, celsius in sorted(readings, key=lambda r: r[0]):
            if math.isnan(celsius) or limit is None:
                continue
            beyond = celsius > limit if sign == 1 else celsius < limit
            edge = limit - sign * limits.deadband_k
            inside = celsius <= edge if sign == 1 else celsius >= edge
            if alarm is not None:
                if inside:
                    found.append(("alarm.returned", kind, at, alarm))
                    run = alarm = None
            elif beyond:
                run = at if run is None else run
                if at - run >= limits.on_delay_s * 1000:
                    found.append(("alarm.raised", kind, at, run))
                    alarm = run
            else:
                run = None
    return found


def recording(readings: list[tuple[int, int, float]]) -> FileColumns:
    return FileColumns(
        ("a", "b", "c"),
        np.array([s for s, _, _ in readings], np.int32),
        np.array([at for _, at, _ in readings], np.int64),
        np.array([c for _, _, c in readings], np.float64),
    )


celsius = st.sampled_from(
    [4.0, 5.7, 5.70001, 5.7 - 1e-12, 6.0, 6.0000001, 7.5, 2.0, 1.99, 2.3, 2.29, math.nan]
)
drawn = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), celsius), max_size=80, unique_by=lambda r: (r[0], r[1])
)


@given(
    drawn=drawn,
    delay=st.sampled_from([0, 60, 300, 301]),
    deadband=st.sampled_from([0.0, 0.3]),
    low=st.sampled_from([None, 2.0]),
)
@settings(max_examples=400, deadline=None)
def test_replay_is_the_definition(drawn, delay, deadband, low) -> None:
    readings = [(s, T0 + m * MINUTE, c) for s, m, c in drawn]
    limits = PlainLimits(6.0, low, delay, deadband)
    told = judge_limits(recording(readings), limits)
    for number, name in enumerate("abc"):
        mine = [(e["event"], e["kind"], e["at"], e["since"]) for e in told if e["sensor"] == name]
        plain = plainly([(at, c) for s, at, c in readings if s == number], limits)
        assert sorted(mine) == sorted((e, k, rfc3339(at), rfc3339(since)) for e, k, at, since in plain)
    assert told == sorted(told, key=lambda e: (len(e["at"]), e["at"], e["sensor"], e["event"]))


def test_what_an_event_says() -> None:
    readings = [(0, T0 + m * MINUTE, 7.25 if m < 6 else 5.0) for m in range(8)]
    raised, returned = judge_limits(recording(readings), PlainLimits(6.0, 2.0, 300, 0.3))
    assert raised == {
        "event": "alarm.raised",
        "at": "2022-07-07T12:05:00Z",
        "sensor": "a",
        "kind": "high",
        "severity": "critical",
        "since": "2022-07-07T12:00:00Z",
        "value_c": 7.25,
        "limit_c": 6.0,
        "rule": "limits@1",
    }
    assert (returned["event"], returned["at"]) == ("alarm.returned", "2022-07-07T12:06:00Z")


def test_a_recording_of_failures_says_nothing() -> None:
    assert judge_limits(recording([(0, T0, math.nan)]), PlainLimits(6.0, 2.0, 0, 0.3)) == []
