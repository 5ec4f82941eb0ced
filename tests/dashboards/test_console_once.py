# SPDX-License-Identifier: Apache-2.0
"""One mechanism for `Idempotency-Key` at every address, over restarts and two consoles; bounds of bodies."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, registry
from signed import QUICK
from starlette.requests import Request
from starlette.responses import Response

from coldchain.records.accounts import Accounts
from coldchain.records.filed import FiledReader
from coldchain.wiring.links import add_links
from dashboards.console import bounds, once
from dashboards.console.app import create_app
from dashboards.console.bounds import BODY_MAX, LONGER, Bounded, bound_of
from dashboards.console.problems import Problem

FAR = {"x-forwarded-for": "10.0.0.9"}
PIECE = 1 << 14
MONTH = {"kind": "month", "at": "07:30", "who": ["a@x.la"]}


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    made = Seed(tmp_path_factory.mktemp("once"), registry(3))
    made.close()
    return made


@pytest.fixture(scope="module")
def tokens(seed: Seed) -> list[dict[str, str]]:
    """Two of the same account."""
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    store.add("boss", "a long sentence of words", role="admin", by="test", fresh=False)
    found = [FAR | {"authorization": f"Bearer {store.add_token('boss', 'test', None)}"} for _ in range(2)]
    store.close()
    return found


def console(seed: Seed) -> Any:
    app = create_app(seed.settings, lambda: NOW_MS)
    add_links(app, seed.settings, lambda: NOW_MS)
    return browsing(app)


def key(name: str) -> dict[str, str]:
    return {"idempotency-key": f"program:{name}"}


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"]


def test_a_schedule_asked_for_twice_is_one_also_after_a_restart(
    seed: Seed, tokens: list[dict[str, str]]
) -> None:
    mine, other = tokens
    with console(seed) as first, console(seed) as beside:
        for _ in range(2):
            made = first.post("/api/v1/schedules", json=MONTH, headers=mine | key("one"))
            assert (made.status_code, made.json()) == (200, {"done": True})
        assert made.headers["idempotent-replayed"] == "true"
        made = beside.post("/api/v1/schedules", json=MONTH, headers=mine | key("one"))
        assert made.headers["idempotent-replayed"] == "true", "another console, the same desk"
    with console(seed) as anew:
        made = anew.post("/api/v1/schedules", json=MONTH, headers=mine | key("one"))
        assert (made.status_code, made.json()) == (200, {"done": True})
        changed = anew.post("/api/v1/schedules", json=MONTH | {"at": "08:30"}, headers=mine | key("one"))
        assert refused(changed) == (422, "/problems/key-used")
        stolen = anew.post("/api/v1/schedules", json=MONTH, headers=other | key("one"))
        assert refused(stolen) == (422, "/problems/key-used"), "what was told is told to the same token"
        assert len(FiledReader(seed.settings.desk_db).schedules()) == 1
        for _ in range(2):
            ended = anew.post("/api/v1/schedules/1/end", headers=mine | key("end"))
            assert ended.status_code == 200, "ended twice is told twice, and not unknown the second time"
        assert refused(anew.post("/api/v1/schedules/1/end", headers=mine | key("else")))[0] == 404


def test_who_may_not_is_refused_before_a_key_is_looked_up(seed: Seed, tokens: list[dict[str, str]]) -> None:
    with console(seed) as client:
        made = client.post("/api/v1/schedules", json=MONTH, headers=tokens[0] | key("two"))
        assert made.status_code == 200
        assert refused(client.post("/api/v1/schedules", json=MONTH, headers=FAR | key("two")))[0] == 401
        assert refused(client.post("/api/v1/schedules", json=MONTH, headers=tokens[0]))[0] == 400, "no key"
        short = tokens[0] | {"idempotency-key": "x"}
        assert refused(client.post("/api/v1/schedules", json=MONTH, headers=short))[0] == 400


# --- the mechanism alone


class Deed:
    """An application that counts what it did; the body says what becomes of it."""

    def __init__(self) -> None:
        self.done, self.begun, self.gate = 0, asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        said = json.loads(await Request(scope, receive).body())
        self.done += 1
        self.begun.set()
        await self.gate.wait()
        if said["status"] == 500:
            raise RuntimeError("it broke")
        body = json.dumps({"done": self.done}).encode()
        await Response(body, said["status"], {"location": "/x"})(scope, receive, send)


def answer(_request: Request, problem: Problem) -> Response:
    return Response(problem.type, problem.status)


@pytest.fixture
def deed() -> Deed:
    return Deed()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[once.Store]]:
    made = [once.Store(tmp_path / "desk.db", lambda: NOW_MS) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def client_of(deed: Deed, store: once.Store, wait_s: float = 10.0) -> httpx.AsyncClient:
    app = once.Once(deed, store=store, answer=answer, wait_s=wait_s)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


def post(client: httpx.AsyncClient, status: int, **said: int) -> Any:
    return client.post("/api/v1/x", json={"status": status} | said, headers=key("same"))


@pytest.mark.anyio
async def test_sent_at_once_it_is_done_once(deed: Deed, stores: list[once.Store]) -> None:
    """By two consoles."""
    clients = [client_of(deed, store) for store in stores]
    deed.gate.clear()
    asking = [asyncio.create_task(post(clients[n % 2], 201)) for n in range(4)]
    await deed.begun.wait()
    deed.gate.set()
    told = await asyncio.gather(*asking)
    assert deed.done == 1
    assert {(one.status_code, one.text, one.headers["location"]) for one in told} == {
        (201, '{"done": 1}', "/x")
    }
    assert [one.headers.get("idempotent-replayed") for one in told].count("true") == 3


@pytest.mark.anyio
async def test_who_asks_while_it_goes_on_is_told_so(deed: Deed, stores: list[once.Store]) -> None:
    deed.gate.clear()
    first = asyncio.create_task(post(client_of(deed, stores[0]), 201))
    await deed.begun.wait()
    busy = await post(client_of(deed, stores[1], wait_s=0), 201)
    assert (busy.status_code, busy.text, busy.headers["retry-after"]) == (409, "key-busy", "5")
    deed.gate.set()
    await first


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "times"), [(200, 1), (204, 1), (202, 3), (404, 3), (422, 3), (503, 3)])
async def test_what_is_a_last_word(deed: Deed, stores: list[once.Store], status: int, times: int) -> None:
    client = client_of(deed, stores[0])
    told = [await post(client, status) for _ in range(3)]
    assert ([one.status_code for one in told], deed.done) == ([status] * 3, times)
    other = await post(client, 201, other=1)
    assert other.status_code == (422 if status < 300 else 201), "what was refused frees its key"


@pytest.mark.anyio
async def test_what_broke_may_be_asked_again(deed: Deed, stores: list[once.Store]) -> None:
    client = client_of(deed, stores[0])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="it broke"):
            await post(client, 500)
    assert deed.done == 2


@pytest.mark.anyio
async def test_an_answer_too_long_to_keep_is_not_made_twice(
    deed: Deed, stores: list[once.Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldchain.records.answered.BYTES_MAX", 8)
    client = client_of(deed, stores[0])
    assert (await post(client, 200)).status_code == 200
    again = await post(client, 200)
    assert (again.status_code, again.text, deed.done) == (409, "key-done", 1)


@pytest.mark.anyio
async def test_a_disk_that_takes_nothing_is_told_before_the_deed_and_not_after(
    deed: Deed, stores: list[once.Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_values: object, **_named: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    client = client_of(deed, stores[0])
    monkeypatch.setattr("coldchain.records.answered.Answers.keep", full)
    assert (await post(client, 201)).text == '{"done": 1}', "it was done, and is told"
    assert (await post(client, 201)).text == '{"done": 2}', "nobody knows that it was: it is done again"
    monkeypatch.setattr("coldchain.records.answered.Answers.claim", full)
    refused = await post(client, 201)
    assert (refused.status_code, refused.text, deed.done) == (503, "unavailable", 2)


# --- bounds


async def pieces(size: int) -> AsyncIterator[bytes]:
    """Without a Content-Length."""
    for start in range(0, size, PIECE):
        yield b" " * min(PIECE, size - start)


@pytest.mark.anyio
@pytest.mark.parametrize("streamed", [False, True])
async def test_nobody_reads_on_beyond_the_bound(
    deed: Deed, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(bounds, "BODY_MAX", 50_000)
    heard: list[int] = []

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        async for piece in Request(scope, receive).stream():
            heard.append(len(piece))  # noqa: PERF401 -- as they come
        await Response("read")(scope, receive, send)

    app = Bounded(reading, answer=answer)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:

        async def send(size: int) -> httpx.Response:
            return await client.post("/form", content=pieces(size) if streamed else b" " * size)

        assert (await send(50_000)).text == "read"
        heard.clear()
        long = await send(600_000)
        assert (long.status_code, long.text, sum(heard) <= 50_000) == (413, "too-long", True)


def test_each_kind_of_body_has_a_bound(seed: Seed, tokens: list[dict[str, str]]) -> None:
    def sent(client: Client, path: str, size: int, kind: str, *, streamed: bool) -> httpx.Response:
        content = pieces(size) if streamed else b" " * size
        headers = tokens[0] | key(f"long{size}{streamed:d}") | {"content-type": kind}
        return client.post(path, content=content, headers=headers)

    form = "application/x-www-form-urlencoded"
    with console(seed) as client:
        for streamed in (False, True):
            for path, kind in (
                ("/api/v1/schedules", "application/json"), ("/api/v1/papers?serial=x", "image/png"),
                ("/api/v1/registry/people", "application/json"),
            ):  # fmt: skip
                long = sent(client, path, bound_of(path) + 1_000, kind, streamed=streamed)
                assert refused(long) == (413, "/problems/too-long"), (path, streamed)
                assert "at most" in long.json()["detail"]
            page = sent(client, "/oncall/override", BODY_MAX + 1_000, form, streamed=streamed)
            assert (page.status_code, page.headers["x-problem"]) == (413, "too-long")
            upload = sent(client, "/audit/check", 18_000_000, "multipart/form-data", streamed=streamed)
            assert upload.status_code == 413
        near = sent(client, "/api/v1/schedules", BODY_MAX, "application/json", streamed=True)
        assert refused(near)[0] == 400, "within the bound it is read"


def test_longer_bounds_are_of_addresses_that_there_are(seed: Seed) -> None:
    app = create_app(seed.settings, lambda: NOW_MS)
    served = {getattr(route, "path", "") for route in app.state.served}
    for start, most in LONGER:
        assert any(path.startswith(start) for path in served), start
        assert most > BODY_MAX
