# SPDX-License-Identifier: Apache-2.0
"""The gateway as a process: drivers in, spool, link out. It may be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.errors import ColdChainError
from coldchain.kernel.ranges import RangeSet
from coldchain.ports.clock import steady_s as machine_steady_s
from coldchain.ports.clock import wall_ms as machine_wall_ms
from coldchain.ports.guard import Accepted, Guard, HubWord
from coldchain.records.health import BEAT_EVERY_S, Heart
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings
from gateway import carrying
from gateway.codecs.frames import Event, Hello, Lost, Report
from gateway.day import Day
from gateway.drivers import DRIVERS
from gateway.drivers.base import Driver, Surroundings
from gateway.drivers.mqtt_nodes import MqttNodes
from gateway.guard_link import GuardLink, HubSilence
from gateway.link import HubLink
from gateway.page import metrics, render
from gateway.page_server import PageServer
from gateway.route import Route
from gateway.spool import Arrival, Loss, Outcome, Spool, Stored, open_spool
from gateway.writer import BACKLOG_MAX_REPORTS, SpoolWriter

GAPS_PER_STATUS = 100
SPOOL_FIGURES = ("pending", "oldest_ms", "bytes", "accepted", "lost", "full")
PAGE_RETRY_S = 30.0
LAST_BEAT_S = 0.5
GUARD_BLOCKS = 5_000
"""After a restart the guard hears again so much of what waits, at most: it knows most of it already."""
PAGE_BLOCKS = 20_000
"""After a restart the page shows the last day as far as so many blocks of what waits reach back."""


class GatewayService:
    """`run` blocks until `stop`, which any thread or signal handler may call."""

    def __init__(
        self,
        settings: Settings,
        *,
        wall_ms: WallClock = machine_wall_ms,
        steady_s: SteadyClock = machine_steady_s,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(4),
        new_boot: Callable[[], int] = lambda: secrets.randbits(32),
        guard: Guard | None = None,
    ) -> None:
        self._settings, self._gateway = settings, settings.gateway
        self._wall_ms, self._steady_s = wall_ms, steady_s
        self._log = structlog.get_logger("gateway")
        self._heart = Heart(settings.data_dir, "gateway", wall_ms)
        self._new_epoch = new_epoch
        self._boot = new_boot()  # for nodes that do not number their reports
        self._next_seq: dict[str, int] = {}
        self._stop_asked = False
        self._held = False
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._drivers: list[Driver] = []
        self._started_s = steady_s()
        self.duplicates = self.withheld = 0
        self._figures: dict[str, Any] = {}
        self._day = Day()
        self._guard = guard
        self._silence = HubSilence(self._started_s)

    def run(self) -> None:
        """Work until stopped. Raises StoreUnavailable when the spool cannot be opened or has failed."""
        asyncio.run(self._main())
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask `run` to return; it does within 3 s."""
        self._stop_asked = True
        loop, stopped = self._loop, self._stopped
        if loop is not None and stopped is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stopped.set)

    async def _main(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._writer = SpoolWriter(
            self._open_spool,
            linger_s=self._gateway.commit_linger.total_seconds(),
            steady_s=self._steady_s,
            on_outcome=lambda outcome: self._on_loop(self._committed, outcome),
            on_failure=lambda bad: self._on_loop(self._fail, bad),
        )
        self._epoch, pending = await asyncio.to_thread(self._writer.start, self._look)
        self._link = HubLink(
            self._gateway,
            self._settings.mqtt,
            self._writer,
            status=self._status,
            wall_ms=self._wall_ms,
            steady_s=self._steady_s,
            log=self._tell,
            side=GuardLink(self._guard, self._gateway.id, self._tell),
        )
        self._link.begin(self._epoch, pending)
        self._tell(
            "gateway_started", {"gateway": self._gateway.id, "epoch": self._epoch, "pending": len(pending)}
        )
        if self._stop_asked:
            self._stopped.set()
        if self._guard is not None:
            self._guard.start()
        work = [self._supervised(part) for part in self._parts()]
        await self._stopped.wait()
        for task in work:
            task.cancel()
        await asyncio.wait(work, timeout=2.0)
        await self._last_beat()
        await asyncio.to_thread(self._writer.stop)
        if self._guard is not None:
            await asyncio.to_thread(self._guard.stop)
        self._tell("gateway_stopped", {"gateway": self._gateway.id})

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        around = Surroundings(self.take, self._wall_ms, self._steady_s, self._tell, self._gateway.id)
        maps = self._gateway.register_maps
        self._drivers = [DRIVERS[line.driver](line, maps, around) for line in self._gateway.lines]
        if self._gateway.mqtt_nodes:
            self._drivers.append(MqttNodes(self._settings.mqtt, self._gateway.id, around))
        parts = [*(driver.run() for driver in self._drivers), self._link.run(), self._beat()]
        return [*parts, self._serve_page()] if self._gateway.page_port else parts

    def _supervised(self, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A part that ends by itself has failed, and with it the process: our starter starts us anew."""
        task = asyncio.get_running_loop().create_task(part)

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                self._fail(task.exception() or RuntimeError(f"{part} returned"))

        task.add_done_callback(ended)
        return task

    def _open_spool(self) -> Spool:
        return open_spool(
            self._settings.spool_db,
            max_bytes=self._gateway.spool_max_bytes,
            new_epoch=self._new_epoch,
            wall_ms=self._wall_ms,
        )

    def _on_loop(self, function: Callable[..., None], *args: Any) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to tell
                loop.call_soon_threadsafe(function, *args)

    def _fail(self, bad: BaseException) -> None:
        if self._failure is None:
            self._failure = bad
            self._log.error("gateway_failed", why=str(bad), kind=type(bad).__name__)
        assert self._stopped is not None
        self._stopped.set()

    def _tell(self, event: str, details: dict[str, Any]) -> None:
        self._log.info(event, **details)

    def take(self, route: Route | None, events: Sequence[Event]) -> None:
        """What a driver heard. On the event loop."""
        now_ms = self._wall_ms()
        arrivals: list[Arrival] = []
        losses: list[Loss] = []
        for event in events:
            if isinstance(event, Report):
                if event.boot is None:
                    arrivals.append(Arrival(self._numbered(event), now_ms, None))
                else:
                    arrivals.append(Arrival(event, now_ms, route))
            elif isinstance(event, Lost):
                losses.append(Loss(event, now_ms, route))
            elif isinstance(event, Hello):
                self._tell("node_hello", {"node": event.node, "boot": event.boot, "buffered": event.buffered})
        if arrivals or losses:
            self._writer.submit(arrivals, losses)
            if not self._held and self._writer.backlog > BACKLOG_MAX_REPORTS:
                self._hold(held=True)

    def _numbered(self, report: Report) -> Report:
        seq = self._next_seq.get(report.node, 0)
        self._next_seq[report.node] = seq + 1
        return report._replace(boot=self._boot, seq=seq)

    def _hold(self, *, held: bool) -> None:
        self._held = held
        self._tell("lines_held" if held else "lines_read_again", {"backlog": self._writer.backlog})
        for driver in self._drivers:
            driver.hold(held=held)

    def _let_go(self) -> None:
        """Read the lines again once the disk has caught up."""
        if self._held and self._writer.backlog <= BACKLOG_MAX_REPORTS // 2:
            self._hold(held=False)

    def _committed(self, outcome: Outcome) -> None:
        """The commit is on disk: answer the nodes, offer the readings to the link."""
        self.duplicates += outcome.duplicates
        self.withheld += outcome.withheld
        for route, nodes in outcome.acks.items():
            for (node, boot), pairs in nodes.items():
                route.acknowledge(node, boot, pairs)
        for route, nodes in outcome.asks.items():
            for (node, boot), pairs in nodes.items():
                route.ask_again(node, boot, pairs)
        for route in outcome.routes:
            route.committed()
        self._link.stored(outcome.stored)
        self._show(outcome.stored)
        self._guard_hears(outcome.stored)
        self._let_go()

    def _show(self, stored: Iterable[Stored]) -> None:
        """To the page, where there is one."""
        if self._gateway.page_port:
            now_ms = self._wall_ms()
            for part in stored:
                self._day.add(part, now_ms)

    def _look(self, spool: Spool) -> tuple[str, RangeSet]:
        """What the spool holds at the start."""
        if self._gateway.page_port:
            self._show(spool.newest(PAGE_BLOCKS))
        if self._guard is not None:
            self._guard_hears(reversed(list(spool.newest(GUARD_BLOCKS))))
        return spool.epoch, RangeSet(spool.pending)

    def _guard_hears(self, stored: Iterable[Stored]) -> None:
        if self._guard is not None:
            self._guard.heard([Accepted(part.low, part.high, part.nodes, part.rows) for part in stored])

    async def _serve_page(self) -> None:
        """A page that cannot be served is told and tried again; it never ends the gateway."""
        page = self._page()
        while True:
            try:
                await page.run()
            except OSError as bad:
                self._tell("page_failed", {"port": self._gateway.page_port, "why": str(bad)})
            await asyncio.sleep(PAGE_RETRY_S)

    def _page(self) -> PageServer:
        registry = RegistryReader(self._settings.desk_db)

        def html() -> str:
            with contextlib.suppress(ColdChainError, sqlite3.Error):  # without a desk: nodes and channels
                registry.refresh()
            return render(
                self._gateway.id,
                self._day,
                registry.registry,
                self._figures,
                now_ms=self._wall_ms(),
                zone=self._settings.zone,
            )

        contents = {
            "/": html,
            "/metrics": lambda: metrics(self._figures),
            "/figures.json": lambda: json.dumps(self._figures),
        }
        return PageServer(
            self._gateway.page_host,
            self._gateway.page_port,
            contents,
            lambda bad: self._log.error("page_failed", kind=type(bad).__name__, why=str(bad)),
        )

    async def _beat(self) -> None:
        """Round after round through the loop and the writer's thread: the beat stops when either is stuck."""
        while True:
            self._link.require_progress()
            self._figures = await self.figures()
            self._tell_guard(self._figures)
            self._heart.beat(self._figures)
            self._let_go()  # after a full disk no commit may come that does
            await self._take_carried()
            await asyncio.sleep(BEAT_EVERY_S)

    async def _take_carried(self) -> None:
        """Receipts that somebody carried here. A file goes once what it says is committed."""
        for receipt, said in carrying.left(self._settings.data_dir, self._gateway.id, self._epoch):
            if receipt is None:
                self._tell("carried_receipt_refused", {"why": said})
                continue
            self._link.receipted(receipt)
            with contextlib.suppress(sqlite3.Error):  # the disk is full: the link owes it
                await asyncio.wrap_future(self._writer.call(lambda _: None))
            self._tell("carried_receipt_taken", {"file": said})

    def _tell_guard(self, figures: dict[str, Any]) -> None:
        if self._guard is not None:
            pending, oldest_ms = figures["pending"], figures["oldest_ms"]
            age_s = 0.0 if oldest_ms is None else (self._wall_ms() - oldest_ms) / 1000
            silent_s = self._silence.look(pending, figures["receipts"], age_s, self._steady_s())
            self._guard.hub(HubWord(pending, oldest_ms, silent_s, up=figures["link_up"]))

    async def _last_beat(self) -> None:
        """The figures as they are at the end, unless the spool has failed."""
        with contextlib.suppress(TimeoutError, sqlite3.Error):
            async with asyncio.timeout(LAST_BEAT_S):
                self._heart.beat(await self.figures(), now=True)

    async def figures(self) -> dict[str, Any]:
        """What metrics, page, status and `coldchain doctor` show."""
        spool = await asyncio.wrap_future(self._writer.call(_spool_figures))
        link = self._link
        return {
            **spool,
            "withheld": self.withheld,
            "duplicates": self.duplicates,
            "disk_full": self._writer.disk_full,
            "lines": {f.name: f.as_json() for driver in self._drivers for f in driver.figures()},
            "link_up": link.state.up,
            "in_flight": link.state.in_flight,
            "batches_sent": link.batches_sent,
            "readings_sent": link.readings_sent,
            "bytes_sent": link.bytes_sent,
            "resent": link.state.resent,
            "receipts": link.receipts,
            "last_receipt_ms": link.last_receipt_ms,
            "mb_per_site_month": round(link.mb_per_site_month(), 3),
            **({"guard": self._guard.status()} if self._guard is not None else {}),
        }

    async def _status(self) -> dict[str, Any]:
        """The status message, gaps included."""
        figures = await self.figures()
        gaps = await asyncio.wrap_future(self._writer.call(lambda spool: spool.gaps.untold(GAPS_PER_STATUS)))
        return {
            "at_ms": self._wall_ms(),
            "uptime_s": round(self._steady_s() - self._started_s),
            "spool": {name: figures[name] for name in SPOOL_FIGURES},
            "mb_per_site_month": figures["mb_per_site_month"],
            "lines": [
                {"name": line["name"], "state": line["state"], "last_ms": line["last_ms"]}
                for line in figures["lines"].values()
            ],
            "gaps": gaps,
        }


def _spool_figures(spool: Spool) -> dict[str, Any]:
    return {
        "accepted": spool.accepted,
        "pending": len(spool.pending),
        "oldest_ms": spool.oldest_ms(),
        "bytes": spool.bytes_used(),
        "full": spool.full(),
        "lost": spool.gaps.lost,
        "anchors": spool.anchors(),
    }
