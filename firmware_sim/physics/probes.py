# SPDX-License-Identifier: Apache-2.0
"""From a true temperature to what a probe reports: lag, offset, drift, noise, steps, and its ways to fail."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from firmware_sim.physics.constants import BoolArray, Constants
from firmware_sim.physics.noise import FloatArray, normal, uniform

POWER_ON_C = 85.0
"""A digital probe's register before its first conversion (DS18B20 data sheet)."""
DISCONNECTED_C = -127.0
"""What the customary driver returns for a digital probe that is gone; our nodes say it of platinum too."""
PLATINUM_SHORT_C = -242.02
"""A platinum converter's lowest code, as a short circuit gives it (MAX31865 code 0, Callendar-Van Dusen)."""

DIGITAL_STEP_K, DIGITAL_NOISE_K = 0.0625, 0.003  # 12 bits; a resting probe repeats its step
PLATINUM_STEP_K, PLATINUM_NOISE_K = 0.01, 0.02  # 15-bit converter behind 3 m of cable; engineering estimate

_LANE_OFFSET, _LANE_NOISE = 200, 202


class ProbeState(IntEnum):
    """How a probe is: the order is the order in which a worse one wins."""

    SOUND = 0
    STUCK = 1
    SHORT = 2
    OPEN = 3


def offsets_k(c: Constants, probe: int) -> FloatArray:
    """Each probe's constant error [K]; ``probe`` 0 load, 1 air.

    Uniform within the type's largest for the air; the load's probe is the calibrated one, four times better.
    """
    largest = c["offset_k"] * (0.25 if probe == 0 else 1.0)
    return largest * (2 * uniform(c.keys, _LANE_OFFSET + probe, 0) - 1)


def reported_c(
    c: Constants,
    probe: int,
    tick: int,
    lagged_c: FloatArray,
    error_k: FloatArray,
    state: NDArray[np.int8],
    held_c: FloatArray,
) -> FloatArray:
    """What the probes report at a tick [°C]; NaN where nothing answers. All arrays (N,).

    ``lagged_c`` is the probe's temperature, ``error_k`` offset and drift, ``held_c`` what a stuck one says.
    A short on a digital probe's bus answers nothing (NaN); an open one reads as disconnected.
    """
    digital: BoolArray = c.digital
    step = np.where(digital, DIGITAL_STEP_K, PLATINUM_STEP_K)
    noise = np.where(digital, DIGITAL_NOISE_K, PLATINUM_NOISE_K) * normal(c.keys, _LANE_NOISE + probe, tick)
    value = np.rint((lagged_c + error_k + noise) / step) * step
    value = np.where(state == ProbeState.STUCK, held_c, value)
    value = np.where(state == ProbeState.SHORT, np.where(digital, np.nan, PLATINUM_SHORT_C), value)
    return np.where(state == ProbeState.OPEN, DISCONNECTED_C, value)
