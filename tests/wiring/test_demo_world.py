# SPDX-License-Identifier: Apache-2.0
"""The world of a demo that is killed and started again at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldchain.wiring.demo import world
from coldchain.wiring.demo.plan import DemoPlan, write_settings

NOW_MS = 1_800_000_000_000


def test_two_starts_within_a_second_never_give_reports_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "wall_ms", lambda: NOW_MS)
    plan = DemoPlan(tmp_path, appliances=0, console_port=0)
    write_settings(plan)
    assert world.World(plan, [], NOW_MS).boot != world.World(plan, [], NOW_MS).boot
