# SPDX-License-Identifier: Apache-2.0
"""What a replay foresees, excuses and explains."""

import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from alerts.judgement.recording import Recording, recording_of
from alerts.judgement.verdicts import judge_profile
from coldchain.files import read_columns
from coldchain.files.columns import FileColumns
from coldchain.kernel.instants import parse_instant
from coldchain.kernel.limits import Limits
from coldchain.settings.profile_files import PROFILES

MINUTE = 60_000
T0 = 1_657_195_200_000
DAY = 1440


def recording(celsius: np.ndarray) -> Recording:
    n = len(celsius)
    at = T0 + MINUTE * np.arange(n, dtype=np.int64)
    return recording_of([FileColumns(("a",), np.zeros(n, np.int32), at, celsius)], by_value=True)


def cycling(minutes: int) -> np.ndarray:
    """A load that swings a little about 4 °C every 40 minutes, with a probe's noise."""
    noise = np.random.default_rng(5).normal(0, 0.03, minutes)
    return np.round(4.0 + 0.4 * np.sin(np.arange(minutes) * 2 * math.pi / 40) + noise, 2)


def test_a_failing_refrigerator_is_foreseen_and_a_healthy_one_is_stable() -> None:
    healthy = judge_profile(recording(cycling(2 * DAY)), PROFILES["red-cells@eu"])
    assert [t["event"] for t in healthy] == ["summary"]
    rise = 4.0 + 20.0 * (1 - np.exp(-np.arange(240) / 1200))  # towards 24 °C, 20 hours
    told = judge_profile(recording(np.concatenate([cycling(DAY), rise])), PROFILES["red-cells@eu"])
    crossing = T0 + MINUTE * (DAY + int(np.argmax(rise > 6.0)))
    foreseen = [t for t in told if t["event"] == "forecast"]
    assert foreseen
    for t in foreseen:
        left = (crossing - parse_instant(t["at"])) / 1000
        assert t["limit_c"] == 6.0
        assert 0 <= t["low_s"] <= t["seconds_to_limit"] <= t["high_s"]
        assert left > 0
    last = [t for t in foreseen if crossing - parse_instant(t["at"]) > 30 * MINUTE][-1]
    assert last["seconds_to_limit"] == pytest.approx((crossing - parse_instant(last["at"])) / 1000, rel=0.25)
    raised = {t["kind"]: parse_instant(t["at"]) for t in told if t["event"] == "alarm.raised"}
    assert raised["forecast"] < raised["high"]


def test_a_spike_is_no_excursion() -> None:
    celsius = cycling(600)
    celsius[400] = 19.0
    told = judge_profile(recording(celsius), PROFILES["red-cells@eu"])
    assert [(t["event"], t.get("value_c")) for t in told[:-1]] == [("sensor_fault", 19.0)]


def test_chatter_is_one_alarm_until_it_rests() -> None:
    """Ten gaps of four minutes within two hours, then peace; a gap the next day is an alarm of its own."""
    at = np.arange(2 * DAY)
    gap = (at < 120) & (at % 12 >= 8) | ((at >= DAY) & (at < DAY + 10))
    at = T0 + MINUTE * at[~gap].astype(np.int64)
    n = len(at)
    real = recording_of([FileColumns(("a",), np.zeros(n, np.int32), at, np.full(n, 4.0))], by_value=True)
    told = judge_profile(real, PROFILES["red-cells@eu"])
    alarms = [(t["event"], t.get("chattering", False)) for t in told if t["event"].startswith("alarm.")]
    up, down = "alarm.raised", "alarm.returned"
    once = [(up, False), (down, False)]
    assert alarms == [*once, *once, (up, True), (down, True), *once]
    assert len([t for t in told if t["event"] == "silence"]) == 11
    rested = [parse_instant(t["at"]) for t in told if t["event"] == down and t.get("chattering")]
    assert rested == [T0 + (120 + 60) * MINUTE]


def records() -> Path | None:
    named = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[2] / "../shared/data"))
    path = named / "celsi-freezer" / "CELSI-raw-data-reports.csv.gz"
    return path if path.exists() else None


@pytest.mark.skipif(records() is None, reason="no real records: set COLDCHAIN_RECORDS")
def test_a_real_freezer_has_no_message_after_three_defrosts() -> None:
    path = records()
    assert path is not None
    real = recording_of([read_columns(path)], by_value=True)
    limits = Limits(None, -15.0, "for measuring")
    profile = replace(
        PROFILES["plasma@us"], limits=limits, critical=None, warning=None, on_delay=timedelta(minutes=15)
    )
    plain = judge_profile(real, profile, insight=False)
    assert len([t for t in plain if t["event"] == "alarm.raised" and t["kind"] == "high"]) == 8
    told = judge_profile(real, profile)
    days = sorted({t["at"][:10] for t in told if t["event"] == "alarm.raised"})
    assert days == ["2022-07-08", "2022-07-10", "2022-07-12"]
    facts = [t for t in told if t["event"] == "excursion" and t["seconds"] > 1800]
    assert len(facts) == 8, "what needs nobody is still told"
    assert {t["cause"] for t in facts[3:]} == {"defrost"}
