# SPDX-License-Identifier: Apache-2.0
"""Schemathesis over the description of the interface for programs: no 5xx, nothing that it does not describe.

`make schemathesis EXAMPLES=500` asks many more times.
"""

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from argon2 import PasswordHasher
from console_seed import NOW_MS, Seed, Story, registry
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.python import asgi
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from coldchain.records.accounts import Accounts
from coldchain.wiring.blood import console_tools
from coldchain.wiring.device_tools import device_tools
from coldchain.wiring.links import add_links
from coldchain.wiring.process import described as description
from dashboards.console.accounts.roles import ENDPOINTS, ROLES
from dashboards.console.app import create_app

EXAMPLES = int(os.environ.get("COLDCHAIN_EXAMPLES", "0"))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
WARM = "vte-br-000"
KNOWN = {"appliance_id": WARM, "number": 1, "site_id": "vte"}
"""Ids that the seed has: half of the questions are about something that is there."""
OPERATIONS = sorted(
    f"{method.upper()} {path}" for path, some in description()["paths"].items() for method in some
)
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Described:
    """A seeded console, its description, and a token for each role."""

    def __init__(self, folder: Path) -> None:
        seed = Seed(folder, registry(6), Story(warm={WARM: 90}, silent={"skt-br-001": 60}))
        seed.history(hours=0.5)
        seed.alarm(WARM)
        for _ in range(2):
            seed.alarm("kys-br-002", state="closed")
        seed.gateway()
        seed.beats()
        seed.close()
        tools = device_tools(seed.settings, lambda: NOW_MS)
        self.app = create_app(seed.settings, lambda: NOW_MS, tools=tools)
        self.app.state.room.tools = console_tools(seed.settings)
        add_links(self.app, seed.settings)
        accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=quick)
        self.tokens = {}
        for role in ROLES:
            accounts.add(role, "a long sentence of words", role=role, by="test", fresh=False)
            self.tokens[role] = accounts.add_token(role, "test", None)
        accounts.close()
        self.schema = schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", self, headers=self.headers("admin")
        )

    async def __call__(self, scope, receive, send) -> None:
        """The application without its life: a client for each question would start and end it."""
        if scope["type"] == "http":
            await self.app(scope, receive, send)

    def headers(self, role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}

    def operation(self, name: str) -> APIOperation:
        method, _, path = name.partition(" ")
        return self.schema[path][method]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    return Described(tmp_path_factory.mktemp("described"))


@pytest.fixture(scope="module")
def session(described: Described) -> Iterator[asgi.ASGIClient]:
    with asgi.get_client(described) as client:
        yield client


def ask(
    described: Described, session: asgi.ASGIClient, name: str, role: str, examples: int, most: int = 3
) -> None:
    """So many questions of each kind: about what is there, as the description says, and beyond it."""
    operation = described.operation(name)
    headers = described.headers(role)
    known = {key: value for key, value in KNOWN.items() if f"{{{key}}}" in operation.path}
    kinds = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    if known:
        kinds.insert(0, operation.as_strategy(path_parameters=known))
    for kind in kinds[:most]:

        @settings(
            max_examples=examples, deadline=None, derandomize=not EXAMPLES, database=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=kind)
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(session=session, headers=headers, checks=CHECKS)

        with suppress(Unsatisfiable):  # without a parameter there is nothing to ask wrongly
            answered()


@pytest.mark.parametrize("name", OPERATIONS)
def test_nothing_fails_and_nothing_is_answered_that_is_not_described(
    described: Described, session: asgi.ASGIClient, name: str
) -> None:
    ask(described, session, name, "admin", EXAMPLES or 5)


