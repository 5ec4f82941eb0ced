# SPDX-License-Identifier: Apache-2.0
"""A replay under a profile agrees with plain lines, reading by reading, to the last bit."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_replay import Terms, replay

from alerts.judgement.recording import recording_of
from alerts.judgement.verdicts import judge_profile
from alerts.rules.exposure import line_of, mean_kinetic_c
from alerts.rules.flat import segments_of
from coldchain.files.columns import FileColumns
from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.settings.profile_files import PROFILES

SECOND, MINUTE = 1_000, 60_000
T0 = 1_657_195_200_000
NAMES = ("c", "a", "b")

milli = st.one_of(
    st.sampled_from([4000, 5700, 5701, 6000, 6001, 7500, 2000, 1999, 2300, 2299, 8250, -300]),
    st.integers(0, 9000),
    st.sampled_from([-127_000, 85_000, 84_000, 127_940, 882_600, None]),
)
drawn = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 2), milli), max_size=60)


PLAIN = ("high", "low", "sensor_fault")


def columns(readings) -> FileColumns:
    return FileColumns(
        NAMES,
        np.array([s for s, _, _ in readings], np.int32),
        np.array([at for _, at, _ in readings], np.int64),
        np.array([math.nan if v is None else v / 1000 for _, _, v in readings], np.float64),
    )


def instants(*texts):
    return tuple(None if text is None else parse_instant(text) for text in texts)


def told_of(told, name: str) -> dict[str, Any]:
    """One sensor's lines in the shape of the plain judge."""
    mine = [t for t in told if t["sensor"] == name]
    found: dict[str, Any] = {"excursions": {"high": [], "low": []}, "silences": [], "events": []}
    for t in mine:
        if t["event"] == "excursion":
            start, end = instants(t["start"], t["end"])
            ms = [round(t[key] * 1000) for key in ("seconds", "unknown_seconds", "peak_c")]
            area = round(t["degree_minutes"] * 60_000_000)
            found["excursions"][t["kind"]].append((start, end, *ms, area))
        elif t["event"] == "silence":
            found["silences"].append(instants(t["since"], t["end"]))
        elif t["event"].startswith("alarm.") and t["rule"].partition("@")[0] in PLAIN:
            at, since = instants(t["at"], t["since"])
            found["events"].append((at, t["event"], t["kind"], since))
        elif t["event"] == "summary":
            for key in ("readings", "invalid"):
                found[key] = t[key]
            for key in ("in", "below", "above", "unknown"):
                found[key] = round(t[f"seconds_{key}"] * 1000)
    found["events"].sort()
    return found


def plainly(readings, terms: Terms, until: int) -> dict:
    found = replay(readings, terms, until)
    signs = {"high": 1, "low": -1}
    found["excursions"] = {"high": [], "low": []} | {
        kind: [
            (e["start"], e["end"], e["out"], e["unknown"], signs[kind] * e["peak"], e["area"]) for e in done
        ]
        for kind, done in found["excursions"].items()
    }
    return found


