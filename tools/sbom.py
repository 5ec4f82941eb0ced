# SPDX-License-Identifier: Apache-2.0
"""What we are made of: a bill of materials of the lock file (CycloneDX 1.6), and known weaknesses of it.

    python3 tools/sbom.py deploy/requirements.lock build/sbom.json     write it
    python3 tools/sbom.py --audit requirements.lock                    ask an index of weaknesses (pip-audit)

The same lock makes the same bytes: no time and no random number are in it. Standard library only. `--audit`
exits 1 for a weakness that has a name; where no index answers, it says in one line that nothing was checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINE = re.compile(r"([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+?))? *\\?")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
AUDIT = "pip-audit==2.10.1"
AUDIT_S = 180


def locked(text: str) -> list[dict[str, Any]]:
    """Name, version, marker and SHA-256 of the files of each package of a lock, in its order."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        if (package := LINE.fullmatch(line)) is not None:
            name, version, marker = package.groups()
            found.append({"name": name.lower(), "version": version, "marker": marker or "", "hashes": []})
        elif (sha256 := HASH.search(line)) is not None:
            found[-1]["hashes"].append(sha256[1])
    return found


def component(package: dict[str, Any]) -> dict[str, Any]:
    """One library. A lock names several files for a package: which one is installed, the machine decides."""
    purl = f"pkg:pypi/{package['name']}@{package['version']}"
    files = [{"name": "coldchain:file-sha256", "value": sha256} for sha256 in package["hashes"]]
    marker = [{"name": "coldchain:only-if", "value": package["marker"]}] if package["marker"] else []
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package["name"],
        "version": package["version"],
        "purl": purl,
        "scope": "optional" if marker else "required",
        "properties": [*marker, *files],
    }


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The whole bill of a lock's text."""
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    parts = [component(package) for package in locked(lock)]
    serial = uuid.UUID(bytes=hashlib.sha256(f"{own}\n{lock}".encode()).digest()[:16], version=4)
    license_ = [{"license": {"id": project["license"]}}]
    about = {"type": "application", "bom-ref": own, "name": project["name"], "version": project["version"]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial.urn,
        "version": 1,
        "metadata": {"component": {**about, "purl": own, "licenses": license_}},
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def audit(lock: Path, folder: Path) -> int:
    """1: weaknesses were found; 0: none, or nobody could be asked."""
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        str(folder),
        AUDIT,
    ]
    ask = [
        "-m",
        "pip_audit",
        "-r",
        str(lock),
        "--disable-pip",
        "--require-hashes",
        "--format",
        "json",
        "--desc",
        "off",
    ]
    try:
        if not (folder / "pip_audit").exists():
            subprocess.run([sys.executable, *install], check=True, capture_output=True, timeout=AUDIT_S)
        run = subprocess.run(
            [sys.executable, *ask],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=AUDIT_S,
            check=False,
        )
        packages = json.loads(run.stdout)["dependencies"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        packages = []
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        print("pip-audit: skipped, no index of weaknesses answers here")
        return 0
    found = [(p["name"], p["version"], v) for p in known for v in p.get("vulns", [])]
    for name, version, weakness in found:
        mended = ", ".join(weakness["fix_versions"]) or "none yet"
        print(f"{name} {version}: {weakness['id']}, mended in {mended}")
    print(f"pip-audit: {len(known)} of {len(packages)} packages known there, {len(found)} weaknesses")
    return int(bool(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("lock", type=Path)
    parser.add_argument("target", type=Path, nargs="?")
    parser.add_argument("--audit", action="store_true")
    asked = parser.parse_args()
    if asked.audit:
        return audit(asked.lock, ROOT / "build" / "pip-audit")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = bill(asked.lock.read_text(encoding="utf-8"), project)
    target: Path = asked.target or ROOT / "build" / "sbom.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(made['components'])} packages, CycloneDX {made['specVersion']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
