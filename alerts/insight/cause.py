# SPDX-License-Identifier: Apache-2.0
"""Why it is warm (or cold): log-odds of each cause from what is known, and the evidence that spoke.

A table of weights, not branches: each feature is a number from 0 (no) to 1 (yes), NaN where nothing is known
of it, and speaks for some causes and against others. What is not known says nothing. The best cause is told
only when it is likelier than all others together; otherwise the answer is "unknown".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from alerts.insight.scan import Floats
from alerts.rules.flat import Ints


class Cause(IntEnum):
    """In the order of the columns of `odds`."""

    UNKNOWN = 0
    DOOR = 1
    MAINS = 2
    COMPRESSOR = 3  # failing or lost
    REFRIGERANT = 4
    DEFROST = 5
    WARM_LOAD = 6
    SETTING = 7
    SENSOR = 8

    @property
    def word(self) -> str:
        return WORDS[self]


WORDS = {
    Cause.UNKNOWN: "unknown",
    Cause.DOOR: "door",
    Cause.MAINS: "mains cut",
    Cause.COMPRESSOR: "compressor",
    Cause.REFRIGERANT: "refrigerant loss",
    Cause.DEFROST: "defrost",
    Cause.WARM_LOAD: "warm load",
    Cause.SETTING: "setting change",
    Cause.SENSOR: "sensor fault",
}

D, M, C, R, F, W, S, P = (
    Cause.DOOR,
    Cause.MAINS,
    Cause.COMPRESSOR,
    Cause.REFRIGERANT,
    Cause.DEFROST,
    Cause.WARM_LOAD,
    Cause.SETTING,
    Cause.SENSOR,
)

WEIGHTS: Mapping[str, Mapping[Cause, float]] = {
    # contacts, where there are any
    "mains_off": {M: 7.0, D: -2.0, C: -4.0, R: -4.0, F: -3.0, W: -2.0, S: -3.0},
    "mains_on": {M: -6.0},
    "door_open": {D: 6.0, W: -1.0},
    "door_shut": {D: -4.0},
    "compressor_idle": {C: 5.0, M: 1.0, R: -3.0, D: -2.0, W: -2.0, S: -1.0},
    "compressor_always": {R: 3.0, D: 1.0, W: 1.0, C: -3.0, M: -1.0, F: -1.5},
    "compressor_cycles": {S: 1.5, C: -3.0, R: -1.5, M: -1.0},
    # others on the same supply
    "siblings_stopped": {M: 4.0, C: -3.0, R: -2.0, D: -1.5, S: -1.5},
    "siblings_go_on": {M: -2.5, C: 1.5, R: 1.0},
    # the temperature's own course
    "stalled": {M: 1.5, C: 1.5, R: 0.5, S: -2.0},
    "steep": {D: 2.0, F: 1.0, C: -0.5, M: -0.5, R: -3.0, S: -2.0},
    "surged": {D: 2.5, F: 1.0, C: -1.5, M: -1.5, R: -2.0, S: -2.0},
    "smooth_rise": {M: 1.0, C: 1.0, D: -1.5, W: -1.0, S: -1.0},
    "recovers": {D: 1.5, W: 1.0, F: 1.0, M: -1.0, C: -2.5, R: -0.5},
    "duty_up": {R: 2.0, W: 0.5, C: 0.5, S: -1.0},
    "pull_down_weak": {R: 3.0, C: 1.0, S: -1.5, D: -1.0},
    "creep": {R: 1.5, C: 0.5, D: -2.0},
    "in_template": {F: 7.0, D: -2.0, C: -3.0, M: -1.0, R: -2.0},
    "load_leads": {W: 5.0, P: 1.5, D: -1.5, M: -1.5, C: -1.5, R: -1.5, S: -1.5, F: -1.5},
    "shifted": {S: 5.0, W: -1.0, D: -2.0, M: -2.0, C: -2.0, R: -1.5},
    "probe": {P: 8.0},
    "apart": {P: 3.0, W: 0.5},
}
"""Engineering judgement, checked by simulation: a weight of 1 makes a cause e times likelier when the feature
is certain."""

FEATURES = tuple(WEIGHTS)
PRIOR: Mapping[Cause, float] = {
    Cause.UNKNOWN: 0.0,
    D: -0.5,
    M: -1.5,
    C: -2.0,
    R: -2.5,
    F: -2.5,
    W: -1.5,
    S: -2.5,
    P: -2.5,
}
UNKNOWN_ODDS = 1.0
"""Log-odds that "unknown" keeps whatever speaks: a cause must beat it."""

_TABLE = np.zeros((len(FEATURES), len(Cause)))
for _row, _name in enumerate(FEATURES):
    for _cause, _weight in WEIGHTS[_name].items():
        _TABLE[_row, _cause] = _weight
_PRIOR = np.array([PRIOR[c] for c in Cause]) + np.where(np.arange(len(Cause)) == 0, UNKNOWN_ODDS, 0.0)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """For each of N questions: the cause, its probability, log-odds (N, causes), and how much each feature
    said for the cause that was told (N, features).
    """

    cause: Ints
    likely: Floats
    odds: Floats
    speaks: Floats

    def evidence(self, row: int, most: int = 3) -> list[tuple[str, float]]:
        """The features that spoke loudest for the cause of one question."""
        order = np.argsort(-self.speaks[row], kind="stable")[:most]
        return [(FEATURES[n], float(self.speaks[row, n])) for n in order if self.speaks[row, n] > 0]


def diagnose(features: Mapping[str, Floats], *, shape: int) -> Diagnosis:
    """features: by name, (N,) from 0 to 1, NaN unknown; names left out are unknown. N = `shape`."""
    x = np.full((shape, len(FEATURES)), np.nan)
    for name, column in features.items():
        x[:, FEATURES.index(name)] = np.clip(column, 0.0, 1.0)
    said = np.where(np.isnan(x), 0.0, x)
    odds = np.tile(_PRIOR, (shape, 1))
    for row in range(len(FEATURES)):  # in this order, whatever the number of questions
        odds += said[:, row, None] * _TABLE[row]
    part = np.exp(odds - odds.max(axis=1, keepdims=True))
    part /= part.sum(axis=1, keepdims=True)
    best = np.argmax(odds, axis=1)
    likely = part[np.arange(shape), best]
    cause = np.where(likely > 0.5, best, int(Cause.UNKNOWN))
    return Diagnosis(cause, likely, odds, said * _TABLE[:, cause].T)


def grade(value: Floats, none: float, full: float) -> Floats:
    """0 at `none`, 1 at `full` (which may lie below), linear between; NaN stays NaN."""
    return np.clip((value - none) / (full - none), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of N sensors at a moment, (N,) each; NaN where it is not. `features` makes numbers of it.

    mains                 part of the last two hours that it was there; door: 1 open, 0 not
    door_s                open in the last hour [s]
    compressor            part of the last hour that it ran; idle_s [s] since it last ran
    siblings              part of the other appliances on this supply whose cooling stopped, too
    stalled               usual periods since the last reversal
    rate                  slope of the air [K/s] now; drift the usual one while the compressor rests
    surge                 its steepest rise over five minutes of the last two hours [K/s]
    usual, healthy        (N, 6) of cycles
    template              1 inside a defrost as learnt
    load_lead_k           rise of the load above what its air explains
    probe                 1 code, stuck or drifting
    """

    mains: Floats
    door: Floats
    door_s: Floats
    compressor: Floats
    idle_s: Floats
    siblings: Floats
    stalled: Floats
    rate: Floats
    usual: Floats
    healthy: Floats
    template: Floats
    load_lead_k: Floats
    probe: Floats
    surge: Floats | None = None


