# SPDX-License-Identifier: Apache-2.0
"""Run the tests that requirements name; write docs/validation.md: requirement, tests, result, protocol.

`python tools/validation.py [--xml FILE ...]`; with files of pytest's the tests are not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.reliability import Ran, read, run  # noqa: E402  it lies beside us

TABLE = ROOT / "tests/validation/requirements.toml"
PROTOCOL = ROOT / "tests/validation/protocol.md"
PAGE = ROOT / "docs/validation.md"
KEPT = ROOT / "build/validation.xml"
"""What pytest said, to be filed with the page."""
HEAD = """# Validation

Written by `make validation` from `tests/validation/` and from what it ran; do not edit. For the quality
manager of a blood service: what is required, which tests show it, what they said when they last ran, and what
remains to be shown on site. It is a supplier's file: it supports a site's own validation and replaces none.
Nothing here was assessed by an authority, and no site has run this program in service yet.

The program is custom software (GAMP 5, category 5); what it stores in and draws with (InfluxDB, Grafana) are
configured products. A test is named by its file and function; anybody can run it again:
`make test ARGS="-n0 NAME"`.

"""


def requirements() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The table, and its sources by word."""
    told = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return told["requirement"], told["source"]


def digest() -> str:
    """Of what the page is written from, beside results: a page that is older shows."""
    whole = TABLE.read_bytes() + PROTOCOL.read_bytes()
    return hashlib.sha256(whole).hexdigest()[:16]


def result(one: dict[str, Any], ran: dict[str, Ran]) -> str:
    """What its tests said."""
    ours = [ran[name] for name in one.get("tests", [])]
    if not ours:
        return "on site"
    passed, failed, skipped = (
        sum(getattr(r, name) for r in ours) for name in ("passed", "failed", "skipped")
    )
    if not passed + failed + skipped or any(not (r.passed + r.failed + r.skipped) for r in ours):
        return "**not run**"
    words = [f"**{failed} failed**"] if failed else []
    words += [f"{passed} passed"] if passed else []
    words += [f"{skipped} skipped"] if skipped else []
    return ", ".join(words)


def page(ran: dict[str, Ran], version: str) -> str:
    """The document's text. version: when it ran, and what."""
    told, sources = requirements()
    lines = [HEAD + f"Run on {version}. Table: `{digest()}`.", "", "## 1. Requirements", ""]
    lines += [
        "| # | Requirement | Source | Tests | Result | Left to the site, or lacking |",
        "|---|---|---|---|---|---|",
    ]
    for one in told:
        tests = "<br>".join(f"`{name}`" for name in one.get("tests", []))
        cells = [one["id"], one["text"], sources[one["source"]], tests, result(one, ran), one.get("why", "")]
        lines.append("| " + " | ".join(cells) + " |")
    total = [sum(getattr(r, name) for r in ran.values()) for name in ("passed", "failed", "skipped")]
    without = [one["id"] for one in told if not one.get("tests")]
    lines += ["", f"{len(told)} requirements, {len(ran)} named tests: {total[0]} passed, {total[1]} failed, "]
    lines[-1] += (
        f"{total[2]} skipped (a test with many cases counts each). Without a test: {', '.join(without)}."
    )
    return "\n".join(lines) + "\n\n" + PROTOCOL.read_text(encoding="utf-8")


def began(xmls: list[Path]) -> str:
    """When the oldest of the runs began: a page that was written later than its tests ran says so."""
    suites = [suite for xml in xmls for suite in ET.parse(xml).iter("testsuite")]  # noqa: S314  pytest's own
    return min(suite.get("timestamp", "")[:16] for suite in suites)


def version() -> str:
    """What is run: the commit, the Python, the machine's kind. No host's name."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    commit = asked.stdout.strip() or "an unknown commit"
    return f"commit {commit}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def main(arguments: list[str]) -> int:
    words = argparse.ArgumentParser(prog="validation", description=__doc__)
    words.add_argument("--xml", type=Path, nargs="*", default=[])
    asked = words.parse_args(arguments)
    told, _ = requirements()
    names = sorted({name for one in told for name in one.get("tests", [])})
    xmls = asked.xml
    if not xmls:
        xmls = [KEPT]
        KEPT.parent.mkdir(exist_ok=True)
        run(names, KEPT)
    ran = read(names, xmls)
    PAGE.write_text(page(ran, f"{began(xmls)}; written at {version()}"), encoding="utf-8")
    bad = [name for name, one in ran.items() if one.failed or not one.passed + one.failed + one.skipped]
    for name in bad:
        print(f"validation: {name}: {'failed' if ran[name].failed else 'did not run'}", file=sys.stderr)
    print(f"validation: {len(names) - len(bad)} of {len(names)} named tests hold; {PAGE.relative_to(ROOT)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
