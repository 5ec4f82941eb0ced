# SPDX-License-Identifier: Apache-2.0
"""The guard of a site: the alert service itself, on files of its own, silent while the hub is there.

It follows every reading, so that it knows what stands; it speaks once readings have waited too long for a
receipt, and of those alarms alone that the hub cannot know. What the hub knew before is the hub's, which may
well have a modem that works; only when it has been out of reach for much longer is that told here too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from alerts.alarms.entries import Scene, in_use
from alerts.alarms.lifecycle import State
from alerts.answers.codes import Draw
from alerts.guard.lines import Spot, alive, last
from alerts.guard.outage import Outage
from alerts.guard.report import Offer, keep, kept_at, offers
from alerts.notices.chains import ENDED, Draft
from alerts.oncall.policy import first_routes, people_of, policy_for
from alerts.oncall.rota import local_of
from alerts.service import AlertService
from alerts.watches.duty import DutyWatch
from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.kernel.guard import Report
from coldchain.kernel.readings import Rows
from coldchain.ports.clock import steady_s as system_steady_s
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.ports.guard import HubWord
from coldchain.ports.notifier import Notifier
from coldchain.records.alarms import Alarm
from coldchain.settings import Settings

log = structlog.get_logger()

TAKE_OVER = 3
"""After so many times `after` without the hub, its own critical alarms that still stand are told here too."""
FRESH_MS = 3_600_000
WARM_MS = 600_000
"""After a start, the alive line waits until every sensor had time to report."""
OFFER_EVERY_S = 1.0
HUB = "hub"
OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Post:
    """Where this guard stands. `settings`: the gateway's."""

    gateway: str
    settings: Settings

    @property
    def after_s(self) -> float:
        return self.settings.gateway.guard.after.total_seconds()


class _HubsDuty(DutyWatch):
    """Holes in the rotas are the hub's to find: it has all of them."""

    def look(self, scene: Scene) -> bool:
        return False


