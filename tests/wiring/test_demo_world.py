# SPDX-License-Identifier: Apache-2.0
"""A demo that goes on where an earlier one ended, perhaps at once, perhaps beside others."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from coldchain.kernel.errors import BadData
from coldchain.wiring.demo import world
from coldchain.wiring.demo.files import replay_sensors
from coldchain.wiring.demo.plan import DemoPlan, write_settings

NOW_MS = 1_800_000_000_000


def test_two_starts_within_a_second_never_give_reports_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "wall_ms", lambda: NOW_MS)
    plan = DemoPlan(tmp_path, appliances=0, console_port=0)
    write_settings(plan)
    assert world.World(plan, [], NOW_MS).boot != world.World(plan, [], NOW_MS).boot


def test_a_port_that_was_taken_meanwhile_is_another(tmp_path: Path) -> None:
    plan = DemoPlan(tmp_path, appliances=0, console_port=0)
    first = write_settings(plan)
    assert write_settings(plan) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.console.port))
        other.listen()
        second = write_settings(plan)
    assert second.console.port != first.console.port
    assert (second.mqtt, second.gateway) == (first.mqtt, first.gateway)


def written(tmp_path: Path, *sensors: str) -> Path:
    path = tmp_path / "file.csv"
    lines = ["sensor,time,celsius", *(f"{sensor},1700000000,4" for sensor in sensors)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_replayed_sensor_has_an_appliance_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "x-2", "x", "X", "vte-br-01", "vte-br-01-3")
    sensors, _ = replay_sensors([path], None, {}, taken=["vte-br-01"])
    names = [sensor.appliance for sensor in sensors]
    assert len(set(names)) == 5
    assert "vte-br-01" not in names


def test_more_sensors_than_channels_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, *(f"s{number}" for number in range(65_537)))
    with pytest.raises(BadData, match="65537 sensors"):
        replay_sensors([path], None, {})
