# SPDX-License-Identifier: Apache-2.0
"""The ingest process: what gateways publish is admitted, committed, acknowledged, receipted. In that order.

One thread does all of it and is the only writer of `readings.db`. Others only hand in: paho's, the HTTP
server's, the InfluxDB projection's. Housekeeping (sealing, removal, retention) goes in short steps between
commits.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from paho.mqtt.client import Client, MQTTMessage

from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.errors import BatchError, StoreUnavailable
from coldchain.kernel.link import Receipt, decode_batch, encode_receipt, topic
from coldchain.kernel.ranges import RangeSet
from coldchain.ports import clock as machine
from coldchain.ports.mqtt_client import guarded, make_client, require_thread, start_client, stop_client
from coldchain.records.carry_keys import trusted
from coldchain.records.health import Heart
from coldchain.records.registry import RegistryReader
from coldchain.records.reserve import Reserve
from coldchain.settings import Settings
from ingest.admission import Reason, why_refused
from ingest.anchors import AnchorDesk
from ingest.carried import CarryDesk
from ingest.consumers import consumed
from ingest.guards import GuardDesk
from ingest.inbox import Inbox, Item, Message
from ingest.journal import Arrival, Refused, SqliteJournal
from ingest.retention import Retention
from ingest.sealing import Sealer, Windows
from ingest.status import StatusWord, decode_status

if TYPE_CHECKING:
    from ingest.influx.projection import Projection

log = structlog.get_logger()

BATCHES, STATUSES = topic("+", "batch"), topic("+", "status")
IDLE_S = 0.5
REGISTRY_EVERY_S = 1.0
HOUSEKEEPING_EVERY_S = 10.0
NO_INFLUX = {"state": "absent", "points": 0, "behind": 0}
UNSENT_RECEIPTS_MAX = 1_000
"""Receipts kept for a broker that is away. More are dropped: a gateway without one sends again."""


class IngestService:
    """`run` until `stop`. May be killed at any moment: what was receipted is on disk."""

    def __init__(
        self,
        settings: Settings,
        *,
        wall_ms: WallClock = machine.wall_ms,
        steady_s: SteadyClock = machine.steady_s,
    ) -> None:
        self._settings, self._wall_ms, self._steady_s = settings, wall_ms, steady_s
        self._stopping = threading.Event()
        self.inbox = Inbox()
        self._connection = 0
        self._client: Client | None = None
        self._reserve = Reserve(settings.data_dir)
        self.subscribed = threading.Event()
        """Set once the broker keeps for us what gateways publish."""

    def stop(self) -> None:
        """From any thread or signal handler: finish the commit at hand and return from `run`."""
        self._stopping.set()
        self.inbox.wake()

    def run(self) -> None:
        """Raises StoreUnavailable when a commit fails: the process must end and start anew."""
        settings = self._settings
        with ExitStack() as closing:
            journal = SqliteJournal(
                settings.readings_db,
                lateness_ms=_ms(settings.alerts.lateness),
                waiting_max=settings.ingest.waiting_max_readings,
            )
            self._journal = journal
            registry = RegistryReader(settings.desk_db)
            closing.callback(registry.close)
            self._guards = GuardDesk(registry, settings.data_dir)
            self._anchors = AnchorDesk(settings.data_dir, self._wall_ms)
            self._duties = _Duties(self, journal, registry)
            self._duties.refresh_registry()
            self._client = self._connect()
            closing.callback(stop_client, self._client)
            self._serve_http(closing)
            log.info("ingest.started", position=journal.position, registry=registry.version)
            try:
                self._loop()
            except sqlite3.Error as bad:
                raise StoreUnavailable(
                    f"{settings.readings_db}: {bad}; free disk space and start again"
                ) from bad
            self._duties.close()
            journal.close()
            log.info("ingest.stopped", position=journal.position)

    def _loop(self) -> None:
        busy = False
        while not self._stopping.is_set():
            group = self.inbox.take(0 if busy else IDLE_S)
            if group and self._reserve.spent:
                raise StoreUnavailable("the disk is full: what is left is for alarms; make room")
            if group:
                self.commit(group)
            busy = self._duties.turn(self._steady_s())
            if self._client is not None:
                require_thread(self._client)

    def _serve_http(self, closing: ExitStack) -> None:
        settings = self._settings.ingest
        if not settings.http_port:
            return
        from ingest.http import HttpServer, make_app  # noqa: PLC0415  heavy, and only where it is wanted

        server = HttpServer(make_app(self.inbox, self._wall_ms), settings.http_host, settings.http_port)
        server.start()
        closing.callback(server.stop)

    # --- receiving

    def _connect(self) -> Client:
        client = make_client(self._settings.mqtt, "coldchain-ingest")
        client.max_queued_messages_set(UNSENT_RECEIPTS_MAX)
        client.max_inflight_messages_set(100)
        client.on_connect = guarded(self._on_connect, _callback_failed)
        client.on_subscribe = guarded(self._on_subscribe, _callback_failed)
        client.on_message = guarded(self._on_message, _callback_failed)
        start_client(client, self._settings.mqtt)
        return client

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("mqtt.refused", reason=str(reason))
            return
        self._connection += 1
        client.subscribe([(BATCHES, 1), (STATUSES, 1)])
        log.info("mqtt.connected")

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error(
                "mqtt.subscription_refused",
                why=refused,
                hint="may this account read gw/+/batch and gw/+/status?",
            )
        else:
            self.subscribed.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        came = Message(
            message.topic,
            bytes(message.payload),
            message.retain,
            message.mid,
            message.qos,
            self._connection,
        )
        if not self.inbox.put(came):
            log.warning("inbox.full", topic=message.topic)

    # --- committing

    def commit(self, group: Sequence[Item]) -> None:
        """Admit and commit the group together, then acknowledge to the broker, then send the receipts."""
        arrivals = [read(item) if isinstance(item, Message) else item.batch for item in group]
        receipts = self._journal.record(arrivals, self._wall_ms())
        for item in group:
            if isinstance(item, Message):
                self._acknowledge(item)
        by_link: dict[tuple[str, str], list[Receipt]] = {}
        for item, receipt in zip(group, receipts, strict=True):
            if receipt is None:
                continue
            if isinstance(item, Message):
                by_link.setdefault((receipt.gateway, receipt.epoch), []).append(receipt)
            elif item.receipt.set_running_or_notify_cancel():
                item.receipt.set_result(receipt)
        for same in by_link.values():
            self._send(same[0] if len(same) == 1 else merged(same))
        for arrival in arrivals:
            if isinstance(arrival, StatusWord) and self._client is not None:
                self._answer(arrival, self._client)

    def _answer(self, word: StatusWord, client: Client) -> None:
        kept = () if word.guard is None else self._guards.commands(word.gateway, word.guard)
        for payload in (*kept, *self._anchors.commands(word.gateway)):
            client.publish(topic(word.gateway, "cmd"), payload, qos=1)

    def _acknowledge(self, message: Message) -> None:
        # A message id belongs to its connection: on another one it would acknowledge some other message.
        if self._client is not None and message.connection == self._connection and message.qos:
            self._client.ack(message.mid, message.qos)

    def _send(self, receipt: Receipt) -> None:
        if self._client is not None:
            self._client.publish(topic(receipt.gateway, "receipt"), encode_receipt(receipt), qos=1)


class _Duties:
    """What is done between commits."""

    def __init__(self, service: IngestService, journal: SqliteJournal, registry: RegistryReader) -> None:
        settings = service._settings  # noqa: SLF001  two halves of one thing
        self._settings, self._wall_ms = settings, service._wall_ms  # noqa: SLF001
        self._journal, self._registry = journal, registry
        self._send, self._reserve = service._send, service._reserve  # noqa: SLF001
        window = Windows(_ms(settings.ingest.window), _ms(settings.ingest.seal_after))
        self._sealer = Sealer(journal, window)
        self._retention = Retention(
            journal, _ms(settings.ingest.keep_raw), _ms(settings.ingest.keep_hourly), window.window_ms
        )
        key_of = partial(trusted, settings.desk_db)
        self._carried = CarryDesk(settings.data_dir, key_of, journal, self._wall_ms)
        self._heart = Heart(settings.data_dir, "ingest", self._wall_ms)
        self._projection = _projection(settings, self._wall_ms)
        self._readmitting = False
        self._chore: Iterator[None] | None = None
        self._registry_at_s = self._chore_at_s = -1e9

    def turn(self, now_s: float) -> bool:
        """One short piece of work. True when there is more to do at once."""
        if now_s - self._registry_at_s >= REGISTRY_EVERY_S:
            self._registry_at_s = now_s
            self.refresh_registry()
        if self._readmitting:
            done = self._journal.readmit(self._wall_ms())
            if done.readings or done.refused:
                log.info("readings.readmitted", readings=done.readings)
            self._readmitting = done.more
        if self._chore is None and now_s - self._chore_at_s >= HOUSEKEEPING_EVERY_S:
            self._chore_at_s = now_s
            self._chore = self._housekeeping()
        if self._chore is not None:
            try:
                next(self._chore)
            except StopIteration:
                self._chore = None
        if self._projection is not None:
            self._journal.keep_projection(self._projection.news(), self._wall_ms())
        # On a full disk what is left is for alarms.
        carrying = not self._reserve.spent and self._carried.step()
        for receipt in self._carried.receipts():
            self._send(receipt)
        self._heart.beat(self.figures())
        return carrying or self._readmitting or self._chore is not None

    def _housekeeping(self) -> Iterator[None]:
        now_ms = self._wall_ms()
        yield from self._sealer.steps(now_ms)
        yield from self._sealer.remove(consumed(self._settings, self._journal))
        yield from self._retention.steps(now_ms, self._registry.registry)

    def refresh_registry(self) -> None:
        try:
            fresh = self._registry.refresh()
        except (sqlite3.Error, StoreUnavailable) as bad:
            log.warning("registry.unreadable", why=str(bad))
            return
        if fresh:
            self._journal.rewire(self._registry.registry)
            self._readmitting = True
            log.info("registry.taken_up", version=self._registry.version)

    def figures(self) -> dict[str, Any]:
        """What the heart beat says."""
        counters = self._journal.counters
        waiting = counters.get("waiting", 0)
        return {
            "recorded": counters.get("journalled", 0) + waiting,
            "dead_lettered": counters.get("dead_lettered", 0),
            "duplicates": counters.get("duplicates", 0),
            "waiting": waiting,
            "position": self._journal.position,
            "influx": self._projection.figures() if self._projection else dict(NO_INFLUX),
        }

    def close(self) -> None:
        if self._projection is not None:
            self._projection.stop()
            self._journal.keep_projection(self._projection.news(), self._wall_ms())
        self._heart.beat(self.figures(), now=True)


def _projection(settings: Settings, wall_ms: WallClock) -> Projection | None:
    """The InfluxDB projection, running; None without one. What it needs is loaded only here: it is heavy."""
    if settings.influx.url is None:
        return None
    from ingest.influx.client import InfluxWriter  # noqa: PLC0415
    from ingest.influx.projection import Projection  # noqa: PLC0415

    projection = Projection(settings, InfluxWriter(settings.influx).send, wall_ms)
    projection.start()
    return projection


def read(message: Message) -> Arrival:
    """The batch or status in a publication, or why it is refused whole."""
    parts = message.topic.split("/")
    gateway, what = (parts[3], parts[4]) if len(parts) == 5 else ("", "")
    reason = why_refused(
        topic_gateway=gateway, batch_gateway=None, size=len(message.payload), retained=message.retained
    )
    if reason is not None:
        return Refused(gateway, reason, f"{len(message.payload)} bytes on {message.topic}", message.payload)
    try:
        arrival = decode_batch(message.payload) if what == "batch" else decode_status(message.payload)
    except BatchError as bad:
        why = Reason.OVERSIZE if str(bad).startswith("oversize") else Reason.MALFORMED
        return Refused(gateway, why, str(bad), message.payload)
    if arrival.gateway != gateway:
        detail = f"{arrival.gateway!r} on {message.topic}"
        return Refused(gateway, Reason.TOPIC, detail, message.payload)
    return arrival


def merged(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt for several of the same gateway and epoch."""
    first = receipts[0]
    recorded = RangeSet(pair for receipt in receipts for pair in receipt.recorded)
    dead = RangeSet(pair for receipt in receipts for pair in receipt.dead)
    gaps = sorted({gap for receipt in receipts for gap in receipt.gaps})
    hub_ms = max(receipt.hub_ms for receipt in receipts)
    return Receipt(first.gateway, first.epoch, recorded.pairs(), dead.pairs(), gaps, hub_ms)


def _callback_failed(error: Exception) -> None:
    log.error("mqtt.callback_failed", why=repr(error))


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
