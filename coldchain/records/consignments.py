# SPDX-License-Identifier: Apache-2.0
"""Bags by their donation numbers, and trips of blood, in `desk.db` and its audit chain.

Rows are only added: of a bag the newest row counts, a trip is where its newest step says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.kernel.stays import Stay
from coldchain.records.alarms import Moved
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction

Row = TypeVar("Row")
Move = tuple[str, str, int]
"""From an appliance to another, when [ms]."""
BOXES = frozenset({"passive-box", "active-box", "transport-box"})
"""Kinds of appliances that travel: without mains they are on their way, not in the dark."""
BAGS_MAX = 500
"""Of one alarm or trip: a large refrigerator holds some 300 bags; ours."""
DAY_MS = 86_400_000
CHAIN_MS = DAY_MS
"""Moved on within so long, it is one trip: as the exposure clock counts."""
TWICE_MS = 900_000
"""The same two places within so long: it is one move, told by two ways."""


@dataclass(frozen=True, slots=True)
class Bag:
    """One bag that an alarm or trip concerns. from_ms, until_ms: when it was in there, None: all the time.

    fate  what somebody decides against the rule, for that reason; empty: as proposed
    """

    donation: str
    from_ms: int | None
    until_ms: int | None
    fate: str
    reason: str
    person: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """From at_ms on it was in that appliance; an empty one ends the trip."""

    at_ms: int
    appliance: str
    person: str
    how: str


@dataclass(frozen=True, slots=True)
class Trip:
    """Blood that travels. carries: the profile it is judged by; steps: oldest first, the first is where from.

    moved  it was made of answers to alarms ("moved to"), not started by anybody
    """

    id: str
    carries: str
    from_ms: int
    note: str
    person: str
    at_ms: int
    steps: tuple[Step, ...]
    moved: bool = False

    @property
    def over(self) -> bool:
        return bool(self.steps) and not self.steps[-1].appliance

    @property
    def place(self) -> str:
        """Where it is, or was last."""
        named = [step.appliance for step in self.steps if step.appliance]
        return named[-1] if named else ""

    def stays(self, now_ms: int) -> list[Stay]:
        """Its places in order, up to now or to its end."""
        last = [] if self.over else [Step(now_ms, "", "", "")]
        legs = pairwise([*self.steps, *last])
        return [Stay(a.appliance, a.at_ms, b.at_ms) for a, b in legs if a.appliance and a.at_ms < b.at_ms]


class Consignments:
    """`desk.db` for those who write of bags and trips, in short transactions."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._path, self._wall_ms = path, wall_ms

    def put_bags(self, subject: str, bags: Iterable[Bag]) -> int:
        """Add them, or write anew what is known of them; how many rows were written. BadData: too many."""
        with self._desk() as db:
            known = {bag.donation: bag for bag in _bags(db, subject)}
            new = [bag for bag in bags if _same(known.get(bag.donation)) != _same(bag)]
            if len(known.keys() | {bag.donation for bag in new}) > BAGS_MAX:
                raise BadData(f"at most {BAGS_MAX} bags on one list")
            with transaction(db):
                for bag in new:
                    self._write(db, subject, bag, gone=False)
        return len(new)

    def remove_bag(self, subject: str, donation: str, person: str) -> bool:
        """Off the list; what was written of it stays."""
        with self._desk() as db:
            if donation not in {bag.donation for bag in _bags(db, subject)}:
                return False
            with transaction(db):
                self._write(db, subject, Bag(donation, None, None, "", "", person, 0), gone=True)
        return True

    def start(self, trip: Trip) -> bool:
        """A new trip with its first steps; False when there is one of that id."""
        with self._desk() as db, transaction(db):
            row = (trip.id, trip.carries, trip.from_ms, trip.note, trip.person, self._wall_ms())
            done = db.execute("INSERT OR IGNORE INTO trip VALUES (?,?,?,?,?,?)", row)
            if done.rowcount:
                for step in trip.steps:
                    self._step(db, trip.id, step)
        return bool(done.rowcount)

    def step(self, trip: str, step: Step) -> None:
        """It is somewhere else now, or at its end. BadData when it is over, or that was earlier."""
        with self._desk() as db, transaction(db):
            known = _steps(db, trip)
            if not known:
                raise BadData(f"there is no trip {trip}")
            last = known[-1]
            if (last.at_ms, last.appliance) == (step.at_ms, step.appliance):
                return  # sent twice
            if not last.appliance:
                raise BadData("this trip is over")
            if last.appliance == step.appliance:
                raise BadData("it is there already")
            if step.at_ms <= last.at_ms:
                raise BadData("that is not after the last step")
            self._step(db, trip, step)

    def _step(self, db: sqlite3.Connection, trip: str, step: Step) -> None:
        row = (trip, step.at_ms, step.appliance, step.person, step.how, self._wall_ms())
        db.execute(
            "INSERT INTO trip_step (trip, at_ms, appliance, person, how, written_ms) VALUES (?,?,?,?,?,?)",
            row,
        )

    def _write(self, db: sqlite3.Connection, subject: str, bag: Bag, *, gone: bool) -> None:
        row = (subject, bag.donation, bag.from_ms, bag.until_ms, bag.fate, bag.reason, bag.person)
        db.execute(
            "INSERT INTO bag (subject, donation, from_ms, until_ms, fate, reason, person, at_ms, gone)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (*row, self._wall_ms(), gone),
        )

    def _desk(self) -> closing[sqlite3.Connection]:
        return closing(open_writer(self._path, DESK_MIGRATIONS))


