# SPDX-License-Identifier: Apache-2.0
"""Is this a temperature at all? Codes of broken probes are faults: never a temperature, hiding none."""

from __future__ import annotations

import numpy as np

from alerts.rules.flat import Bools, Ints, Numbers, Segments, latest
from coldchain.kernel.words import NO_VALUE

DISCONNECTED = -127_000
"""What drivers of the DS18B20 return for a probe that does not answer: -127.000 °C [thousandths]."""

POWER_ON = 85_000
"""85.000 °C, the value of a DS18B20's register from power-on to its first conversion (data sheet)."""

DISTANT = 5_000
"""85.000 °C within this of the value before is a temperature; further off, the power-on value.
Ours: no refrigerator warms by 5 K between two readings just below 85 °C."""

MOST = 100_000
"""Nothing in a blood bank is beyond +-100 °C [thousandths]: admission's bounds."""

UNKNOWN = NO_VALUE
"""Stands for "no value before" [thousandths]."""


def suspicious(value: Numbers, usable: Bools) -> Bools:
    """(N,) a fault, or the power-on code, which may be a temperature: everything that is not plainly one."""
    return np.asarray(~usable | (value == DISCONNECTED) | (value == POWER_ON))


def faults(value: Numbers, usable: Bools, before: Ints, seg: Segments) -> tuple[Bools, Bools]:
    """(fault, plain), each (N,): the probe gave no temperature; it gave one that is no code at all.

    value   (N,) thousandths, sorted by series and instant
    usable  (N,) False: failed at the node, or outside what the quantity can be
    before  (S,) the last plain value carried into each segment, or UNKNOWN
    """
    plain = usable & (value != DISCONNECTED)
    suspect = plain & (value == POWER_ON)
    if not suspect.any():
        return ~plain, plain
    fault = ~plain
    plain &= ~suspect
    source, of = latest(plain), seg.of
    previous = np.where(source >= seg.first[of], value[source], before[of])
    distant = (previous == UNKNOWN) | (np.abs(previous - POWER_ON) > DISTANT)
    return fault | (suspect & distant), plain
