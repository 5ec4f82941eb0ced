# SPDX-License-Identifier: Apache-2.0
"""What is set up of a guard: nothing heavy without one, a line of doctor's with one, the gateway's entry."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coldchain.kernel.errors import BadData
from coldchain.kernel.guard import GuardWord, Rules, decode_command
from coldchain.records.registry import (
    Appliance,
    Desk,
    GatewayEntry,
    Registry,
    RegistryReader,
    Sensor,
    Site,
)
from coldchain.records.site_copy import copy_for
from coldchain.settings import GatewaySettings, Settings
from coldchain.settings.file import check_text
from coldchain.settings.model import GuardSettings
from coldchain.wiring.adopt import put_gateway
from coldchain.wiring.checkup import examine
from coldchain.wiring.guard import SiteGuard
from ingest.guards import GuardDesk

NOW_MS = 1_800_000_000_000


def settings_with(folder: Path, **guard: object) -> Settings:
    return Settings(data_dir=folder, gateway=GatewaySettings(guard=GuardSettings.model_validate(guard)))


def said(settings: Settings) -> list[tuple[str, str]]:
    return [(line.state, line.cause) for line in examine(settings, lambda: NOW_MS) if line.what == "guard"]


@pytest.mark.parametrize(
    ("figures", "state", "cause"),
    [
        ({}, "warning", "has not run yet"),
        ({"state": "following", "version": 3}, "ok", "rules of version 3"),
        ({"state": "no_rules"}, "warning", "judges nothing"),
        ({"state": "speaking", "version": 3}, "warning", "the hub gives no receipts"),
        ({"state": "broken", "why": "disk"}, "bad", "(disk)"),
    ],
)
def test_doctor_says_how_the_guard_is(tmp_path: Path, figures: dict, state: str, cause: str) -> None:
    (tmp_path / "health").mkdir()
    beat = {"name": "gateway", "at_ms": NOW_MS, "pid": 1, "figures": {"guard": figures}}
    (tmp_path / "health/gateway.json").write_text(json.dumps(beat))
    ((found, why),) = said(settings_with(tmp_path, file=tmp_path / "messages"))
    assert found == state
    assert cause in why


def test_doctor_misses_the_modem_and_says_nothing_where_no_guard_is_wanted(tmp_path: Path) -> None:
    ((state, why),) = said(settings_with(tmp_path, modem={"device": str(tmp_path / "ttyUSB9")}))
    assert (state, "no such device" in why) == ("bad", True)
    assert said(Settings(data_dir=tmp_path)) == []


def test_a_gateway_without_a_guard_loads_nothing_of_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from coldchain.wiring.process import build_gateway;"
        "from coldchain.settings import Settings;"
        f"build_gateway(Settings(data_dir=Path({str(tmp_path)!r})));"
        "print([m for m in sys.modules if m.split('.')[0] in ('alerts', 'ingest')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["readings.db", "alarms.db"])
def test_a_damaged_file_is_put_aside_and_the_guard_begins_anew(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / name).write_bytes(bytes(range(256)) * 40)
    guard = SiteGuard(settings_with(tmp_path, file=tmp_path / "messages"), {})
    guard.open()
    guard.turn()
    guard.close()
    assert (folder / f"{name}.damaged").exists()
    assert guard.status()["state"] == "no_rules"


def test_a_guard_that_cannot_work_says_so_and_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "guard").write_text("no folder")
    guard = SiteGuard(settings_with(tmp_path, file=tmp_path / "messages"), {})
    guard.start()
    end_s = time.monotonic() + 5
    while guard.status()["state"] != "broken" and time.monotonic() < end_s:
        time.sleep(0.02)
    guard.heard([])
    assert guard.status()["state"] == "broken"
    guard.stop()
    assert not guard._thread.is_alive()


def test_the_hub_s_modem_is_not_the_guard_s() -> None:
    text = '[notify]\nkind="modem"\n[notify.modem]\ndevice="/dev/m"\n[gateway.guard.modem]\ndevice="/dev/m"\n'
    settings, findings = check_text(text, "coldchain.toml")
    assert settings is None
    assert "one of its own" in str(findings[0])


def test_a_gateway_gets_its_entry_and_its_copy(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    desk = Desk(settings.desk_db, lambda: NOW_MS)
    desk.publish(Registry(sites=(Site(id="a", name="A"), Site(id="b", name="B"))), author="t", reason="t")
    entry = {"id": "gw-b", "site": "b", "phone": "+8562000000101"}
    put_gateway(settings, entry, author="t", wall_ms=lambda: NOW_MS)
    put_gateway(settings, entry, author="t", wall_ms=lambda: NOW_MS)
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    assert reader.registry.gateways == (GatewayEntry(**entry),)
    copy, rest = copy_for(reader.registry, "gw-b"), copy_for(reader.registry, "gw-of-no-site")
    assert copy is not None
    assert rest is not None
    assert ([s.id for s in copy.sites], [s.id for s in rest.sites]) == (["b"], ["a"])
    with pytest.raises(BadData, match="no site 'c'"):
        put_gateway(settings, {**entry, "site": "c"}, author="t", wall_ms=lambda: NOW_MS)


def test_a_gateway_is_not_sent_words_that_an_older_release_refuses(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    desk = Desk(settings.desk_db, lambda: NOW_MS)
    appliance = Appliance(id="f", name="F", site="b")
    changed = Sensor(id="f/load", appliance="f", node="n", channel=0, probe="load", wired_ms=NOW_MS)
    registry = Registry(sites=(Site(id="b", name="B"),), appliances=(appliance,), sensors=(changed,))
    desk.publish(registry, author="t", reason="t")
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    (payload,) = GuardDesk(reader, tmp_path).commands("gw", GuardWord(""))
    _, rules = decode_command(payload)
    assert isinstance(rules, Rules)
    told = json.loads(rules.registry)
    assert told["sensors"] == [{"id": "f/load", "appliance": "f", "node": "n", "channel": 0, "probe": "load"}]
    assert Registry.model_validate_json(rules.registry) == copy_for(reader.registry, "gw")
