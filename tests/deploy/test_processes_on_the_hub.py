# SPDX-License-Identifier: Apache-2.0
"""Our processes, started as docker-compose.yml starts them, on its broker with TLS and accounts.

Commands, variables and the settings file are the deployed ones; only folders, ports and hosts are others. So
a permission that a process needs and has not, or a setting that is missing, shows here.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from rig.hub import DEPLOY, Secured, await_true
from rig.influx import Influx
from ruamel.yaml import YAML

from coldchain.records.journal import JournalReader
from coldchain.wiring.child import free_port

SERVICES = YAML(typ="safe", pure=True).load((DEPLOY.parent / "docker-compose.yml").read_text())["services"]
CONFIG = "/etc/coldchain/coldchain.toml"


class Machine:
    """Where the containers' files are here: their settings, secrets and volumes."""

    def __init__(self, hub: Secured, influx: Influx, folder: Path) -> None:
        self.folder = folder
        token = folder / "token"
        token.write_text(influx.token)
        self._files = {
            "/run/secrets/broker_ca": hub.secrets / "ca.pem",
            "/run/secrets/mqtt_gateway": hub.secrets / "mqtt-gw-n.password",
            "/run/secrets/mqtt_ingest": hub.secrets / "mqtt-ingest.password",
            "/run/influx/token": token,
        }
        self._here = {
            "COLDCHAIN__MQTT__HOST": "localhost",
            "COLDCHAIN__MQTT__PORT": str(hub.port),
            "COLDCHAIN__INGEST__HTTP_HOST": "127.0.0.1",
            "COLDCHAIN__INGEST__HTTP_PORT": str(free_port()),
            "COLDCHAIN__INFLUX__URL": influx.url,
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def volume(self, service: str) -> Path:
        """gateway has a volume of its own; the others share the record."""
        return self.folder / ("gateway" if service == "gateway" else "record")

    def env(self, service: str) -> dict[str, str]:
        given = SERVICES[service].get("environment", {})
        translated = {
            key: str(self._files.get(value, value)).replace("${COLDCHAIN_GATEWAY:-gw-1}", "gw-n")
            for key, value in given.items()
        }
        return os.environ | translated | self._here | {"COLDCHAIN__DATA_DIR": str(self.volume(service))}

    def command(self, words: list[str]) -> list[str]:
        return [
            sys.executable,
            "-m",
            "coldchain",
            *[str(DEPLOY / "coldchain.toml") if w == CONFIG else w for w in words[1:]],
        ]

    def start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("wb") as log:
            words = self.command(SERVICES[service]["command"])
            self._running.append(subprocess.Popen(words, env=self.env(service), stdout=log, stderr=log))

    def call(self, service: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run another command in the place of that service, as `docker compose exec` would."""
        return subprocess.run(
            self.command(words),
            env=self.env(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def healthy(self, service: str) -> bool:
        return self.call(service, SERVICES[service]["healthcheck"]["test"][1:]).returncode == 0

    def stop(self) -> None:
        for process in reversed(self._running):
            process.terminate()
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def logs(self) -> str:
        return "\n".join(f"{log.name}:\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.log"))


@pytest.fixture
def machine(hub: Secured, influx: Influx, tmp_path: Path) -> Iterator[Machine]:
    place = Machine(hub, influx, tmp_path)
    yield place
    place.stop()


class Node:
    """A node of its own account that publishes one report and waits for the answer."""

    def __init__(self, hub: Secured, name: str) -> None:
        self.name = name
        self.answers: list[dict[str, object]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"node-{name}")
        self.client.username_pw_set(name, hub.password(name))
        self.client.tls_set(str(hub.secrets / "ca.pem"))
        self.client.on_message = lambda _c, _u, message: self.answers.append(json.loads(message.payload))
        self.client.on_connect = lambda c, *_: c.subscribe(f"coldchain/v1/node/{name}/ack", qos=1)
        self.client.connect("localhost", hub.port)
        self.client.loop_start()

    def report(self, seq: int, thousandths: int) -> None:
        reading = {"ch": 0, "q": "temperature", "m": thousandths}
        words = {"v": 1, "node": self.name, "boot": 1, "seq": seq, "uptime_ms": 1000, "age_ms": 0}
        words |= {"clock": 2, "unix_ms": time.time_ns() // 1_000_000, "readings": [reading]}
        self.client.publish(f"coldchain/v1/node/{self.name}/report", json.dumps(words), qos=1)

    def part(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_report_crosses_the_hub_and_its_receipt_returns(
    machine: Machine, hub: Secured, influx: Influx
) -> None:
    """Node, broker, gateway, broker, ingest, InfluxDB; back to the gateway, whose spool empties."""
    (machine.folder / "gateway").mkdir()
    (machine.folder / "record").mkdir()
    sensor = f"fridge-7{hub.server.name}/load"
    adopt = ["coldchain", "sensor", "adopt", "fridge-7/0", "--as", sensor, "--profile", "red-cells@eu"]
    adopted = machine.call("ingest", [*adopt, "--site", "here", "--config", CONFIG])
    assert adopted.returncode == 0, adopted.stderr
    for service in ("ingest", "alerts", "gateway"):
        machine.start(service)
    node = Node(hub, "fridge-7")
    try:
        await_true(lambda: machine.healthy("gateway") and machine.healthy("ingest"), "health", patience_s=20)
        node.report(0, 4125)
        await_true(lambda: bool(node.answers), f"the gateway's word\n{machine.logs()}", patience_s=15)
        assert node.answers[0]["ack"] == [[0, 0]]

        journal = JournalReader(machine.volume("ingest") / "readings.db")
        await_true(lambda: sensor in journal.latest(), f"the record\n{machine.logs()}", patience_s=15)
        assert journal.latest()[sensor].value == 4125
        journal.close()

        def pending() -> object:
            beat = machine.volume("gateway") / "health/gateway.json"
            return json.loads(beat.read_text())["figures"]["pending"]

        await_true(lambda: pending() == 0, f"the receipt\n{machine.logs()}", patience_s=15)
        measured = f"SELECT * FROM /.*/ WHERE sensor = '{sensor}'"
        await_true(lambda: bool(influx.query(measured)), f"the projection\n{machine.logs()}", patience_s=15)
        await_true(lambda: machine.healthy("alerts"), f"alerts\n{machine.logs()}", patience_s=15)
    finally:
        node.part()
