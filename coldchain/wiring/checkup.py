# SPDX-License-Identifier: Apache-2.0
"""What `coldchain doctor` looks at: each finding says cause and remedy. Looking changes nothing."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from coldchain.kernel.errors import ColdChainError
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.devices import DeviceReader
from coldchain.records.health import beats
from coldchain.records.papers import Papers
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.registry import RegistryReader
from coldchain.records.sql import open_reader
from coldchain.settings import Settings
from coldchain.wiring.broker import mqtt_answers, mqtt_keeps

State = Literal["ok", "warning", "bad"]

LOW_DISK_BYTES = 1_000_000_000
EARLIEST_MS = 1_735_689_600_000  # 2025-01-01: a clock before this was never set
BACKLOG_OLD_MS = 10 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the doctor's word. `remedy` is empty when all is well."""

    what: str
    state: State
    cause: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(settings: Settings, wall_ms: Callable[[], int]) -> Iterator[Line]:
    """Every finding, one by one as it is made."""
    yield _clock(wall_ms())
    yield _disk(settings.data_dir)
    for name, path, migrations in (
        ("readings.db", settings.readings_db, READINGS_MIGRATIONS),
        ("alarms.db", settings.alarms_db, ALARMS_MIGRATIONS),
    ):
        yield _store(name, path, len(migrations))
    yield _spool(settings)
    yield _registry(settings)
    yield from _papers(settings)
    yield _broker(settings)
    yield from _lines(settings)
    yield from _processes(settings, wall_ms())
    yield from _guard(settings)
    yield _notifier(settings)
    yield _ready(settings, wall_ms())
    yield _influx(settings)


def _ready(settings: Settings, now_ms: int) -> Line:
    """`coldchain readiness` in one line."""
    from coldchain.wiring.readiness import readiness

    try:
        found = readiness(settings, now_ms)
    except (ColdChainError, sqlite3.Error) as bad:
        return Line("readiness", "warning", f"cannot be told: {bad}", "mend what stands above")
    urgent = [one for one in found if one.level == "now"]
    if not urgent:
        return Line("readiness", "ok", f"{len(found)} things to look at in time")
    return Line("readiness", "warning", f"{len(urgent)} now; first: {urgent[0].says}", "coldchain readiness")


def _clock(now_ms: int) -> Line:
    if now_ms < EARLIEST_MS:
        return Line(
            "clock",
            "bad",
            "this machine's clock was never set",
            "set the time, then enable NTP (timedatectl set-ntp true)",
        )
    return Line("clock", "ok", "plausible")


def _disk(data_dir: Path) -> Line:
    place = data_dir if data_dir.exists() else data_dir.absolute().parent
    if not place.exists():
        return Line("disk", "bad", f"{data_dir} cannot be made: {place} is not there", f"mkdir -p {data_dir}")
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Line(
            "disk", "bad", f"{place} is no folder that we may write in", f"correct data_dir, or chown {place}"
        )
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:.1f} GB free at {place}"
    if free < LOW_DISK_BYTES:
        return Line(
            "disk", "warning", said, "make room: the spool and the record stop growing when it is full"
        )
    return Line("disk", "ok", said)


def _store(name: str, path: Path, supported: int) -> Line:
    if not path.exists():
        return Line(name, "warning", "not there yet", "start its process: coldchain run")
    try:
        db = open_reader(path, supported)
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        db.close()
    except (ColdChainError, sqlite3.Error) as bad:
        return Line(name, "bad", str(bad), f"set {path} aside and restore the last backup")
    if verdict != "ok":
        return Line(name, "bad", f"damaged: {verdict}", f"set {path} aside and restore the last backup")
    return Line(name, "ok", f"sound, {path.stat().st_size / 1e6:.1f} MB")


def _spool(settings: Settings) -> Line:
    """Also while no gateway runs: what waits in it is nowhere else."""
    from gateway.spool import read_accounts
    from gateway.spool_file import MIGRATIONS

    path = settings.spool_db
    if not path.exists():
        return Line("spool.db", "ok", "none here: the gateway runs elsewhere, or has never run")
    line = _store("spool.db", path, len(MIGRATIONS))
    if line.state != "ok":
        return replace(line, remedy="start the gateway: it sets a damaged spool aside and begins a new one")
    try:
        waiting = len(read_accounts(path)[2])
    except (ColdChainError, sqlite3.Error, ValueError, TypeError) as bad:
        return Line("spool.db", "bad", f"damaged: {bad}", "start the gateway: it sets a damaged spool aside")
    return replace(line, cause=f"{line.cause}, {waiting} readings wait for the hub")


