# SPDX-License-Identifier: Apache-2.0
"""`init`, `config check`, `version`, and how errors leave the program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def coldchain(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coldchain", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def test_init_writes_a_file_that_check_finds_sound(tmp_path: Path) -> None:
    made = coldchain("init", "--gateway", "gw-9", "--modem", "/dev/ttyUSB3", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "coldchain.toml").read_text()
    assert 'id = "gw-9"' in text
    assert 'device = "/dev/ttyUSB3"' in text
    checked = coldchain("config", "check", "--json", cwd=tmp_path)
    assert checked.returncode == 0
    assert json.loads(checked.stdout) == {"ok": True, "findings": []}


def test_init_never_overwrites_unasked(tmp_path: Path) -> None:
    (tmp_path / "coldchain.toml").write_text("mine")
    refused = coldchain("init", cwd=tmp_path)
    assert refused.returncode == 78
    assert "--force" in refused.stderr
    assert (tmp_path / "coldchain.toml").read_text() == "mine"


def test_check_names_file_line_key_and_nearest(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[gateway]\nbatch_lingr = 3\n")
    checked = coldchain("config", "check", "c.toml", cwd=tmp_path)
    assert checked.returncode == 78
    assert checked.stdout.startswith("c.toml:2: gateway.batch_lingr: no such key")
    assert "Did you mean `batch_linger`?" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("doctor",), 78, "coldchain init"),
        (("export",), 78, "coldchain init"),
        (("sensor", "adopt", "x"), 2, "--as"),
        (("demo", "--until-replayed", "--dir", "d", "--appliances", "0"), 2, "--replay FILE"),
        (("demo", "--appliances", "244", "--for", "1", "--dir", "d"), 65, "243 appliances"),
        (("demo", "--replay", "header.csv", "--until-replayed", "--dir", "d"), 65, "no reading in"),
        (("demo", "--replay", "empty.csv", "--dir", "d"), 65, "header is unknown"),
        (("demo", "--replay", "fleet.csv", "--appliances", "1", "--dir", "d"), 65, "--appliances 0"),
        (("demo", "--fleet", "bad.toml", "--for", "1", "--dir", "d"), 65, "bad.toml"),
        (("demo", "--scenario", "bad.toml", "--for", "1", "--dir", "d"), 65, "bad.toml"),
        (("demo", "--scenario", "none-fits.toml", "--for", "1", "--dir", "d"), 65, "none-fits.toml"),
        (("demo", "--port", "99999", "--for", "1", "--dir", "d"), 2, "--port"),
        (("demo", "--for", "1", "--dir", "empty.csv"), 74, "empty.csv"),
        (("registry", "import", "nowhere.json", "--dir", "."), 65, "nowhere.json"),
        (("registry", "import", "binary", "--dir", "."), 65, "binary"),
        (("registry", "import", ".", "--dir", "."), 65, "cannot be read"),
        (("registry", "person", "noy", "Noy", "12", "--dir", "."), 65, "phone"),
        (("sensor", "adopt", "a/1", "--as", "X Y/load", "--dir", "."), 65, "'X Y'"),
    ],
)
def test_refusals_are_one_sentence_with_a_remedy(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "fleet.csv").write_text("sensor,time,celsius\nvte-br-01/load,1700000000,4\n")
    (tmp_path / "header.csv").write_text("sensor,time,celsius\n")
    (tmp_path / "bad.toml").write_text("{\n")
    (tmp_path / "none-fits.toml").write_text('[[fault]]\nkind = "meteorite"\n')
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    if "." in arguments:
        (tmp_path / "coldchain.toml").write_text("")
    refused = coldchain(*arguments, cwd=tmp_path)
    assert refused.returncode == code, refused.stderr
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_every_command_teaches(tmp_path: Path) -> None:
    listing = coldchain("--help", cwd=tmp_path)
    assert listing.returncode == 0
    for word in ("demo", "init", "run", "doctor", "config", "sensor", "export", "influx", "gateway"):
        assert word in listing.stdout
    assert "20 minutes in the past" in coldchain("demo", "--help", cwd=tmp_path).stdout


def test_the_version_is_for_programs_too(tmp_path: Path) -> None:
    assert "version" in json.loads(coldchain("version", "--json", cwd=tmp_path).stdout)
