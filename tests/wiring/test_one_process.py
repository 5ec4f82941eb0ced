# SPDX-License-Identifier: Apache-2.0
"""Each of our processes runs once in a folder: two engines would both judge, two gateways share a spool."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from coldchain.settings import load
from coldchain.wiring.child import free_port

CONFIG = 'data_dir = "."\n[mqtt]\nport = {port}\n'


def start(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "coldchain.wiring.process", "alerts", str(config)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_the_second_refuses_and_a_killed_one_leaves_its_place(tmp_path: Path) -> None:
    config = tmp_path / "coldchain.toml"
    config.write_text(CONFIG.format(port=free_port()))
    heart = load(config).data_dir / "health" / "alerts.json"
    first = start(config)
    try:
        until_s = time.monotonic() + 20
        while not heart.exists():
            assert time.monotonic() < until_s
            time.sleep(0.05)
        second = subprocess.run(
            first.args,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 75, "try again later, as sysexits says"
        assert f"process {first.pid}" in second.stderr
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()

    heart.unlink()
    third = start(config)
    try:
        until_s = time.monotonic() + 20
        while not heart.exists():
            assert third.poll() is None, "a dead one's place is free"
            assert time.monotonic() < until_s
            time.sleep(0.05)
    finally:
        third.send_signal(signal.SIGTERM)
        third.communicate(timeout=10)
