# SPDX-License-Identifier: Apache-2.0
"""A made-up record for the console to show: registry, journal (by ingest's own writer), alarms, beats."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED, Rows
from coldchain.kernel.words import NO_VALUE, Quantity
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.health import Heart
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    GatewayEntry,
    Person,
    Registry,
    Sensor,
    Site,
)  # fmt: skip
from coldchain.records.sql import open_writer, transaction
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from ingest.journal import SqliteJournal
from ingest.status import StatusWord

NOW_MS = 1_700_000_000_000
Ticks = npt.NDArray[np.int64]
GATEWAY_FIGURES = {
    "bytes": 17_408, "full": False, "oldest_ms": None, "anchors": {"alarms": f"17:{'c5' * 32}"},
    "lines": {
        "/dev/ttyUSB0": {"name": "/dev/ttyUSB0", "state": "up", "events": 45},
        "/dev/ttyUSB1": {"name": "/dev/ttyUSB1", "state": "down", "events": 0, "why": "unplugged?"},
    },
}  # fmt: skip
MINUTE = 60_000
HOUR = 60 * MINUTE

CHANNELS: tuple[tuple[str, Literal["load", "air"] | None], ...] = (
    ("temperature", "load"), ("door", None), ("mains", None),
)  # fmt: skip
MEAN_C = {"red-cells@eu": 4.0, "plasma@eu": -31.0, "platelets@eu": 22.0}
SITES = (
    Site(
        id="vte",
        name="National Blood Centre",
        province="Vientiane Prefecture",
        level="central",
        latitude=17.97,
        longitude=102.61,
    ),
    Site(
        id="skt",
        name="Savannakhet Hospital",
        province="Savannakhet",
        level="provincial",
        latitude=16.56,
        longitude=104.75,
    ),
    Site(
        id="kys",
        name="Kaysone Outthoumphone District Hospital",
        province="Savannakhet",
        latitude=16.9,
        longitude=105.3,
    ),
)
KINDS = (
    ("br", "Blood refrigerator", "blood-refrigerator", "red-cells@eu"),
    ("pf", "Plasma freezer", "plasma-freezer", "plasma@eu"),
    ("pi", "Platelet incubator", "platelet-incubator", "platelets@eu"),
)


@dataclass
class Story:
    """What happens to which appliance; hours and minutes are before now."""

    warm: dict[str, int] = field(default_factory=dict)  # warming for so many minutes
    silent: dict[str, int] = field(default_factory=dict)  # silent for so many minutes
    failed: set[str] = field(default_factory=set)  # probe open since an hour
    door: set[str] = field(default_factory=set)
    dark: set[str] = field(default_factory=set)  # no mains
    never: set[str] = field(default_factory=set)


def registry(count: int = 12, every_s: int = 60) -> Registry:
    """`count` appliances over three sites, each with load, door and mains."""
    appliances, sensors = [], []
    for i in range(count):
        site = SITES[i % len(SITES)]
        short, name, kind, carries = KINDS[i // len(SITES) % len(KINDS)]
        id_ = f"{site.id}-{short}-{i:03d}"
        appliances.append(
            Appliance(
                id=id_,
                name=f"{name} {i}",
                site=site.id,
                kind=kind,
                assignments=(Assignment(carries=carries),),
            )
        )
        for channel, (quantity, probe) in enumerate(CHANNELS):
            sensors.append(
                Sensor(
                    id=f"{id_}/{probe or quantity}", appliance=id_, quantity=quantity, probe=probe,
                    node=f"n-{id_}", channel=channel, every_s=every_s,
                )
            )  # fmt: skip
    people = (Person(id="vte-on-call", name="On-call, Vientiane", phone="+8562055501002"),)
    return Registry(
        sites=SITES, appliances=tuple(appliances), sensors=tuple(sensors), people=people,
        gateways=(GatewayEntry(id="gw-1", site="vte"),),
    )  # fmt: skip


class Seed:
    """Writes what the other processes would have written. `settings` is what the console gets."""

    def __init__(
        self, folder: Path, reg: Registry | None = None, story: Story | None = None, *, now_ms: int = NOW_MS
    ) -> None:
        self.settings = Settings(data_dir=folder)
        self.registry = reg or registry()
        self.story, self.now_ms = story or Story(), now_ms
        self.opened = ""
        self._link = self._alarms = 0
        desk = Desk(self.settings.desk_db, lambda: now_ms)
        desk.publish(self.registry, author="test", reason="seed")
        desk.close()
        self._journal = SqliteJournal(self.settings.readings_db)
        self._journal.rewire(self.registry)
        self._nodes = sorted({s.node for s in self.registry.sensors})

    def close(self) -> None:
        self._journal.close()

    def history(self, hours: float = 2, every_s: int = 60, batch_rows: int = 20_000) -> None:
        """Readings of every sensor up to now, as the story has it."""
        start = self.now_ms - round(hours * HOUR)
        ticks = np.arange(start, self.now_ms + 1, every_s * 1000, dtype=np.int64)
        for piece in np.array_split(ticks, max(1, len(ticks) * len(self.registry.sensors) // batch_rows)):
            if not len(piece):
                continue
            self._send(self._rows(piece), int(piece[-1]) + 500)

    def report(self, sensor: str, value: int, at_ms: int) -> None:
        """One reading, as it would come now."""
        found = self.registry.sensor_by_id[sensor]
        rows = np.zeros(1, SPOOLED)
        rows["node"], rows["channel"] = self._nodes.index(found.node), found.channel
        rows["quantity"], rows["value"], rows["clock"] = int(found.code), value, 2
        rows["at_ms"] = rows["gateway_ms"] = rows["device_ms"] = at_ms
        rows["seq"] = at_ms // 1000 % 2**31
        self._send(rows, at_ms + 200)

    def stranger(self, node: str, channel: int, n: int, at_ms: int) -> None:
        """Readings of a channel that nobody knows."""
        rows = np.zeros(n, SPOOLED)
        rows["channel"], rows["quantity"], rows["value"] = channel, int(Quantity.TEMPERATURE), 4_100
        rows["at_ms"] = rows["gateway_ms"] = at_ms - np.arange(n)[::-1] * MINUTE
        rows["seq"] = np.arange(n) + 1
        self._send(rows, at_ms, [(node, 1)])

    def take_up(self, registry: Registry) -> None:
        """As ingest does when a version comes into force: channels wired anew, what waited readmitted."""
        self._journal.rewire(registry)
        while self._journal.readmit(self.now_ms).more:
            pass

    def letters(self) -> list[tuple[str, int]]:
        """(reason, readings) of the dead letters."""
        return self._journal.db.execute("SELECT reason, readings FROM dead_letter ORDER BY id").fetchall()

    def _send(self, rows: Rows, arrived_ms: int, nodes: list[tuple[str, int]] | None = None) -> None:
        low, self._link = self._link + 1, self._link + len(rows)
        batch = Batch("gw-1", "e1", [(low, self._link)], nodes or [(n, 1) for n in self._nodes], rows)
        self._journal.record([batch], arrived_ms)

    def _rows(self, ticks: Ticks) -> Rows:
        parts = [self._sensor_rows(i, s, ticks) for i, s in enumerate(self.registry.sensors)]
        rows = np.concatenate(parts)
        return rows[np.argsort(rows["at_ms"], kind="stable")]

    def _sensor_rows(self, number: int, sensor: Sensor, ticks: Ticks) -> Rows:
        story, id_ = self.story, sensor.appliance
        if id_ in story.never:
            ticks = ticks[:0]
        if id_ in story.silent:
            ticks = ticks[ticks <= self.now_ms - story.silent[id_] * MINUTE]
        rows = np.zeros(len(ticks), SPOOLED)
        rows["node"], rows["channel"], rows["clock"] = self._nodes.index(sensor.node), sensor.channel, 2
        rows["quantity"], rows["at_ms"], rows["device_ms"] = int(sensor.code), ticks, ticks
        rows["gateway_ms"], rows["seq"] = ticks + 40, ticks // 1000 % 2**31
        if sensor.quantity == "door":
            rows["value"] = np.where((ticks > self.now_ms - 4 * MINUTE) & (id_ in story.door), 1000, 0)
        elif sensor.quantity == "mains":
            rows["value"] = np.where((ticks > self.now_ms - 9 * MINUTE) & (id_ in story.dark), 0, 1000)
        else:
            rows["value"] = self._temperature(number, sensor, ticks)
            if id_ in story.failed:
                bad = ticks > self.now_ms - HOUR
                rows["status"][bad], rows["value"][bad] = 1, NO_VALUE
        return rows

    def _temperature(self, number: int, sensor: Sensor, ticks: Ticks) -> npt.NDArray[np.int32]:
        appliance = self.registry.appliance_by_id[sensor.appliance or ""]
        mean = MEAN_C[appliance.assignments[0].carries]
        rng = np.random.default_rng([number, int(ticks[0]) & 0xFFFF] if len(ticks) else 0)
        period = (38 + number % 17) * MINUTE
        celsius = (
            mean + 0.55 * np.sin(2 * np.pi * (ticks % period) / period) + rng.normal(0, 0.05, len(ticks))
        )
        lasting = self.story.warm.get(appliance.id)
        if lasting is not None:
            since = self.now_ms - lasting * MINUTE
            celsius = celsius + np.clip((ticks - since) / HOUR * 4.5, 0, 9)
        return np.round(celsius * 1000).astype(np.int32)

    # --- what the others say

    def alarm(
        self,
        appliance: str,
        kind: str = "high",
        state: str = "unacknowledged",
        *,
        minutes: int = 14,
        scope: str = "appliance",
        severity: str = "critical",
        peak: int | None = 9_100,
    ) -> str:
        self._alarms += 1
        one = self.registry.appliance_by_id.get(appliance)
        since = self.now_ms - minutes * MINUTE
        limit = None
        if one is not None and kind == "high":
            limit = round((PROFILES[one.assignments[0].carries].high_c or 0) * 1000)
        returned = since + 5 * MINUTE if state in ("returned", "closed") else None
        sensor = f"{appliance}/load" if one is not None else ""
        id_ = f"{appliance}:{kind}:{self._alarms}"
        db = open_writer(self.settings.alarms_db, ALARMS_MIGRATIONS)
        with transaction(db):
            db.execute(
                "INSERT INTO alarm VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL,0)",
                (self._alarms, id_, scope, appliance, sensor, one.site if one else "vte", kind, severity,
                 state, since, since + 5 * MINUTE, returned, None, "Noy" if state == "acknowledged" else None,
                 peak, limit,
                 peak if kind in ("high", "low") else None, "limits", None, 1, 1, since + 5 * MINUTE),
            )  # fmt: skip
            db.execute(
                "INSERT INTO excursion VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (f"x-{self._alarms}", sensor, appliance, kind, since, since, returned, peak, limit,
                 "red-cells@eu v1", 1, 0, id_, since),
            )  # fmt: skip
            db.execute(
                "INSERT INTO notice VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (self._alarms, id_, "raised", 1, "vte-on-call", "sms", 1, "+8562055501002",
                 f"{appliance} 9.1 C > 6.0 C since 02:14. Reply {self._alarms} to acknowledge.", "vte", since,
                 since, "sent", 1, since, since + 9_000, ""),
            )  # fmt: skip
        db.close()
        return id_

    def no_alarms(self) -> None:
        """Alerts has run, and found nothing."""
        open_writer(self.settings.alarms_db, ALARMS_MIGRATIONS).close()

    def gateway(
        self,
        id_: str = "gw-1",
        *,
        pending: int = 0,
        oldest_ms: int | None = None,
        lost: int = 0,
        ago_s: int = 12,
    ) -> None:
        status = {"v": 1, "gateway": id_, "spool": {"pending": pending, "oldest_ms": oldest_ms, "lost": lost}}
        status["lines"] = [{"name": "ttyUSB0", "state": "up", "last_ms": self.now_ms}]
        self._journal.record([StatusWord(id_, "e1", json.dumps(status), ())], self.now_ms - ago_s * 1000)

    def beats(self) -> None:
        for name, figures in (
            ("gateway", {"accepted": 5210, "pending": 0, "lost": 0, **GATEWAY_FIGURES}),
            ("ingest", {"recorded": 5210, "influx": {"state": "up", "points": 5180, "behind": 30}}),
            ("alerts", {"judged": 5210, "alarms_open": 2}),
        ):
            Heart(self.settings.data_dir, name, lambda: self.now_ms - 1500).beat(figures, now=True)
