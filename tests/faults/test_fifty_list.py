# SPDX-License-Identifier: Apache-2.0
"""The list of faults behind docs/reliability.md: complete, and naming what exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from soak.faults import KINDS, PROCESSES

ROOT = Path(__file__).parents[2]
FAULTS = tomllib.loads((ROOT / "tests/faults/fifty.toml").read_text(encoding="utf-8"))["fault"]


def test_each_fault_is_injected_or_says_why_not() -> None:
    assert [fault["n"] for fault in FAULTS] == list(range(1, 51))
    assert [f["n"] for f in FAULTS if not (f.get("tests") or f.get("soak") or f.get("why"))] == []


def test_it_names_tests_and_strikes_that_exist() -> None:
    missing = []
    for test in sorted({test for fault in FAULTS for test in fault.get("tests", [])}):
        file, _, function = test.partition("::")
        path = ROOT / file
        if not path.exists() or (
            function and not re.search(rf"^def {function}\(", path.read_text(), re.MULTILINE)
        ):
            missing.append(test)
    struck = {name for fault in FAULTS for name in fault.get("soak", [])}
    kinds = {kind for kind in KINDS if KINDS[kind].whom != "process"} | {
        f"{kind} {who}" for kind in ("kill", "freeze", "hang", "wipe") for who in PROCESSES
    }
    assert missing == []
    assert struck - kinds == set()
