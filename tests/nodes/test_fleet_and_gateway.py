# SPDX-License-Identifier: Apache-2.0
"""Simulated nodes and the real gateway: the nodes' ledger and the gateway's spool tell the same story."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coldchain.kernel.readings import Rows
from coldchain.settings import GatewaySettings, LineSettings, MqttSettings, Settings
from coldchain.wiring.child import free_port
from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner, steady_now
from firmware_sim.firmware.ledger import MEASURED, read_ledger
from firmware_sim.firmware.node import Clock, NodeConfig
from firmware_sim.firmware.sources import Board, SyntheticSource
from gateway.service import GatewayService
from gateway.spool import open_spool

CLOCKS = {
    "syn-000": NodeConfig("syn-000"),
    "syn-001": NodeConfig("syn-001", Clock.ABSENT),
    "syn-002": NodeConfig("syn-002", Clock.DOUBTFUL, clock_error_ms=-86_400_000),
}
PER_NODE = 200
SEED = 5


def until(true: Callable[[], bool], *, patience_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline_s, "did not come to pass"
        time.sleep(0.02)


@contextmanager
def gateway_on(folder: Path) -> Iterator[Settings]:
    settings = Settings(
        data_dir=folder / "gateway",
        mqtt=MqttSettings(port=free_port()),  # no broker: what is accepted stays in the spool
        gateway=GatewaySettings(lines=(LineSettings(device=str(folder / "lines" / "*")),), mqtt_nodes=False),
    )
    service = GatewayService(settings)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield settings
    finally:
        service.stop()
        thread.join(10)


def spooled(settings: Settings) -> tuple[list[tuple[str, int]], Rows]:
    spool = open_spool(settings.spool_db, max_bytes=10**9, new_epoch=lambda: "x", wall_ms=lambda: 0)
    with spool.change():
        _, nodes, rows = spool.read([(1, 1_000_000)])
    spool.close()
    return nodes, rows


def test_ledger_and_spool_agree_through_restarts_whatever_the_clocks(tmp_path: Path) -> None:
    """Old reports, live ones, a gateway that ends and returns, a restarted node, a noisy line."""
    now_ms = time.time_ns() // 1_000_000
    source = SyntheticSource(
        6, seed=SEED, start_ms=now_ms - 600_000, every_ms=3_030, per_node=2, limit=PER_NODE
    )
    source.boards = lambda: [Board(config) for config in CLOCKS.values()]  # type: ignore[method-assign]
    config = FleetConfig(tmp_path, boot=41, start_ms=now_ms, began_ms=now_ms - 600_001)
    runner = FleetRunner(config, source, now_ms=steady_now(now_ms))
    runner.lines["syn-002"].byte_error_rate = 0.001
    runner.start()
    with gateway_on(tmp_path):
        until(lambda: runner.snapshot().acked > 100)
    runner.lines["syn-002"].byte_error_rate = 0.0
    runner.restart("syn-000")
    with gateway_on(tmp_path) as settings:
        until(lambda: runner.snapshot().acked == 3 * PER_NODE)
    runner.stop()

    nodes, rows = spooled(settings)
    ledger = read_ledger(runner.ledger_path)
    found = {}
    for row in rows:
        node, boot = nodes[row["node"]]
        found[node, boot, row["seq"], row["channel"], row["status"], row["value"]] = row
    assert len(found) == len(rows) == 6 * PER_NODE, "each exactly once"
    assert {one[:6] for one in ledger.acked_readings()} == set(found)
    assert len(ledger.of(MEASURED)) == 6 * PER_NODE
    for reading in ledger.acked_readings():
        node, at_ms, row = reading[0], reading[6], found[reading[:6]]
        clock, error_ms = CLOCKS[node].clock, CLOCKS[node].clock_error_ms
        assert int(row["clock"]) == clock
        # By its own clock to the millisecond, else by its age: as well as the way takes.
        assert abs(int(row["at_ms"]) - at_ms) <= (0 if clock is Clock.RIGHT else 1_000), reading
        assert int(row["device_ms"]) == (at_ms + error_ms if clock else 0)
