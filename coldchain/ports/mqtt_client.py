# SPDX-License-Identifier: Apache-2.0
"""The one way our processes reach an MQTT broker: paho with the settings that lose nothing.

QoS 1, a session that outlives the connection, and acknowledgement by hand: `client.ack(message.mid,
message.qos)` once what the message says is on disk. Callbacks run on paho's own thread and only enqueue: an
exception there would kill that thread while the process lives on, so wrap each of them in `guarded`.

    client = make_client(settings.mqtt, "coldchain-ingest")
    client.on_connect = guarded(on_connect, on_error)
    start_client(client, settings.mqtt)
    ...
    stop_client(client)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, Protocol

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from coldchain.kernel.errors import ColdChainError, ConfigError

P = ParamSpec("P")

SESSION_EXPIRY_S = 14 * 86_400
"""MQTT 5: how long the broker keeps our session while we are away [s]. Longer outages cost only a resend."""
CONNECT_TIMEOUT_S = 5.0
STOP_WAIT_S = 2.0
RECONNECT_MIN_S = 1


class BrokerAddress(Protocol):
    """What is needed to reach a broker; `settings.MqttSettings` is one."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def protocol(self) -> str: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password_file(self) -> Path | None: ...
    @property
    def tls(self) -> bool: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def cert_file(self) -> Path | None: ...
    @property
    def key_file(self) -> Path | None: ...
    @property
    def keepalive(self) -> timedelta: ...
    @property
    def reconnect_max(self) -> timedelta: ...


def make_client(address: BrokerAddress, client_id: str, *, clean: bool = False) -> Client:
    """A client that is not connected yet: set its callbacks (paho's version 2), then `start_client`.

    clean  True: the broker forgets our subscriptions and messages when the connection ends.
    `client_id` must be unique in the installation: two clients with one id throw each other out for ever.
    Raises ConfigError when a file that the settings name cannot be read.
    """
    five = address.protocol == "5"
    version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if five else clean,
        protocol=version,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.reconnect_delay_set(
        RECONNECT_MIN_S, max(RECONNECT_MIN_S, round(address.reconnect_max.total_seconds()))
    )
    if address.username is not None:
        client.username_pw_set(address.username, _secret(address.password_file))
    if address.tls:
        _use_tls(client, address)
    return client


def _use_tls(client: Client, address: BrokerAddress) -> None:
    names = [str(path) if path else None for path in (address.ca_file, address.cert_file, address.key_file)]
    try:
        client.tls_set(ca_certs=names[0], certfile=names[1], keyfile=names[2])
    except (OSError, ValueError) as bad:
        raise ConfigError(f"mqtt: TLS files {[n for n in names if n]} cannot be used: {bad}") from bad


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as bad:
        raise ConfigError(f"mqtt.password_file: {path} cannot be read: {bad}") from bad


def start_client(client: Client, address: BrokerAddress, *, clean: bool = False) -> None:
    """Connect, and stay connected, on a thread of its own. Returns at once; the broker may be away.

    clean  as given to `make_client`
    """
    keepalive_s = max(5, round(address.keepalive.total_seconds()))
    if address.protocol == "5":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if clean else SESSION_EXPIRY_S
        client.connect_async(
            address.host, address.port, keepalive_s, clean_start=clean, properties=properties
        )
    else:
        client.connect_async(address.host, address.port, keepalive_s)
    client.loop_start()


class ThreadGone(ColdChainError):
    """The client's thread has ended by itself, most often for want of memory: nothing would come again."""

    exit_code = 75


def require_thread(client: Client) -> None:
    """Raise ThreadGone when what `start_client` started is no more. Cheap: call it now and then."""
    thread = client._thread  # noqa: SLF001 -- paho tells it by no other name
    if thread is None or not thread.is_alive():
        raise ThreadGone("the thread of the MQTT client has ended: this process starts anew")


def stop_client(client: Client) -> None:
    """Disconnect and end the thread, waiting at most STOP_WAIT_S (paho may be inside a connect)."""
    with contextlib.suppress(OSError, ValueError):
        client.disconnect()
    ender = threading.Thread(target=client.loop_stop, daemon=True)
    ender.start()
    ender.join(STOP_WAIT_S)


def drop_connection(client: Client) -> None:
    """Close the socket under the client: its thread connects anew. For a link that went mute."""
    link = client.socket()
    if isinstance(link, socket.socket):
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def guarded(callback: Callable[P, None], on_error: Callable[[Exception], None]) -> Callable[P, None]:
    """The callback, with whatever it raises handed to `on_error` instead of killing the network thread."""

    def safe(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception as bad:  # noqa: BLE001  the network thread must live; on_error tells
            on_error(bad)

    return safe
