# SPDX-License-Identifier: Apache-2.0
"""Readiness gathered from an installation's files."""

from pathlib import Path

from coldchain.records.readiness import DAY_MS
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Site
from coldchain.settings import Settings
from coldchain.wiring.readiness import readiness, to_mend

T0 = 1_800_000_000_000


def test_on_its_first_day_an_installation_is_looked_at_and_writes_to_nobody(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    carried = (Assignment(carries="red-cells@eu"),)
    appliances = (Appliance(id="a", name="A", site="s", assignments=carried),)
    desk = Desk(settings.desk_db, lambda: T0)
    desk.publish(Registry(sites=(Site(id="s", name="S"),), appliances=appliances), author="t", reason="t")
    desk.close()
    assert "silent" in {one.what for one in readiness(settings, T0 + 60_000)}
    assert to_mend(settings, T0 + DAY_MS - 1) == []
    assert "silent" in {one.what for one in to_mend(settings, T0 + DAY_MS)}
