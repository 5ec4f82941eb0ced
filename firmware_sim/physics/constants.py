# SPDX-License-Identifier: Apache-2.0
"""The constants of each appliance of a fleet, drawn from its type's spreads by its own key."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from firmware_sim.physics.designs import DESIGNS, ApplianceType, Design, Spread
from firmware_sim.physics.noise import FloatArray, KeyArray, uniform

BoolArray = NDArray[np.bool_]

PLATE_LATENT_J_PER_KG = 190e3
"""Heat of fusion of what melts near +4 °C (salt hydrates, paraffins): 150..220 kJ/kg, an estimate."""
PLATE_SOLID_J_PER_KG_K = 2.0e3
PLATE_LIQUID_J_PER_KG_K = 3.0e3

_SPREADS = tuple(
    f.name
    for f in fields(Design)
    if f.name not in ("code", "defrost_by_run", "agitator", "digital", "mobile")
)
"""Every field of `Design` that is a `Spread`; its place is its lane of randomness."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Arrays of one row per appliance; ``c[name]`` has the unit that `Design` gives to ``name``."""

    types: tuple[ApplianceType, ...]
    keys: KeyArray
    values: dict[str, FloatArray]
    by_run: BoolArray
    agitator: BoolArray
    digital: BoolArray
    mobile: BoolArray

    def __getitem__(self, name: str) -> FloatArray:
        return self.values[name]

    def of_type(self, *kinds: ApplianceType) -> BoolArray:
        """Which rows are of these types."""
        return np.array([kind in kinds for kind in self.types], dtype=bool)


def draw(types: Sequence[ApplianceType], keys: KeyArray) -> Constants:
    """Constants for each (type, key). The same key gives the same appliance in every fleet."""
    designs = [DESIGNS[kind] for kind in types]
    values: dict[str, FloatArray] = {}
    for lane, name in enumerate(_SPREADS):
        spreads: list[Spread] = [getattr(design, name) for design in designs]
        low = np.array([spread.low for spread in spreads], dtype=np.float64)
        high = np.array([spread.high for spread in spreads], dtype=np.float64)
        values[name] = low + (high - low) * uniform(keys, lane, 0)
    return Constants(
        types=tuple(types),
        keys=keys,
        values=values,
        by_run=np.array([d.defrost_by_run for d in designs], dtype=bool),
        agitator=np.array([d.agitator for d in designs], dtype=bool),
        digital=np.array([d.digital for d in designs], dtype=bool),
        mobile=np.array([d.mobile for d in designs], dtype=bool),
    )
