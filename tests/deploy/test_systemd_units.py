# SPDX-License-Identifier: Apache-2.0
"""Each process has a unit with a strict sandbox. Nothing here starts one: no test runs under systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rig.programs import need, under_ci

from coldchain.cli.app import app

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = {path.stem.removeprefix("coldchain-"): path for path in sorted(FOLDER.glob("*.service"))}
SERIAL = {"gateway", "alerts"}
"""Processes that open serial lines or modems."""
STRICT = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ProtectClock": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "DevicePolicy": "closed",
    "UMask": "0077",
}
WATCHED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "WatchdogSec": "60",
    "TimeoutStartSec": "900",
    "Restart": "always",
}
"""Progress, not life: coldchain/records/health.py tells it with each beat."""
WORST = 2.5
"""The exposure that systemd itself computes, from 0 (safe) to 10; a unit without a sandbox has 9.6."""


def directives(text: str) -> dict[str, list[str]]:
    """Key -> its values, in order; the parser of the standard library takes no key twice."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "[")):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(key, []).append(value)
    return found


def test_there_is_one_for_each_process():
    commands = {command.name for command in app.registered_commands}
    assert set(UNITS) == {"gateway", "ingest", "alerts", "console"}
    assert set(UNITS) <= commands


@pytest.mark.parametrize("name", UNITS)
def test_its_sandbox_is_strict(name):
    found = directives(UNITS[name].read_text(encoding="utf-8"))
    assert {key: found.get(key, ["missing"])[-1] for key in STRICT} == STRICT
    assert found["ExecStart"] == [
        f"/opt/coldchain/bin/coldchain {name} --config /etc/coldchain/coldchain.toml"
    ]
    assert found["User"] == ["coldchain"]
    assert {key: found.get(key, ["missing"])[-1] for key in WATCHED} == WATCHED
    assert found["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    allowed = found.get("DeviceAllow", [])
    assert bool(allowed) == (name in SERIAL)
    assert all(re.fullmatch(r"char-tty(USB|ACM|AMA|S) rw", one) for one in allowed)
    assert found.get("PrivateDevices", ["no"]) == ["no" if name in SERIAL else "yes"]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_reads_it_and_finds_little_exposed(name, tmp_path):
    analyze = str(need("systemd-analyze"))
    program = shutil.which("true")
    copy = tmp_path / UNITS[name].name
    text = UNITS[name].read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/coldchain/bin/coldchain", str(program)), encoding="utf-8")
    read = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    ours = [line for line in read.stderr.splitlines() if copy.name in line]
    assert ours == [], read.stderr
    command = [analyze, "security", "--offline=true", "--no-pager", str(copy)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"exposure level for \S+: ([0-9.]+)", told.stdout)
    if level is None:
        message = f"this systemd-analyze cannot judge a file: {told.stderr[:100]}"
        if under_ci():
            pytest.fail(f"{message}; under CI nothing is skipped", pytrace=False)
        pytest.skip(message)
    print(f"{name}: exposure {level[1]}")
    assert float(level[1]) < WORST