def _registry(settings: Settings) -> Line:
    reader = RegistryReader(settings.desk_db)
    try:
        reader.refresh()
    except (ColdChainError, sqlite3.Error, ValueError) as bad:
        return Line("registry", "bad", str(bad), "restore desk.db from the last backup")
    registry = reader.registry
    if not registry.sensors:
        return Line(
            "registry",
            "warning",
            "no sensor is known",
            "coldchain sensor waiting, then coldchain sensor adopt",
        )
    unwatched = [a.id for a in registry.appliances if not a.assignments]
    if unwatched:
        return Line(
            "registry",
            "warning",
            f"{len(unwatched)} appliances without a profile, e.g. {unwatched[0]}",
            "coldchain registry assign APPLIANCE PROFILE",
        )
    if not registry.people:
        return Line(
            "registry",
            "warning",
            "nobody would be told of an alarm",
            "coldchain registry person ID NAME +PHONE",
        )
    said = (
        f"version {reader.version}: {len(registry.appliances)} appliances, "
        f"{len(registry.sensors)} sensors, {len(registry.people)} people"
    )
    return Line("registry", "ok", said)


def _papers(settings: Settings) -> Iterator[Line]:
    """Documents and photos of devices: is each file what it was? Nothing where there are none."""
    papers, told = Papers(settings.data_dir), DeviceReader(settings.desk_db).all().values()
    wanted = {entry.said.sha256: entry for one in told for entry in one.of("paper")}
    gone = [entry for sha256, entry in wanted.items() if papers.get(sha256) is None]
    if gone:
        first = f"{gone[0].said.title!r} of {gone[0].serial}"
        cause = f"{len(gone)} of {len(wanted)} are missing or altered, first {first}"
        yield Line("documents", "bad", cause, "bring the folder papers/ back from a backup")
    elif wanted:
        yield Line("documents", "ok", f"{len(wanted)} documents and photos are what they were")


def _broker(settings: Settings) -> Line:
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        with socket.create_connection((mqtt.host, mqtt.port), 3):
            pass
    except OSError as bad:
        remedy = (
            "start it: coldchain run"
            if mqtt.embedded
            else "check that the broker runs there and the firewall lets us through"
        )
        return Line("broker", "bad", f"{where}: {bad}", remedy)
    if not mqtt.tls and not mqtt_answers(mqtt.host, mqtt.port):
        return Line(
            "broker", "bad", f"{where}: what listens there is no MQTT broker", "correct mqtt.port, or free it"
        )
    if mqtt.embedded and not mqtt_keeps(mqtt.host, mqtt.port):
        remedy = "what runs it replaces it within a minute; else look at the disk, and at broker.log"
        return Line("broker", "bad", f"{where}: it answers, and acknowledges no message", remedy)
    return Line("broker", "ok", f"{where} answers")


def _lines(settings: Settings) -> Iterator[Line]:
    for line in settings.gateway.lines:
        if line.driver in ("modbus-tcp", "canary"):
            continue
        found = glob.glob(line.device)  # noqa: PTH207 -- the pattern may be absolute
        if not found:
            yield Line(
                "line",
                "bad",
                f"{line.device}: no such device",
                "plug it in; list what there is: ls -l /dev/serial/by-id/",
            )
        for device in found:
            yield _device(device)


def _device(device: str) -> Line:
    if not os.access(device, os.R_OK | os.W_OK):
        return Line(
            "line", "bad", f"{device}: no permission", "add the user to the group dialout, then log in again"
        )
    return Line("line", "ok", device)


REMEDY = {
    "gateway": "coldchain gateway",
    "ingest": "coldchain ingest",
    "alerts": "coldchain alerts",
    "console": "coldchain console",
}


def _processes(settings: Settings, now_ms: int) -> Iterator[Line]:
    seen = {beat.name: beat for beat in beats(settings.data_dir)}
    for name, command in REMEDY.items():
        beat = seen.get(name)
        if beat is None:
            yield Line(name, "warning", "has never run here", f"start it: {command}")
            continue
        age_s = (now_ms - beat.at_ms) / 1000
        if beat.stale(now_ms):
            yield Line(
                name,
                "bad",
                f"no progress for {age_s:.0f} s" if age_s > 0 else "no progress since the clock was set back",
                f"look at its log, then start it again: {command}",
            )
            continue
        yield _figures(name, beat.figures, now_ms)


