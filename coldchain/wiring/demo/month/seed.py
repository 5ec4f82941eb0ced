# SPDX-License-Identifier: Apache-2.0
"""Writes the month: physics in another process, the record by its own writer, alarms by the real service.

Time stands still between steps and leaps at each: hours while all is well, minutes while somebody is called.
Files are not synced while it runs: a folder whose month broke off is begun anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np

from alerts.service import AlertService
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE, Flag
from coldchain.ports.notifier import Delivery, Heard, Kind, Sent
from coldchain.records.alarms import AlarmsReader
from coldchain.records.registry import Desk, Registry, RegistryReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring import drill
from coldchain.wiring.demo.month import story
from coldchain.wiring.demo.month.airs import learn
from coldchain.wiring.demo.month.coming import Coming
from coldchain.wiring.demo.month.deeds import CAUSE_OF, Orders, trip_of, write_trip
from coldchain.wiring.demo.month.past import EVERY_S, Stretch, stretches
from coldchain.wiring.demo.month.people import People
from coldchain.wiring.demo.month.rows import names_of, rows_of, sensors_of
from coldchain.wiring.demo.plan import DemoPlan
from firmware_sim.faults import Fault, FaultKind, Schedule
from firmware_sim.fleet import Fleet
from firmware_sim.physics.quantities import Quantity
from ingest.history import History
from ingest.journal import SqliteJournal

NODE = "demo-month"
"""The node that every reading of the month names: nothing measured it, and whoever asks can see it."""
TICK_MS = EVERY_S * 1000
AFTER_MS = 60_000
"""All that was measured within a tick has arrived so long after its end [ms]."""
CALM, KNOWN = 36, 18
"""Ticks of a step, at most: all is well; something stands, and nobody is about to answer."""
SOON_MS = 60_000
"""A step ends so long after its last temperatures: people hear of them then, not ten minutes later."""
BEGINS_S = 1800
"""For so long after its beginning a fault is looked at tick by tick."""
LOOKS_BACK = 6
"""What was outside its limits within so many ticks is no news."""
FLUSH_MS = 5 * 86_400_000
"""So much stays in the log, whose reader keeps it decoded. Loads then go into chunks of 720 readings."""
JUDGED_MS = 86_400_000
"""Once a day people say what closed alarms turned out to be."""
LATE_MS = 600_000
STEP_S = 1.0
LASTS = 2
"""Somebody is called within so many ticks of what calls them, as a rule."""


class Post:
    """A carrier that takes everything and reports it delivered. Messages go to the phones' file."""

    def __init__(self, inbox: Path, now_ms: Callable[[], int]) -> None:
        self._inbox, self._now_ms = inbox, now_ms
        self._sent = 0
        self._reports: list[Heard] = []

    def send(self, to: str, text: str) -> Sent:
        self._sent += 1
        said = {"number": to, "text": text, "parts": 1, "instant": rfc3339(self._now_ms())}
        with self._inbox.open("a", encoding="utf-8") as inbox:
            inbox.write(json.dumps(said, ensure_ascii=False) + "\n")
        reference = self._sent % 256
        self._reports.append(
            Heard(f"month-{self._sent}", Kind.REPORT, to, reference=reference, delivered=True)
        )
        return Sent(Delivery.ACCEPTED, "demo month", (reference,))

    def hear(self, within_s: float) -> list[Heard]:
        return list(self._reports)

    def forget(self, heard: list[Heard]) -> None:
        self._reports = [one for one in self._reports if one not in heard]


def _unsynced(journal: SqliteJournal, desk: Desk, service: AlertService) -> None:
    """No file waits for the disk: a month that broke off is thrown away."""
    assert service.outbox is not None
    service._beat_at_s = math.inf  # noqa: SLF001 -- its heart beats in another time
    # A load is compared with the air beside it, which is recorded at the end only: there is nothing to find.
    service._upkeep._siblings = lambda *_: None  # type: ignore[method-assign]  # noqa: SLF001
    for db in (journal.db, desk._db, service._store.db, service.outbox._db):  # noqa: SLF001 -- nobody else may
        db.execute("PRAGMA synchronous=OFF")