class GuardService(AlertService):
    """`settings.data_dir` is the guard's own folder, with its own journal, registry copy and alarms."""

    def __init__(
        self,
        settings: Settings,
        channels: Mapping[str, Notifier],
        post: Post,
        *,
        wall_ms: WallClock = system_wall_ms,
        steady_s: SteadyClock = system_steady_s,
        draw: Draw = secrets.randbelow,
        credit: Callable[[], float | None] | None = None,
    ) -> None:
        super().__init__(settings, channels, wall_ms=wall_ms, steady_s=steady_s, draw=draw, credit=credit)
        self._post, self._guard = post, post.settings.gateway.guard
        self._duty = _HubsDuty(self._store, self._book)
        self._ways = self._teller.channels
        self._teller.channels = frozenset()
        self._word = HubWord(0, None, 0.0, up=True)
        self._offers: list[Offer] = []
        self._offered_s = -1e9
        self._lined = ""
        self._gasped = 0
        self._outage = Outage(self._guard.power_node, since_ms=self._outage_since())

    @property
    def speaking(self) -> bool:
        """Is the site without its hub, as far as we know?"""
        return bool(self._teller.channels)

    @property
    def reports(self) -> list[Report]:
        """What the hub has not kept yet, as of the last round."""
        return [offer.report for offer in self._offers]

    @property
    def settled(self) -> int:
        """The position in its own journal up to which nothing will be asked for again."""
        return min(self._at.position, self._at.judged)

    # --- what it is told, between rounds

    def hub(self, word: HubWord) -> None:
        self._word = word

    def kept(self, ids: Iterable[str]) -> None:
        """The hub has those reports: from here it calls people about them, and we do not."""
        known = {offer.report.id: offer for offer in self._offers}
        done = [known[id_] for id_ in ids if id_ in known]
        with self._store.transaction() as db:
            for offer in done:
                keep(db, offer, self._wall_ms())
                self._teller.chains.cancel(offer.alarm)
                self._end(offer.alarm)
        self._offers = [offer for offer in self._offers if offer not in done]

    def power(self, nodes: list[str], rows: Rows) -> None:
        """Readings of SPOOLED, those of mains and battery among them."""
        before = self._outage.since_ms
        self._outage.heard(nodes, rows)
        if (since := self._outage.since_ms) != before:
            with self._store.transaction() as db:
                db.execute("DELETE FROM guard_kept WHERE alarm = ?", (OUTAGE,))
                if since is not None:
                    db.execute("INSERT INTO guard_kept VALUES (?,?,?)", (OUTAGE, str(since), since))

    def _outage_since(self) -> int | None:
        row = self._store.db.execute("SELECT report FROM guard_kept WHERE alarm = ?", (OUTAGE,)).fetchone()
        return int(row[0]) if row else None

    # --- a round

    def tick(self) -> bool:
        """One round. False when there was nothing to judge."""
        self._attend()
        did = super().tick()
        if self.speaking:
            self._speak()
        self._send_lines()
        now_s = self._steady_s()
        if now_s >= self._offered_s + OFFER_EVERY_S:
            self._offered_s = now_s
            self._offers = offers(self._store, self._teller.chains)
        return did

    def _attend(self) -> None:
        """Speak, or leave it to the hub."""
        silent = self._word.pending > 0 and self._word.silent_s > self._post.after_s
        if silent == self.speaking:
            return
        self._teller.channels = self._ways if silent else frozenset()
        log.info("guard.speaks" if silent else "guard.listens", pending=self._word.pending)

    def _speak(self) -> None:
        """Tell what stands and the hub cannot know, each alarm once; then its chain runs by itself."""
        for alarm in self._store.standing():
            if alarm.state != State.UNACKNOWLEDGED or alarm.parent:
                continue
            chain = self._teller.chains.chain(alarm.id)
            if (chain is None or chain.state == ENDED) and self._ours(alarm):
                self._tell(alarm)

    def _tell(self, alarm: Alarm) -> None:
        """The teller may leave it: another alarm of the appliance says it already."""
        scene, chains = self._scene, self._teller.chains
        with self._store.transaction():
            now = replace(alarm, raised_ms=scene.now_ms)
            self._teller.raised(now, self._book.newest_value(alarm.sensor), 0, scene, again=False)
            chain = chains.chain(alarm.id)
            if chain is not None and chain.state != ENDED:
                self._store.note(
                    alarm.id, scene.now_ms, "told_here", f"no receipt for {self._word.silent_s:.0f} s"
                )
                self._wake_outbox()

    def _ours(self, alarm: Alarm) -> bool:
        """Does the hub not know it: was it decided after what the hub has confirmed, and not handed over?"""
        oldest_ms = self._word.oldest_ms
        unknown = oldest_ms is not None and alarm.decided_ms >= oldest_ms
        unknown = unknown and alarm.decided_ms > kept_at(self._store.db, alarm.id)
        long_gone = alarm.severity == "critical" and self._word.silent_s > TAKE_OVER * self._post.after_s
        return unknown or long_gone

    def _end(self, alarm: str) -> None:
        row = self._teller.chains.chain(alarm)
        if row is not None:
            self._teller.chains.put(replace(row, state=ENDED, due_ms=None))

    # --- lines to the hub's telephone

    def _send_lines(self) -> None:
        if not self._ways:
            return
        scene_ms = self._wall_ms()
        self._say_alive(scene_ms)
        since = self._outage.since_ms
        if since is not None and since != self._gasped:
            battery_pct = self._outage.falling(self._guard.battery_pct, scene_ms)
            if battery_pct is not None:
                self._gasp(since, battery_pct, scene_ms)

    def _say_alive(self, now_ms: int) -> None:
        """Once a local day, from `alive_at` on."""
        guard = self._guard
        if guard.alive_at is None or guard.hub_number is None or not self._registry.version:
            return
        local = local_of(now_ms, self._post.settings.zone)
        day = local.date().isoformat()
        if day == self._lined or local.time() < guard.alive_at or now_ms < self._began_ms + WARM_MS:
            return
        text = alive(self._post.gateway, now_ms, self._spots(now_ms))
        with self._store.transaction():
            self._line(f"alive:{day}", HUB, guard.hub_number, text, priority=1)
        self._lined = day
        self._wake_outbox()

    def _gasp(self, since_ms: int, battery_pct: float, now_ms: int) -> None:
        """Once an outage: to the hub, and to the people of the site when the hub cannot be reached."""
        scene, guard = self._scene, self._guard
        text = last(self._post.gateway, now_ms, since_ms, battery_pct, self._spots(now_ms))
        with self._store.transaction():
            if guard.hub_number is not None:
                self._line(f"last:{since_ms}", HUB, guard.hub_number, text, priority=0)
            if guard.hub_number is None or not self._word.up or self.speaking:
                for site in scene.registry.sites:
                    first = policy_for(scene.registry, "critical", site.id).steps[0]
                    for person in people_of(scene.registry, site.id, first.tell, now_ms):
                        for channel, address in first_routes(person, ("sms",), self._ways)[:1]:
                            self._line(
                                f"last:{since_ms}", person.id, address, text, priority=0, channel=channel
                            )
        self._gasped = since_ms
        log.warning("guard.last_gasp", since_ms=since_ms, battery_pct=battery_pct)
        self._wake_outbox()

    def _line(
        self, about: str, person: str, address: str, text: str, *, priority: int, channel: str = "sms"
    ) -> None:
        """Its name makes it one message, however often it is asked for."""
        draft = Draft(about, "line", 0, person, channel, 0, address, text, "", priority)
        self._teller.chains.add(draft, self._wall_ms())

    def _spots(self, now_ms: int) -> list[Spot]:
        """Appliances in use that were heard within the hour, by name."""
        scene = self._scene
        out = {e.appliance for e in self._store.lasting() if e.kind in ("high", "low")}
        out |= {a.appliance for a in self._store.standing() if a.kind in ("high", "low", "sensor_fault")}
        found = []
        for appliance in scene.registry.appliances:
            newest = self._book.newest_of(appliance.id, scene)
            if newest and now_ms - newest[1] <= FRESH_MS and in_use(scene.registry, appliance.id, now_ms):
                found.append(Spot(appliance.id, newest[0], appliance.id not in out))
        return found
