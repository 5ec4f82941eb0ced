# SPDX-License-Identifier: Apache-2.0
"""Where judging stands: the engine's state, the journal position it was read to, and how both are kept.

`judged` moves with what a block caused, in one transaction; the state follows at a slower pace with the
position it stands at. After a restart, batches between the two are judged without writing.
"""

from __future__ import annotations

from alerts.judgement.engine import FORMAT, EngineState
from alerts.store import AlarmStore, Saved
from coldchain.kernel.clocks import SteadyClock, WallClock

SAVE_EVERY_S = 600.0
"""The state, 1 KB a sensor as written, is saved this often; a restart judges at most this much again."""
SAVE_AFTER_READINGS = 50_000
IDLE_SAVE_S, IDLE_SAVE_READINGS = 2.0, 20_000


class Standing:
    """One writer's place in the journal. Positions number the journal's batches; 0 is before the first."""

    def __init__(self, store: AlarmStore, wall_ms: WallClock, steady_s: SteadyClock) -> None:
        self._store, self._wall_ms, self._steady_s = store, wall_ms, steady_s
        self.state = EngineState.fresh()
        self.position = self.judged = self.unsaved = self.n_judged = 0
        self.saved_at_s = steady_s()

    @property
    def caught_up(self) -> bool:
        """Nothing is being judged a second time."""
        return self.position >= self.judged

    def take_up(self) -> Saved | None:
        """What was saved, taken up; None: this is a beginning."""
        saved = self._store.saved()
        if saved is not None:
            self.state = EngineState.load(saved.state)
            self.position, self.judged = saved.position, saved.judged
        return saved

    def begin_again(self, n_series: int) -> None:
        """The journal is another one: from its first batch."""
        self.position = self.judged = 0
        self.state = EngineState.fresh(n_series)

    def went(self, state: EngineState, position: int, readings: int) -> None:
        """A block was judged, up to `position`."""
        self.state, self.position = state, position
        self.unsaved += readings
        self.n_judged += readings

    def entered(self) -> None:
        """What was caused up to here is in the book: inside the transaction that wrote it."""
        self.judged = self.position
        self._store.set_judged(self.judged)

    def save_is_due(self, now_s: float, *, drained: bool) -> bool:
        """`drained`: the journal has nothing more for us just now."""
        if not self.unsaved or not self.caught_up:
            return False
        waited_s = now_s - self.saved_at_s
        quiet = drained and self.unsaved >= IDLE_SAVE_READINGS and waited_s >= IDLE_SAVE_S
        return quiet or waited_s >= SAVE_EVERY_S or self.unsaved >= SAVE_AFTER_READINGS

    def write(self, digest: str, registry_version: int) -> None:
        """Inside the caller's transaction."""
        self.judged = max(self.judged, self.position)
        saved = Saved(self.position, self.judged, digest, registry_version, self.state.save())
        self._store.save(saved, FORMAT, self._wall_ms())
        self.unsaved = 0
        self.saved_at_s = self._steady_s()
