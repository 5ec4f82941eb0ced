# SPDX-License-Identifier: Apache-2.0
"""Causes: textbook scenes are named with their evidence; too little evidence is "unknown"."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.insight.cause import FEATURES, WEIGHTS, WORDS, Cause, Scene, diagnose, features

HEALTHY = [600.0, 0.4, 2.0 / 240, 2.0 / 360, 3.0, 5.0]


def scene(**known) -> Scene:
    """One appliance, healthy, with nothing known but what is given."""
    columns = {name: np.array([known.get(name, np.nan)]) for name in Scene.__slots__}
    columns["usual"] = np.array([known.get("usual", HEALTHY)])
    columns["healthy"] = np.array([HEALTHY])
    return Scene(**columns)


CALM = {"mains": 1.0, "door": 0, "door_s": 0, "probe": 0, "template": 0, "load_lead_k": 0}


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        ({**CALM, "mains": 0, "siblings": 1, "stalled": 5, "rate": 4e-4, "idle_s": 4000}, Cause.MAINS),
        ({"siblings": 1.0, "stalled": 5, "rate": 4e-4}, Cause.MAINS),
        (
            {**CALM, "idle_s": 4000, "compressor": 0, "stalled": 5, "rate": 4e-4, "siblings": 0},
            Cause.COMPRESSOR,
        ),
        ({**CALM, "door": 1, "door_s": 900, "rate": 0.02, "stalled": 1}, Cause.DOOR),
        ({**CALM, "template": 1, "rate": 0.01, "stalled": 2}, Cause.DEFROST),
        ({**CALM, "load_lead_k": 2.0, "rate": -1e-4, "stalled": 1, "compressor": 0.95}, Cause.WARM_LOAD),
        ({**CALM, "probe": 1}, Cause.SENSOR),
        (
            {
                **CALM,
                "compressor": 1.0,
                "idle_s": 0,
                "usual": [900, 0.7, 0.004, 0.005, 3.8, 5.2],
                "stalled": 2,
            },
            Cause.REFRIGERANT,
        ),
        (
            {**CALM, "compressor": 0.4, "usual": [600, 0.4, 0.0083, 0.0055, 4.0, 6.0], "stalled": 0.5},
            Cause.SETTING,
        ),
    ],
    ids=lambda x: x.word if isinstance(x, Cause) else "",
)
def test_textbook_scenes(known, cause):
    told = diagnose(features(scene(**known)), shape=1)
    assert Cause(int(told.cause[0])) is cause, dict(zip(Cause, np.round(told.odds[0], 1), strict=True))
    assert told.evidence(0)


def test_nothing_known_is_unknown():
    told = diagnose({}, shape=2)
    assert told.cause.tolist() == [Cause.UNKNOWN, Cause.UNKNOWN]
    assert told.evidence(0) == []


def test_contradiction_is_unknown_or_weak():
    told = diagnose({"mains_off": np.array([1.0]), "probe": np.array([1.0])}, shape=1)
    assert told.likely[0] < 0.95


@given(st.lists(st.dictionaries(st.sampled_from(FEATURES), st.floats(0, 1)), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_each_is_judged_alone(rows):
    columns = {n: np.array([row.get(n, np.nan) for row in rows]) for n in FEATURES}
    whole = diagnose(columns, shape=len(rows))
    for n, row in enumerate(rows):
        one = diagnose({k: np.array([v]) for k, v in row.items()}, shape=1)
        assert one.cause[0] == whole.cause[n] or abs(one.likely[0] - 0.5) < 1e-9
        np.testing.assert_allclose(one.odds[0], whole.odds[n])


def test_every_cause_has_a_word_and_a_feature_that_speaks_for_it():
    for cause in Cause:
        assert WORDS[cause]
        assert cause is Cause.UNKNOWN or any(w.get(cause, 0) > 0 for w in WEIGHTS.values()), cause