@pytest.mark.timeout(400)  # on a busy machine the first one waits long for the strategies
@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_for_each_role(described: Described, session: asgi.ASGIClient, role: str) -> None:
    for name in OPERATIONS:
        ask(described, session, name, role, EXAMPLES // 10 or 1, most=3 if EXAMPLES else 1)


@pytest.mark.parametrize(
    ("what", "told"), [("body", '"troubles" is a required property'), ("status", "Server error")]
)
def test_a_failure_and_an_undescribed_answer_would_be_seen(
    described: Described, what: str, told: str
) -> None:
    async def broken(scope, receive, send):
        async def other(message):
            if what == "body" and "body" in message:
                message["body"] = message["body"].replace(b'"troubles"', b'"trouble_"')
            elif what == "status" and "status" in message:
                message["status"] = 500
            await send(message)

        if scope["type"] == "http":
            plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            await described({**scope, "headers": plain}, receive, other)

    with asgi.get_client(broken) as session, pytest.raises((BaseExceptionGroup, AssertionError)) as found:
        ask(described, session, "GET /api/v1/health", "admin", 1)
    assert told in "".join(traceback.format_exception(found.value))


def test_all_that_is_served_under_the_api_is_described() -> None:
    told = {tuple(one.split(" ", 1)) for one in OPERATIONS} | {("GET", "/api/v1/openapi.json")}
    served = {
        (method, re.sub(r":path}", "}", path)) for method, path in ENDPOINTS if path.startswith("/api/")
    }
    assert served == told


KEYED_OTHERWISE = {
    "/api/v1/delivery/{provider}/{secret}": "known by what it reports",
}


def test_every_change_takes_an_idempotency_key_and_every_address_tells_its_refusals() -> None:
    for path, some in description()["paths"].items():
        for method, one in some.items():
            assert one["responses"]["default"]["content"].keys() == {"application/problem+json"}, path
            if method != "get" and path not in KEYED_OTHERWISE:
                named = {p["name"]: p for p in one.get("parameters", ()) if p["in"] == "header"}
                assert named.get("Idempotency-Key", {}).get("required"), path


BOUNDED = {
    "/api/v1/test-messages": "the newest twelve",
    "/api/v1/carry": "the newest; an answer is looked up by its bundle's name",
    "/api/v1/appliances/{appliance_id}": "the sensors and assignments of one appliance",
    "/api/v1/appliances/{appliance_id}/by-hand": "the last two days of one appliance",
    "/api/v1/appliances/{appliance_id}/series": "at most 2,000 points, as asked",
    "/api/v1/sites/{site_id}": "what stands at one site",
    "/api/v1/alarms/{number}": "one alarm",
    "/api/v1/alarms/{number}/bags": "at most 500 bags",
    "/api/v1/trips/{trip}/bags": "at most 500 bags",
    "/api/v1/trips/{trip}": "the legs of one trip",
    "/api/v1/work-orders/{number}": "one order",
    "/api/v1/devices/{serial}": "one device",
    "/api/v1/signatures/{paper}": "one paper",
    "/api/v1/nation": "provinces, and the worst ten",
    "/api/v1/health": "processes and gateways, as the page has them",
    "/api/v1/channels": "as the settings say",
    "/api/v1/model-plans": "tasks of each model that there is",
    "/api/v1/account": "one account",
    "/api/v1/account/sessions": "one's own browsers",
    "/api/v1/account/tokens": "one's own programs",
    "/api/v1/training": "one training, gone tomorrow",
}
"""Lists that do not grow -> why."""


def test_every_list_that_can_grow_is_paged() -> None:
    """It takes `limit` and a cursor, and tells `next`; no answer is a bare list."""
    told, paged = description(), set()
    for path, some in told["paths"].items():
        answer = some.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = answer.get("application/json", {}).get("schema", {})
        assert schema.get("type") != "array", f"{path}: a bare list cannot say that it goes on"
        named = told["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
        lists = {name for name, one in named.get("properties", {}).items() if one.get("type") == "array"}
        if "next" in named.get("properties", {}):
            names = {one["name"] for one in some["get"]["parameters"]}
            assert "limit" in names, path
            assert names & {"before", "after"}, path
            paged.add(path)
        elif lists:
            assert path in BOUNDED, f"{path}: {lists}"
    assert len(paged) > 15
    assert not paged & BOUNDED.keys()
    assert BOUNDED.keys() <= told["paths"].keys()


def test_who_has_it_already_is_not_sent_it_again(described: Described, session: asgi.ASGIClient) -> None:
    headers = described.headers("admin")
    plain = [path for path, some in description()["paths"].items() if "get" in some and "{" not in path]
    for path in (*plain, "/api/v1/alarms/1", f"/api/v1/appliances/{WARM}", "/api/v1/openapi.json"):
        first = session.get(path, headers=headers)
        if first.status_code == 400:  # what it needs is not said
            assert path in ("/api/v1/device-links", "/api/v1/nation/review.pdf"), path
            continue
        assert first.headers["etag"].startswith('W/"'), path
        again = session.get(path, headers=headers | {"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["etag"] == first.headers["etag"]
        assert session.get(path, headers=headers | {"if-none-match": 'W/"x"'}).status_code == 200
    nobody = session.get("/api/v1/alarms", headers={"if-none-match": "*", "x-forwarded-for": "10.0.0.9"})
    assert nobody.status_code == 401


def test_lists_are_paged_and_no_page_overlaps(described: Described, session: asgi.ASGIClient) -> None:
    headers = described.headers("admin")
    whole = session.get("/api/v1/appliances", headers=headers).json()
    found, after = [], ""
    while after is not None:
        page = session.get(f"/api/v1/appliances?limit=4&after={after}", headers=headers).json()
        assert page["counts"] == whole["counts"], "counts are of all"
        found += [one["id"] for one in page["appliances"]]
        after = page["next"]
    assert found == sorted(one["id"] for one in whole["appliances"])
    first = session.get("/api/v1/alarms?limit=1", headers=headers).json()
    assert (len(first["open"]), [a["state"] for a in first["closed"]], first["next"]) == (1, ["closed"], 3)
    rest = session.get(f"/api/v1/alarms?limit=1&before={first['next']}", headers=headers).json()
    assert (rest["open"], [a["number"] for a in rest["closed"]], rest["next"]) == ([], [2], None)
    assert session.get("/api/v1/alarms?limit=0", headers=headers).json()["type"] == "/problems/bad-request"
