# SPDX-License-Identifier: Apache-2.0
"""The set-up: the lock fits pyproject.toml, ignores have reasons, apt is used with care."""

import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import install_servers

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked_versions(path: str) -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / path).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("path", ["requirements.lock", "deploy/requirements.lock"])
def test_the_lock_has_every_dependency_in_a_version_that_we_accept(path: str) -> None:
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    if path == "requirements.lock":
        wanted += [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
    locked = locked_versions(path)
    unfit = [
        str(need) for need in wanted if locked.get(canonicalize_name(need.name), "") not in need.specifier
    ]
    assert unfit == [], "run `make lock`"


def test_every_ignored_rule_of_ruff_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    ignores = text.split("ignore = [", 1)[1].split("\n]", 1)[0].strip().splitlines()
    assert len(ignores) > 5
    assert [line for line in ignores if not re.search(r'^\s*"[A-Z0-9]+",\s+# \w', line)] == []


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)[0].split()
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {target for target in phony if f"make {target} " not in shown} == set()


def test_ci_runs_the_same_check_as_people() -> None:
    script = ROOT / ".ci/run"
    assert stat.S_IMODE(script.stat().st_mode) & stat.S_IXUSR
    assert "make check" in script.read_text()


def make_venv(folder: Path, answers: str) -> subprocess.CompletedProcess[str]:
    """tools/make-venv.sh with one `python3` on PATH that answers what it is asked by this shell code."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python3").write_text(f"#!/bin/sh\n{answers}\n")
    (programs / "python3").chmod(0o755)
    return subprocess.run(
        ["/bin/sh", ROOT / "tools/make-venv.sh", folder / "venv"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_of_the_right_age_is_said_plainly(tmp_path: Path) -> None:
    done = make_venv(tmp_path, 'case "$2" in *version_info*) exit 1 ;; esac')
    assert done.returncode == 69
    assert "no Python 3.11 or later found" in done.stderr


def test_a_python_without_venv_names_the_package(tmp_path: Path) -> None:
    done = make_venv(tmp_path, 'case "$2" in *ensurepip*) exit 1 ;; esac')
    assert done.returncode == 69
    assert "python3 has no venv module" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for apt-get that notes its calls and whether services were forbidden; returns its notes."""
    notes, policy = tmp_path / "notes", tmp_path / "policy-rc.d"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("apt-get", "systemctl", "update-rc.d"):
        (programs / name).write_text(
            f'#!/bin/sh\necho "{name} $* policy=$(test -x {policy} && sh {policy} || echo $?)" >> {notes}\n'
            f"test ! -e {tmp_path}/fail || exit 1\n"
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(install_servers, "POLICY", policy)
    monkeypatch.setattr(install_servers, "as_root", lambda *words: list(words))
    return notes


def test_a_missing_server_is_installed_and_never_started(apt: Path) -> None:
    """While apt works, policy-rc.d answers 101 (start nothing); then it is gone and the service off."""
    assert install_servers.install(["influxd"])
    lines = apt.read_text().splitlines()
    assert "install --no-install-recommends -y influxdb" in lines[0]
    assert lines[0].endswith("policy=101")
    assert any(line.startswith("systemctl disable influxdb") for line in lines)
    assert not install_servers.POLICY.exists()


def test_a_policy_of_the_machine_stays(apt: Path) -> None:
    install_servers.POLICY.write_text("#!/bin/sh\nexit 101\n")
    install_servers.install(["gammu"])
    assert install_servers.POLICY.exists()


def test_old_package_lists_are_refreshed_once(apt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (apt.parent / "fail").touch()
    assert not install_servers.install(["gammu"])
    commands = [line.split("Timeout=120 ")[1].split()[0] for line in apt.read_text().splitlines()]
    assert commands == ["install", "update", "install"]
    assert "apt-get install failed" in capfd.readouterr().err
    assert not install_servers.POLICY.exists()
