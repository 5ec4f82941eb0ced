# SPDX-License-Identifier: Apache-2.0
"""Run what injects faults and write docs/reliability.md: only what was really run stands in it.

`python tools/reliability.py [--soak REPORT ...] [--planted REPORT] [--watchdog REPORT] [--xml FILE ...]`
A report is what `make soak`, `make planted` or benchmarks/watchdog.py printed; with a file of pytest's the
tests are not run again. With nothing but --watchdog only that section of the page is written anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reliability.md"
HEAD = """# What was broken on purpose, and what held

Written by `make reliability` from what it ran; do not edit. *Held* counts the tests that passed of those that
ran; *Soak* says how often the chaos soak struck that way in the runs below. What was not injected says why.

| # | Fault | How it is injected | Held | Soak | Left out |
|---|---|---|---|---|---|
"""


KEPT_LINES = ("alarms ", "watchdog: ", "drained ", "InfluxDB: ", "machine: ", "audit ", "soak: lost")
ABOUT_SOAKS = """All processes, a real InfluxDB engine and a simulated modem, a fault every 1.2 s on
average, while nodes keep a ledger. The checker compares ledger, record, InfluxDB, dead letters,
telephones and both audit chains. *As it was* is from a reading's arrival to the first message on a
telephone, faults and all; *net* leaves out the time in which we held ingest, alerts or the modem
(frozen, hung until found, unplugged, deaf); restarts after a kill, lies of the modem and its silence
after a message stay in. The modem is waited for at most 5 s here (60 s by default).

"""
WATCHDOGS = """Each process beats after a piece of work (DIR/health, `coldchain health NAME`, systemd's
WatchdogSec); gateway and alerts also look at what runs beside their loops: the link, the outbox, each
channel. What stands still is told by alerts after 45 s and replaced after 60 s by the supervisor (or
systemd), and so is a start that uses no processor; a broker that acknowledges nothing is replaced without a
word, and `coldchain doctor` sees it; a channel that has not moved for 100 s ends alerts. Alerts tells of
itself when it starts anew, and, where another program locked its file (for 75 s below), when it has it again;
for longer only the ping's end tells. The gateways' guards and the ping to another host stand for the whole
machine. What was replaced while alerts was being started anew itself is told by its successor's first beat.
The soaks above stop processes for good (`hang`) and print the worst of it; `benchmarks/watchdog.py` measures
each alone:

"""
MEASURED = re.compile(r"^(SIGSTOP|held lock) +(\w+) +told after +(.*?) +replaced after +(.*)$")


@dataclass(slots=True)
class Ran:
    """What became of the tests of one name: a file, or a file and a function."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Soaks:
    """Sums over the soak's reports."""

    faults: Counter[str] = field(default_factory=Counter)
    readings: int = 0
    lines: list[str] = field(default_factory=list)


def run(names: list[str], xml: Path) -> None:
    """Every test named, once."""
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={xml}", "-o", "junit_family=xunit1"]
    environment = {**os.environ, "COLDCHAIN_LONG": "1"}
    subprocess.run([*command, *names], cwd=ROOT, check=False, stdout=subprocess.DEVNULL, env=environment)


def read(names: list[str], xmls: list[Path]) -> dict[str, Ran]:
    """What became of each, by name."""
    newest = {
        (case.get("classname"), case.get("name")): case
        for xml in xmls
        for case in ET.parse(xml).iter("testcase")  # noqa: S314 -- pytest's own
    }
    ran = {name: Ran() for name in names}
    for case in newest.values():
        file, function = file_of(case), str(case.get("name")).partition("[")[0]
        group = str(case.get("classname")).rpartition(".")[2]
        for name in (file, f"{file}::{function}", f"{file}::{group}"):
            if name in ran:
                one = ran[name]
                if case.find("skipped") is not None:
                    one.skipped += 1
                elif case.find("failure") is not None or case.find("error") is not None:
                    one.failed += 1
                else:
                    one.passed += 1
    return ran


