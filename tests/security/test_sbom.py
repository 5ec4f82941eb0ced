# SPDX-License-Identifier: Apache-2.0
"""The bill of materials names every package of the lock once, with its files; same lock, same bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "sbom.py"
LOCK = ROOT / "deploy" / "requirements.lock"


def write(lock: Path, target: Path) -> dict:
    command = [sys.executable, str(TOOL), str(lock), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return json.loads(target.read_text())


def test_every_package_of_the_lock_is_in_it(tmp_path):
    made = write(LOCK, tmp_path / "a.json")
    text = LOCK.read_text()
    names = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    assert len(names) > 20
    assert [part["name"] for part in made["components"]] == [name.lower() for name in names]
    hashes = [p["value"] for part in made["components"] for p in part["properties"] if "sha256" in p["name"]]
    assert hashes == re.findall(r"sha256:([0-9a-f]{64})", text)
    refs = [part["bom-ref"] for part in made["components"]]
    assert len(set(refs)) == len(refs)
    assert made["dependencies"][0]["dependsOn"] == refs
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")


def test_the_same_lock_makes_the_same_bytes_and_another_one_another_number(tmp_path):
    one, two = write(LOCK, tmp_path / "a.json"), write(LOCK, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    changed = tmp_path / "changed.lock"
    changed.write_text(LOCK.read_text().replace("numpy==", "numpy==9"))
    assert write(changed, tmp_path / "c.json")["serialNumber"] != one["serialNumber"] == two["serialNumber"]
