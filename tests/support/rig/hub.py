# SPDX-License-Identifier: Apache-2.0
"""The broker configurations of docker-compose.yml, started as they are written.

Only folders and ports are put in other places. NATS runs from its wheel, Mosquitto from Debian's package.
"""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coldchain.wiring.broker import find_program
from coldchain.wiring.child import ChildServer, free_port
from deploy import make_secrets
from rig.programs import need

DEPLOY = Path(__file__).parents[3] / "deploy"
ACCOUNTS = "--gateway gw-a --gateway gw-b --nodes-via gw-n --node fridge-7 --node fridge-8".split()  # noqa: SIM905 -- a command line
HEALTH = 1
"""The health page's port of NATS, above its MQTT port."""


@dataclass
class Secured:
    """A running broker with the accounts of `secrets`."""

    port: int
    secrets: Path
    server: ChildServer

    def password(self, user: str) -> str:
        return (self.secrets / f"mqtt-{user}.password").read_text()


def await_true(condition: Callable[[], bool], what: str, *, patience_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, f"{what}: not within {patience_s} s"
        time.sleep(0.01)


def placed(text: str, places: dict[str, str]) -> str:
    """The configuration with folders and ports put elsewhere; each must be there, or it is another one."""
    for old, new in places.items():
        assert old in text, f"{old!r} is not in the configuration"
        text = text.replace(old, new)
    return text


def mount_secrets(source: Path, target: Path) -> None:
    """What Compose does: each secret under its name in /run/secrets."""
    target.mkdir(parents=True)
    names = {
        "broker_cert": "broker.pem",
        "broker_key": "broker.key",
        "nats_users": "nats-users.conf",
        "mosquitto_passwd": "mosquitto.passwd",
        "mosquitto_acl": "mosquitto.acl",
    }
    for secret, file in names.items():
        (target / secret).write_bytes((source / file).read_bytes())
        (target / secret).chmod(0o600)


def tls_answers(port: int, ca: Path) -> bool:
    """Does a TLS server with our certificate listen there?"""
    done = subprocess.run(
        [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{port}",
            "-CAfile",
            ca,
            "-verify_return_error",
            "-brief",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def nats(folder: Path, port: int) -> tuple[list[str], Path]:
    """deploy/nats/nats.conf in a folder of its own; returns the command and where it runs."""
    home = folder / "etc/nats"
    home.mkdir(parents=True)
    places = {
        "/run/secrets/broker": f"{folder}/run/secrets/broker",
        '"/var/lib/nats"': f'"{folder}/store"',
        "0.0.0.0:8883": f"127.0.0.1:{port}",
        "127.0.0.1:4222": "127.0.0.1:-1",
        "127.0.0.1:8222": f"127.0.0.1:{port + HEALTH}",
    }
    (home / "nats.conf").write_text(placed((DEPLOY / "nats/nats.conf").read_text(), places))
    program = find_program("nats-server")
    assert program is not None
    return [str(program), "-c", "nats.conf"], home


def mosquitto(folder: Path, port: int) -> tuple[list[str], Path]:
    """deploy/mosquitto/mosquitto.conf likewise."""
    places = {
        "/run/secrets/": f"{folder}/run/secrets/",
        "/mosquitto/data/": f"{folder}/store/",
        "listener 8883 0.0.0.0": f"listener {port} 127.0.0.1",
    }
    (folder / "store").mkdir()
    text = placed((DEPLOY / "mosquitto/mosquitto.conf").read_text(), places)
    if os.geteuid() == 0:
        text += "user root\n"  # in the container it is never root
    (folder / "mosquitto.conf").write_text(text)
    return [str(need("mosquitto")), "-c", "mosquitto.conf"], folder


HUBS = {"nats": nats, "mosquitto": mosquitto}


def make_hub(kind: str, folder: Path) -> Secured:
    """A hub's broker with ACCOUNTS, not started yet: `hub.server.start()`."""
    port, secrets = free_port(), folder / "made"
    make_secrets.main(["--folder", str(secrets), *ACCOUNTS])
    mount_secrets(secrets, folder / "run/secrets")
    argv, home = HUBS[kind](folder, port)
    server = ChildServer(kind, argv, folder=home, answers=lambda: tls_answers(port, secrets / "ca.pem"))
    return Secured(port, secrets, server)