def file_of(case: ET.Element) -> str:
    """The test's file: pytest names the library's for a class that hypothesis made of a state machine."""
    file, parts = str(case.get("file")), str(case.get("classname")).split(".")
    names = ["/".join(parts[:n]) + ".py" for n in range(len(parts), 0, -1)]
    return next((name for name in names if name == file or (ROOT / name).is_file()), file)


def read_soaks(paths: list[Path]) -> Soaks:
    """What the soak's reports say."""
    soaks = Soaks()
    for path in paths:
        text = path.read_text(encoding="utf-8")
        told = re.search(r"^seed (\d+): (\d+) faults, (\d+) readings measured", text, re.MULTILINE)
        kinds = re.search(r"^faults: (.*)$", text, re.MULTILINE)
        if told is None or kinds is None:
            raise SystemExit(f"reliability: {path} holds no soak's report")
        soaks.readings += int(told[3])
        for part in kinds[1].split(", "):
            name, _, n = part.rpartition(" ")
            soaks.faults[name] += int(n)
        rest = [line for line in text.splitlines() if line.startswith(KEPT_LINES)]
        soaks.lines.append(f"* seed {told[1]}: {told[2]} faults, {told[3]} readings. " + "; ".join(rest))
    return soaks


def row(fault: dict[str, Any], ran: dict[str, Ran], soaks: Soaks) -> tuple[str, bool]:
    """The table's row, and whether the fault was injected."""
    ours = [ran[name] for name in fault.get("tests", [])]
    passed, failed = sum(r.passed for r in ours), sum(r.failed for r in ours)
    skipped = sum(r.skipped for r in ours)
    struck = sum(soaks.faults[name] for name in fault.get("soak", []))
    held = f"{passed} of {passed + failed}" if passed + failed else ""
    held += f" ({skipped} skipped)" if skipped else ""
    cells = [
        str(fault["n"]),
        fault["name"],
        fault.get("how", ""),
        held,
        str(struck or ""),
        fault.get("why", ""),
    ]
    return "| " + " | ".join(cells) + " |", bool(passed + failed + struck)


BAD = (
    "lost doubled altered invented unsent dead missed untold unheard extra false_alarms broke".split()  # noqa: SIM905
)
"""What the simulation counts and must not find."""
TIMES = {"latency_ms": "arrival to first try", "watchdog_ms": "what stands still is noticed"}


def simulated_section(sums: dict[str, Any]) -> str:
    """What the simulation counted."""
    if not sums:
        return "Not run."
    rest = {n: v for n, v in sums.items() if isinstance(v, int | float) and n not in BAD}
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rest.items())
    found = ", ".join(f"{name.replace('_', ' ')} {sums[name]}" for name in BAD if name in sums)
    lines = [f"At commit {sums.get('commit', '?')}: {told}.", f"**{found}**."]
    spreads = [f"{TIMES[name]} {_spread(sums[name])}" for name in TIMES if sums.get(name)]
    if spreads:
        lines.append(f"By the virtual clock, faults and all: {'; '.join(spreads)}.")
    if struck := sums.get("struck"):
        lines.append("Struck: " + ", ".join(f"{name} {n}" for name, n in struck.items()) + ".")
    return "\n\n".join(lines)


def _spread(spread: dict[str, float]) -> str:
    """{percentile: ms} in seconds."""
    return ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in spread.items() if name != "n")


def watchdog_section(report: Path | None) -> str:
    """What stood still, and after how long somebody was told."""
    lines = report.read_text(encoding="utf-8").splitlines() if report else []
    rows = [found.groups() for line in lines if (found := MEASURED.match(line))]
    if not rows:
        return WATCHDOGS + "Not measured.\n"
    table = "| How | Process | Told after | Replaced after |\n|---|---|---|---|\n"
    table += "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    worst = next((line for line in lines if line.startswith("worst time")), "")
    return f"{WATCHDOGS}{table}\n{worst.capitalize()}.\n"


