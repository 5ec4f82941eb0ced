# SPDX-License-Identifier: Apache-2.0
"""The planted bugs still fit the code; `make planted` plants them and counts how many the tests catch."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUGS = tomllib.loads((ROOT / "tests/planted/bugs.toml").read_text(encoding="utf-8"))["bug"]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug["name"])
def test_a_planted_bug_fits_the_code(bug) -> None:
    assert (ROOT / bug["file"]).read_text(encoding="utf-8").count(bug["old"]) == 1
    assert bug["old"] != bug["new"]
    assert [test for test in bug["tests"] if not (ROOT / test.partition("::")[0]).exists()] == []


def test_a_dozen_at_least() -> None:
    assert len(BUGS) >= 12