@given(
    drawn=drawn,
    one_sided=st.booleans(),
    delay_s=st.sampled_from([0, 60, 300]),
    interval_s=st.sampled_from([60, 150]),
    twice=st.randoms(use_true_random=False),
)
@settings(max_examples=400, deadline=None)
def test_a_replay_is_the_definition(drawn, one_sided, delay_s, interval_s, twice) -> None:
    readings = [(s, T0 + m * MINUTE + j * 7 * SECOND, v) for s, m, j, v in drawn]
    if not readings:
        assert judge_profile(recording_of([columns([])], by_value=True), PROFILES["red-cells@eu"]) == []
        return
    shuffled = [*readings, *twice.sample(readings, len(readings) // 2)]
    twice.shuffle(shuffled)
    cut = len(shuffled) // 2
    profile = replace(PROFILES["red-cells@eu"], on_delay=timedelta(seconds=delay_s))
    low = None if one_sided else 2000
    if one_sided:
        profile = replace(profile, limits=replace(profile.limits, low_c=None), critical=None)
    recording = recording_of([columns(shuffled[:cut]), columns(shuffled[cut:])], by_value=True)
    told = judge_profile(recording, profile, interval_s, insight=False)
    terms = Terms(low, 6000, 300, delay_s * SECOND, interval_s * SECOND)
    until = max(at for _, at, _ in readings)
    for number, name in enumerate(NAMES):
        mine = [(at, v) for s, at, v in readings if s == number]
        if mine:
            assert told_of(told, name) == plainly(mine, terms, until)
    body = [(parse_instant(t["at"]), t["sensor"], t["event"]) for t in told if t["event"] != "summary"]
    assert body == sorted(body)
    assert [t["sensor"] for t in told[len(body) :]] == sorted({NAMES[s] for s, _, _ in readings})


def of_one(celsius: list[float], **changes) -> list[dict]:
    readings = [
        (0, T0 + n * MINUTE, None if math.isnan(c) else round(c * 1000)) for n, c in enumerate(celsius)
    ]
    return judge_profile(recording_of([columns(readings)], by_value=True), PROFILES["red-cells@eu"])


def test_an_excursion_begins_and_ends_where_the_line_crosses() -> None:
    (fact,) = [t for t in of_one([5.0, 7.0, 7.0, 5.0]) if t["event"] == "excursion"]
    assert fact["start"] == rfc3339(T0 + MINUTE // 2)
    assert fact["end"] == rfc3339(T0 + 2 * MINUTE + MINUTE // 2)
    assert (fact["seconds"], fact["unknown_seconds"]) == (120, 0)
    assert (fact["peak_c"], fact["degree_minutes"], fact["cause"]) == (7.0, 1.5, "unknown")


def test_a_code_opens_no_excursion_and_hides_none() -> None:
    codes = of_one([4.0, 85.0, -127.0, 127.94, 882.6, 300.0, 4.0])
    assert not [t for t in codes if t["event"] == "excursion"]
    assert [t["readings"] for t in codes if t["event"] == "sensor_fault"] == [5]
    inside = of_one([7.0] * 3 + [-127.0] + [7.0] * 4)
    assert [t["at"] for t in inside if t["event"] == "alarm.raised"] == [rfc3339(T0 + 5 * MINUTE)]


def test_silence_beyond_a_limit_is_critical_and_starts_after_two_intervals() -> None:
    readings = [(0, T0, 7000), (1, T0, 4000), (1, T0 + MINUTE, 4000), (0, T0 + 60 * MINUTE, 4000)]
    told = judge_profile(recording_of([columns(readings)], by_value=True), PROFILES["red-cells@eu"])
    silences = [t for t in told if t["event"] == "alarm.raised" and t["kind"] == "silence"]
    assert [(t["sensor"], t["at"], t["severity"]) for t in silences] == [
        ("c", rfc3339(T0 + 2 * MINUTE), "critical"),
        ("a", rfc3339(T0 + 3 * MINUTE), "warning"),
    ]
    sums = {t["sensor"]: t for t in told if t["event"] == "summary"}
    assert sums["c"]["seconds_unknown"] == 3600
    (fact,) = [t for t in told if t["event"] == "excursion"]
    assert (fact["seconds"], fact["unknown_seconds"], fact["end"]) == (0, 3600, rfc3339(T0 + 60 * MINUTE))


@pytest.mark.parametrize(
    ("celsius", "mean"), [([4.0] * 20 + [12.0] * 4, 5.982), ([-30.0] * 23 + [-10.0], -26.121)]
)
def test_the_mean_kinetic_temperature_of_known_vectors(celsius: list[float], mean: float) -> None:
    at = T0 + MINUTE * np.arange(len(celsius))
    seg = segments_of(np.zeros(len(celsius), np.int64))
    line = line_of(at, np.array(celsius) * 1000, seg, 2 * MINUTE)
    assert mean_kinetic_c(line, MINUTE)[0] == pytest.approx(mean, abs=5e-4)


def test_short_excursions_spend_the_day_s_budget() -> None:
    celsius = ([7.0] * 4 + [4.0] * 20) * 12  # four minutes at a time never last the on-delay
    told = [t for t in of_one(celsius) if t["event"].startswith("alarm.")]
    assert [(t["event"], t["kind"], t["severity"]) for t in told] == [
        ("alarm.raised", "cumulative", "critical")
    ]
    assert told[0]["seconds_out"] > 1800
