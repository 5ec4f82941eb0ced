# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all rooms: real brokers and a real InfluxDB engine, shared by a session.

broker, nats_broker, mosquitto_broker  leave them running; use names of your own in topics
own_broker                             yours alone, of both kinds in turn: stop it, kill it
influx                                 shared; use a database of your own (`influx.create_database`)
own_influx                             yours alone: stop it, kill it

After the last test no process that a test started may be left running.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from rig.brokers import BROKERS, Broker, MosquittoBroker, NatsBroker
from rig.influx import Influx
from rig.programs import under_ci
from rig.watch import living_children

Server = TypeVar("Server", bound=NatsBroker | MosquittoBroker | Influx)

collect_ignore = ["support/stepped"]  # imported by processes whose clock is to be another, never here

# A busy machine is not a slow test; and a check that gates must say the same thing twice.
settings.register_profile("people", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if under_ci() else "people")


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Whoever starts a process ends it, by its id."""
    before = living_children()
    yield
    left = {pid: words for pid, words in living_children().items() if pid not in before}
    assert left == {}, "a test left processes running"


HANDLES_MANY = 250


@pytest.fixture(autouse=True)
def handles_are_let_go() -> Iterator[None]:
    """Services of one story refer to each other: their files close only when they are collected. Serial
    ports wait by `select`, which knows no handle beyond 1,023.
    """
    yield
    if sum(1 for _ in Path("/proc/self/fd").iterdir()) > HANDLES_MANY:
        gc.collect()


@pytest.fixture(scope="session")
def nats_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsBroker]:
    yield from _running(NatsBroker(tmp_path_factory.mktemp("nats")))


@pytest.fixture(scope="session")
def mosquitto_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    yield from _running(MosquittoBroker(tmp_path_factory.mktemp("mosquitto")))


@pytest.fixture(scope="session", params=sorted(BROKERS))
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture(params=sorted(BROKERS))
def own_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker of each kind for one test, which may take it away."""
    yield from _running(BROKERS[request.param](tmp_path / "broker"))


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    yield from _running(Influx(tmp_path_factory.mktemp("influx")))


@pytest.fixture
def own_influx(tmp_path: Path) -> Iterator[Influx]:
    """An engine for one test, which may take it away."""
    yield from _running(Influx(tmp_path / "influx"))


@pytest.fixture(scope="session")
def records() -> Path:
    """Real records, where they are present; they are not part of the repository."""
    place = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[2] / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no real records at {place} (COLDCHAIN_RECORDS names the folder)")
    return place


def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
