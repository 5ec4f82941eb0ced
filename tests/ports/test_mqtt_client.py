# SPDX-License-Identifier: Apache-2.0
"""The shared MQTT client on real brokers: what is not acknowledged comes again; no callback kills it."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from rig.brokers import Broker

from coldchain.kernel.errors import ConfigError
from coldchain.ports.mqtt_client import (
    ThreadGone,
    drop_connection,
    guarded,
    make_client,
    require_thread,
    start_client,
    stop_client,
)
from coldchain.settings import MqttSettings

WAIT_S = 10.0


def until(true: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.02)


class Listener:
    """Hears a topic; acknowledges what `keeps` says yes to, chokes on b"poison"."""

    def __init__(self, address: MqttSettings, name: str, keeps: Callable[[bytes], bool]) -> None:
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.sessions: list[bool] = []
        self._topic, self._keeps, self._ready = f"test/{name}", keeps, False
        self.client = make_client(address, name)
        self.client.on_connect = guarded(self._connected, self.errors.append)
        self.client.on_message = guarded(self._message, self.errors.append)
        self.client.on_subscribe = lambda *_: setattr(self, "_ready", True)
        start_client(self.client, address)
        until(lambda: self._ready, "the subscription")

    def _connected(self, client: Client, _data, flags, _reason, _properties) -> None:
        self.sessions.append(flags.session_present)
        client.subscribe(self._topic, 1)

    def _message(self, client: Client, _data, message) -> None:
        if message.payload == b"poison":
            client.ack(message.mid, message.qos)
            raise ValueError("planted")
        self.heard.append(bytes(message.payload))
        if self._keeps(message.payload):
            client.ack(message.mid, message.qos)

    def say(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.client.publish(self._topic, payload, qos=1)


def address_of(broker: Broker, **more) -> MqttSettings:
    return MqttSettings(port=broker.port, reconnect_max=timedelta(seconds=1), **more)


@pytest.mark.parametrize(
    ("kind", "protocol"), [("nats", "3.1.1"), ("mosquitto", "3.1.1"), ("mosquitto", "5")]
)
def test_what_was_not_acknowledged_comes_again_to_the_next_run(
    kind: str, protocol: str, request: pytest.FixtureRequest
) -> None:
    broker: Broker = request.getfixturevalue(f"{kind}_broker")
    address = address_of(broker, protocol=protocol)
    name = f"again-{kind}-{protocol.replace('.', '')}"
    first = Listener(address, name, keeps=lambda payload: payload == b"1")
    first.say(b"1", b"2", b"3")
    until(lambda: len(first.heard) == 3, "the messages")
    stop_client(first.client)
    second = Listener(address, name, keeps=lambda _: True)
    until(lambda: len(second.heard) == 2, "the redelivery")
    stop_client(second.client)
    assert sorted(second.heard) == [b"2", b"3"]
    assert second.sessions == [True]


def test_an_error_in_a_callback_leaves_the_client_alive(broker: Broker) -> None:
    listener = Listener(address_of(broker), f"poison-{broker.program.kind}", keeps=lambda _: True)
    listener.say(b"poison", b"after")
    until(lambda: listener.heard == [b"after"], "the message after the error")
    stop_client(listener.client)
    assert [str(bad) for bad in listener.errors] == ["planted"]


def test_an_unguarded_callback_would_kill_the_thread(broker: Broker) -> None:
    """Why `guarded` exists: shown on paho itself, so that we notice should it change."""
    import threading

    listener = Listener(address_of(broker), f"bare-{broker.program.kind}", keeps=lambda _: True)
    died: list[str] = []
    threading.excepthook, kept = lambda args: died.append(str(args.exc_value)), threading.excepthook
    try:
        listener.client.on_message = listener._message
        listener.say(b"poison", b"after")
        until(lambda: died == ["planted"], "the death of the thread")
        assert listener.heard == []
    finally:
        threading.excepthook = kept
        stop_client(listener.client)


def test_a_dropped_connection_comes_back_with_its_session(broker: Broker) -> None:
    listener = Listener(address_of(broker), f"drop-{broker.program.kind}", keeps=lambda _: True)
    drop_connection(listener.client)
    until(lambda: len(listener.sessions) == 2, "the new connection")
    listener.say(b"hello")
    until(lambda: listener.heard == [b"hello"], "a message")
    stop_client(listener.client)
    assert listener.sessions == [False, True]


def test_stopping_takes_no_longer_than_it_should() -> None:
    """Also while the broker is away: a clean stop has 3 s in all."""
    address = MqttSettings(host="127.0.0.1", port=9)
    client = make_client(address, "nobody")
    start_client(client, address)
    time.sleep(0.3)
    began_s = time.monotonic()
    stop_client(client)
    assert time.monotonic() - began_s < 2.5


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "password"
    with pytest.raises(ConfigError, match=r"mqtt\.password_file: .*password cannot be read"):
        make_client(MqttSettings(username="u", password_file=missing), "x")
    with pytest.raises(ConfigError, match=r"TLS files .*cannot be used"):
        make_client(MqttSettings(tls=True, ca_file=tmp_path / "ca.pem"), "x")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_told(nats_broker) -> None:
    """Nothing else would show it: the process lives, its sockets are there, and nobody reads them."""
    address = address_of(nats_broker)
    client = make_client(address, "ends")

    def end(*_: object) -> None:
        raise MemoryError

    client.on_connect = end
    start_client(client, address)
    thread = client._thread
    assert thread is not None
    thread.join(WAIT_S)
    with pytest.raises(ThreadGone):
        require_thread(client)
    stop_client(client)
    sound = make_client(address, "lives")
    start_client(sound, address)
    require_thread(sound)
    stop_client(sound)
