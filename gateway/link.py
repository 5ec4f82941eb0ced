# SPDX-License-Identifier: Apache-2.0
"""The link to the hub: batches by MQTT at QoS 1, receipts back. What to send is decided by `link_state`.

A PUBACK is not storage: readings leave the spool on ingest's receipt alone. Sending begins once the broker
has confirmed that we hear receipts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from coldchain.kernel.audit import Anchors
from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.errors import BatchError, ConfigError
from coldchain.kernel.link import Batch, Receipt, decode_receipt, topic
from coldchain.kernel.ranges import RangeSet
from coldchain.ports.mqtt_client import (
    RECONNECT_MIN_S,
    ThreadGone,
    drop_connection,
    guarded,
    make_client,
    require_thread,
    start_client,
    stop_client,
)
from coldchain.settings import GatewaySettings, MqttSettings
from gateway.fitting import fit
from gateway.guard_link import GuardLink
from gateway.link_state import LinkState, Plan
from gateway.spool import Spool, Stored
from gateway.traffic import keepalive_bytes, mb_per_month, publish_bytes
from gateway.writer import SpoolWriter

Log = Callable[[str, dict[str, Any]], None]
Status = Callable[[], Awaitable[dict[str, Any]]]
THREAD_LOOK_S = 5.0
TURN_S = 30.0
"""Longer than connecting, ending a client and waiting for files take together [s]."""
FILES_RETRY_S = 10.0
"""Files of the link that cannot be read, after they could be, are tried again so often."""
OnLoop = Callable[..., None]
"""(function, arguments): call it on the event loop."""

TICK_S = 1.0
"""While something is in flight, how often the link is looked at."""
REFUSED_AGAIN_S = 60.0
"""A broker that lets us hear no receipts is asked again so often."""


class HubLink:
    """One gateway's link. Everything but the callbacks of paho runs on the event loop.

    status  makes the status message
    side    the guard's part of it
    """

    def __init__(
        self,
        gateway: GatewaySettings,
        mqtt: MqttSettings,
        writer: SpoolWriter,
        *,
        status: Status,
        wall_ms: WallClock,
        steady_s: SteadyClock,
        log: Log,
        side: GuardLink | None = None,
    ) -> None:
        self._gateway, self._mqtt, self._writer = gateway, mqtt, writer
        self._status, self._wall_ms, self._steady_s, self._log = status, wall_ms, steady_s, log
        self._name = str(gateway.id)
        self._side = side or GuardLink(None, self._name, log)
        self._side.on_anchors = self._keep_anchors
        self._epoch = ""
        self.state = LinkState(
            window=gateway.in_flight,
            batch=gateway.batch_readings,
            linger_s=gateway.batch_linger.total_seconds(),
            timeout_s=gateway.receipt_timeout.total_seconds(),
        )
        self._wake = asyncio.Event()
        self._client: Client | None = None
        self._turned_s: float | None = None
        self._lost = asyncio.Event()
        self._flight_of: dict[int, int] = {}
        self._started_s = steady_s()
        self.batches_sent = self.readings_sent = self.bytes_sent = self.receipts = self.refused = 0
        self.last_receipt_ms = 0
        self._published_bytes = 0
        self._owed: list[Receipt] = []

    def begin(self, epoch: str, pending: RangeSet) -> None:
        """What the spool held at the start is backlog."""
        self._epoch = epoch
        for low, high in pending:
            self.state.accepted(low, high, self._steady_s(), live=False)

    def stored(self, stored: list[Stored]) -> None:
        """These are committed: send them in their turn."""
        for part in stored:
            self.state.accepted(part.low, part.high, self._steady_s(), live=part.live)
        self._wake.set()

    async def run(self) -> None:
        """Keep the connection, send, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_connected())
            tasks.create_task(self._send_all())
            tasks.create_task(self._tell_status())

    def require_progress(self) -> None:
        """Raise ThreadGone when what keeps the connection has not come round for TURN_S: it never will."""
        still_s = 0.0 if self._turned_s is None else self._steady_s() - self._turned_s
        if still_s > TURN_S:
            raise ThreadGone(f"nothing keeps the link up since {still_s:.0f} s: this process starts anew")

    async def _keep_connected(self) -> None:
        """A client for each connection: one that connects anew by itself sends again all that it held, beside
        what `link_state` sends again; on a link that breaks often nothing else would get through.
        """
        began = False
        while True:
            self._turned_s = self._steady_s()
            try:
                client = make_client(self._mqtt, f"coldchain-gw-{self._name}")
            except ConfigError as bad:
                if not began:
                    raise
                self._log("link_files_unreadable", {"why": str(bad)})  # while somebody replaces them
                await asyncio.sleep(FILES_RETRY_S)
                continue
            began, self._client = True, client
            client.max_inflight_messages_set(2 * self._gateway.in_flight + 20)
            self._lost.clear()
            self._flight_of.clear()
            self._attach(client, asyncio.get_running_loop())
            start_client(client, self._mqtt)
            try:
                while not self._lost.is_set():
                    self._turned_s = self._steady_s()
                    require_thread(client)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._lost.wait(), THREAD_LOOK_S)
            finally:
                self._client = None
                await asyncio.to_thread(stop_client, client)
                _detach(client)
            await asyncio.sleep(RECONNECT_MIN_S)

    def _attach(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Callbacks run on paho's thread: they only hand over to the loop. A client that was given up says
        nothing more.
        """

        def still(function: Callable[..., None], *args: Any) -> None:
            if client is self._client:
                function(*args)

        def on_loop(function: Callable[..., None], *args: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(still, function, *args)

        def failed(bad: Exception) -> None:
            on_loop(self._log, "link_callback_failed", {"why": str(bad)})

        self._attach_session(client, on_loop, failed)
        self._attach_traffic(client, on_loop, failed)

    def _attach_session(self, client: Client, on_loop: OnLoop, failed: Callable[[Exception], None]) -> None:
        def on_connect(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                on_loop(self._log, "link_refused", {"why": str(reason)})
            else:
                client.subscribe([(topic(self._name, what), 1) for what in ("receipt", "cmd")])

        def on_subscribe(_client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
            if reasons[0].is_failure:
                on_loop(self._refused, str(reasons[0]))
                return
            if reasons[-1].is_failure:
                on_loop(self._log, "commands_refused", {"why": str(reasons[-1])})
            on_loop(self._up)

        def on_disconnect(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            on_loop(self._down, str(reason))

        client.on_connect = guarded(on_connect, failed)
        client.on_subscribe = guarded(on_subscribe, failed)
        client.on_disconnect = guarded(on_disconnect, failed)

    def _attach_traffic(self, client: Client, on_loop: OnLoop, failed: Callable[[Exception], None]) -> None:
        def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
            client.ack(message.mid, message.qos)  # a receipt that gets lost comes again with the resent batch
            command = message.topic.endswith("/cmd")
            on_loop(self._side.heard if command else self._heard, message.payload)

        def on_publish(_client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
            on_loop(self._confirmed, mid)
            if reason.is_failure:  # MQTT 5 alone can tell
                on_loop(self._log, "publication_refused", {"why": str(reason)})

        client.on_message = guarded(on_message, failed)
        client.on_publish = guarded(on_publish, failed)

    def _up(self) -> None:
        self.state.connected(self._steady_s())
        self._side.connected(self._steady_s())
        self._log("link_up", {"pending": len(self.state.pending())})
        self._wake.set()

    def _refused(self, why: str) -> None:
        """No receipts, so nothing is sent; a broker whose rules were mended meanwhile is asked anew."""
        self._log("receipts_refused", {"why": why})

        def again() -> None:
            if not self.state.up:
                self._lost.set()

        asyncio.get_running_loop().call_later(REFUSED_AGAIN_S, again)

    def _down(self, why: str) -> None:
        if self.state.up:
            self._log("link_down", {"why": why})
            self._lost.set()
        self.state.disconnected()

    def _confirmed(self, mid: int) -> None:
        """The broker's PUBACK: it has the message. That is not storage, but the link has carried it."""
        if (flight := self._flight_of.pop(mid, None)) is not None:
            self.state.confirmed(flight, self._steady_s())
            self._wake.set()

    def _heard(self, payload: bytes) -> None:
        try:
            receipt = decode_receipt(payload)
        except BatchError as bad:
            self.refused += 1
            self._log("receipt_refused", {"why": str(bad)[:200]})
            return
        if receipt.gateway != self._name or receipt.epoch != self._epoch:
            self.refused += 1  # of a spool that is no more
            return
        self.receipts += 1
        self.last_receipt_ms = self._wall_ms()
        self._published_bytes += publish_bytes(topic(self._name, "receipt"), len(payload), tls=self._mqtt.tls)
        self.receipted(receipt)

    def receipted(self, receipt: Receipt) -> None:
        """The hub's word on this spool's readings, by whichever way it came."""
        self.state.receipted([*receipt.recorded, *receipt.dead], self._steady_s())
        self._forget(receipt)
        self._wake.set()

    def _forget(self, receipt: Receipt) -> None:
        """Take what is receipted out of the spool; if the disk is full, together with the next receipt."""
        receipts, self._owed = [*self._owed, receipt], []
        loop = asyncio.get_running_loop()

        def forget(spool: Spool) -> None:
            for one in receipts:
                spool.receipt([*one.recorded, *one.dead], one.gaps)

        def done(future: Future[None]) -> None:
            if future.exception() is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._owed.extend, receipts)

        self._writer.call(forget).add_done_callback(done)

    def _keep_anchors(self, told: Anchors) -> None:
        """If the disk is full they are not kept: newer ones come."""
        now_ms = self._wall_ms()

        def keep(spool: Spool) -> None:
            for chain in spool.keep_anchors(told, now_ms):
                self._log("anchor_contradicts", {"chain": chain, "head": str(told.heads[chain])})

        self._writer.call(keep)

    async def _send_all(self) -> None:
        """Send whatever is due; sleep until something is."""
        while True:
            now_s = self._steady_s()
            if self.state.stalled(now_s) and self._client is not None:
                self._log("link_stalled", {"in_flight": self.state.in_flight})
                self.state.disconnected()
                drop_connection(self._client)
                self._lost.set()
            gated = self._side.gated(now_s)
            plan = None if gated else self.state.next(now_s)
            if plan is not None:
                await self._send(plan)
                continue
            self._wake.clear()
            wait_s = self.state.wake_s(now_s)
            if gated:
                wait_s = TICK_S
            elif self.state.in_flight:  # the connection may have gone mute
                wait_s = TICK_S if wait_s is None else min(wait_s, TICK_S)
            wait_s = None if wait_s is None else max(wait_s, 0.001)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _send(self, plan: Plan) -> None:
        """Publish one plan; what does not fit goes back."""
        try:
            found, nodes, rows = await asyncio.wrap_future(
                self._writer.call(lambda spool: spool.read(plan.pairs))
            )
        except sqlite3.OperationalError:  # the disk is full
            self.state.put_back(plan.pairs)
            await asyncio.sleep(TICK_S)
            return
        gone = RangeSet(plan.pairs)
        for low, high in found:
            gone.remove(low, high)
        if gone:  # receipted meanwhile, or rotten and counted as a gap
            self.state.receipted(gone.pairs(), self._steady_s())
        if not found or self._client is None:
            return
        batch = Batch(self._name, self._epoch, found, nodes, rows, self._wall_ms(), plan.backfill)
        payload, kept = fit(batch)
        if kept.ranges != found:
            rest = RangeSet(found)
            for low, high in kept.ranges:
                rest.remove(low, high)
            self.state.put_back(rest.pairs())
        if self._publish("batch", payload, plan.flight):
            self.batches_sent += 1
            self.readings_sent += len(kept.rows)
        else:
            self.state.put_back(kept.ranges)
            await asyncio.sleep(TICK_S)

    def _publish(self, what: str, payload: bytes, flight: int | None = None) -> bool:
        """Hand it to paho; False when it will not take it."""
        if self._client is None or not self.state.up:
            return False
        name = topic(self._name, what)
        told = self._client.publish(name, payload, qos=1)
        taken = told.rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        if taken:
            if flight is not None:
                self._flight_of[told.mid] = flight
            self.bytes_sent += len(payload)
            self._published_bytes += publish_bytes(name, len(payload), tls=self._mqtt.tls)
        return taken

    async def _tell_status(self) -> None:
        every_s = self._gateway.status_every.total_seconds()
        while True:
            if self.state.up:
                body = {"v": 1, "gateway": self._name, "epoch": self._epoch, **await self._status()}
                body.update(self._side.word())
                self._publish("status", json.dumps(body, separators=(",", ":")).encode())
                await asyncio.sleep(self._side.pause_s(every_s, self._steady_s()))
            else:
                await asyncio.sleep(min(TICK_S, every_s))

    def mb_per_site_month(self) -> float:
        """What the link would use in a month at the pace so far [10^6 bytes], headers and pings included."""
        elapsed_s = self._steady_s() - self._started_s
        pings = keepalive_bytes(elapsed_s, self._mqtt.keepalive.total_seconds(), tls=self._mqtt.tls)
        return mb_per_month(self._published_bytes + pings, elapsed_s)


def _detach(client: Client) -> None:
    """It and its callbacks hold each other, and with them two sockets, until somebody lets go."""
    client.on_connect = client.on_subscribe = client.on_disconnect = None
    client.on_message = client.on_publish = None
