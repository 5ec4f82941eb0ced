# SPDX-License-Identifier: Apache-2.0
"""A gateway without a link, and the hub that its readings are carried to."""

from __future__ import annotations

from pathlib import Path

from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Desk, Registry, Sensor
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.wiring.carry import own_public, pack, trust_key
from gateway.codecs.frames import Report
from gateway.spool import Arrival, Spool, open_spool, read_accounts
from ingest.journal import SqliteJournal

GATEWAY = "far-gw-1"
NODES = ("n1", "n2")


def no_step(_done: int, _of: int) -> None: ...


class District:
    """A gateway with a spool and no link, and a hub that knows it."""

    def __init__(self, folder: Path, mqtt: MqttSettings | None = None) -> None:
        self.folder = folder
        gateway = GatewaySettings(id=GATEWAY, mqtt_nodes=False)
        mqtt = mqtt or MqttSettings(port=1)
        self.gw = Settings(data_dir=folder / "gw", gateway=gateway, mqtt=mqtt)
        self.hub = Settings(data_dir=folder / "hub", mqtt=mqtt)
        self.seq = 0
        self.tokens: dict[str, str] = {}
        sensors = tuple(
            Sensor(id=f"{node}/{c}", node=node, channel=c, every_s=600) for node in NODES for c in range(3)
        )
        desk = Desk(self.hub.desk_db, wall_ms)
        desk.publish(Registry(sensors=sensors), author="test", reason="test")
        desk.close()
        trust_key(self.hub, GATEWAY, own_public(self.gw), person="supervisor")
        trust_key(self.gw, "hub", own_public(self.hub), person="technician")

    def spool(self) -> Spool:
        self.gw.data_dir.mkdir(parents=True, exist_ok=True)
        return open_spool(self.gw.spool_db, max_bytes=10**9, new_epoch=lambda: "e1", wall_ms=wall_ms)

    def measure(self, reports: int) -> None:
        spool = self.spool()
        now = wall_ms()
        arrivals = []
        for i in range(self.seq, self.seq + reports):
            values = tuple((c, 1, 0, 4_000 + i % 500 + c) for c in range(3))
            age_ms = 600_000 * (reports - i + self.seq)
            arrivals.append(
                Arrival(Report(NODES[i % 2], 1, i // 2, i * 1000, age_ms, 0, 0, values), now, None)
            )
        self.seq += reports
        with spool.change():
            spool.accept(arrivals, [], 0.0)
        spool.close()

    def pack(self, name: str = "a.bundle") -> Path:
        out = self.folder / "stick" / name
        pack(self.gw, GATEWAY, out, no_step)
        return out

    def record(self) -> list[tuple[str, int, int]]:
        """Every reading of the record: sensor, instant, value."""
        reader = JournalReader(self.hub.readings_db)
        return sorted(
            (sensor, int(row["at_ms"]), int(row["value"]))
            for sensor in (f"{node}/{c}" for node in NODES for c in range(3))
            for row in reader.readings(sensor, 0, 2**53)
        )

    def pending(self) -> int:
        return len(read_accounts(self.gw.spool_db)[2])

    def journal(self) -> SqliteJournal:
        journal = SqliteJournal(self.hub.readings_db)
        desk = Registry(
            sensors=tuple(
                Sensor(id=f"{node}/{c}", node=node, channel=c, every_s=600)
                for node in NODES
                for c in range(3)
            )
        )
        journal.rewire(desk)
        return journal
