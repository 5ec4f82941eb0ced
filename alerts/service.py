# SPDX-License-Identifier: Apache-2.0
"""Alerts as a process: follow the journal, judge, write the book, let the outbox send.

Exactly once, whenever it is killed: what a block caused is committed together with the position it was read
to (`judged`); the engine's state follows at a slower pace with the position it stands at. A restart takes the
state, judges from there to `judged` without writing, and goes on. Ingest keeps the log after that position.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping

import numpy as np
import structlog

from alerts.alarms.entries import Scene
from alerts.answers.codes import Draw
from alerts.answers.desk import Answers
from alerts.bookkeeping import anew
from alerts.bookkeeping.book import Book
from alerts.bookkeeping.late import HOUR_MS, Pace, Record, Revision
from alerts.commands import Commands
from alerts.guard.hub import Guards
from alerts.judgement.changed import changed_from, judged_again
from alerts.judgement.engine import all_late, rules_digest, step
from alerts.judgement.foretold import Foretold
from alerts.judgement.standing import Standing
from alerts.notices.budget import Budget
from alerts.notices.chains import Chains
from alerts.notices.outbox import Outbox
from alerts.notices.telling import Teller
from alerts.present import Present
from alerts.rules.flat import block_of
from alerts.rules.table import build_table
from alerts.site.watch import SiteWatch
from alerts.store import AlarmStore
from alerts.watches.beside import Beside
from alerts.watches.daily import Ready
from alerts.watches.keeping import Keeper
from alerts.watches.rounds import Rounds
from alerts.watches.upkeep import Upkeep
from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.errors import StoreUnavailable
from coldchain.ports.clock import steady_s as system_steady_s
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.ports.notifier import Notifier
from coldchain.records.alarms import AlarmsReader
from coldchain.records.health import BEAT_EVERY_S, Heart
from coldchain.records.journal import JournalReader, LogBatch
from coldchain.records.own_profiles import OwnProfiles
from coldchain.records.registry import Registry, RegistryReader, bring_up
from coldchain.settings import Settings

log = structlog.get_logger()

BATCHES = 64
"""Journal batches judged as one block: more save little."""
LOOK_EVERY_S, PEOPLE_EVERY_S = 1.0, 0.25
"""In a backlog, answers and due steps are looked for so often."""
LATE_SLICE_S = 0.5
"""No transaction that judges again lasts much longer."""
CHANGED_RULES_MS = 24 * HOUR_MS
"""When rules or limits have changed while we were away, so much of each sensor's past is judged again."""


