# SPDX-License-Identifier: Apache-2.0
"""Phase-change plates by the enthalpy method: energy is the state, temperature follows from it."""

import numpy as np

from firmware_sim.physics.noise import FloatArray


def plate_temperature_c(
    enthalpy_j: FloatArray,
    melt_c: FloatArray,
    latent_j: FloatArray,
    solid_j_per_k: FloatArray,
    liquid_j_per_k: FloatArray,
) -> FloatArray:
    """Temperature [°C] of plates whose energy is ``enthalpy_j`` [J]: zero is all solid at the melting point.

    Below zero the plate is solid; from zero to ``latent_j`` it melts at ``melt_c``; above, it is liquid.
    All arrays share one shape; capacities [J/K] are positive.
    """
    below = np.minimum(enthalpy_j, 0.0) / solid_j_per_k
    above = np.maximum(enthalpy_j - latent_j, 0.0) / liquid_j_per_k
    return melt_c + below + above
