# SPDX-License-Identifier: Apache-2.0
"""TLS, accounts and permissions of both broker configurations of docker-compose.yml, tried by MQTT clients.

An MQTT 3.1.1 broker acknowledges a forbidden publish and drops it, so each test looks at who received what.
"""

import contextlib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from rig.hub import DEPLOY, HEALTH, Secured, await_true
from ruamel.yaml import YAML

from coldchain.wiring.broker import mqtt_answers
from coldchain.wiring.child import free_port
from deploy import make_secrets

QUIET_S = 0.4
"""How long a forbidden message is given to arrive after an allowed one has."""


@dataclass
class Person:
    """A connected client and what it has heard, as (topic, payload)."""

    client: mqtt.Client
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    granted: dict[int, bool] = field(default_factory=dict)

    def subscribe(self, topic: str) -> bool:
        """Was it granted?"""
        _, mid = self.client.subscribe(topic, qos=1)
        assert mid is not None
        await_true(lambda: mid in self.granted, f"SUBACK for {topic}")
        return self.granted[mid]

    def publish(self, topic: str, payload: bytes) -> None:
        """Send; return when the broker has acknowledged, or has closed the connection on us."""
        message = self.client.publish(topic, payload, qos=1)
        with contextlib.suppress(RuntimeError, ValueError):
            message.wait_for_publish(2)


@pytest.fixture
def join(hub: Secured) -> Iterator[Callable[[str], Person]]:
    """Connects a user with its password; all part at the end."""
    people: list[Person] = []

    def connect(user: str) -> Person:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{user}-{len(people)}")
        client.username_pw_set(user, hub.password(user))
        client.tls_set(str(hub.secrets / "ca.pem"))
        person = Person(client)
        client.on_message = lambda _c, _u, message: person.heard.append(
            (message.topic, bytes(message.payload))
        )
        client.on_subscribe = lambda _c, _u, mid, codes, _p: person.granted.update(
            {mid: not codes[0].is_failure}
        )
        client.connect("localhost", hub.port)
        client.loop_start()
        await_true(client.is_connected, f"CONNACK for {user}")
        people.append(person)
        return person

    yield connect
    for person in people:
        person.client.disconnect()
        person.client.loop_stop()


def refusal(hub: Secured, user: str | None, password: str | None) -> str:
    """Why a client with a good certificate and these words is refused; empty when it is let in."""
    answers: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="stranger", reconnect_on_failure=False)
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.append(str(reason))
    client.username_pw_set(user, password) if user else None
    client.tls_set(str(hub.secrets / "ca.pem"))
    client.connect("localhost", hub.port)
    client.loop_start()
    await_true(lambda: bool(answers), "CONNACK")
    client.disconnect()
    client.loop_stop()
    return answers[0].replace("Success", "")


def test_a_wrong_password_and_no_password_are_refused(hub: Secured) -> None:
    right = hub.password("gw-a")
    assert refusal(hub, "gw-a", right) == ""
    assert "uthori" in refusal(hub, "gw-a", "wrong")
    assert "uthori" in refusal(hub, "gw-b", right)
    assert "uthori" in refusal(hub, None, None)


def test_without_tls_nobody_gets_an_answer(hub: Secured) -> None:
    assert not mqtt_answers("127.0.0.1", hub.port)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.username_pw_set("gw-a", hub.password("gw-a"))
    connected: list[bool] = []
    client.on_connect = lambda *_: connected.append(True)
    with contextlib.suppress(OSError):
        client.connect("localhost", hub.port)
        client.loop_start()
        time.sleep(QUIET_S)
        client.loop_stop()
    assert connected == []


def test_the_health_check_of_nats_sees_it_alive_and_dead(hub: Secured) -> None:
    """The command of docker-compose.yml, on this broker's port and on one where nobody answers."""
    if hub.server.name == "mosquitto":
        return
    services = YAML(typ="safe", pure=True).load((DEPLOY.parent / "docker-compose.yml").read_text())[
        "services"
    ]
    words = services["nats"]["healthcheck"]["test"][2:]
    for port, code in ((hub.port + HEALTH, 0), (free_port(), 1)):
        command = [sys.executable, *[word.replace(":8222/", f":{port}/") for word in words]]
        assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_another_authoritys_certificate_is_not_believed(hub: Secured, tmp_path: Path) -> None:
    make_secrets.main(["--folder", str(tmp_path)])
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.tls_set(str(tmp_path / "ca.pem"))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        client.connect("localhost", hub.port)


def test_a_gateway_speaks_for_itself_only(join: Callable[[str], Person]) -> None:
    ingest, ours, theirs = join("ingest"), join("gw-a"), join("gw-b")
    assert ingest.subscribe("coldchain/v1/gw/+/batch")
    assert ingest.subscribe("coldchain/v1/gw/+/status")

    forged = ["coldchain/v1/gw/gw-b/batch", "coldchain/v1/gw/gw-b/status", "coldchain/v1/gw/gw-b/receipt"]
    # The places where nats-server keeps MQTT messages: writing there would go round the permissions.
    forged += [
        "$MQTT/msgs/coldchain/v1/gw/gw-b/batch",
        "$MQTT/rmsgs/coldchain/v1/gw/gw-b/batch",
        "$JS/API/INFO",
    ]
    assert theirs.subscribe("coldchain/v1/gw/gw-b/receipt")
    for topic in forged:
        with contextlib.suppress(AssertionError):  # a broker may also close the connection
            join("gw-a").publish(topic, b"forged")
    ours.publish("coldchain/v1/gw/gw-a/batch", b"mine")
    theirs.publish("coldchain/v1/gw/gw-b/status", b"theirs")

    await_true(lambda: len(ingest.heard) >= 2, "both gateways heard")
    time.sleep(QUIET_S)
    assert sorted(ingest.heard) == [
        ("coldchain/v1/gw/gw-a/batch", b"mine"),
        ("coldchain/v1/gw/gw-b/status", b"theirs"),
    ]
    assert theirs.heard == []


