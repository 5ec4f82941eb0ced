# SPDX-License-Identifier: Apache-2.0
"""The script that InfluxDB runs at its first start, against a stand-in for its command line."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/influxdb/init.sh"
STAND_IN = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
  *"auth create"*"$REFUSED"*) exit "${REFUSAL:-0}" ;;
esac
case "$*" in
  *"--description ingest"*) printf '{\\n\\t"id": "1",\\n\\t"token": "w-r=="\\n}\\n' ;;
  *"--description grafana"*) printf '{\\n\\t"id": "2",\\n\\t"token": "r-o=="\\n}\\n' ;;
esac
"""


@pytest.fixture
def run(tmp_path: Path):
    """Runs the script; returns (exit code, calls of influx, tokens written)."""
    program = tmp_path / "bin/influx"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)

    def start(**extra: str) -> tuple[int, list[str], dict[str, str]]:
        env = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "REFUSED": "nobody",
            "DOCKER_INFLUXDB_INIT_BUCKET_ID": "b0",
            "DOCKER_INFLUXDB_INIT_BUCKET": "coldchain",
            "DOCKER_INFLUXDB_INIT_ORG": "coldchain",
            "COLDCHAIN_TOKENS": str(tmp_path / "tokens"),
        } | extra
        done = subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=False)
        tokens = {path.parent.name: path.read_text() for path in tmp_path.glob("tokens/*/token")}
        return done.returncode, (tmp_path / "calls").read_text().splitlines(), tokens

    return start


def test_two_small_tokens_and_a_mapping(run) -> None:
    code, calls, tokens = run()
    assert code == 0
    assert tokens == {"ingest": "w-r==", "grafana": "r-o=="}
    grants = {call.split("--description ")[1].split()[0]: call for call in calls if "auth create" in call}
    assert "--write-bucket b0" in grants["ingest"]
    assert "--write-bucket" not in grants["grafana"]
    assert [
        call
        for call in calls
        if "v1 dbrp create" in call and "--db coldchain" in call and "--default" in call
    ]


def test_a_refused_token_stops_the_set_up(run) -> None:
    """InfluxDB's entry point then wipes what it began, and the next start tries again."""
    code, _, tokens = run(REFUSED="grafana", REFUSAL="1")
    assert code != 0
    assert "grafana" not in tokens
