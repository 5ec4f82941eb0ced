# SPDX-License-Identifier: Apache-2.0
"""Nodes that publish their reports by MQTT. Answers go back by topic, merged per node and commit.

The broker's message is acknowledged after the spool's commit; a node keeps its report until our own answer
names it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from coldchain.kernel.errors import FrameError
from coldchain.kernel.link import node_topic
from coldchain.kernel.ranges import RangeSet
from coldchain.ports.mqtt_client import guarded, make_client, require_thread, start_client, stop_client
from coldchain.settings import MqttSettings
from gateway.codecs.frames import Event, Pairs
from gateway.codecs.json_report import encode_answer, parse_reports
from gateway.drivers.base import LineFigures, Surroundings

TOPIC = node_topic("+", "report")
THREAD_LOOK_S = 5.0


def _events(message: MQTTMessage) -> list[Event]:
    if message.retain:
        raise FrameError("retained: nobody knows how old it is")
    return parse_reports(bytes(message.payload), message.topic.split("/")[3])


class _Message:
    """One message: the Route of the reports in it."""

    def __init__(self, nodes: MqttNodes, mid: int, qos: int, connection: int) -> None:
        self._nodes, self._mid, self._qos, self._connection = nodes, mid, qos, connection

    def acknowledge(self, node: str, boot: int, pairs: Pairs) -> None:
        self._nodes.answer(node, boot, "ack", pairs)

    def ask_again(self, node: str, boot: int, pairs: Pairs) -> None:
        self._nodes.answer(node, boot, "resend", pairs)

    def committed(self) -> None:
        self._nodes.release(self._mid, self._qos, self._connection)


class MqttNodes:
    """All nodes of the broker. See base.Driver."""

    def __init__(self, mqtt: MqttSettings, gateway: str, around: Surroundings) -> None:
        self._mqtt, self._gateway, self._around = mqtt, gateway, around
        self._client: Client | None = None
        self._connection = 0
        self._answers: dict[tuple[str, int], dict[str, RangeSet]] = {}
        self._line = LineFigures("mqtt")
        self.reasons: Counter[str] = Counter()

    def figures(self) -> list[LineFigures]:
        return [self._line]

    def hold(self, *, held: bool) -> None:
        """The broker holds back by itself: it has a bound on messages that we have not acknowledged."""

    async def run(self) -> None:
        """Listen until cancelled."""
        client = self._client = make_client(self._mqtt, f"coldchain-gw-{self._gateway}-nodes")
        self._attach(client, asyncio.get_running_loop())
        start_client(client, self._mqtt)
        try:
            while True:
                require_thread(client)
                await asyncio.sleep(THREAD_LOOK_S)
        finally:
            await asyncio.to_thread(stop_client, client)

    def _attach(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Callbacks run on paho's thread: they only hand over to the loop."""

        def on_loop(function: Callable[..., None], *args: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(function, *args)

        def failed(bad: Exception) -> None:
            on_loop(self._around.log, "nodes_callback_failed", {"why": str(bad)})

        def on_connect(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                on_loop(self._down, str(reason))
            else:
                self._connection += 1  # before any message of this connection, on the same thread
                client.subscribe(TOPIC, qos=1)

        def on_subscribe(_client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
            refused = any(reason.is_failure for reason in reasons)
            on_loop(self._down, f"subscription refused: {reasons[0]}") if refused else on_loop(self._up)

        def on_disconnect(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            on_loop(self._down, str(reason))

        def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
            on_loop(self._heard, message, self._connection)

        client.on_connect = guarded(on_connect, failed)
        client.on_subscribe = guarded(on_subscribe, failed)
        client.on_disconnect = guarded(on_disconnect, failed)
        client.on_message = guarded(on_message, failed)

    def _up(self) -> None:
        self._line.state, self._line.why = "up", ""
        self._line.opened += 1
        self._around.log("line_up", {"line": self._line.name})

    def _down(self, why: str) -> None:
        if self._line.why != why:
            self._around.log("line_down", {"line": self._line.name, "why": why})
        self._line.state, self._line.why = "down", why

    def _heard(self, message: MQTTMessage, connection: int) -> None:
        try:
            events = _events(message)
        except FrameError as bad:
            self._line.malformed += 1
            self.reasons[str(bad).partition(":")[0]] += 1
            self._around.log("report_refused", {"topic": message.topic, "why": str(bad)[:200]})
            self.release(message.mid, message.qos, connection)
            return
        self._line.events += len(events)
        self._line.last_ms = self._around.wall_ms()
        self._around.sink(_Message(self, message.mid, message.qos, connection), events)

    def release(self, mid: int, qos: int, connection: int) -> None:
        """Acknowledge to the broker; not across connections, where the number may mean another message."""
        if self._client is not None and connection == self._connection:
            self._client.ack(mid, qos)

    def answer(self, node: str, boot: int, what: str, pairs: Pairs) -> None:
        """To be sent with the other answers of this turn of the loop."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._send_answers)
        ranges = self._answers.setdefault((node, boot), {}).setdefault(what, RangeSet())
        for low, high in pairs:
            ranges.add(low, high)

    def _send_answers(self) -> None:
        answers, self._answers = self._answers, {}
        if self._client is None or self._line.state != "up":
            return  # the nodes send again
        for (node, boot), parts in answers.items():
            pairs = {what: ranges.pairs() for what, ranges in parts.items()}
            self._client.publish(node_topic(node, "ack"), encode_answer(node, boot, **pairs), qos=1)
