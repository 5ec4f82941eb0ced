# SPDX-License-Identifier: Apache-2.0
"""Everything of the record as tables: alarms, excursions, defrosts, messages, readings, orders, the audit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from coldchain.files.sheets import At, Line, Table, csv_pieces, write_xlsx
from coldchain.kernel.errors import BadData
from coldchain.kernel.words import Status
from coldchain.records.alarms import FACT_KINDS, AlarmsReader
from coldchain.records.audit import CHAINS
from coldchain.records.audit_file import lines
from coldchain.records.journal import JournalReader
from coldchain.records.work import WorkReader
from coldchain.settings import Settings
from coldchain.wiring.registers import MOST, REGISTERS, Asked, Rows, at, milli, registry_of

__all__ = ["TABLES", "Asked", "table_of", "write_table"]

PIECE_MS = 7 * 86_400_000
DEGREES = frozenset({"temperature", "ambient", "set-point"})


def table_of(settings: Settings, asked: Asked) -> Table:
    """BadData when there is no such table."""
    if asked.name not in TABLES:
        raise BadData(f"there is no table {asked.name!r}; there are {', '.join(TABLES)}")
    head, rows = TABLES[asked.name]
    return Table(asked.name, head, rows(settings, asked))


def _alarms(settings: Settings, asked: Asked) -> Iterator[Line]:
    for a in AlarmsReader(settings.alarms_db).alarms(MOST):
        if asked.sees(a.site) and asked.start_ms <= a.raised_ms < asked.end_ms:
            yield (
                a.number, a.kind, a.severity, a.state, a.site, a.appliance, a.sensor, At(a.since_ms),
                At(a.raised_ms), at(a.returned_ms), at(a.acknowledged_ms), a.acknowledged_by,
                milli(a.value), milli(a.limit_value), milli(a.peak), a.product, a.rule, a.profile,
                a.registry_version,
            )  # fmt: skip


def _excursions(settings: Settings, asked: Asked) -> Iterator[Line]:
    sites = {a.id: a.site for a in registry_of(settings).appliances}
    reader = AlarmsReader(settings.alarms_db)
    for e in reader.excursions(start_ms=asked.start_ms, end_ms=asked.end_ms, kinds=FACT_KINDS, limit=MOST):
        if asked.sees(sites.get(e.appliance, "")):
            minutes = None if e.ended_ms is None else round((e.ended_ms - e.started_ms) / 60_000, 1)
            yield (
                sites.get(e.appliance, ""), e.appliance, e.sensor, e.kind, At(e.started_ms), at(e.ended_ms),
                minutes, milli(e.limit_value), milli(e.peak), e.profile, e.registry_version,
                e.retrospective, e.alarm,
            )  # fmt: skip


def _defrosts(settings: Settings, asked: Asked) -> Iterator[Line]:
    sites = {a.id: a.site for a in registry_of(settings).appliances}
    for d in AlarmsReader(settings.alarms_db).defrosts(asked.start_ms, asked.end_ms):
        if asked.sees(sites.get(d.appliance, "")):
            minutes, usual = (round(ms / 60_000, 1) for ms in (d.until_ms - d.from_ms, d.usual_ms))
            yield (
                sites.get(d.appliance, ""), d.appliance, d.sensor, At(d.from_ms), At(d.until_ms), minutes,
                usual, d.what == "long", milli(d.peak),
            )  # fmt: skip


def _messages(settings: Settings, asked: Asked) -> Iterator[Line]:
    for n in AlarmsReader(settings.alarms_db).notices(MOST):
        at_ms = n.sent_ms or n.due_ms
        if asked.sees(n.site) and asked.start_ms <= at_ms < asked.end_ms:
            yield (
                n.id, At(at_ms), n.site, n.person, n.channel, f"…{n.address[-3:]}", n.about, n.state,
                n.tries, n.text, n.detail,
            )  # fmt: skip


def _orders(settings: Settings, asked: Asked) -> Iterator[Line]:
    for o in WorkReader(settings.desk_db).orders(limit=MOST):
        if asked.sees(o.site) and asked.start_ms <= o.at_ms < asked.end_ms:
            yield (
                o.number, o.state, o.site, o.appliance, o.serial, At(o.at_ms), at(o.at("finished")), o.what,
                o.alarm, o.contractor, o.person, o.told("findings"), o.told("cause"), o.told("cost"),
                o.told("currency"),
            )  # fmt: skip


def _readings(settings: Settings, asked: Asked) -> Iterator[Line]:
    """Of one appliance, or of named sensors, or of all temperatures; in short reads of a week."""
    registry = registry_of(settings)
    if asked.appliance and asked.appliance not in registry.appliance_by_id:
        raise BadData(f"there is no appliance {asked.appliance!r}")
    journal = JournalReader(settings.readings_db)
    try:
        for sensor in registry.sensors:
            site = registry.appliance_by_id[sensor.appliance].site if sensor.appliance else sensor.site or ""
            wanted = sensor.id in asked.sensors if asked.sensors else sensor.quantity == "temperature"
            if not asked.sees(site) or (asked.appliance and sensor.appliance != asked.appliance):
                continue
            if not (wanted or asked.appliance):
                continue
            for start, end in _pieces(asked):
                rows = journal.readings(sensor.id, start, end)
                columns = (rows[c].tolist() for c in ("at_ms", "value", "status", "flags"))
                for at_ms, value, status, flags in zip(*columns, strict=True):
                    number = value / 1000 if status == Status.OK else None
                    unit = "°C" if sensor.quantity in DEGREES else ""
                    yield (
                        sensor.id,
                        sensor.quantity,
                        At(at_ms),
                        number,
                        unit,
                        Status(status).name.lower(),
                        flags,
                    )
    finally:
        journal.close()


def _pieces(asked: Asked) -> list[tuple[int, int]]:
    """A bounded span in weeks; an open one as it is: nobody knows where the record begins."""
    if not asked.start_ms or asked.end_ms - asked.start_ms > 400 * PIECE_MS:
        return [(asked.start_ms, asked.end_ms)]
    starts = range(asked.start_ms, asked.end_ms, PIECE_MS)
    return [(start, min(start + PIECE_MS, asked.end_ms)) for start in starts]


def _audit(settings: Settings, asked: Asked) -> Iterator[Line]:
    if asked.chain not in CHAINS:
        raise BadData(f"there is no chain {asked.chain!r}; there are {', '.join(CHAINS)}")
    path = settings.data_dir / f"{asked.chain}.db"
    some = lines(path, asked.chain)
    next(some)
    for line in some:
        said = json.loads(line)
        if asked.start_ms <= said["at_ms"] < asked.end_ms:
            yield said["number"], At(max(said["at_ms"], 0)), said["kind"], said["body"], said["hash"]


TABLES: dict[str, tuple[tuple[str, ...], Rows]] = {
    "alarms": (
        ("number", "kind", "severity", "state", "site", "appliance", "sensor", "since", "raised", "returned",
         "acknowledged", "acknowledged by", "value", "limit", "peak", "product limit", "rule", "profile",
         "registry version"),
        _alarms,
    ),
    "excursions": (
        ("site", "appliance", "sensor", "kind", "started", "ended", "minutes", "limit", "peak", "profile",
         "registry version", "found late", "alarm"),
        _excursions,
    ),
    "defrosts": (
        ("site", "appliance", "sensor", "started", "ended", "minutes", "usual minutes", "too long", "peak"),
        _defrosts,
    ),
    "messages": (
        ("id", "time", "site", "person", "channel", "address", "about", "state", "tries", "text", "detail"),
        _messages,
    ),
    "work-orders": (
        ("number", "state", "site", "appliance", "serial", "made", "finished", "what", "alarm", "contractor",
         "by", "findings", "cause", "cost", "currency"),
        _orders,
    ),
    "readings": (("sensor", "quantity", "time", "value", "unit", "status", "flags"), _readings),
    "audit": (("number", "time", "kind", "body", "hash"), _audit),
    **REGISTERS,
}  # fmt: skip
"""Table -> (its columns, its rows)."""


def write_table(settings: Settings, asked: Asked, out: Path | None, form: str) -> int:
    """Into a file, or as CSV to standard output; returns its rows."""
    table = table_of(settings, asked)
    if form == "xlsx":
        assert out is not None
        return write_xlsx(table, out, settings.zone)
    count = -1
    with out.open("w", encoding="utf-8") if out is not None else nullcontext(sys.stdout) as file:
        for piece in csv_pieces(table):
            file.write(piece)
            count += 1
    return count
