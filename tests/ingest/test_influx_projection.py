# SPDX-License-Identifier: Apache-2.0
"""The projection into a real InfluxDB engine: nothing missing, nothing doubled, whatever happens to it."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from rig.influx import Influx

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import JOURNALLED, SPOOLED
from coldchain.kernel.words import Flag
from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site
from coldchain.settings import InfluxSettings, Settings
from ingest.influx import delivery, projection
from ingest.influx.client import InfluxWriter
from ingest.influx.delivery import Refusal
from ingest.influx.lines import Line
from ingest.influx.projection import Projection
from ingest.influx.resync import resync
from ingest.influx.windows import DirtyWindows
from ingest.journal import SqliteJournal

SENSORS = 5
REGISTRY = Registry(
    sites=(Site(id="s", name="S"),),
    appliances=(
        Appliance(id="fridge", name="F", site="s", assignments=(Assignment(carries="red-cells@eu"),)),
    ),
    sensors=tuple(
        Sensor(id=f"fridge/load {i}", appliance="fridge", probe="load", node=f"n-{i}", channel=0)
        for i in range(SENSORS)
    ),
)
WAIT_S = 30.0
REFUSALS = (401, 403, 404, 429, 500, 503)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(delivery, "BACKOFF_MIN_S", 0.2)
    monkeypatch.setattr(delivery, "BACKOFF_MAX_S", 0.5)
    monkeypatch.setattr(projection, "FOLLOW_EVERY_S", 0.05)
    monkeypatch.setattr(projection, "ROLLUPS_EVERY_MS", 200)


class World:
    """A journal with readings of the last hours, and its projection."""

    def __init__(self, folder: Path, influx: InfluxSettings) -> None:
        self.settings = Settings(data_dir=folder, influx=influx)
        desk = Desk(self.settings.desk_db, wall_ms)
        desk.publish(REGISTRY, author="t", reason="t")
        desk.close()
        self.journal = SqliteJournal(self.settings.readings_db)
        self.journal.rewire(REGISTRY)
        self.start_ms = (wall_ms() - 4 * 3_600_000) // 3_600_000 * 3_600_000
        self.n = 0

    def record(self, count: int, *, every_ms: int = 60_000, failed: bool = False) -> None:
        """`count` more reports, of each sensor one reading, `every_ms` apart."""
        for _ in range(count):
            rows = np.zeros(SENSORS, SPOOLED)
            rows["node"], rows["seq"], rows["quantity"] = np.arange(SENSORS), self.n, 1
            rows["at_ms"] = rows["gateway_ms"] = self.start_ms + self.n * every_ms
            rows["value"] = 4_000 + (self.n * 137 + np.arange(SENSORS) * 1_001) % 3_000
            rows["status"] = failed
            batch = Batch(
                "gw",
                "e",
                [(self.n * SENSORS + 1, (self.n + 1) * SENSORS)],
                [(f"n-{i}", 1) for i in range(SENSORS)],
                rows,
            )
            self.journal.record([batch], wall_ms())
            self.n += 1

    @contextmanager
    def projected(self, send=None) -> Iterator[Projection]:
        """With the projection running; afterwards its news is kept, as ingest does."""
        running = Projection(self.settings, send or InfluxWriter(self.settings.influx).send, wall_ms)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            self.keep(running)

    def keep(self, running: Projection) -> None:
        self.journal.keep_projection(running.news(), wall_ms())

    def caught_up(self, running: Projection) -> bool:
        return running._position == self.journal.position and running.state == "up"

    def journalled(self) -> dict[str, dict[int, tuple[int, float]]]:
        """By sensor: instant -> (seq, value)."""
        reader = JournalReader(self.settings.readings_db)
        found = {}
        for sensor in REGISTRY.sensor_by_id:
            rows = reader.readings(sensor, 0, 2**60)
            values = zip(rows["seq"].tolist(), (rows["value"] / 1000).tolist(), strict=True)
            found[sensor] = dict(zip(rows["at_ms"].tolist(), values, strict=True))
        reader.close()
        return found


def held(influx: Influx) -> dict[str, dict[int, tuple[int, float]]]:
    """What the engine has, as `World.journalled`. Points of one millisecond would show as a lower count."""
    found: dict[str, dict[int, tuple[int, float]]] = {}
    rows = influx.query('SELECT "value", "seq" FROM "reading" GROUP BY "sensor"')
    for row in rows:
        found.setdefault(row["sensor"], {})[row["time"]] = (row["seq"], row["value"])
    assert sum(map(len, found.values())) == len(rows), "something is doubled"
    return found


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def world(own_influx: Influx, tmp_path: Path) -> World:
    return World(tmp_path / "data", InfluxSettings(url=own_influx.url, batch_points=400))


def test_an_outage_loses_and_doubles_nothing(world: World, own_influx: Influx) -> None:
    world.record(100)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
        assert held(own_influx) == world.journalled()
        own_influx.stop()
        world.record(60)
        until(lambda: running.state == "down")
        time.sleep(2)
        own_influx.start()
        world.record(10)
        until(lambda: world.caught_up(running))
    assert held(own_influx) == world.journalled()
    assert sum(map(len, world.journalled().values())) == 170 * SENSORS


def test_the_engine_killed_in_between_loses_nothing(world: World, own_influx: Influx) -> None:
    world.record(60)
    with world.projected() as running:
        until(lambda: running.points >= 0 and running.state == "up")
        own_influx.kill()
        world.record(60)
        until(lambda: running.state == "down")
        own_influx.start()
        until(lambda: world.caught_up(running))
    assert held(own_influx) == world.journalled()


def test_a_restart_neither_skips_nor_doubles(world: World, own_influx: Influx) -> None:
    world.record(50)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
    world.record(50)
    crashed = Projection(world.settings, InfluxWriter(world.settings.influx).send, wall_ms)
    crashed.start()
    until(lambda: world.caught_up(crashed))
    crashed.stop()  # its news is thrown away, as by kill -9
    world.record(5)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
    assert held(own_influx) == world.journalled()


def test_windows_open_at_a_crash_are_written_after_it(world: World, own_influx: Influx) -> None:
    """Raw points were all there, no roll-up yet: the restart must find the windows again."""
    world.record(100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "ROLLUPS_EVERY_MS", 10**15)
        with world.projected() as running:
            until(lambda: world.caught_up(running))
    assert own_influx.count("reading_15m") == 0
    with world.projected() as running:
        until(lambda: world.caught_up(running) and not list(running._dirty.over(wall_ms())))
        time.sleep(0.5)
        until(lambda: not list(running._dirty.over(wall_ms())))
    _recount(world, own_influx)
    assert held(own_influx) == world.journalled()


def test_rollups_equal_a_recount_and_late_readings_mend_them(world: World, own_influx: Influx) -> None:
    world.record(100)
    with world.projected() as running:
        until(lambda: world.caught_up(running) and not list(running._dirty.over(wall_ms())))
        first = _recount(world, own_influx)
        world.start_ms += 7_000  # the same hours again, seven seconds later: late readings
        world.n = 200
        world.start_ms -= 200 * 60_000
        world.record(40)
        until(lambda: world.caught_up(running) and not list(running._dirty.over(wall_ms())))
        time.sleep(0.5)
        until(lambda: not list(running._dirty.over(wall_ms())))
    assert _recount(world, own_influx) > first


def _recount(world: World, influx: Influx) -> int:
    """Compare each 15-minute window of the engine with the journal; the readings counted."""
    total = 0
    journalled = world.journalled()
    for row in influx.query('SELECT * FROM "reading_15m"'):
        inside = [
            value
            for at, (_, value) in journalled[row["sensor"]].items()
            if row["time"] <= at < row["time"] + 900_000
        ]
        assert row["count"] == len(inside)
        assert row["appliance"] == "fridge"
        assert row["below_s"] + row["above_s"] + row["unknown_s"] <= 900
        if inside:
            assert (row["min"], row["max"]) == (min(inside), max(inside))
            assert row["mean"] == pytest.approx(sum(inside) / len(inside))
        total += len(inside)
    assert total == sum(map(len, journalled.values()))
    return total


def test_a_type_conflict_is_found_and_set_aside_and_its_neighbours_stay(
    world: World, own_influx: Influx
) -> None:
    world.record(30)
    writer = InfluxWriter(world.settings.influx)

    def spoil(lines) -> None:
        spoiled = [
            Line(line.at_ms, line.text.replace("seq=17i", 'seq="x"')) if "seq=17i" in line.text else line
            for line in lines
        ]
        writer.send(spoiled)

    with world.projected(spoil) as running:
        until(lambda: world.caught_up(running))
    expected = {s: {at: v for at, v in of.items() if v[0] != 17} for s, of in world.journalled().items()}
    assert held(own_influx) == expected
    letters = world.journal.db.execute("SELECT reason, detail, readings FROM dead_letter").fetchall()
    assert len(letters) == SENSORS
    assert {(reason, readings) for reason, _, readings in letters} == {("influx", 0)}
    assert "conflict" in letters[0][1]


def test_points_older_than_the_bucket_are_parked_not_retried(world: World, own_influx: Influx) -> None:
    own_influx.create_database("short", retention="2h")
    world.settings = world.settings.model_copy(
        update={"influx": InfluxSettings(url=own_influx.url, bucket="short", batch_points=100)}
    )
    world.record(220)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
    parked = sum(n for (n,) in world.journal.db.execute("SELECT points FROM parked"))
    assert parked > 0
    assert own_influx.count("reading", bucket="short") + parked >= 220 * SENSORS
    assert world.journal.db.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)


def test_resync_rebuilds_an_empty_bucket(world: World, own_influx: Influx) -> None:
    world.record(50)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
    own_influx.drop_database("coldchain")
    own_influx.create_database("coldchain")
    done = resync(world.settings, world.start_ms, wall_ms())
    assert held(own_influx) == world.journalled()
    assert done.points > 50 * SENSORS
    assert (done.refused, done.old) == (0, 0)
    resync(world.settings, world.start_ms, wall_ms())
    assert held(own_influx) == world.journalled()


def test_a_refused_token_is_retried_until_it_is_taken(tmp_path: Path) -> None:
    statuses = list(REFUSALS)
    sent: list[tuple[int, bytes]] = []

    class Script(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 204
            sent.append((status, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world = World(tmp_path, InfluxSettings(url=f"http://127.0.0.1:{server.server_port}"))
    world.record(3)
    with world.projected() as running:
        until(lambda: world.caught_up(running))
    server.shutdown()
    server.server_close()
    first = sent[: len(REFUSALS) + 1]
    assert [status for status, _ in first] == [*REFUSALS, 204]
    assert len({body for _, body in first}) == 1, "the same lines, whole, until they are taken"
    assert world.journal.db.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)


def test_only_the_culprits_are_cut_out() -> None:
    bad = {3, 4, 900}
    lines = [Line(i, str(i)) for i in range(1_000)]
    written: set[int] = set()
    requests = 0

    def send(part) -> None:
        nonlocal requests
        requests += 1
        if any(line.at_ms in bad for line in part):
            raise Refusal(422, "unprocessable")
        written.update(line.at_ms for line in part)

    outcome = delivery.Delivery(send, lambda _: False, lambda *_: None).deliver(lines)
    assert {line.at_ms for line, _ in outcome.culprits} == bad
    assert written == set(range(1_000)) - bad
    assert outcome.points == 997
    assert requests < 60


def test_a_reading_from_the_future_does_not_hold_the_cursor() -> None:
    """A clock set to 2100: its window is over in 2100, and the log must not be kept until then."""
    rows = np.zeros(2, JOURNALLED)
    rows["series"], rows["at_ms"] = 1, [900_000, 4_102_444_800_000]
    rows["flags"][1] = Flag.FUTURE
    windows = DirtyWindows()
    windows.touch(rows, {1: 60_000}, 5)
    assert windows.safe_position(9) == 4
    for name, series, starts in list(windows.over(3 * 3_600_000)):
        windows.done(name, series, starts)
    assert (len(windows), windows.safe_position(9)) == (0, 9)
