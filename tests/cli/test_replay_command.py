# SPDX-License-Identifier: Apache-2.0
"""`coldchain replay`: what it prints, in which order, and what it refuses."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

T0 = 1_700_000_000


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coldchain", "replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def lines(*arguments: str | Path) -> list[dict]:
    done = replay(*arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def recording() -> list[str]:
    """Two sensors, a warm hour in each, a failed reading, a gap."""
    rows = []
    for minute in range(180):
        for sensor in ("Kühl #1", "b/load"):
            warm = 60 <= minute < 120
            value = "" if minute == 70 else "85.0" if minute == 71 else "8.25" if warm else "4"
            if not 130 <= minute < 150:
                rows.append(f"{sensor},{T0 + 60 * minute},{value}")
    return rows


def written(path: Path, rows: list[str]) -> Path:
    text = "\n".join(["sensor,time,celsius", *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_plain_limits_tell_alarms_and_sums(tmp_path: Path) -> None:
    rows = [row for row in recording() if not row.endswith("85.0")]
    path = written(tmp_path / "a.csv.gz", rows)
    limits = ("--rules", "limits", "--high", "6", "--low", "2", "--on-delay", "300", "--deadband", "0.3")
    told = lines(path, *limits, "--json")
    assert [(t["event"], t["at"][11:], t["sensor"]) for t in told] == [
        ("alarm.raised", "23:18:20Z", "Kühl #1"),
        ("alarm.raised", "23:18:20Z", "b/load"),
        ("alarm.returned", "00:13:20Z", "Kühl #1"),
        ("alarm.returned", "00:13:20Z", "b/load"),
        ("summary", "01:12:20Z", "Kühl #1"),
        ("summary", "01:12:20Z", "b/load"),
    ]
    raised = told[0]
    assert (raised["kind"], raised["severity"], raised["since"][11:]) == ("high", "critical", "23:13:20Z")
    assert (raised["value_c"], raised["limit_c"]) == (8.25, 6.0)
    sums = told[-1]
    assert (sums["readings"], sums["invalid"], sums["seconds_unknown"]) == (
        159,
        1,
        24 * 60,
    )  # 69 to 72, and 129 to 150
    four = sums["seconds_in"] + sums["seconds_below"] + sums["seconds_above"] + sums["seconds_unknown"]
    assert four == 179 * 60


def test_a_profile_tells_facts_and_neither_order_nor_cuts_nor_copies_matter(tmp_path: Path) -> None:
    rows = recording()
    whole = lines(written(tmp_path / "a.csv", rows), "--profile", "red-cells@eu", "--json")
    kinds = {t["event"] for t in whole}
    assert kinds >= {"alarm.raised", "alarm.returned", "excursion", "sensor_fault", "silence", "summary"}
    mixed = [*rows, *rows[::3]]
    random.Random(4).shuffle(mixed)
    parts = (written(tmp_path / "b.csv", mixed[:100]), written(tmp_path / "c.csv.gz", mixed[100:]))
    assert lines(*parts, "--profile", "red-cells@eu", "--json") == whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "judge by what"),
        (("--profile", "blood@mars"), "red-cells@eu"),
        (("--rules", "limits"), "--high"),
        (("--rules", "limits", "--high", "2", "--low", "6"), "not below"),
        (("--profile", "red-cells@eu", "--high", "6"), "go with --rules limits"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_what_to_do(tmp_path: Path, arguments, words) -> None:
    refused = replay(written(tmp_path / "a.csv", ["a,1,4"]), *arguments)
    assert refused.returncode == 65
    assert words in refused.stderr
    assert refused.stdout == ""


def test_a_probe_of_which_it_is_known_what_it_measures(tmp_path: Path) -> None:
    """Air at 9 °C for ten minutes: a load would be out of range, a bag behind that air is not yet."""
    rows = [f"a,{T0 + 60 * n},{9.0 if 300 <= n < 310 else 4.0}" for n in range(400)]
    path = written(tmp_path / "a.csv", rows)

    def highs(*more: str) -> list[str]:
        told = lines(path, "--profile", "red-cells@eu", *more)
        return [t["severity"] for t in told if t["event"] == "alarm.raised" and t["kind"] == "high"]

    assert "critical" in highs()
    assert "critical" in highs("--probe", "load")
    assert "critical" not in highs("--probe", "air")
    assert "there are: load, air" in replay(path, "--profile", "red-cells@eu", "--probe", "soup").stderr
