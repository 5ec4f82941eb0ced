# SPDX-License-Identifier: Apache-2.0
"""What became of every reading, excursion and message of a run, by the truth that the simulation knows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from soak.check import all_rows

from coldchain.kernel.link import Pairs
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.sql import open_reader
from sim.estate import appliance_of
from sim.plan import TICK_MS, excursions
from sim.simulation import SILENT_MS, Simulation

LATE_MS = 600_000
"""Older on arrival is late: it opens a quiet excursion, unless it is still true."""
HOPELESS_MS = 3 * 3_600_000
"""No outage of the hub lasts that long."""


@dataclass(slots=True)
class Verdict:
    """Counts.

    lost     acknowledged to a node and not recorded
    altered  recorded with another value or instant
    missed   an excursion that is not in the book
    untold   in the book, arrived in time, and nobody got a message; whatever the modem said of it
    unheard  notices that were given up and reached no phone
    extra    messages sent again beyond one for each death and each silence of the modem
    """

    readings: int = 0
    faults: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    invented: int = 0
    unsent: int = 0
    dead: int = 0
    excursions: int = 0
    late: int = 0
    missed: int = 0
    false_alarms: int = 0
    untold: int = 0
    unheard: int = 0
    extra: int = 0
    messages: int = 0
    told: list[str] = field(default_factory=list)
    latency_ms: list[int] = field(default_factory=list)
    watchdog_ms: list[int] = field(default_factory=list)
    digest: str = ""

    BAD = (
        "lost", "doubled", "altered", "invented", "unsent", "dead", "missed", "false_alarms", "untold",
        "unheard", "extra",
    )  # fmt: skip

    @property
    def sound(self) -> bool:
        return not any(getattr(self, name) for name in self.BAD)


def _keys(run: Any, seq: Any, channel: Any) -> Any:
    return (np.asarray(run, "u8") << 44) | (np.asarray(seq, "u8") << 12) | np.asarray(channel, "u8")


def judge(sim: Simulation) -> Verdict:
    """Everything. The run must be over and its files still there."""
    verdict = Verdict(faults=sim.struck.total(), told=[])
    rows, sources, names = all_rows(sim.settings.readings_db)
    digest = hashlib.sha256()
    _judge_readings(sim, verdict, rows, sources, digest)
    _judge_alarms(sim, verdict, rows, {sensor: number for number, sensor in names.items()}, digest)
    digest.update(repr((sorted(sim.struck.items()), sim.modem.sent)).encode())
    verdict.digest = digest.hexdigest()[:16]
    return verdict


def _judge_readings(sim: Simulation, verdict: Verdict, rows: Any, sources: Any, digest: Any) -> None:
    run_of: dict[tuple[str, int], int] = {}
    said = []
    for report in sim.measured:
        run = run_of.setdefault((report.node, report.boot or 0), len(run_of))
        acked = (report.node, report.boot, report.seq) in sim.acked
        said += [(run, report.seq, c, value, report.unix_ms, acked) for c, _, _, value in report.readings]
    table = np.array(said, np.int64)
    key = _keys(table[:, 0], table[:, 1], table[:, 2])
    order = np.argsort(key)
    key, table = key[order], table[order]
    number = np.full(max(sources, default=0) + 1, 2**15)
    for source, run in sources.items():
        number[source] = run_of.get(run, 2**15)
    kept = _keys(number[rows["source"]], rows["seq"], rows["channel"])
    order = np.lexsort((rows["arrived_ms"], kept))
    kept, mine = kept[order], rows[order]
    for name in ("value", "at_ms", "arrived_ms"):
        digest.update(mine[name].tobytes())
    digest.update(kept.tobytes())
    verdict.readings = len(key)
    verdict.doubled = int((kept[1:] == kept[:-1]).sum())
    verdict.unsent = int((table[:, 5] == 0).sum())
    verdict.lost = int((~np.isin(key[table[:, 5] == 1], kept)).sum())
    place = np.minimum(np.searchsorted(key, kept), len(key) - 1)
    known = key[place] == kept
    verdict.invented = int((~known).sum())
    truth, got = table[place[known]], mine[known]
    verdict.altered = int(
        ((truth[:, 3] != got["value"]) | (truth[:, 4] != got["at_ms"]) | (got["status"] != 0)).sum()
    )
    db = open_reader(sim.settings.readings_db, len(READINGS_MIGRATIONS))
    (verdict.dead,) = db.execute("SELECT coalesce(sum(readings), 0) FROM dead_letter").fetchone()
    db.close()


def _judge_alarms(sim: Simulation, verdict: Verdict, rows: Any, series: dict[str, int], digest: Any) -> None:
    db = open_reader(sim.settings.alarms_db, len(ALARMS_MIGRATIONS))
    found = db.execute(
        "SELECT sensor, started_ms, raised_ms, ended_ms, alarm FROM excursion WHERE kind = 'high'"
        " ORDER BY sensor, started_ms"
    ).fetchall()
    found = [row for row in found if row[1] < sim.end_ms]  # what begins in the healing is not of the story
    alarms = db.execute("SELECT id, scope, appliance, kind, since_ms, raised_ms FROM alarm").fetchall()
    notices = db.execute(
        "SELECT alarm, coalesce(sent_ms, -1), state FROM notice WHERE about <> 'returned' ORDER BY id"
    ).fetchall()
    given_up = db.execute("SELECT text FROM notice WHERE state = 'given_up'").fetchall()
    lost = db.execute(
        "SELECT alarm, text FROM notice WHERE state = 'given_up' AND about <> 'returned'"
    ).fetchall()
    db.close()
    digest.update(repr((found, alarms, notices)).encode())
    last_ms = (
        sim.end_ms - TICK_MS
    )  # back inside with the last reading: it is over with the next, in the healing
    truth = {
        (f"{appliance_of(s)}/load", start, end is None or end >= last_ms)
        for s, start, end in excursions(sim.plan)
    }
    ours = {(sensor, start, _lasts(sim, end)) for sensor, start, _, end, _ in found}
    verdict.messages = len(sim.modem.sent)
    verdict.excursions, verdict.unheard = len(truth), _unheard(sim, given_up)
    verdict.missed, verdict.false_alarms = len(truth - ours), len(ours - truth)
    verdict.told += [f"missed {one}" for one in sorted(truth - ours)[:3]]
    verdict.told += [f"false {one}" for one in sorted(ours - truth)[:3]]
    sent: dict[str, list[int]] = {}
    for alarm, sent_ms, state in notices:
        if sent_ms >= 0 and state in ("sent", "bundled"):
            sent.setdefault(alarm, []).append(sent_ms)
    for alarm, text in lost:  # a modem that never said so: the telephone knows better
        sent.setdefault(alarm, []).extend(at for at, said in sim.modem.sent if said == text)
    for sensor, start, raised_ms, end, alarm in found:
        _judge_telling(
            verdict, rows[rows["series"] == series[sensor]], (start, raised_ms, end), sent.get(alarm)
        )
    _judge_silences(sim, verdict, rows, series, [a for a in alarms if a[3] in ("silence", "backlog")], sent)
    again = len(sim.modem.sent) - len({text for _, text in sim.modem.sent})
    verdict.extra = max(0, again - sim.modem.mutes - sim.lives_of_alerts)


def _unheard(sim: Simulation, given_up: list[tuple[str]]) -> int:
    """Messages that no phone received, although somebody tried long enough."""
    received = {text for _, text in sim.modem.sent}
    return sum(text not in received for (text,) in given_up)


def _lasts(sim: Simulation, end: int | None) -> bool:
    """Up to the end of the story: the one reading after it is of the healing."""
    return end is None or end >= sim.end_ms


def _judge_telling(
    verdict: Verdict, mine: Any, span: tuple[int, int, int | None], sent: list[int] | None
) -> None:
    """Was somebody told of it, how soon after the arrival of the reading that raised it?"""
    start, raised_ms, end = span
    inside = mine[(mine["at_ms"] >= start) & (mine["at_ms"] <= raised_ms)]
    if not len(inside):
        return  # what raised it is lost, which is counted
    arrived = int(inside["arrived_ms"].max())
    if arrived - raised_ms > LATE_MS or (end is not None and arrived > end):
        verdict.late += 1
        return
    times = [at for at in sent or () if at >= start]
    if not times or min(times) - arrived > HOPELESS_MS:  # then it told of another one
        verdict.untold += 1
        verdict.told.append(f"untold: series {int(mine['series'][0])} since {start}, arrived {arrived}")
    else:
        verdict.latency_ms.append(max(0, min(times) - arrived))


def _judge_silences(
    sim: Simulation, verdict: Verdict, rows: Any, series: dict[str, int], alarms: list[Any], sent: Any
) -> None:
    """Nobody is said to be silent who was heard; how long after the deadline was somebody told?"""
    members: dict[str, Pairs] = {}
    for gateway in sim.gateways.values():
        numbers = [series[f"{appliance_of(s)}/load"] for node in gateway.nodes for s in node.sensors]
        members[gateway.name] = numbers  # type: ignore[assignment]
        for node in gateway.nodes:
            for s in node.sensors:
                members[appliance_of(s)] = [series[f"{appliance_of(s)}/load"]]  # type: ignore[list-item]
    told: dict[str, list[int]] = {}
    for id_, _, name, _, _, _ in alarms:
        told.setdefault(name, []).extend(sent.get(id_, ()))
    above = {appliance_of(s): g.name for g in sim.gateways.values() for node in g.nodes for s in node.sensors}
    for id_, _scope, name, kind, since_ms, raised_ms in alarms:
        mine = rows[np.isin(rows["series"], members.get(name, []))]
        live = (mine["arrived_ms"] < raised_ms) & (mine["arrived_ms"] - mine["at_ms"] <= LATE_MS)
        if kind == "silence" and bool((live & (mine["at_ms"] >= raised_ms - SILENT_MS)).any()):
            verdict.false_alarms += 1
            verdict.told.append(f"false silence {id_}")
        due_ms = since_ms + SILENT_MS
        times = [at for one in (name, above.get(name, "")) for at in told.get(one, ()) if at >= due_ms]
        if id_ in sent and times:  # it, or its gateway's silence, which was the same
            verdict.watchdog_ms.append(min(times) - due_ms)