def _figures(name: str, figures: dict[str, Any], now_ms: int) -> Line:
    """What a living process says of itself, judged."""
    if name == "gateway":
        pending, lost = figures.get("pending", 0), figures.get("lost", 0)
        oldest_ms = figures.get("oldest_ms") or now_ms
        age_ms = now_ms - oldest_ms if pending else 0
        said = f"spool {pending} readings, oldest {age_ms / 1000:.0f} s, lost {lost}"
        if "mb_per_site_month" in figures:
            said += f"; the link uses {figures['mb_per_site_month']} MB a month at this pace"
        if lost:
            return Line(
                name,
                "warning",
                said,
                "readings were lost and counted: table gap of readings.db says whose, when and why",
            )
        if age_ms > BACKLOG_OLD_MS:
            return Line(name, "warning", said, "the hub sends no receipts: check broker, network and ingest")
        return Line(name, "ok", said)
    known = (
        "recorded",
        "dead_lettered",
        "duplicates",
        "waiting",
        "alarms_open",
        "notices_due",
        "notices_sent",
    )
    said = ", ".join(f"{key.replace('_', ' ')} {figures[key]}" for key in known if key in figures)
    if figures.get("waiting"):
        return Line(name, "warning", said, "sensors wait for a name: coldchain sensor waiting")
    return Line(name, "ok", said or "working")


GUARD_SAYS: dict[str, tuple[State, str, str]] = {
    "following": ("ok", "follows, silent while the hub is there", ""),
    "speaking": (
        "warning",
        "tells people by itself: the hub gives no receipts",
        "check broker, network, ingest",
    ),
    "no_rules": (
        "warning",
        "has no copy of the rules: it judges nothing",
        "give the gateway its site in the hub's registry, and let the link come up once",
    ),
    "broken": ("bad", "has failed, and begins anew every 30 s", "look at the gateway's log"),
}


def _guard(settings: Settings) -> Iterator[Line]:
    """The guard of this gateway, by what the gateway last said of it. No line where none is set up."""
    guard = settings.gateway.guard
    if not guard.on:
        return
    if guard.modem.device and not Path(guard.modem.device).exists():
        cause = f"its modem {guard.modem.device}: no such device"
        yield Line("guard", "bad", cause, "plug it in, or correct gateway.guard.modem.device")
        return
    beat = next((beat for beat in beats(settings.data_dir) if beat.name == "gateway"), None)
    told = beat.figures.get("guard", {}) if beat else {}
    state, cause, remedy = GUARD_SAYS.get(
        str(told.get("state")), ("warning", "has not run yet", "start it: coldchain gateway")
    )
    why = f" ({told['why']})" if told.get("why") else ""
    version = f"; rules of version {told['version']}" if told.get("version") else ""
    yield Line("guard", state, f"{cause}{why}{version}", remedy)


def _notifier(settings: Settings) -> Line:
    notify = settings.notify
    if notify.kind == "none":
        return Line(
            "messages", "bad", "nobody is told of alarms", 'set [notify] kind = "modem" and its device'
        )
    if notify.kind == "file":
        return Line(
            "messages",
            "warning",
            f"messages go to {notify.file}, to no phone",
            'set [notify] kind = "modem" and its device',
        )
    if not Path(notify.modem.device).exists():
        return Line(
            "messages",
            "bad",
            f"{notify.modem.device}: no such device",
            "plug the modem in, or correct notify.modem.device",
        )
    return Line("messages", "ok", f"modem at {notify.modem.device}")


def _influx(settings: Settings) -> Line:
    if settings.influx.url is None:
        return Line("influxdb", "ok", "none configured; everything else works")
    import httpx

    try:
        answer = httpx.get(f"{settings.influx.url}/ping", timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as bad:
        return Line(
            "influxdb",
            "warning",
            f"{settings.influx.url}: {bad}",
            "start it or correct influx.url; nothing is lost meanwhile",
        )
    return Line("influxdb", "ok", f"{settings.influx.url} answers {answer.status_code}")