def write_watchdogs(report: Path) -> None:
    """That section alone; the rest of the page stays as it was run."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("## Watchdogs\n\n")
    after = rest.partition("\n## Planted bugs\n")[2]
    text = f"{before}## Watchdogs\n\n{watchdog_section(report)}\n## Planted bugs\n{after}"
    PAGE.write_text(text, encoding="utf-8")


def sums_line(soaks: Soaks, simulated: dict[str, Any]) -> str:
    """Both together against what is to be shown."""
    readings = soaks.readings + int(simulated.get("readings", 0))
    faults = soaks.faults.total() + int(simulated.get("faults", 0))
    of = f"{100 * readings / 10**7:.1f} % of 10^7 and {100 * faults / 10**4:.1f} % of 10^4"
    return f"Soaks and simulation together: {readings} readings and {faults} faults: {of}.\n"


def write(
    faults: list[dict[str, Any]],
    ran: dict[str, Ran],
    soaks: Soaks,
    planted: str,
    simulated: dict[str, Any],
    watchdogs: str,
) -> None:
    rows = [row(fault, ran, soaks) for fault in faults]
    injected = sum(was for _, was in rows)
    total = Ran(*(sum(getattr(r, name) for r in ran.values()) for name in ("passed", "failed", "skipped")))
    text = HEAD + "\n".join(line for line, _ in rows) + "\n\n"
    text += f"Injected: **{injected} of {len(faults)}**. Tests named here: {total.passed} passed, "
    text += f"{total.failed} failed, {total.skipped} skipped.\n\n## Soaks\n\n{ABOUT_SOAKS}"
    text += "\n".join(soaks.lines or ["No report was given."]) + "\n\n"
    text += sums_line(soaks, simulated)
    text += f"\n## Simulation\n\n{simulated_section(simulated)}\n"
    text += f"\n## Watchdogs\n\n{watchdogs}"
    text += f"\n## Planted bugs\n\n{planted}\n"
    PAGE.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    words = argparse.ArgumentParser(prog="reliability", description=__doc__)
    words.add_argument("--soak", type=Path, nargs="*", default=[])
    words.add_argument("--planted", type=Path)
    words.add_argument("--watchdog", type=Path)
    words.add_argument("--simulate", type=Path, help="the sums that make simulate wrote (ARGS=--json FILE)")
    words.add_argument("--xml", type=Path, nargs="*", default=[])
    asked = words.parse_args(arguments)
    if asked.watchdog and not (asked.soak or asked.planted or asked.simulate or asked.xml):
        write_watchdogs(asked.watchdog)
        return 0
    faults = tomllib.loads((ROOT / "tests/faults/fifty.toml").read_text(encoding="utf-8"))["fault"]
    names = sorted({name for fault in faults for name in fault.get("tests", [])})
    with tempfile.TemporaryDirectory() as place:
        xmls = asked.xml or [Path(place) / "ran.xml"]
        if not asked.xml:
            run(names, xmls[0])
        ran = read(names, xmls)
    planted = "Not run."
    if asked.planted:
        lines = asked.planted.read_text(encoding="utf-8").splitlines()
        bugs = [line.split("FAILED")[0].strip() for line in lines if line.startswith("  ")]
        planted = "\n".join([lines[-1], "", *(f"* {re.sub(r'  +', ': ', bug)}" for bug in bugs)])
    simulated = json.loads(asked.simulate.read_text("utf-8")) if asked.simulate else {}
    write(faults, ran, read_soaks(asked.soak), planted, simulated, watchdog_section(asked.watchdog))
    bad = [name for name, one in ran.items() if one.failed or not one.passed + one.skipped]
    print("\n".join([f"reliability: {name} failed or did not run" for name in bad] or [f"wrote {PAGE}"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