def features(scene: Scene) -> dict[str, Floats]:
    """The numbers that `diagnose` weighs."""
    period, duty, pull, drift, trough, peak = range(6)
    usual, healthy = scene.usual, scene.healthy
    swing = np.maximum(healthy[:, peak] - healthy[:, trough], 0.2)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual_rise = np.maximum(healthy[:, drift], 1e-5)
        steep = grade(scene.rate / usual_rise, 2.0, 5.0)
        surge = np.full(len(steep), np.nan) if scene.surge is None else scene.surge / usual_rise
        duty_ratio = usual[:, duty] / healthy[:, duty]
        pull_ratio = usual[:, pull] / healthy[:, pull]
        rests_s = np.maximum((1.0 - healthy[:, duty]) * healthy[:, period], 300.0)
        creep = (usual[:, trough] - healthy[:, trough]) / swing
    idle = grade(scene.idle_s / rests_s, 1.5, 2.5)
    cycling = grade(scene.stalled, 3.0, 1.5)
    shift = np.abs(usual[:, trough] - healthy[:, trough] + usual[:, peak] - healthy[:, peak]) / 2.0
    shape = np.abs((usual[:, peak] - usual[:, trough]) / swing - 1.0)
    stopped = grade(scene.stalled, 2.0, 4.0)
    return {
        "mains_off": grade(scene.mains, 0.98, 0.9),
        "mains_on": grade(scene.mains, 0.98, 1.0),
        "door_open": np.maximum(
            scene.door * grade(scene.door_s, 60.0, 240.0), grade(scene.door_s, 240.0, 600.0)
        ),
        "door_shut": grade(scene.door_s, 120.0, 0.0),
        "compressor_idle": idle,
        "compressor_always": grade(scene.compressor, 0.85, 0.97),
        "compressor_cycles": np.minimum(grade(scene.compressor, 0.1, 0.2), grade(scene.compressor, 0.9, 0.75))
        * (1.0 - np.nan_to_num(idle)),
        "siblings_stopped": grade(scene.siblings, 0.4, 0.8),
        "siblings_go_on": grade(scene.siblings, 0.4, 0.1),
        "stalled": stopped,
        "steep": steep * (1.0 - np.nan_to_num(scene.template)),
        "surged": grade(surge, 2.0, 4.0) * (1.0 - np.nan_to_num(scene.template)),
        "smooth_rise": stopped * grade(scene.rate * 3600.0, 0.1, 0.5) * (1.0 - np.nan_to_num(steep)),
        "recovers": grade(scene.rate * 3600.0, -0.2, -1.5),
        "duty_up": grade(duty_ratio, 1.15, 1.5),
        "pull_down_weak": grade(pull_ratio, 0.85, 0.6),
        "creep": grade(creep, 0.15, 0.6),
        "in_template": scene.template,
        "load_leads": grade(scene.load_lead_k, 0.4, 1.0),
        "shifted": cycling * grade(shift, 0.25, 0.5) * grade(shape, 0.5, 0.25),
        "probe": scene.probe,
    }
