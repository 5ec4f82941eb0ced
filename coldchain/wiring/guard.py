# SPDX-License-Identifier: Apache-2.0
"""The guard of a gateway: a small hub at the site, on files of its own, silent unless the hub is gone.

Folder `guard` in the gateway's data: the copy of the rules (`desk.db`, `profiles`, `rules.json`), a short
journal (`readings.db`, a day: the spool has the readings), and `alarms.db`. Admission, engine, book, on-call
and modem are the hub's own code.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from alerts.answers.codes import Draw
from alerts.guard.service import GuardService, Post
from alerts.notices.errands import Hangs
from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.errors import ColdChainError, StoreUnavailable
from coldchain.kernel.guard import Kept, Report, Rules
from coldchain.ports.clock import steady_s as machine_steady_s
from coldchain.ports.clock import wall_ms as machine_wall_ms
from coldchain.ports.guard import Accepted, HubWord
from coldchain.ports.notifier import Notifier
from coldchain.records.registry import RegistryReader
from coldchain.records.sql import transaction
from coldchain.settings import Settings
from coldchain.settings.model import NotifySettings
from coldchain.wiring.guard_files import RulesFile, copied_rows
from coldchain.wiring.guard_voice import Made, Voice
from coldchain.wiring.notify import build_channels, build_credit
from ingest.journal import SqliteJournal

log = structlog.get_logger()

POLL_S = 1.0
AGAIN_S = 30.0
"""After a fault the guard begins anew so often."""
INBOX_MAX = 20_000
"""Commits that may wait for the guard. More are left out: it hears the newest."""
KEEP_MS = 26 * 3_600_000
TRIM_EVERY_S = 3_600.0
STOP_WAIT_S = 2.5
MUTE = "its modem hangs whenever it is opened: take its power away; without it nobody is told here"


def build_guard(settings: Settings) -> SiteGuard:
    """As the settings ask; the modem opens when it is first needed."""
    own = own_settings(settings)

    def made() -> Made:
        channels = build_channels(own)
        return channels, build_credit(own, channels)

    channels, credit = made()
    return SiteGuard(settings, channels, credit=credit, make=made)


def own_settings(settings: Settings) -> Settings:
    """What the parts of the guard work by: its own folder, its own modem."""
    guard = settings.gateway.guard
    if guard.modem.device:
        notify = NotifySettings(kind="modem", modem=guard.modem, calls=guard.calls)
    else:
        notify = NotifySettings(kind="file", file=guard.file)
    alerts = settings.alerts.model_copy(update={"poll": timedelta(seconds=POLL_S)})
    folder = settings.data_dir / "guard"
    return settings.model_copy(update={"data_dir": folder, "notify": notify, "alerts": alerts})


T = TypeVar("T")


def _anew_if_damaged(path: Path, opened: Callable[[Path], T]) -> T:
    """Open it; a damaged file is put aside and begun anew. The readings are in the spool too; of alarms that
    were told nothing is known then, and those that stand are told once more.
    """
    try:
        return opened(path)
    except (StoreUnavailable, sqlite3.DatabaseError) as bad:
        cause = bad.__cause__ if isinstance(bad, StoreUnavailable) else bad
        if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, sqlite3.OperationalError):
            raise
        log.warning("guard.damaged", path=str(path), why=str(bad))
        path.replace(path.with_name(f"{path.name}.damaged"))
        for tail in ("-wal", "-shm"):
            path.with_name(path.name + tail).unlink(missing_ok=True)
        return opened(path)


class _Anew(Exception):
    """Close the files and open them again."""


class SiteGuard:
    """The port `coldchain.ports.guard.Guard`. `open` and `turn` are for those who keep their own time."""

    def __init__(
        self,
        settings: Settings,
        channels: Mapping[str, Notifier],
        *,
        wall_ms: WallClock = machine_wall_ms,
        steady_s: SteadyClock = machine_steady_s,
        draw: Draw = secrets.randbelow,
        credit: Callable[[], float | None] | None = None,
        make: Callable[[], Made] | None = None,
    ) -> None:
        """make: channels and credit anew, for when one of them hangs."""
        self._settings, self._own = settings, own_settings(settings)
        self._voice, self._draw = Voice((channels, credit), make), draw
        self._wall_ms, self._steady_s = wall_ms, steady_s
        self._lock = threading.Lock()
        self._inbox: deque[Accepted] = deque(maxlen=INBOX_MAX)
        self._commands: deque[Kept | Rules] = deque(maxlen=1_000)
        self._word = HubWord(0, None, 0.0, up=True)
        self._left_out = 0
        self._rules = RulesFile(self._own.data_dir, wall_ms)
        self._reports: list[Report] = []
        self._state, self._why = "following", ""
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self.service: GuardService | None = None

    # --- the port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WAIT_S)

    def heard(self, accepted: Sequence[Accepted]) -> None:
        with self._lock:
            self._left_out += max(0, len(self._inbox) + len(accepted) - INBOX_MAX)
            self._inbox.extend(accepted)

    def hub(self, word: HubWord) -> None:
        self._word = word

    def command(self, command: Kept | Rules) -> None:
        with self._lock:
            self._commands.append(command)
        self._wake.set()

    def reports(self) -> Sequence[Report]:
        return self._reports

    def rules(self) -> str:
        return self._rules.digest

    def status(self) -> dict[str, Any]:
        state = self._state
        if state != "broken" and not self._rules.digest:
            state = "no_rules"
        return {
            "state": state,
            "version": self._rules.version,
            "left_out": self._left_out,
            "why": self._why or self._rules.refused,
        }

    # --- life

    def _run(self) -> None:
        """A guard that fails begins anew; the gateway goes on meanwhile, and its status says so."""
        while not self._stopping.is_set():
            try:
                self.open()
                self._state, self._why = "following", ""
                self._follow()
            except _Anew:
                continue
            except Hangs as bad:
                self._failed(bad)
                if bad.channel in self._voice.channels:
                    self._voice.anew()
            except (ColdChainError, OSError, sqlite3.Error) as bad:
                self._failed(bad)
            except Exception as bad:
                log.exception("guard.broken")
                self._failed(bad)
            finally:
                self.close()
            self._stopping.wait(AGAIN_S)

    def _follow(self) -> None:
        assert self.service is not None
        outbox = self.service.outbox
        sender = outbox.start() if outbox else None
        try:
            while not self._stopping.is_set():
                if outbox:
                    outbox.require_progress()
                elif self._voice.is_back():
                    raise _Anew
                self.turn()
                self._wake.wait(POLL_S)
                self._wake.clear()
        finally:
            if outbox and sender:
                outbox.stop()
                sender.join(timeout=2.0)
                self.service.outbox = None  # it closes its file itself

    def _failed(self, bad: Exception) -> None:
        self._state, self._why = "broken", f"{type(bad).__name__}: {bad}"[:200]
        log.error("guard.failed", why=self._why)

    def open(self) -> None:
        """Open the files and take up where it was left."""
        own, self._opened = self._own, contextlib.ExitStack()
        self._rules.take_up()
        lateness_ms = round(own.alerts.lateness.total_seconds() * 1000)
        self._journal = _anew_if_damaged(
            own.readings_db, lambda path: SqliteJournal(path, lateness_ms=lateness_ms, waiting_max=0)
        )
        self._opened.callback(self._journal.close)
        self._journal.db.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes, the spool still has
        self._registry = RegistryReader(own.desk_db)
        self._opened.callback(self._registry.close)
        self._trimmed_s = self._steady_s()
        self._numbers = 0
        self.service = _anew_if_damaged(own.alarms_db, lambda _: self._service())
        self._opened.callback(self.service.close)

    def _service(self) -> GuardService:
        return GuardService(
            self._own,
            self._voice.channels,
            Post(self._settings.gateway.id, self._settings),
            wall_ms=self._wall_ms,
            steady_s=self._steady_s,
            draw=self._draw,
            credit=self._voice.credit,
        )

    def close(self) -> None:
        """Save, and let go of the files."""
        if self.service is not None:
            self.service = None
            with contextlib.suppress(sqlite3.Error):
                self._opened.close()

    # --- a round

    def turn(self) -> None:
        """Take in what came, judge it, speak if that is called for."""
        assert self.service is not None
        with self._lock:
            accepted, commands = list(self._inbox), list(self._commands)
            self._inbox.clear()
            self._commands.clear()
        for command in commands:
            self._obey(command)
        self._take_in(accepted)
        self.service.hub(self._word)
        while self.service.tick():
            pass
        self._reports = self.service.reports
        if self._voice.lost:
            self._state, self._why = "broken", MUTE
        else:
            self._state = "speaking" if self.service.speaking else "following"
        self._trim()

    def _obey(self, command: Kept | Rules) -> None:
        assert self.service is not None
        if isinstance(command, Kept):
            self.service.kept(command.ids)
        elif self._rules.take(command) and command.version <= self._registry.version:
            raise _Anew  # an older registry, or other profiles under the same one: nothing would see them

    def _take_in(self, accepted: Sequence[Accepted]) -> None:
        assert self.service is not None
        if self._registry.refresh():
            self._journal.rewire(self._registry.registry)
        batches = []
        for part in accepted:
            self.service.power([node for node, _ in part.nodes], part.rows)
            batch = copied_rows(part, self._registry.registry, self._settings.gateway.id, self._numbers)
            if batch is not None:
                self._numbers += len(batch.rows)
                batches.append(batch)
        if batches:
            self._journal.record(batches, self._wall_ms())

    def _trim(self) -> None:
        """Only a day is kept here."""
        assert self.service is not None
        if self._steady_s() - self._trimmed_s < TRIM_EVERY_S:
            return
        self._trimmed_s = self._steady_s()
        self._journal.checkpoint()
        with transaction(self._journal.db) as db:
            before = self._wall_ms() - KEEP_MS
            db.execute(
                "DELETE FROM log WHERE arrived_ms < ? AND position <= ?", (before, self.service.settled)
            )
