# SPDX-License-Identifier: Apache-2.0
"""A beat says that a process lives only while it is fresh by the clock of today."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldchain.records.health import STALE_AFTER_S, Heart, beats

NOW_MS = 1_800_000_000_000
LIMIT_MS = int(STALE_AFTER_S * 1000)


@pytest.mark.parametrize(
    ("later_ms", "stale"),
    [(0, False), (LIMIT_MS, False), (LIMIT_MS + 1, True), (-LIMIT_MS, False), (-3_600_000, True)],
)
def test_a_beat_is_stale_when_old_and_when_the_clock_was_set_back(
    tmp_path: Path, later_ms: int, stale: bool
) -> None:
    Heart(tmp_path, "gateway", lambda: NOW_MS).beat({}, now=True)
    (beat,) = beats(tmp_path)
    assert beat.stale(NOW_MS + later_ms) is stale