class Clock:
    """Stands until it is set. Its steady hand goes STEP_S a step: what is done now and then stays rare."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms, self._steps = now_ms, 0

    def leap(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._steps += 1

    def wall_ms(self) -> int:
        return self.now_ms

    def steady_s(self) -> float:
        return self._steps * STEP_S


class Month:
    """`run` writes all of it and returns what it came to. span: from, until: multiples of a tick [ms]."""

    def __init__(self, plan: DemoPlan, settings: Settings, fleet: Fleet, span: tuple[int, int]) -> None:
        self._plan, self._settings, self._fleet = plan, settings, fleet
        self._start_ms, self._until_ms = span
        self._clock = Clock(self._start_ms)
        self._schedule = story.scenario(self._until_ms).resolve(fleet, plan.seed)
        self._reader = RegistryReader(settings.desk_db)
        self._desk = Desk(settings.desk_db, self._clock.wall_ms)
        self._test = self._tested()
        self._logged: list[Rows] = []
        self._rare: list[Rows] = []
        self._held: list[Rows] = []
        self._flushed_ms = self._judged_ms = self._start_ms

    def run(
        self, before: Registry, after: Callable[[Registry], Registry], step: Callable[[int, int], None]
    ) -> dict[str, int]:
        """before: the registry as it was in the month; after: what becomes of it; step: (done, of)."""
        settings, clock = self._settings, self._clock
        self._desk.publish(before, author="demo", reason="the demo's month: simulated history")
        journal = SqliteJournal(settings.readings_db)
        self._history = History(journal)
        self._names_of_series()
        service = AlertService(
            settings,
            {"sms": Post(self._plan.inbox, clock.wall_ms)},
            wall_ms=clock.wall_ms,
            steady_s=clock.steady_s,
            draw=Random(self._plan.seed).randrange,  # noqa: S311 -- codes of a story
            ready=lambda _: (),  # all was in order this morning: nobody is told so when the demo begins
        )
        _unsynced(journal, self._desk, service)
        self._service, self._alarms = service, AlarmsReader(settings.alarms_db)
        repairs = self._repairs()
        orders = Orders(settings.desk_db, clock.wall_ms, repairs)
        self._people = People(self._desk, self._alarms, self._registry, repairs, orders)
        for stretch in stretches(self._plan.world_file, self._start_ms, self._until_ms):
            for begin_ms, end_ms in self._cuts(stretch):
                self._step(self._prepared(stretch, begin_ms, end_ms), end_ms)
            step(int(stretch.at_ms[-1]) + TICK_MS - self._start_ms, self._until_ms - self._start_ms)
        air = np.concatenate(self._rare)
        air = air[np.isin(air["series"], self._names.series[:, Quantity.AIR])]
        self._flush(last=True)
        if (trip := trip_of(self._registry(), self._until_ms)) is not None:
            write_trip(settings.desk_db, trip)
        orders.close()
        self._desk.publish(
            after(self._registry()), author="demo", reason="the demo's month ends, the demo begins"
        )
        self._settle()
        learn(service, air, LATE_MS)
        counts = self._alarms.counts()
        service.close()
        counters = dict(journal.counters)
        journal.close()
        return {
            "readings": counters["seeded"], "alarms": counts.alarms, "excursions": counts.excursions,
            "notices": counts.notices_sent, "commands": self._people.asked,
        }  # fmt: skip

    def _registry(self) -> Registry:
        self._reader.refresh()
        return self._reader.registry

    def _names_of_series(self) -> None:
        told = list(sensors_of(self._fleet))
        numbers = self._history.series((sensor, quantity.wire_code) for _, quantity, sensor in told)
        by_name = {sensor: number for (_, _, sensor), number in zip(told, numbers, strict=True)}
        self._names = names_of(self._fleet, by_name, self._history.source(NODE))
        bounds = [PROFILES[one.profile] for one in self._fleet.appliances]
        self._coming = Coming(bounds, self._names.phase_ms)
        self._low = np.array([-(2**40) if b.low_c is None else round(b.low_c * 1000) for b in bounds])
        self._high = np.array([2**40 if b.high_c is None else round(b.high_c * 1000) for b in bounds])

    def _repairs(self) -> dict[str, story.Repair]:
        return {
            name: story.Repair(
                c.seen, c.done, self._until_ms + round(fault.end_s * 1000), c.moves, CAUSE_OF[c.kind]
            )
            for name, (c, fault) in story.repairs(self._schedule).items()
        }

    def _faults(self) -> dict[str, list[tuple[str, int, int]]]:
        """Appliance, and site -> what was wrong there: kind, from, until [ms]."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        site_of = {one.id: one.site for one in self._fleet.appliances}
        for fault in self._schedule.faults:
            begin, end = (self._until_ms + round(t * 1000) for t in (fault.start_s, fault.end_s))
            for name in fault.appliances:
                for place in (name, site_of[name]):
                    found.setdefault(place, []).append((fault.kind.value, begin, end))
        return found

    # --- time

    def _cuts(self, stretch: Stretch) -> Iterator[tuple[int, int]]:
        """Steps of this stretch, one at a time: how long the next one is depends on what came of the last."""
        busy = self._busy(stretch)
        n, at, begin = len(stretch.at_ms), 0, int(stretch.at_ms[0])
        while at < n:
            wanted = self._patience()
            clear = np.flatnonzero(busy[at : at + wanted])
            ticks = max(1, min(wanted, n - at, int(clear[0]) if len(clear) else wanted))
            at += ticks
            end = int(stretch.at_ms[at - 1]) + (TICK_MS if at == n else SOON_MS)
            yield begin, end
            begin = end

    def _patience(self) -> int:
        answer_ms = self._people.next_ms
        if answer_ms is not None:
            return max(1, min(KNOWN, (answer_ms - self._clock.now_ms) // TICK_MS))
        return KNOWN if self._alarms.open_alarms() else CALM

    def _busy(self, stretch: Stretch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(T,) ticks at which something has just gone out of its limits, failed, or begun to go wrong."""
        out = (stretch.load < self._low) | (stretch.load > self._high)
        busy = np.array(
            [(now & ~out[max(0, t - LOOKS_BACK) : t].any(axis=0)).any() for t, now in enumerate(out)]
        )
        busy |= self._coming.foreseen(stretch)
        busy = np.convolve(busy, np.ones(LASTS))[: len(busy)] > 0
        for fault in self._schedule.faults:
            begin = self._until_ms + round(fault.start_s * 1000)
            busy |= (stretch.at_ms >= begin) & (stretch.at_ms < begin + BEGINS_S * 1000)
        if self._test is not None:
            busy |= (stretch.at_ms >= self._test[1] - TICK_MS) & (stretch.at_ms < self._test[2] + 2 * TICK_MS)
        return np.asarray(busy)

    def _step(self, rows: Rows, end_ms: int) -> None:
        self._clock.leap(end_ms + AFTER_MS)
        if len(rows):
            self._history.log(rows, self._clock.now_ms)
            self._logged.append(rows)
        self._settle()
        while True:
            if self._people.react(self._clock.now_ms):
                self._settle()
            answer_ms = self._people.next_ms
            if answer_ms is None or answer_ms >= end_ms + TICK_MS:
                break
            self._clock.leap(max(self._clock.now_ms + 1, answer_ms))
            self._settle()
        if end_ms - self._judged_ms >= JUDGED_MS:
            self._judged_ms = end_ms
            self._people.judge(self._faults(), self._clock.now_ms)
        if end_ms - self._flushed_ms >= FLUSH_MS:
            self._flushed_ms = end_ms
            self._flush()

    def _settle(self) -> None:
        """Alerts does all that there is to do at this moment."""
        outbox = self._service.outbox
        assert outbox is not None
        while True:
            while self._service.tick():
                pass
            while outbox.send_one():
                pass
            if not outbox.hear(0.0):
                return

    def _flush(self, *, last: bool = False) -> None:
        """What was judged goes from the log into chunks; all but loads only at the end, into long ones."""
        if self._logged:
            rows = np.concatenate(self._logged)
            often = np.isin(rows["series"], self._names.series[:, Quantity.LOAD])
            self._rare.append(rows[~often])
            self._logged = []
            self._seal(rows[often])
        if last:
            self._seal(np.concatenate(self._rare))
        self._history.finish()

    def _seal(self, rows: Rows) -> None:
        rows = rows[np.lexsort((rows["at_ms"], rows["series"]))]
        self._history.seal(np.split(rows, np.flatnonzero(np.diff(rows["series"])) + 1))

    # --- what is not physics

    def _tested(self) -> tuple[int, int, int] | None:
        """(row, from, until) of the drill: the first refrigerator that nothing else happens to."""
        hit = {name for fault in self._schedule.faults for name in fault.appliances}
        for row, appliance in enumerate(self._fleet.appliances):
            if appliance.type.value == "blood-refrigerator" and appliance.id not in hit:
                begin = story.instant_of(self._until_ms, story.TEST_AGO, story.TEST_CLOCK)
                return row, begin, begin + round(story.TEST_MIN * 60_000)
        return None

    def _prepared(self, stretch: Stretch, begin_ms: int, end_ms: int) -> Rows:
        """The rows of a step, less what a dead link keeps, plus what it kept before; a drill's are marked."""
        rows = rows_of(stretch, self._names, begin_ms, end_ms)
        beside = np.isin(rows["series"], self._names.series[:, Quantity.AIR])
        self._rare.append(rows[beside])  # recorded, not judged: it would take as long again
        rows = self._drilled(rows[~beside], begin_ms, end_ms)
        for fault in self._silences(self._schedule):
            begin, end = (self._until_ms + round(t * 1000) for t in (fault.start_s, fault.end_s))
            mine = np.array([a.id in fault.appliances for a in self._fleet.appliances])
            numbers = self._names.series[mine]
            if begin < end_ms and begin_ms < end:
                away = np.isin(rows["series"], numbers[numbers >= 0])
                away &= (rows["at_ms"] >= begin) & (rows["at_ms"] < end)
                self._held.append(rows[away])
                rows = rows[~away]
            elif self._held:
                kept = np.concatenate(self._held)
                kept["gateway_ms"] = begin_ms
                kept["arrived_ms"] = begin_ms + 30_000
                late = kept["arrived_ms"] - kept["at_ms"] > LATE_MS
                kept["flags"] |= np.where(late, int(Flag.LATE), 0).astype(np.uint16)
                rows, self._held = np.concatenate([kept, rows]), []
        return rows

    @staticmethod
    def _silences(schedule: Schedule) -> list[Fault]:
        return [fault for fault in schedule.faults if fault.kind is FaultKind.NODE_SILENT]

    def _drilled(self, rows: Rows, begin_ms: int, end_ms: int) -> Rows:
        if self._test is None:
            return rows
        row, start, until = self._test
        if begin_ms <= start - TICK_MS < end_ms:
            name, site = self._fleet.appliances[row].id, self._fleet.appliances[row].site
            people = [one.id for one in self._registry().people_for(site)]
            drill.begin(self._settings, name, people[0], story.TEST_MIN, start - drill.START_MS)
        load = self._names.series[row, Quantity.LOAD]
        inside = (rows["at_ms"] >= start) & (rows["at_ms"] < until)
        mine = inside & np.isin(rows["series"], self._names.series[row])
        rows["flags"][mine] |= np.uint16(Flag.TEST)
        hand = start + story.HAND_MS
        warm = mine & (rows["series"] == load) & (rows["at_ms"] >= hand) & (rows["value"] != NO_VALUE)
        warm &= rows["at_ms"] < hand + story.HAND_MIN * 60_000
        rows["value"][warm] += round(story.HAND_K * 1000)
        return rows