SPYING = [
    "coldchain/v1/gw/gw-b/receipt",
    "coldchain/v1/gw/gw-b/batch",
    "coldchain/v1/gw/+/receipt",
    "coldchain/v1/gw/*/receipt",  # a wildcard of NATS, not of MQTT
    "coldchain/#",
    "#",
    "$MQTT/#",
    "$MQTT/msgs/#",
    "$JS/#",
    "$SYS/#",
]


def test_a_gateway_reads_nothing_of_another(hub: Secured, join: Callable[[str], Person]) -> None:
    ingest, theirs = join("ingest"), join("gw-b")
    assert theirs.subscribe("coldchain/v1/gw/gw-b/receipt")
    spies = []
    for topic in SPYING:
        spy = join("gw-a")
        spy.subscribe(topic)
        spies.append(spy)
    ingest.publish("coldchain/v1/gw/gw-b/receipt", b"for b")
    theirs.publish("coldchain/v1/gw/gw-b/batch", b"of b")

    await_true(lambda: bool(theirs.heard), "the receipt")
    time.sleep(QUIET_S)
    assert theirs.heard == [("coldchain/v1/gw/gw-b/receipt", b"for b")]
    assert [
        spy.heard for spy in spies if any(payload in (b"for b", b"of b") for _, payload in spy.heard)
    ] == []


def test_ingest_answers_every_gateway_and_sends_no_readings(join: Callable[[str], Person]) -> None:
    ingest, ours = join("ingest"), join("gw-a")
    assert ingest.subscribe("coldchain/v1/gw/+/batch")
    assert ours.subscribe("coldchain/v1/gw/gw-a/receipt")
    assert ours.subscribe("coldchain/v1/gw/gw-a/cmd")
    join("ingest").publish("coldchain/v1/gw/gw-a/batch", b"invented")
    ingest.publish("coldchain/v1/gw/gw-a/receipt", b"kept")
    ingest.publish("coldchain/v1/gw/gw-a/cmd", b"again")
    await_true(lambda: len(ours.heard) == 2, "receipt and command")
    time.sleep(QUIET_S)
    assert sorted(payload for _, payload in ours.heard) == [b"again", b"kept"]
    assert ingest.heard == []


def test_nodes_report_to_their_gateway_and_to_nobody_else(join: Callable[[str], Person]) -> None:
    via, other, node = join("gw-n"), join("gw-a"), join("fridge-7")
    assert via.subscribe("coldchain/v1/node/+/report")
    other.subscribe("coldchain/v1/node/+/report")
    assert node.subscribe("coldchain/v1/node/fridge-7/ack")
    join("fridge-8").publish("coldchain/v1/node/fridge-7/report", b"forged")
    node.publish("coldchain/v1/node/fridge-7/report", b"4.0")
    via.publish("coldchain/v1/node/fridge-7/ack", b"kept")
    await_true(lambda: bool(node.heard) and bool(via.heard), "report and ack")
    time.sleep(QUIET_S)
    assert via.heard == [("coldchain/v1/node/fridge-7/report", b"4.0")]
    assert node.heard == [("coldchain/v1/node/fridge-7/ack", b"kept")]
    assert other.heard == []


def test_a_stolen_session_yields_nothing(hub: Secured, join: Callable[[str], Person]) -> None:
    """Names of sessions are no secret: who connects with another's name gets none of its messages."""
    owner = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="session-of-b", clean_session=False)
    owner.username_pw_set("gw-b", hub.password("gw-b"))
    owner.tls_set(str(hub.secrets / "ca.pem"))
    granted: list[int] = []
    owner.on_subscribe = lambda *_: granted.append(1)
    owner.connect("localhost", hub.port)
    owner.loop_start()
    await_true(owner.is_connected, "CONNACK")
    owner.subscribe("coldchain/v1/gw/gw-b/receipt", qos=1)
    await_true(lambda: bool(granted), "SUBACK")
    owner.disconnect()
    owner.loop_stop()
    join("ingest").publish("coldchain/v1/gw/gw-b/receipt", b"for b alone")

    stolen: list[bytes] = []
    thief = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="session-of-b", clean_session=False)
    thief.username_pw_set("gw-a", hub.password("gw-a"))
    thief.tls_set(str(hub.secrets / "ca.pem"))
    thief.on_message = lambda _c, _u, message: stolen.append(bytes(message.payload))
    thief.connect("localhost", hub.port)
    thief.loop_start()
    time.sleep(2 * QUIET_S)
    thief.disconnect()
    thief.loop_stop()
    assert stolen == []