class ConsignmentReader:
    """Opens the desk for each question; empty answers while there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def bags(self, subject: str, as_of_ms: int = 2**62) -> list[Bag]:
        """In the order in which they came."""
        return self._ask(lambda db: _bags(db, subject, as_of_ms))

    def with_bags(self) -> set[str]:
        """Every alarm and trip of which bags were ever written down."""
        sql = "SELECT DISTINCT subject FROM bag"
        return set(self._ask(lambda db: [str(one) for (one,) in db.execute(sql).fetchall()]))

    def subjects(self, donation: str) -> list[str]:
        """What has concerned that bag, newest first: `alarm:ID`, `trip:ID`."""
        sql = "SELECT subject FROM bag WHERE donation = ? GROUP BY subject ORDER BY max(id) DESC"
        return self._ask(lambda db: [str(row[0]) for row in db.execute(sql, (donation,)).fetchall()])

    def trips(self, limit: int = 100) -> list[Trip]:
        """Newest first."""
        sql = "SELECT * FROM trip ORDER BY at_ms DESC, rowid DESC LIMIT ?"
        return self._ask(lambda db: [_trip(db, row) for row in db.execute(sql, (limit,)).fetchall()])

    def trip(self, id_: str) -> Trip | None:
        sql = "SELECT * FROM trip WHERE id = ?"
        found = self._ask(lambda db: [_trip(db, row) for row in db.execute(sql, (id_,)).fetchall()])
        return found[0] if found else None

    def moves(self) -> list[Move]:
        """Each step of each trip as a move from the place before: alerts was told of them, too."""
        sql = (
            "SELECT came, appliance, at_ms FROM (SELECT appliance, at_ms,"
            " lag(appliance) OVER (PARTITION BY trip ORDER BY at_ms, id) AS came FROM trip_step)"
            " WHERE came <> '' AND appliance <> ''"
        )
        return self._ask(lambda db: [(str(a), str(b), int(at)) for a, b, at in db.execute(sql).fetchall()])

    def _ask(self, question: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            return []
        with closing(db):
            return question(db)


def places(appliance: str, start_ms: int, end_ms: int, moves: Sequence[Moved], now_ms: int) -> list[Stay]:
    """Where the blood of an appliance was: there, and where it was moved to for a day after, or until now.

    >>> places("a", 0, 100, [], 200)
    [Stay(appliance='a', start_ms=0, end_ms=100)]
    """
    found, here, since_ms = [], appliance, start_ms
    for move in moves:
        if move.source == here and move.at_ms > since_ms:
            found.append(Stay(here, since_ms, move.at_ms))
            here, since_ms = move.target, move.at_ms
    last_ms = end_ms if here == appliance else min(now_ms, since_ms + DAY_MS)
    return [*found, Stay(here, since_ms, last_ms)] if last_ms > since_ms else found


def trips_of_moves(
    moves: Sequence[Moved], carried: Callable[[str, int], str], told: Iterable[Move] | None = None
) -> list[Trip]:
    """What people answered with "moved to", as trips, newest first: moved on within a day, it is the same.

    carried: (appliance, instant) -> the profile that was in force there
    told: moves of trips that somebody started: alerts counts their time, too, and they are listed already;
    with it, what was told twice is one move; None: every row is one
    """
    rows = sorted(moves, key=lambda move: (move.at_ms, move.id))
    if told is not None:
        rows = _once(rows, told)
    taken: set[int] = set()
    found: list[Trip] = []
    for move in rows:
        if move.id in taken:
            continue
        chain = [move]
        while (then := _next(chain[-1], rows, taken | {one.id for one in chain})) is not None:
            chain.append(then)
        taken |= {one.id for one in chain}
        begin_ms = move.at_ms - DAY_MS
        steps = [Step(begin_ms, move.source, move.person, "moved")]
        steps += [Step(one.at_ms, one.target, one.person, "moved") for one in chain]
        if (ended_ms := chain[-1].ended_ms) is not None:
            steps.append(Step(max(ended_ms, chain[-1].at_ms + 1), "", "", "moved"))
        carries = carried(move.source, move.at_ms)
        found.append(
            Trip(f"m{move.id}", carries, begin_ms, "", move.person, move.at_ms, tuple(steps), moved=True)
        )
    return found[::-1]


def named_of_moves(
    id_: str, moves: Sequence[Moved], carried: Callable[[str, int], str], told: Iterable[Move]
) -> Trip | None:
    """The one of that id among them: as listed; or as each row would have it, for an address from before."""
    made = [*trips_of_moves(moves, carried, told), *trips_of_moves(moves, carried)]
    return next((one for one in made if one.id == id_), None)


def _once(rows: Sequence[Moved], told: Iterable[Move]) -> list[Moved]:
    """Each move once, and none that a trip tells. rows: by instant."""
    known: dict[tuple[str, str], list[int]] = {}
    for source, target, at_ms in told:
        known.setdefault((source, target), []).append(at_ms)
    found = []
    for row in rows:
        instants = known.setdefault((row.source, row.target), [])
        if all(abs(row.at_ms - at_ms) > TWICE_MS for at_ms in instants):
            found.append(row)
            instants.append(row.at_ms)
    return found


def _next(move: Moved, rows: Sequence[Moved], taken: set[int]) -> Moved | None:
    for one in rows:
        later = move.at_ms < one.at_ms <= move.at_ms + CHAIN_MS
        if later and one.source == move.target and one.id not in taken:
            return one
    return None


def _same(bag: Bag | None) -> tuple[object, ...] | None:
    return None if bag is None else (bag.from_ms, bag.until_ms, bag.fate, bag.reason)


def _bags(db: sqlite3.Connection, subject: str, as_of_ms: int = 2**62) -> list[Bag]:
    sql = (
        "SELECT donation, from_ms, until_ms, fate, reason, person, at_ms FROM bag b WHERE subject = ?1"
        " AND id = (SELECT max(id) FROM bag n"
        "  WHERE n.subject = ?1 AND n.donation = b.donation AND n.at_ms <= ?2)"
        " AND NOT gone"
        " ORDER BY (SELECT min(id) FROM bag f WHERE f.subject = ?1 AND f.donation = b.donation)"
    )
    return [Bag(*row) for row in db.execute(sql, (subject, as_of_ms)).fetchall()]


def _steps(db: sqlite3.Connection, trip: str) -> tuple[Step, ...]:
    sql = "SELECT at_ms, appliance, person, how FROM trip_step WHERE trip = ? ORDER BY at_ms, id"
    return tuple(Step(*row) for row in db.execute(sql, (trip,)).fetchall())


def _trip(db: sqlite3.Connection, row: tuple[Any, ...]) -> Trip:
    id_, carries, from_ms, note, person, at_ms = row
    return Trip(id_, carries, from_ms, note, person, at_ms, _steps(db, id_))
