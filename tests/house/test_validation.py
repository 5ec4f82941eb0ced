# SPDX-License-Identifier: Apache-2.0
"""The validation file promises only what is there: its tests exist, each requirement has an answer."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tools import validation
from tools.reliability import Ran, read

ROOT = Path(__file__).parents[2]


TOLD, SOURCES = validation.requirements()


def missing(name: str) -> str | None:
    """What of a test's name is not there."""
    file, _, function = name.partition("::")
    path = ROOT / file
    if not path.is_file():
        return f"no file {file}"
    found = {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    return None if not function or function in found else f"{file} has no {function}"


@pytest.mark.parametrize("one", TOLD, ids=lambda one: one["id"])
def test_a_requirement_has_tests_that_exist_or_says_why_not(one: dict[str, Any]) -> None:
    assert one["source"] in SOURCES
    assert one.get("tests") or one.get("why"), "neither shown nor said to be lacking"
    assert [gone for name in one.get("tests", []) if (gone := missing(name))] == []


def test_a_test_that_is_gone_is_seen() -> None:
    assert missing("tests/house/test_validation.py::test_no_such_thing")
    assert missing("tests/house/test_no_such_file.py")
    assert missing("tests/house/test_validation.py::test_a_test_that_is_gone_is_seen") is None


def test_every_promise_is_a_requirement() -> None:
    design = (ROOT / "docs/design.md").read_text("utf-8")
    promises = re.findall(r"^\| (P\d+) ", design, re.MULTILINE)
    assert len(promises) == 14
    assert [one["id"] for one in TOLD if one["id"].startswith("P")] == promises
    assert len({one["id"] for one in TOLD}) == len(TOLD)


def test_the_page_is_of_this_table_and_hides_nothing() -> None:
    page = (ROOT / "docs/validation.md").read_text("utf-8")
    assert f"Table: `{validation.digest()}`" in page, "the table has changed: `make validation`"
    for one in TOLD:
        assert f"| {one['id']} | {one['text']} |" in page
    assert "not run" not in page.partition("## 2.")[0], "each named test ran"
    for heading in ("IQ", "OQ", "PQ", "Parallel running"):
        assert heading in page


def test_a_failure_a_skip_and_a_test_that_did_not_run_show() -> None:
    ran = Ran
    one = {"tests": ["a", "b"]}
    assert validation.result(one, {"a": ran(3, 0, 0), "b": ran(1, 0, 2)}) == "4 passed, 2 skipped"
    assert validation.result(one, {"a": ran(3, 1, 0), "b": ran(1, 0, 0)}) == "**1 failed**, 4 passed"
    assert validation.result(one, {"a": ran(3, 0, 0), "b": ran()}) == "**not run**"
    assert validation.result({"why": "x"}, {}) == "on site"


def test_commands_of_the_protocol_exist() -> None:
    from typer.main import get_command

    from coldchain.cli.app import app

    protocol = validation.PROTOCOL.read_text("utf-8")
    commands = set(re.findall(r"`coldchain ([a-z ]+?)(?: [A-Z].*?)?`", protocol))
    assert len(commands) > 8
    for words in commands:
        here: Any = get_command(app)
        for word in words.split():
            assert word in here.commands, f"coldchain {words}"
            here = here.commands[word]


def test_a_class_that_hypothesis_made_counts_as_its_file(tmp_path: Path) -> None:
    """Two of one file, whose cases pytest calls the same, in a file of the library's."""
    file = "tests/faults/test_crash_machines.py"
    named = file.removesuffix(".py").replace("/", ".")
    cases = "".join(
        f'<testcase classname="{named}.{group}" name="runTest" file="lib/hypothesis/stateful.py">{inside}'
        "</testcase>"
        for group, inside in (("TestSpoolOnADisk", ""), ("TestJournalOnADisk", "<failure/>"))
    )
    (tmp_path / "ran.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    ran = read([file, f"{file}::TestSpoolOnADisk"], [tmp_path / "ran.xml"])
    assert ran == {file: Ran(1, 1, 0), f"{file}::TestSpoolOnADisk": Ran(1, 0, 0)}
