# SPDX-License-Identifier: Apache-2.0
"""A process started with this folder in PYTHONPATH has the wall clock of the machine plus what the file
$COLDCHAIN_TEST_CLOCK holds [s], looked at anew with every question: somebody steps the clock while it runs.
"""

import os
import time
from pathlib import Path

_file = Path(os.environ["COLDCHAIN_TEST_CLOCK"])
_time, _time_ns = time.time, time.time_ns


def _step_s() -> float:
    try:
        return float(_file.read_text() or 0)
    except (OSError, ValueError):
        return 0.0


time.time = lambda: _time() + _step_s()
time.time_ns = lambda: _time_ns() + round(_step_s() * 1e9)
