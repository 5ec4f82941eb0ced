# SPDX-License-Identifier: Apache-2.0
"""The same node over MQTT 3.1.1 with JSON, QoS 1, a lasting session; driven by the caller's loop, no thread.

`payloads` and `messages` are the codec, written from docs/wire-format.md; `MqttLink` is the connection.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.firmware.frames import Ack, Lost, Message, Ranges, Resend, SentReport
from firmware_sim.firmware.node import Node

PAYLOAD_MAX = 48_000  # below the 64 KiB that a gateway takes
RETRY_MIN_MS, RETRY_MAX_MS = 500, 10_000

QUANTITY_WORDS = {
    1: "temperature",
    2: "door",
    3: "mains",
    4: "battery",
    5: "ambient",
    6: "humidity",
    7: "compressor",
    8: "agitator",
    9: "set-point",
    10: "controller-alarm",
}
FAULT_WORDS = {1: "open", 2: "short", 3: "no-answer", 4: "out-of-range", 5: "not-a-number"}


@dataclass(frozen=True, slots=True)
class MqttAccount:
    """The broker as the nodes reach it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 30


def payloads(messages: Iterable[Message]) -> Iterator[bytes]:
    """A node's messages as JSON: reports in arrays of at most 48 kB, LOST by itself; HELLO has no word."""
    batch: list[str] = []
    size = 0
    for message in messages:
        match message:
            case SentReport():
                text = _report(message)
                if batch and size + len(text) > PAYLOAD_MAX:
                    yield _array(batch)
                    batch, size = [], 0
                batch.append(text)
                size += len(text) + 1
            case Lost(node, boot, low, high):
                yield json.dumps({"v": 1, "node": node, "boot": boot, "lost": [[low, high]]}).encode()
            case _:
                pass
    if batch:
        yield _array(batch)


def messages(node: str, payload: bytes) -> list[Message]:
    """What the gateway says to that node; nothing when it is nonsense or for another."""
    try:
        said = json.loads(payload)
        if said["v"] != 1 or said["node"] != node:
            return []
        boot = int(said["boot"])
        found: list[Message] = []
        if said.get("ack"):
            found.append(Ack(node, boot, _ranges(said["ack"])))
        if said.get("resend"):
            found.append(Resend(node, boot, _ranges(said["resend"])))
        return found
    except (ValueError, KeyError, TypeError):
        return []


def _ranges(pairs: Any) -> Ranges:
    found = tuple((int(low), int(high)) for low, high in pairs)
    if any(not 0 <= low <= high for low, high in found):
        raise ValueError(f"not ranges: {pairs}")
    return found


def _report(sent: SentReport) -> str:
    report = sent.report
    readings = [
        {"ch": r.channel, "q": QUANTITY_WORDS[r.quantity]}
        | ({"fault": FAULT_WORDS[r.status]} if r.status else {"m": r.value})
        for r in report.readings
    ]
    return json.dumps(
        {
            "v": 1,
            "node": sent.node,
            "boot": report.boot,
            "seq": report.seq,
            "uptime_ms": report.uptime_ms,
            "age_ms": sent.age_ms,
            "clock": report.clock,
            "unix_ms": report.unix_ms,
            "readings": readings,
        },
        separators=(",", ":"),
    )


def _array(texts: list[str]) -> bytes:
    return (texts[0] if len(texts) == 1 else f"[{','.join(texts)}]").encode()


class MqttLink:
    """A node's connection to the broker. The caller calls `ready` when the socket is, and `tick` each second.

    Each connection is a new client of the same session: paho's memory of unconfirmed messages would send
    them with an age that is no longer true, and the node's ring keeps them anyway.
    """

    def __init__(self, node: Node, account: MqttAccount) -> None:
        self.node = node
        self.connected = False
        self._account = account
        self._client: paho.Client | None = None
        self._retry_ms = RETRY_MIN_MS
        self._next_try_ms = 0
        self._inbox: list[bytes] = []
        name = node.config.name
        self._report_topic = f"coldchain/v1/node/{name}/report"
        self._ack_topic = f"coldchain/v1/node/{name}/ack"

    def fileno(self) -> int:
        """The socket; -1 without one."""
        socket = self._client.socket() if self._client else None
        return socket.fileno() if socket else -1

    @property
    def wants_write(self) -> bool:
        return bool(self._client and self._client.want_write())

    def tick(self, now_ms: int) -> None:
        """Connect when it is time, keep the connection alive."""
        if self._client is not None:
            self._judge(self._client.loop_misc(), now_ms)
        elif now_ms >= self._next_try_ms:
            self._connect(now_ms)

    def ready(self, *, readable: bool, writable: bool, now_ms: int) -> None:
        """The socket can be read or written."""
        if readable and self._client is not None:
            self._judge(self._client.loop_read(), now_ms)
        if writable and self._client is not None:
            self._judge(self._client.loop_write(), now_ms)
        inbox, self._inbox = self._inbox, []
        for payload in inbox:
            for message in messages(self.node.config.name, payload):
                self.node.take(message, now_ms)

    def pump(self, now_ms: int) -> None:
        """Publish what the node has to say."""
        if self._client is None or not self.connected:
            return
        for payload in payloads(self.node.outgoing(now_ms)):
            self._judge(self._client.publish(self._report_topic, payload, qos=1).rc, now_ms)
            if self._client is None:
                return

    def close(self) -> None:
        """Say goodbye."""
        client, self._client, self.connected = self._client, None, False
        if client is not None:
            client.disconnect()
            client.loop_write()

    def _connect(self, now_ms: int) -> None:
        account = self._account
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"node-{self.node.config.name}",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        if account.username is not None:
            client.username_pw_set(account.username, account.password)
        client.max_inflight_messages_set(100)
        client.connect_timeout = 2.0
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        try:
            client.connect(account.host, account.port, account.keepalive_s)
        except OSError:
            self._later(now_ms)
            return
        self._client = client

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            return  # the broker closes, `_judge` notices
        client.subscribe(self._ack_topic, qos=1)
        self.connected = True
        self._retry_ms = RETRY_MIN_MS
        self.node.opened()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._inbox.append(bytes(message.payload))

    def _judge(self, code: MQTTErrorCode, now_ms: int) -> None:
        if self._client is not None and (
            code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN)
            or self._client.socket() is None
        ):
            self._client, self.connected = None, False
            self._later(now_ms)

    def _later(self, now_ms: int) -> None:
        self._next_try_ms = now_ms + self._retry_ms
        self._retry_ms = min(self._retry_ms * 2, RETRY_MAX_MS)
