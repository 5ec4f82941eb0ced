# SPDX-License-Identifier: Apache-2.0
"""What stands between broker and database: a Node-RED flow, or our gateway and ingest. Processes by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from rig.influx import Influx

from benchmarks.compare_nodes import Node, Trust
from coldchain.ports.clock import wall_ms
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site
from coldchain.settings import load
from coldchain.wiring.child import free_port

STOP_S = 20.0
NODE_RED = Path("node_modules/node-red/red.js")
INFLUX_NODE = Path("node_modules/node-red-contrib-influxdb/influxdb.js")

POINTS = """\
const reports = Array.isArray(msg.payload) ? msg.payload : [msg.payload];
msg.payload = [];
for (const report of reports) {
    for (const reading of report.readings) {
        msg.payload.push([
            {value: reading.m / 1000, seq: report.seq, time: report.unix_ms},
            {sensor: report.node + "/" + reading.ch, quantity: reading.q},
        ]);
    }
}
return msg;
"""
"""The flow's function: one report of a node as points, each with the node's own instant."""


@dataclass(slots=True)
class Part:
    """One process of ours to end."""

    name: str
    argv: list[str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None

    def strike(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        self.strike(number)
        if self.process:
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_S)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One of the compared. make: (folder, broker's port, engine, nodes, Node-RED's folder) -> processes."""

    name: str
    says: str
    broker: str
    trust: Trust
    make: Callable[[Path, int, Influx, list[Node], Path], list[Part]]


Writes = Literal["1", "1-retry", "2"]
"""The node's client of InfluxDB 1, which tries once; the same, and the flow hands what failed back to it
after 5 s; its client of InfluxDB 2, which tries again by itself. All from memory.
"""


def engine(influx: Influx, writes: Writes) -> dict[str, object]:
    """The flow's configuration node of the database."""
    if writes == "2":
        return {"url": influx.url, "influxdbVersion": "2.0", "timeout": "10", "rejectUnauthorized": True}
    where = {"hostname": "127.0.0.1", "port": str(influx.engine_port), "protocol": "http"}
    return {**where, "database": influx.bucket, "influxdbVersion": "1.x"}


def flow(broker_port: int, influx: Influx, writes: Writes) -> list[dict[str, object]]:
    """mqtt in -> function -> influxdb out."""
    nodes: list[dict[str, object]] = [
        {"id": "tab", "type": "tab", "label": "cold chain"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(broker_port),
            "clientid": "node-red-cold-chain",
            "autoConnect": True,
            "usetls": False,
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": False,
        },
        {"id": "engine", "type": "influxdb", **engine(influx, writes)},
        {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": "coldchain/v1/node/+/report",
            "qos": "1",
            "datatype": "json",
            "broker": "broker",
            "inputs": 0,
            "wires": [["points"]],
        },
        {"id": "points", "type": "function", "z": "tab", "func": POINTS, "outputs": 1, "wires": [["out"]]},
        {
            "id": "out",
            "type": "influxdb out",
            "z": "tab",
            "influxdb": "engine",
            "measurement": "reading",
            "precision": "ms",
            "retentionPolicy": "",
            "precisionV18FluxV20": "ms",
            "org": influx.org,
            "bucket": influx.bucket,
            "wires": [],
        },
    ]
    if writes == "1-retry":
        delay = {"pauseType": "delay", "timeout": "5", "timeoutUnits": "seconds"}
        nodes += [
            {"id": "catch", "type": "catch", "z": "tab", "scope": ["out"], "wires": [["wait"]]},
            {"id": "wait", "type": "delay", "z": "tab", **delay, "wires": [["out"]]},
        ]
    return nodes


def node_red(
    folder: Path, broker_port: int, influx: Influx, _nodes: list[Node], home: Path, writes: Writes
) -> list[Part]:
    """Node-RED with its default settings, but for loopback, no telemetry."""
    folder.mkdir(parents=True)
    (folder / "flows.json").write_text(json.dumps(flow(broker_port, influx, writes), indent=1))
    port = free_port()
    (folder / "settings.js").write_text(
        f'module.exports = {{uiHost: "127.0.0.1", uiPort: {port}, flowFile: "flows.json", '
        "telemetry: {enabled: false}, mqttReconnectTime: 15000};\n"
    )
    node = shutil.which("node")
    assert node is not None
    program = str(home.resolve() / NODE_RED)
    words = ["--userDir", str(folder), "--settings", str(folder / "settings.js")]
    return [Part("node-red", [node, program, *words], folder)]


def coldchain(folder: Path, broker_port: int, influx: Influx, nodes: list[Node], _home: Path) -> list[Part]:
    """Gateway and ingest with the InfluxDB projection, default settings. Nobody judges, nobody looks."""
    folder.mkdir(parents=True)
    config = folder / "coldchain.toml"
    config.write_text(
        f'data_dir = "data"\n[mqtt]\nport = {broker_port}\n[gateway]\nid = "gw-1"\n'
        f'[influx]\nurl = "{influx.url}"\n'
    )
    settings = load(config)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    Desk(settings.desk_db, wall_ms).publish(registry(nodes), author="compare", reason="compare")
    argv = [sys.executable, "-m", "coldchain.wiring.process"]
    return [Part(name, [*argv, name, str(config)], folder) for name in ("ingest", "gateway")]


def registry(nodes: list[Node]) -> Registry:
    """An appliance for each node and a sensor for each channel."""
    return Registry(
        sites=(Site(id="site", name="Site"),),
        appliances=tuple(
            Appliance(
                id=node.name, name=node.name, site="site", assignments=(Assignment(carries="red-cells@eu"),)
            )
            for node in nodes
        ),
        sensors=tuple(
            Sensor(id=f"{node.name}/{n}", appliance=node.name, probe="load", node=node.name, channel=n)
            for node in nodes
            for n in range(node.channels)
        ),
    )


PIPELINES = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline(
            "node-red",
            "Mosquitto, Node-RED with its client of InfluxDB 1",
            "mosquitto",
            "puback",
            partial(node_red, writes="1"),
        ),
        Pipeline(
            "node-red-2",
            "Mosquitto, Node-RED with its client of InfluxDB 2",
            "mosquitto",
            "puback",
            partial(node_red, writes="2"),
        ),
        Pipeline(
            "node-red-retry",
            "as node-red, and the flow tries failed writes again",
            "mosquitto",
            "puback",
            partial(node_red, writes="1-retry"),
        ),
        Pipeline("coldchain", "Mosquitto, gateway and ingest", "mosquitto", "answer", coldchain),
        Pipeline("coldchain-nats", "nats-server, gateway and ingest", "nats", "answer", coldchain),
        Pipeline(
            "coldchain-puback", "as coldchain, and nodes forget at PUBACK", "mosquitto", "puback", coldchain
        ),
    )
}


def missing(home: Path, names: list[str]) -> list[str]:
    """What is not here, each with how to get it."""
    wanted = {
        "mosquitto": "the broker: apt-get install mosquitto",
        "influxd": "the database's engine: apt-get install influxdb",
        "nginx": "the engine's front: apt-get install nginx-light",
    }
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    lacks = [f"{program}: {how}" for program, how in wanted.items() if not shutil.which(program, path=path)]
    if any(name.startswith("node-red") for name in names):
        if not shutil.which("node"):
            lacks.append("node: apt-get install nodejs npm (18 or later)")
        if not (home / NODE_RED).exists() or not (home / INFLUX_NODE).exists():
            lacks.append(f"Node-RED: npm install --prefix {home} node-red@4 node-red-contrib-influxdb")
    return lacks