class AlertService:
    """`run` blocks until `stop`. `tick` is one round, for those who keep their own time.

    notifier  the channels by name, or one that is `sms`; None: alarms are kept, nobody is told
    draw      where codes come from
    credit    asks what is left on the SIM
    signal    asks how strong the modem's network is [dBm]
    ready     what is to be mended, for the morning's message
    The outbox has a thread of its own while `run` runs; otherwise call `outbox.send_one`.
    """

    def __init__(
        self,
        settings: Settings,
        notifier: Notifier | Mapping[str, Notifier] | None,
        *,
        wall_ms: WallClock = system_wall_ms,
        steady_s: SteadyClock = system_steady_s,
        draw: Draw = secrets.randbelow,
        credit: Callable[[], float | None] | None = None,
        signal: Callable[[], int | None] | None = None,
        ready: Ready | None = None,
    ) -> None:
        self._settings, self._wall_ms, self._steady_s = settings, wall_ms, steady_s
        self._lateness_ms = round(settings.alerts.lateness.total_seconds() * 1000)
        self._silent_after_ms = round(settings.alerts.silent_after.total_seconds() * 1000)
        bring_up(settings.desk_db)
        self._store = AlarmStore(settings.alarms_db)
        self._at = Standing(self._store, wall_ms, steady_s)
        channels: dict[str, Notifier] = (
            dict(notifier) if isinstance(notifier, Mapping) else {"sms": notifier} if notifier else {}
        )
        self._series: dict[str, int] = {}
        chains = Chains(self._store.db, draw)
        self._registry = RegistryReader(settings.desk_db)
        self._own_profiles = OwnProfiles(settings.data_dir)
        now = Present(lambda: self._at.state.table, lambda: self._series, self._registry)
        self._teller = Teller(self._store, chains, channels, now.newest, now.left)
        self._book = Book(self._store, self._teller, now.newest)
        self._answers = Answers(self._store, self._book, chains)
        self._guards = Guards(self._store, self._book, chains)
        self._rounds = Rounds(self._store, self._book, settings, now.last_heard, draw, ready, steady_s)
        self._record = Record(settings.readings_db)
        self._keeper = Keeper(self._store, self._book, self._record, settings)
        self._commands = Commands(settings.desk_db, self._store, self._book, self._keeper.aside)
        self._revision = Revision(self._store, self._book, self._record, self._lateness_ms)
        self._watch = self._keeper.watch
        self._beside = Beside(self._store, self._book, self._silent_after_ms)
        self._foretold = Foretold(self._store)
        self._upkeep = Upkeep(self._store, Record(settings.readings_db))
        self._sites = SiteWatch(self._store, self._book, settings.readings_db, wall_ms())
        budget = Budget(settings.notify.hourly, settings.notify.modem.reserve, credit, signal)
        self.outbox = Outbox(settings.alarms_db, channels, wall_ms, now.persona, budget) if channels else None
        self._figures = AlarmsReader(settings.alarms_db)
        self._heart = Heart(settings.data_dir, "alerts", wall_ms)
        self._journal: JournalReader | None = None
        self._stopping = threading.Event()
        self._names: dict[int, str] = {}
        self._rules = build_table(Registry(), {}, fault_after_ms=self._silent_after_ms)
        now_s = steady_s()
        self._look_at_s = self._beat_at_s = self._people_at_s = now_s
        self._pace = Pace(now_s)
        self._began_ms = wall_ms()
        self._restore()

    # --- life

    def run(self) -> None:
        """Until `stop`. Raises when a store fails, the outbox's too: the process ends and starts anew."""
        sender = self.outbox.start() if self.outbox else None
        try:
            while not self._stopping.is_set():
                if self.outbox:
                    self.outbox.require_progress()
                if not self.tick():
                    self._stopping.wait(self._settings.alerts.poll.total_seconds())
        finally:
            if self.outbox and sender:
                self.outbox.stop()
                sender.join(timeout=2.0)
                self.outbox = None  # it closes its file itself
            self.close()

    def stop(self) -> None:
        """From any thread or a signal handler."""
        self._stopping.set()

    def close(self) -> None:
        """Save, and let go of the files."""
        self._save()
        if self.outbox:
            self.outbox.close()
        self._store.close()
        self._figures.close()
        if self._journal is not None:
            self._journal.close()

    # --- one round

    def tick(self) -> bool:
        """Judge what the journal has for us. False when there was nothing to do."""
        batches = self._fetch()
        self._refresh_registry()
        self._guards.adopt(self._journal, self._scene)
        if batches:
            self._judge(batches)
        drained = len(batches) < BATCHES
        if self._anew and drained and self._journal is not None:
            self._line_up(self._journal)
        now_s = self._steady_s()
        if self._at.caught_up and self._pace.is_due(now_s, drained=drained):
            self._settle(now_s)
        self._hear_and_tell(now_s, hurry=drained)
        if drained and now_s >= self._look_at_s:
            self._look_at_s = now_s + LOOK_EVERY_S
            self._late_seen(came=False)
            self._look()
        if self._at.save_is_due(now_s, drained=drained):
            self._save()
        if now_s >= self._beat_at_s:
            self._beat_at_s = now_s + BEAT_EVERY_S
            self._beat()
        return bool(batches)

    def _fetch(self) -> list[LogBatch]:
        if self._journal is None:
            try:
                self._journal = JournalReader(self._settings.readings_db)
            except StoreUnavailable:
                return []  # ingest has not run yet
            self._rebuild()
        found = self._journal.batches_after(self._at.position, BATCHES)
        if not found and anew.is_another(self._journal, max(self._at.position, self._at.judged)):
            self._at.begin_again(len(self._rules))
            self._revision.checkpoints.forget_all()
            self._anew = True
            self._sites.forget()
            found = self._journal.batches_after(0, BATCHES)
        return found

    def _line_up(self, journal: JournalReader) -> None:
        self._anew = False
        with self._store.transaction():
            args = (journal, self._book, self._store, self._scene, self._lateness_ms)
            self._at.state = anew.line_up(self._at.state, *args)
            self._write_state()
        self._late_seen()

    def _judge(self, batches: list[LogBatch]) -> None:
        again = [b for b in batches if b.position <= self._at.judged]
        for part, written in ((again, True), (batches[len(again) :], False)):
            if part:
                self._judge_part(part, written=written)

    def _judge_part(self, batches: list[LogBatch], *, written: bool) -> None:
        """`written`: what these cause is in the book already; only the state moves."""
        rows = np.concatenate([b.rows for b in batches])
        block = block_of(rows, self._lateness_ms)
        if len(block) and int(block.series.max()) >= len(self._rules):
            self._rebuild()
        self._sites.feed(rows)
        self._upkeep.feed(batches[-1].rows)  # a jump is still one when it is seen a batch later
        self._guards.backlog(rows, self._scene)
        did = step(self._at.state, block, self._rules, give=True)
        self._at.went(did.state, batches[-1].position, len(block))
        self._late_seen()
        ended = did.defrosts
        if written or not (len(did.events) or len(ended)):
            return
        with self._store.transaction():
            self._book.enter(did.events, self._scene)
            self._revision.defrosted.enter(ended, self._scene)
            self._at.entered()
        self._wake_outbox()

    @property
    def _scene(self) -> Scene:
        return Scene(
            self._registry.registry,
            self._registry.version,
            self._rules,
            self._names,
            self._at.position,
            self._wall_ms(),
        )

    # --- people

    def _hear_and_tell(self, now_s: float, *, hurry: bool) -> None:
        """Commands and answers before what time brings: who has answered is not called again."""
        if not hurry and now_s < self._people_at_s:
            return
        self._people_at_s = now_s + PEOPLE_EVERY_S
        self._commands.apply(self._scene)
        heard = self._guards.hear(self._scene) | self._rounds.hear(self._scene)
        heard |= self._answers.apply(self._scene)
        scene = self._scene
        heard |= self._rounds.look(scene)
        if self._teller.run(scene) | heard:
            self._wake_outbox()

    # --- late readings

    def _late_seen(self, *, came: bool = True) -> None:
        now_s = self._steady_s()
        if self._revision.waiting.look(self._at.state.table, now_s) and (came or not self._pace.waiting):
            self._pace.seen(now_s)

    def _settle(self, now_s: float) -> None:
        """Judge waiting spans again, for LATE_SLICE_S at most: the outbox shares the file with us."""
        waiting = self._revision.waiting.urgent_last(self._at.state.table, now_s)
        judged, took_s = 0, 0.0
        with self._store.transaction():
            scene = self._scene
            while waiting and took_s < LATE_SLICE_S:
                judged += self._revision.settle(self._at.state, waiting, scene, now_s)
                took_s = self._steady_s() - now_s
            if judged:  # the state follows: judged again from an older one, the same comes out
                self._at.entered()
                self._at.unsaved += 1
        self._record.close()
        urgent = bool(waiting) and bool(self._at.state.table["rough"][waiting].any())
        self._pace.worked(now_s, took_s, waiting=bool(waiting), urgent=urgent)
        if judged:
            log.info("judged_again", sensors=judged, waiting=len(waiting), seconds=round(took_s, 3))
            self._wake_outbox()

    def _look(self) -> None:
        scene = self._scene
        if not len(scene.rules):
            return
        now, changes = self._watch.look(self._at.state.table, scene, self._began_ms)
        of_sites = self._sites.look(self._at.state, scene, now)
        alone = self._beside.look(self._at.state.table, scene)
        if changes or of_sites or alone:
            with self._store.transaction():
                self._watch.enter(now, changes, self._at.state.table, scene)
                self._sites.enter(of_sites, scene)
                self._beside.enter(alone, scene)
        if self._keeper.look(scene) or changes or of_sites or alone:
            self._wake_outbox()
        self._foretold.look(self._at.state.table, self._series, scene.now_ms)
        if self._journal is not None:
            self._upkeep.look(self._at.state, self._journal.sources, scene)

    # --- the registry

    def _refresh_registry(self) -> None:
        if not self._at.caught_up and self._registry.version:
            return  # what was judged under the old version is being judged again under it
        other_numbers = self._own_profiles.look(self._steady_s())
        try:
            if not self._registry.refresh() and not other_numbers:
                return
        except StoreUnavailable:  # the desk is being made
            if not other_numbers:
                return
        before = self._rules
        self._rebuild()
        self._at.state = judged_again(self._at.state, changed_from(before, self._rules), self._was_told)
        self._late_seen()
        log.info("registry", version=self._registry.version, position=self._at.position)
        with self._store.transaction():
            self._book.release(self._scene)
            self._store.registry_took_effect(self._registry.version, self._at.position, self._wall_ms())
            self._write_state()

    def _was_told(self, series: int, start_ms: int, end_ms: int) -> bool:
        return self._store.touches_excursion(self._names[series], start_ms, end_ms)

    def _rebuild(self) -> None:
        series = self._journal.series() if self._journal is not None else {}
        self._names = {number: sensor for number, (sensor, _) in series.items()}
        self._series = {sensor: number for number, sensor in self._names.items()}
        self._rules = build_table(self._registry.registry, series, fault_after_ms=self._silent_after_ms)
        self._at.state = self._at.state.grown(len(self._rules))
        self._sites.rebuild(self._registry.registry, series, self._journal)

    def _wake_outbox(self) -> None:
        if self.outbox:
            self.outbox.wake()

    # --- state

    def _restore(self) -> None:
        """Take up the saved state, or begin; the journal and the registry are read in the first round."""
        saved = self._at.take_up()
        if saved and (known := self._commands.registry(saved.registry_version)) is not None:
            self._registry.registry, self._registry.version = known, saved.registry_version
            self._rebuild()
        if saved and saved.rules_digest != rules_digest(self._rules):
            log.warning("rules_changed", was=saved.rules_digest, now=rules_digest(self._rules))
            self._at.state = all_late(self._at.state, CHANGED_RULES_MS)
        self._late_seen()
        self._anew = self._at.position == 0
        if saved is None:
            with self._store.transaction():
                self._write_state()

    def _save(self) -> None:
        if self._at.unsaved and self._at.caught_up:
            with self._store.transaction():
                self._write_state()

    def _write_state(self) -> None:
        """Inside the caller's transaction. Everything up to here has been entered in the book."""
        digest = rules_digest(self._rules)
        self._at.write(digest, self._registry.version)
        self._sites.save(self._wall_ms())
        self._revision.checkpoints.take(self._at.state, digest)

    def _beat(self) -> None:
        counts = self._figures.counts()
        newest = self._journal.last_position() if self._journal is not None else self._at.position
        behind = max(0, newest - self._at.position) + self._pace.waiting
        self._heart.beat(
            {
                "position": self._at.position,
                "behind": behind,
                "judged": self._at.n_judged,
                "alarms_open": counts.alarms_open,
                "notices_due": counts.notices_due,
                "notices_sent": counts.notices_sent,
                "profiles_wait": self._own_profiles.waits,
                **self._rounds.beat(self._steady_s(), self._at.position, behind, self.outbox),
            },
            now=True,
        )
