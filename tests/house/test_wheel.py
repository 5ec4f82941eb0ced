# SPDX-License-Identifier: Apache-2.0
"""The wheel holds all of our packages' files: templates, fleets, scripts and licences as well as modules."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("coldchain", "gateway", "ingest", "alerts", "firmware_sim", "dashboards")


def test_every_tracked_file_of_a_package_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert len(tracked) > 50
    assert tracked - packed == set()
    assert {name.rsplit("/", 1)[1] for name in packed if "dist-info/licenses/" in name} >= {
        "LICENSE",
        "NOTICE",
    }
