# SPDX-License-Identifier: Apache-2.0
"""The secrets of an installation: made once, kept, unguessable, for their owner only."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import make_secrets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_secrets.main(
        ["--folder", str(tmp_path / "secrets"), "--gateway", "gw-a", "--host", "hub.example.org"]
    )
    return tmp_path / "secrets"


def test_it_runs_by_itself(tmp_path: Path) -> None:
    """With the standard library only: -S and -I hide whatever is installed."""
    command = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "deploy/make_secrets.py"),
        "--folder",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s/mqtt-gw-1.password").exists()


def test_a_second_run_adds_and_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_secrets.main(["--folder", str(folder), "--gateway", "gw-b"])
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    lists = {"nats-users.conf", "mosquitto.acl", "mosquitto.passwd", "accounts.json"}
    assert after.keys() - before.keys() == {"mqtt-gw-b.password"}
    assert {name for name in before if before[name] != after[name]} == lists
    assert "user gw-a\n" in after["mosquitto.acl"].decode()
    assert "user gw-b\n" in after["mosquitto.acl"].decode()


def test_only_the_owner_enters_and_the_authoritys_key_stays_private(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600


def test_passwords_are_all_different_and_long(folder: Path) -> None:
    secrets = [path.read_text() for path in folder.iterdir() if path.suffix in (".password", ".token")]
    assert len(secrets) == 5
    assert len(set(secrets)) == 5
    assert {len(bytes.fromhex(secret)) for secret in secrets} == {32}


def test_the_certificate_names_the_hosts_and_is_signed(folder: Path) -> None:
    certificate = folder / "broker.pem"
    checked = subprocess.run(
        [
            "openssl",
            "verify",
            "-CAfile",
            folder / "ca.pem",
            "-verify_hostname",
            "hub.example.org",
            certificate,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", ["gw*", "gw.b", "+", "#", "a/b", "Gw", "ingest", "", "-x", "x" * 49])
def test_a_name_that_means_something_to_a_broker_is_refused(name: str, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        make_secrets.main(["--folder", str(tmp_path), f"--gateway={name}"])
    assert "--gateway" in capsys.readouterr().err


def test_a_gateway_and_a_node_may_not_share_an_account(folder: Path) -> None:
    with pytest.raises(SystemExit, match="gw-a: a gateway and a node may not share a name"):
        make_secrets.main(["--folder", str(folder), "--node", "gw-a"])


def test_only_the_gateway_that_serves_nodes_may_read_them(folder: Path) -> None:
    make_secrets.main(["--folder", str(folder), "--nodes-via", "gw-n", "--node", "fridge-7"])
    users = json.loads((folder / "nats-users.conf").read_text().removeprefix("users: "))
    may_read = {user["user"]: user["permissions"]["subscribe"]["allow"] for user in users}
    assert [name for name, subjects in may_read.items() if "coldchain.v1.node.*.report" in subjects] == [
        "gw-n"
    ]
    assert may_read["fridge-7"] == ["coldchain.v1.node.fridge-7.ack"]
