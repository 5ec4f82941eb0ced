# SPDX-License-Identifier: Apache-2.0
"""Plant known bugs (tests/planted/bugs.toml) in a copy of the tree, one by one; tell which the tests catch.

`python tools/planted.py [WORD]` takes only bugs whose name has the word. Exits 1 unless all are caught.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROOMS = (
    "coldchain",
    "gateway",
    "ingest",
    "alerts",
    "firmware_sim",
    "dashboards",
    "tests",
    "deploy",
    "docs",
    "tools",
)
FILES = ("pyproject.toml", "Makefile", "README.md")
PATIENCE_S = 300.0


def copy_tree(to: Path) -> None:
    for name in ROOMS:
        skip = shutil.ignore_patterns("__pycache__", "*.pyc")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=skip)
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, to / name)


def run(tree: Path, tests: list[str]) -> tuple[bool, str]:
    """(did every test pass, the last words)."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"not done after {PATIENCE_S:.0f} s"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"planted: pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
        )
    return done.returncode == 0, failed[0][:150] if failed else ""


def plant(tree: Path, bug: dict[str, Any]) -> str | None:
    """Put it in; returns the file as it was, None when the bug does not fit any more."""
    path = tree / str(bug["file"])
    sound: str = path.read_text(encoding="utf-8")
    if sound.count(bug["old"]) != 1:
        return None
    path.write_text(sound.replace(bug["old"], bug["new"]), encoding="utf-8")
    return sound


def main(arguments: list[str]) -> int:
    bugs = tomllib.loads((ROOT / "tests/planted/bugs.toml").read_text(encoding="utf-8"))["bug"]
    chosen = [bug for bug in bugs if not arguments or arguments[0] in bug["name"]]
    caught = 0
    with tempfile.TemporaryDirectory(prefix="coldchain-planted-") as place:
        tree = Path(place)
        copy_tree(tree)
        for bug in chosen:
            sound = plant(tree, bug)
            if sound is None:
                print(f"  does not fit  {bug['name']} ({bug['file']})", flush=True)
                continue
            began_s = time.monotonic()
            passed, words = run(tree, bug["tests"])
            (tree / bug["file"]).write_text(sound, encoding="utf-8")
            caught += not passed
            verdict = "NOT CAUGHT" if passed else "caught"
            print(f"  {verdict:10}  {bug['name']} ({time.monotonic() - began_s:.0f} s) {words}", flush=True)
    print(f"planted: {caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
