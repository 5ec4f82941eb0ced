# SPDX-License-Identifier: Apache-2.0
"""Types of refusals are stable: docs/api.md names each with its statuses; each is a page of the console."""

import ast
import re
from pathlib import Path

from console_client import browsing
from console_seed import NOW_MS, Seed, registry
from markupsafe import escape

from dashboards.console.app import create_app
from dashboards.console.english import ENGLISH

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `/problems/([a-z-]+)` \| ([0-9, ]+) \| (.+) \|$", re.MULTILINE)
BY_FRAMEWORK = {"bad-request": {405}}
"""Statuses that come from the framework, by their type."""


def raised() -> dict[str, set[int]]:
    """type -> statuses, of every `Problem(...)` in the rooms that answer."""
    found: dict[str, set[int]] = {}
    for path in sorted((ROOT / "dashboards").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Problem":
                continue
            status, type_ = node.args[:2]
            if isinstance(status, ast.Constant) and isinstance(type_, ast.Constant):
                found.setdefault(str(type_.value), set()).add(int(str(status.value)))
    return found


def test_every_refusal_is_in_the_document_as_it_is_answered() -> None:
    """And none is in it that nobody answers any more: a type that is gone is a change of the interface."""
    told = ROW.findall((ROOT / "docs" / "api.md").read_text("utf-8"))
    listed = {name: {int(one) for one in statuses.split(",")} for name, statuses, _ in told}
    mine = {name: statuses | BY_FRAMEWORK.get(name, set()) for name, statuses in raised().items()}
    assert listed == mine, "write it into the table of docs/api.md"
    assert {name: ENGLISH[f"problem.{name}"] for name in listed} == {name: means for name, _, means in told}


def test_a_type_is_a_page(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(1))
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        far = {"x-forwarded-for": "10.0.0.9", "accept-language": "fr"}
        refused = client.get("/api/v1/alarms", headers=far)
        page = client.get(refused.json()["type"], headers=far)
        assert page.status_code == 200
        assert str(escape(refused.json()["title"])) in page.text
        assert client.get("/problems/colours", headers=far).status_code == 404
