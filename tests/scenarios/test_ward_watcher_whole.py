# SPDX-License-Identifier: Apache-2.0
"""The canary through everything: `coldchain run`, a broker, a simulated modem, the clock on the wall."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modems import inbox_of

from coldchain.ports.clock import wall_ms
from coldchain.records.alarms import AlarmsReader
from coldchain.settings import load
from coldchain.wiring.adopt import put_canary
from coldchain.wiring.child import free_port
from firmware_sim.modem import ModemSim

OWN = "+8562099000001"
WAIT_S = 60.0

CONFIG = """
data_dir = "data"
zone = "{zone}"
[mqtt]
embedded = true
port = {port}
[gateway]
id = "gw-1"
mqtt_nodes = false
[[gateway.lines]]
driver = "canary"
device = "{at}{offset}"
[notify]
kind = "modem"
calls = false
canary_at = "{at}"
[notify.modem]
device = "{modem}"
own_number = "{own}"
[console]
port = {console}
"""


def config_of(modem: str) -> str:
    """A zone in which it is about noon; a canary that was due a minute ago, and makes up for it at once."""
    ahead = 12 - datetime.now(UTC).hour
    at = datetime.now(UTC) + timedelta(hours=ahead, minutes=-1)
    offset = f"{'-' if ahead < 0 else '+'}{abs(ahead):02}:00"
    return CONFIG.format(
        zone=f"Etc/GMT{-ahead:+d}", offset=offset, at=f"{at:%H:%M}", modem=modem, own=OWN,
        port=free_port(), console=free_port(),
    )  # fmt: skip


def until(true: Callable[[], Any], what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.1)


@contextmanager
def running(config: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "coldchain", "run", "--config", str(config)]
    hub = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        hub.send_signal(signal.SIGTERM)
        hub.wait(timeout=20)


def test_a_canary_flies_through_everything_and_back(tmp_path: Path) -> None:
    inbox, config = tmp_path / "inbox.jsonl", tmp_path / "coldchain.toml"
    with ModemSim(inbox) as modem:
        config.write_text(config_of(str(modem.path)))
        settings = load(config)
        put_canary(settings, "gw-1", author="test", wall_ms=wall_ms)
        with running(config):
            until(lambda: inbox_of(inbox), "its message to itself")
            (sent,) = inbox_of(inbox)
            assert "COLDCHAIN CANARY" in sent["text"]
            modem.phone(OWN).reply(sent["text"])
            beat = settings.data_dir / "health" / "alerts.json"
            until(lambda: "canary_s" in json.loads(beat.read_text())["figures"], "the end of its flight")
            figures = json.loads(beat.read_text())["figures"]
            assert figures["canary_s"] < WAIT_S
            assert figures["signal_dbm"] < 0, "the modem is asked how strong its network is"
        alarms = AlarmsReader(settings.alarms_db)
        assert [outcome for *_, outcome in alarms.heard(0, 2**60)] == ["canary"]
        assert alarms.open_alarms() == []
        alarms.close()
    assert len(inbox_of(inbox)) == 1, "nobody answers it"
