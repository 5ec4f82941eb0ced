# SPDX-License-Identifier: Apache-2.0
"""Does a probe drift from its sibling? Two probes of one appliance differ by what they always differ by.

Pure. From the mean of each day: doors, cycles and defrosts are in it alike every day.
"""

from __future__ import annotations

import numpy as np

from alerts.rules.flat import Ints

BASE_DAYS, RECENT_DAYS = 14, 3
"""What it was: the median of the first fortnight. What it is: that of the last three days. Ours."""
DRIFT_MILLI = 500
"""Half a degree, the uncertainty that blood banks ask of a calibration; below it nobody would act."""
SCATTERS = 4.0
"""And so many of the fortnight's own deviations (1.4826 median absolute deviations each)."""
PER_SIGMA = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""


def drift_of(differences: Ints) -> int | None:
    """How far the differences of the last days are from those of the first [thousandths]; None: no further
    than it happens, or too few days.

    differences  (D,) mean of one less mean of the other, day by day, oldest first

    >>> import numpy as np
    >>> drift_of(np.array([1200] * 20)), drift_of(np.array([1200] * 17 + [1900] * 3))
    (None, 700)
    """
    if len(differences) < BASE_DAYS + RECENT_DAYS:
        return None
    base = differences[:BASE_DAYS]
    usual = float(np.median(base))
    scatter = PER_SIGMA * float(np.median(np.abs(base - usual)))
    last = differences[-RECENT_DAYS:] - usual
    least = max(DRIFT_MILLI, SCATTERS * scatter)
    if not (np.all(last >= least) or np.all(last <= -least)):
        return None
    return round(float(np.median(last)))
