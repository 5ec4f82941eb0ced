# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all rooms: real brokers and a real InfluxDB engine, shared by a session.

broker, nats_broker, mosquitto_broker  leave them running; use names of your own in topics
own_broker                             yours alone, of both kinds in turn: stop it, kill it
influx                                 shared; use a database of your own (`influx.create_database`)
own_influx                             yours alone: stop it, kill it
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from rig.brokers import BROKERS, Broker, MosquittoBroker, NatsBroker
from rig.influx import Influx

Server = TypeVar("Server", bound=NatsBroker | MosquittoBroker | Influx)


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
