# SPDX-License-Identifier: Apache-2.0
"""From a reading's arrival at ingest to the AT command on the modem's line; and a storm of 200 appliances.

The journal takes 1,000 readings a second in commits of 100, each with its fsync; alerts runs as in service,
with the AT driver on a simulated modem behind a pseudo-terminal. Twice a second one sensor crosses its limit
for longer than its on-delay. Times are until the telephone has the message, a little after the AT command.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import structlog
from ward import Ward

from alerts.notifiers import ModemNotifier, ModemOptions
from alerts.service import AlertService
from coldchain.kernel.readings import JOURNALLED
from coldchain.ports.clock import wall_ms
from coldchain.records.duty import DEFAULTS
from coldchain.records.registry import Appliance, Assignment, Desk, Person, Registry, Sensor, Site
from coldchain.records.sql import transaction
from coldchain.settings import Settings
from firmware_sim.modem import Message, ModemSim
from ingest.journal import SqliteJournal

SENSORS, ALARMS, RATE, COMMIT = 1000, 60, 1000, 100
CALM, WARM = 4000, 9000


def registry() -> Registry:
    """A site and a telephone for each alarm, so that none waits for another's digest."""
    red = (Assignment(carries="red-cells@eu"),)
    names = [f"s{n:04d}" for n in range(SENSORS)]
    return Registry(
        sites=tuple(Site(id=name, name=name) for name in names),
        appliances=tuple(Appliance(id=n, name="Fridge", site=n, assignments=red) for n in names),
        sensors=tuple(
            Sensor(id=f"{n}/load", appliance=n, probe="load", node=f"{n}-n", channel=0) for n in names
        ),
        people=tuple(
            Person(id=n, name=n, phone=f"+85620{k:08d}", sites=(n,)) for k, n in enumerate(names[:ALARMS])
        ),
        policies=tuple(p.model_copy(update={"steps": p.steps[:1], "repeat_s": 0}) for p in DEFAULTS),
    )


class Writer:
    """Ingest's journal, fed at a steady pace."""

    def __init__(self, settings: Settings) -> None:
        self.journal = SqliteJournal(settings.readings_db)
        with transaction(self.journal.db) as db:
            db.executemany(
                "INSERT INTO series (id, sensor, quantity) VALUES (?,?,1)",
                [(n + 1, f"s{n:04d}/load") for n in range(SENSORS)],
            )
        self.seq = 0

    def commit(self, series: list[int], at_ms: list[int], values: list[int]) -> float:
        rows = np.zeros(len(series), JOURNALLED)
        now = wall_ms()
        rows["series"], rows["at_ms"], rows["value"] = series, at_ms, values
        rows["seq"] = np.arange(self.seq, self.seq + len(series))
        rows["arrived_ms"] = rows["gateway_ms"] = now
        rows["source"] = 1
        self.seq += len(series)
        arrived_s = time.monotonic()
        with transaction(self.journal.db):
            self.journal.append(rows, now, 1)
            self.journal._keep()
        return arrived_s


def latency(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    Desk(settings.desk_db, wall_ms).publish(registry(), author="bench", reason="bench")
    writer = Writer(settings)
    got: dict[str, float] = {}

    def arrived(message: Message) -> None:
        got.setdefault(message.number, time.monotonic())

    with ModemSim(on_message=arrived) as sim:
        service = AlertService(settings, ModemNotifier(ModemOptions(sim.path)))
        thread = threading.Thread(target=service.run)
        thread.start()
        time.sleep(1.0)
        began_s, sent = time.monotonic(), {}
        rounds = ALARMS * RATE // (2 * COMMIT)
        for number in range(rounds):
            now = wall_ms()
            series = [(number * COMMIT + k) % SENSORS + 1 for k in range(COMMIT)]
            at, values = [now] * COMMIT, [CALM] * COMMIT
            every = RATE // (2 * COMMIT)
            if number % every == 0 and number // every < ALARMS:
                hot = number // every + 1
                at += [now - 305_000, now - 150_000, now + 1]
                series += [hot] * 3
                values += [WARM] * 3
            keep = [k for k in range(len(series)) if values[k] == WARM or series[k] > ALARMS]
            arrived_s = writer.commit(
                [series[k] for k in keep], [at[k] for k in keep], [values[k] for k in keep]
            )
            if values[-1] == WARM:
                sent[f"+85620{hot - 1:08d}"] = arrived_s
            time.sleep(max(0.0, began_s + (number + 1) * COMMIT / RATE - time.monotonic()))
        time.sleep(3.0)
        service.stop()
        thread.join()
    took = np.array([got[number] - at_s for number, at_s in sent.items() if number in got])
    pace = writer.seq / (time.monotonic() - began_s - 3.0)
    print(f"{pace:.0f} readings/s, {len(sent)} alarms, {len(took)} told")
    print(
        f"arrival at ingest -> message handed to the modem: median {np.median(took):.3f} s,"
        f" p99 {np.quantile(took, 0.99):.3f} s (target 2 s), worst {took.max():.3f} s"
    )


def storm(folder: Path) -> None:
    """200 appliances of one site at once: the work until the first message; then by the clock of a ward."""
    ward = Ward(folder, policies=DEFAULTS, channels=("sms", "call"))
    for n in range(200):
        ward.fridge(f"vte-br-{n:03d}")
        ward.temperature(f"vte-br-{n:03d}", 9.0)
    ward.run_until("08:05:00")
    ward._record([(ward.now_ms, sensor, 9.0) for sensor in ward._value])
    began_s = time.monotonic()
    while ward.service.tick():
        pass
    ward.outbox.send_one()
    first_s = time.monotonic() - began_s
    assert ward.phone("technician").inbox, "nobody was told"
    ward.run_until("08:14:59")
    print(
        f"storm of 200 appliances at one site: first message after {first_s:.2f} s of work (target 10 s), "
        f"{len(ward.phone('technician').inbox)} SMS and {ward.phone('technician').rings} rings "
        "to a person within 10 min (target 2)"
    )


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        latency(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        storm(Path(folder))


if __name__ == "__main__":
    main()
