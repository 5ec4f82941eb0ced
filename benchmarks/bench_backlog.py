# SPDX-License-Identifier: Apache-2.0
"""A day without a link: 243 appliances, one reading a minute each, wait in one gateway's spool. How long
until the hub has them, on loopback and through a link of 16 kbit/s, and how long do live readings take then?

Run: make bench ARGS='benchmarks/bench_backlog.py [--kbit 16] [--strike 8]' (no figure is asserted)

--strike S  the slow link is cut every S seconds as well
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from soak.proxy import Proxy, Weather

from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Desk, Registry, Sensor, Site
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.wiring.broker import EmbeddedBroker
from coldchain.wiring.child import free_port
from gateway.codecs.frames import Report
from gateway.service import GatewayService
from gateway.spool import Arrival, open_spool
from ingest.service import IngestService

APPLIANCES, MINUTES, PER_NODE = 243, 1440, 3
NODES = APPLIANCES // PER_NODE
LIVE_EVERY_S = 60.0 / NODES
PIECE = 256

REGISTRY = Registry(
    sites=(Site(id="vte", name="Vientiane"),),
    appliances=tuple(Appliance(id=f"a-{n:03}", name=f"a {n}", site="vte") for n in range(APPLIANCES)),
    sensors=tuple(
        Sensor(
            id=f"a-{n:03}/load",
            appliance=f"a-{n:03}",
            probe="load",
            node=f"node-{n // PER_NODE:02}",
            channel=n % PER_NODE,
        )
        for n in range(APPLIANCES)
    ),
)


def report(node: int, seq: int, at_ms: int, dice: random.Random) -> Report:
    """What one node says in a minute: three appliances, a tenth of a degree of noise."""
    values = tuple((c, 1, 0, 4000 + 62 * dice.randrange(-4, 5)) for c in range(PER_NODE))
    return Report(f"node-{node:02}", 1, seq, seq * 60_000, 0, 2, at_ms, values)


def fill(path: Path, now_ms: int) -> int:
    """A spool after a day without a link: how many readings."""
    dice = random.Random(7)
    spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "0a0b0c0d", wall_ms=lambda: now_ms)
    for minute in range(MINUTES):
        at_ms = now_ms - (MINUTES - minute) * 60_000
        group = [Arrival(report(n, minute, at_ms, dice), at_ms, None) for n in range(NODES)]
        with spool.change():
            spool.accept(group, [], 0.0)
    accepted = spool.accepted
    spool.close()
    return accepted


def live(service: GatewayService, stopped: threading.Event) -> None:
    """Every node goes on to report once a minute."""
    dice, n = random.Random(8), 0
    while not stopped.wait(LIVE_EVERY_S):
        loop = service._loop
        if loop is not None:
            told = report(n % NODES, MINUTES + n // NODES, time.time_ns() // 1_000_000, dice)
            loop.call_soon_threadsafe(service.take, None, [told])
            n += 1


def drain(kbit: float | None, strike_s: float | None, limit_s: float) -> None:
    """One day's backlog through one link, with live readings beside it."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        broker = EmbeddedBroker(here / "broker")
        broker.start()
        hub = Settings(data_dir=here / "hub", mqtt=MqttSettings(port=broker.port))
        slow = Weather(bytes_s=kbit * 125 if kbit else None)
        link = Proxy(free_port(), broker.port, seed=0, weather=slow, piece=PIECE) if kbit else None
        if link:
            link.start()
        site = Settings(
            data_dir=here / "site",
            mqtt=MqttSettings(port=link.port if link else broker.port),
            gateway=GatewaySettings(id="gw-1", mqtt_nodes=False),
        )
        site.data_dir.mkdir()
        hub.data_dir.mkdir()
        desk = Desk(hub.desk_db, lambda: 0)
        desk.publish(REGISTRY, author="bench", reason="bench")
        desk.close()
        began_ms = time.time_ns() // 1_000_000
        backlog = fill(site.spool_db, began_ms)
        ingest, gateway = IngestService(hub), GatewayService(site)
        stopped = threading.Event()
        threads = [
            threading.Thread(target=ingest.run),
            threading.Thread(target=gateway.run),
            threading.Thread(target=live, args=(gateway, stopped)),
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        struck, left = began, backlog
        while time.monotonic() - began < limit_s:
            time.sleep(0.25)
            if gateway._figures:
                left = int(gateway._figures["pending"])
            if left < NODES * PER_NODE:  # no more than what a minute brings
                break
            if link and strike_s and time.monotonic() - struck >= strike_s:
                struck = time.monotonic()
                link.cut()
        took = time.monotonic() - began
        stopped.set()
        gateway.stop()
        threads[1].join(10)
        ingest.stop()
        for thread in threads:
            thread.join(10)
        broker.stop()
        name = f"{kbit:g} kbit/s" if kbit else "loopback"
        struck_too = f", cut every {strike_s:g} s" if strike_s else ""
        done = "drained" if left < NODES * PER_NODE else f"NOT drained, {left:,} left"
        print(f"{name}{struck_too}: {backlog:,} readings {done} in {took:,.0f} s ({backlog / took:,.0f}/s)")
        if link:
            print(f"    {link.passed_bytes:,} bytes on the wire, {link.passed_bytes / backlog:.1f} a reading")
            link.stop()
        print(f"    resent batches {gateway._link.state.resent}; {_delays(hub.readings_db, began_ms)}")


def _delays(path: Path, began_ms: int) -> str:
    """How long live readings took from the node's report to the journal's commit, as the hub's rows tell."""
    reader, position, found = JournalReader(path), 0, [np.zeros(0)]
    while batches := reader.batches_after(position, 500):
        position = batches[-1].position
        rows = np.concatenate([batch.rows for batch in batches])
        fresh = rows[rows["at_ms"] >= began_ms]
        found.append((fresh["arrived_ms"] - fresh["at_ms"]) / 1000.0)
    reader.close()
    delays = np.concatenate(found)
    if not len(delays):
        return "no live reading came"
    p50, p99 = np.percentile(delays, (50, 99))
    return f"{len(delays)} live readings took p50 {p50:.1f} s, p99 {p99:.1f} s, at most {delays.max():.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kbit", type=float, default=16.0)
    parser.add_argument("--strike", type=float, default=None)
    parser.add_argument("--limit-s", type=float, default=3600.0)
    told = parser.parse_args()
    drain(None, None, told.limit_s)
    drain(told.kbit, told.strike, told.limit_s)


if __name__ == "__main__":
    main()
