# SPDX-License-Identifier: Apache-2.0
"""POST /api/v1/readings: 200 means recorded, everything else says why in problem details."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.link import decode_receipt
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, Sensor
from coldchain.settings import Settings
from coldchain.wiring.child import free_port
from ingest.http import PROBLEMS, HttpServer, make_app
from ingest.inbox import Inbox
from ingest.journal import SqliteJournal
from ingest.json_reports import NotJson, Unsound, batch_of
from ingest.service import IngestService

NOW_MS = 1_700_000_000_000
REPORT = {
    "node": "mb-01",
    "boot": 12,
    "seq": 345,
    "uptime_ms": 123_456,
    "age_ms": 20,
    "clock": 2,
    "unix_ms": NOW_MS - 50,
    "readings": [
        {"ch": 0, "q": "temperature", "m": 4125},
        {"ch": 1, "q": "door", "m": 0},
        {"ch": 2, "q": "temperature", "fault": "open"},
    ],
}
REQUEST = {"v": 1, "gateway": "web-7", "epoch": "k3f9", "seq": 1200, "reports": [REPORT]}
QUANTITIES = ("temperature", "door", "temperature")
REGISTRY = Registry(
    sensors=tuple(
        Sensor(id=f"mb/{ch}", node="mb-01", channel=ch, quantity=q) for ch, q in enumerate(QUANTITIES)
    )
)


@contextmanager
def served(box: Inbox, **words) -> Iterator[httpx.Client]:
    """The application on a port of its own, and a client that knows it."""
    port = free_port()
    server = HttpServer(make_app(box, lambda: NOW_MS, **words), "127.0.0.1", port)
    server.start()
    deadline = time.monotonic() + 10
    while not server._server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as web:
        yield web
    server.stop()


class Committer(IngestService):
    """Ingest's committing loop on its own, without a broker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Settings(data_dir=folder), wall_ms=lambda: NOW_MS)
        self._journal = SqliteJournal(folder / "readings.db")
        self._journal.rewire(REGISTRY)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stopping.is_set():
            if group := self.inbox.take(0.2):
                self.commit(group)

    def close(self) -> None:
        self.stop()
        self._thread.join()
        self._journal.close()


@pytest.fixture
def committer(tmp_path) -> Iterator[Committer]:
    made = Committer(tmp_path)
    yield made
    made.close()


@pytest.fixture
def web(committer) -> Iterator[httpx.Client]:
    with served(committer.inbox) as web:
        yield web


def test_200_means_recorded_and_carries_the_receipt(web, tmp_path) -> None:
    answer = web.post("/api/v1/readings", json=REQUEST)
    assert answer.status_code == 200
    assert decode_receipt(answer.content).recorded == [(1200, 1202)]
    rows = JournalReader(tmp_path / "readings.db").readings("mb/0", 0, 2**60)
    assert rows[["at_ms", "seq", "value", "uptime_ms", "device_ms"]].tolist() == [
        (NOW_MS - 50, 345, 4125, 123_456, NOW_MS - 50)
    ]


def test_the_same_request_again_is_receipted_again_and_kept_once(web, tmp_path) -> None:
    answers = [web.post("/api/v1/readings", json=REQUEST).json() for _ in range(2)]
    assert answers[0]["recorded"] == answers[1]["recorded"]
    assert len(JournalReader(tmp_path / "readings.db").readings("mb/0", 0, 2**60)) == 1


@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        (b"{", "malformed", "not JSON"),
        (b"[1]", "malformed", "not a JSON object"),
        (b"[" * 50_000, "malformed", "not JSON"),
        (b"x" * 65_537, "oversize", "65537 bytes"),
        (json.dumps({**REQUEST, "v": 2}).encode(), "unsound", "version 2"),
        (json.dumps({**REQUEST, "gateway": "Web 7"}).encode(), "unsound", "not a name"),
        (json.dumps({**REQUEST, "reports": []}).encode(), "unsound", "no reading"),
        (
            json.dumps({**REQUEST, "reports": [{**REPORT, "boot": -1}]}).encode(),
            "unsound",
            "reports[0]: boot",
        ),
        (
            json.dumps({**REQUEST, "reports": [REPORT, {}]}).encode(),
            "unsound",
            "reports[1]: 'node' is missing",
        ),
    ],
    ids=str,
)
def test_a_refusal_is_problem_details(web, content, kind, detail) -> None:
    answer = web.post("/api/v1/readings", content=content)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["type"]) == (PROBLEMS[kind][0], f"urn:coldchain:problem:{kind}")
    assert detail in problem["detail"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(web) -> None:
    answer = web.post("/api/v1/readings", content=iter([b"x" * 40_000] * 3))
    assert answer.status_code == 413


def test_other_places_and_methods_are_problems_too(web) -> None:
    assert web.get("/api/v1/readings").json()["type"] == "urn:coldchain:problem:method"
    assert web.post("/").json()["type"] == "urn:coldchain:problem:no-such-thing"


def test_nobody_commits_is_503_not_200(tmp_path) -> None:
    with served(Inbox(), answer_within_s=0.1) as web:
        answer = web.post("/api/v1/readings", json=REQUEST)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_batch_or_refused(body) -> None:
    try:
        batch_of(body, NOW_MS)
    except (NotJson, Unsound):
        return


@given(st.dictionaries(st.sampled_from([*REQUEST, *REPORT, "x"]), JSON), st.booleans())
def test_any_damage_to_a_sound_request_is_refused_or_harmless(damage, inside) -> None:
    whole = {**REQUEST, "reports": [{**REPORT, **damage}]} if inside else {**REQUEST, **damage}
    try:
        batch = batch_of(json.dumps(whole).encode(), NOW_MS)
    except (NotJson, Unsound):
        return
    low, high = batch.ranges[0]
    assert high - low + 1 == len(batch.rows)


def test_a_slow_or_vanished_client_holds_nothing(capfd) -> None:
    """A connection that brings its body drop by drop is ended; one that breaks off leaves no traceback."""
    head = b"POST /api/v1/readings HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
    with served(Inbox(), body_within_s=0.3) as web:
        where = (web.base_url.host, web.base_url.port)
        with socket.create_connection(where, 5) as slow:
            slow.sendall(head)
            answer = slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(where, 5) as gone:
            gone.sendall(head)
            time.sleep(0.1)
        time.sleep(0.1)
        assert web.post("/api/v1/readings", content=b"{").status_code == 400
    assert "Traceback" not in capfd.readouterr().err
