# SPDX-License-Identifier: Apache-2.0
"""Faults as they are done: to processes, link, nodes, modem and engine; what hung, and for how long."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rig.influx import Influx

from coldchain.ports.clock import wall_ms
from coldchain.wiring.supervise import Supervisor
from soak.faults import PROCESSES, Fault
from soak.proxy import Proxy

ON_THE_WAY = frozenset({"ingest", "alerts"})
"""Processes between a reading's arrival and its message."""
SENDER = frozenset({"modem-unplug", "modem-hang"})


class Span(NamedTuple):
    """We kept something on the way from arrival to message from working, from .. to [ms since epoch]."""

    from_ms: int
    to_ms: int


class Hang(NamedTuple):
    """A process stopped for good at `at_ms` and replaced after `found_s` [s]; NaN: it was not."""

    name: str
    at_ms: int
    found_s: float


class Striker:
    """One thread's. `turn` a few times a second: it ends faults that have had their time."""

    def __init__(
        self, supervisor: Supervisor, proxy: Proxy, broker: Path, folder: Path, influx: Influx | None
    ) -> None:
        self._supervisor, self._proxy, self._broker, self._influx = supervisor, proxy, broker, influx
        self._control, self._diary = folder / "world.ctl", folder / "faults.jsonl"
        self._heal: list[tuple[float, Callable[[], None]]] = []
        self._hanging: dict[str, tuple[int, float]] = {}
        self.faults: Counter[str] = Counter()
        self.spans: list[Span] = []
        self.hangs: list[Hang] = []

    def apply(self, fault: Fault) -> None:
        kind, whom, lasts_s = fault.kind, fault.whom, fault.lasts_s
        if whom in self._hanging or (kind.startswith("influx") and self._influx is None):
            return  # it hangs already: whoever finds it is being timed
        with self._diary.open("a") as diary:  # to be read beside the logs
            diary.write(json.dumps({"at_ms": wall_ms(), **fault._asdict()}) + "\n")
        self.faults[f"{kind} {whom}" if whom in PROCESSES else kind] += 1
        if kind in SENDER or (kind == "freeze" and whom in ON_THE_WAY):
            self.spans.append(Span(wall_ms(), wall_ms() + round(lasts_s * 1000)))
        if kind == "kill":
            self.signal(whom, signal.SIGKILL)
        elif kind == "freeze":
            self._freeze(whom, lasts_s)
        elif kind == "hang":
            self._hang(whom)
        elif kind == "wipe":
            self.signal("broker", signal.SIGKILL)
            time.sleep(0.05)
            shutil.rmtree(self._broker / "store", ignore_errors=True)
        elif kind == "cut":
            self._proxy.cut()
        elif kind == "influx-kill" and self._influx is not None:
            self._influx.kill()
            self._later(lasts_s, self._influx.start)
        elif kind in LINK:
            name, bad, good = LINK[kind]
            setattr(self._proxy.weather, name, bad)
            self._later(lasts_s, lambda: setattr(self._proxy.weather, name, good))
        elif kind in NODE:
            begin, bad, end, good = NODE[kind]
            self._world(begin, whom, bad)
            if end:
                self._later(lasts_s, lambda: self._world(end, whom, good))
        else:
            raise AssertionError(kind)

    def turn(self) -> None:
        now_s = time.monotonic()
        due = [heal for at_s, heal in self._heal if at_s <= now_s]
        self._heal = [(at_s, heal) for at_s, heal in self._heal if at_s > now_s]
        for heal in due:
            heal()
        self._look_at_hanging(now_s)

    def finish(self) -> None:
        """End all faults but hangs: those are for the watchdog to end."""
        for _, heal in self._heal:
            heal()
        self._heal.clear()

    def give_up(self) -> None:
        """What hangs even now was never found."""
        for name, (_, began_s) in self._hanging.items():
            at_ms = wall_ms() - round((time.monotonic() - began_s) * 1000)
            self.hangs.append(Hang(name, at_ms, float("nan")))
        self._hanging.clear()

    @property
    def hanging(self) -> bool:
        return bool(self._hanging)

    def signal(self, name: str, number: signal.Signals) -> None:
        pid = self._supervisor.child(name).pid
        if pid is not None:
            os.kill(pid, number)

    def _hang(self, name: str) -> None:
        child = self._supervisor.child(name)
        if child.pid is not None and child.beat_s > child.started_s:
            self._hanging[name] = (child.pid, time.monotonic())
            os.kill(child.pid, signal.SIGSTOP)
        else:
            self.faults[f"hang {name}"] -= 1  # it is just being started: nothing was done

    def _look_at_hanging(self, now_s: float) -> None:
        for name, (pid, began_s) in list(self._hanging.items()):
            if self._supervisor.child(name).pid in (None, pid):
                continue
            del self._hanging[name]
            found_s = now_s - began_s
            at_ms = wall_ms() - round(found_s * 1000)
            self.hangs.append(Hang(name, at_ms, found_s))
            if name in ON_THE_WAY:
                self.spans.append(Span(at_ms, wall_ms()))

    def _freeze(self, name: str, seconds: float) -> None:
        pid = self._supervisor.child(name).pid
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            hangs = self._hanging.get(name, (None, 0.0))[0] == pid
            if self._supervisor.child(name).pid == pid and not hangs:  # else it was killed meanwhile
                os.kill(pid, signal.SIGCONT)

        self._later(seconds, thaw)

    def _later(self, seconds: float, heal: Callable[[], None]) -> None:
        self._heal.append((time.monotonic() + seconds, heal))

    def _world(self, what: str, node: str = "", value: Any = None) -> None:
        line = json.dumps({"what": what, "node": node, "value": value}) + "\n"
        pipe = os.open(self._control, os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(pipe, line.encode())
            if what in ("unplug", "plug", "modem-unplug", "modem-plug"):
                time.sleep(0.02)
        finally:
            os.close(pipe)


LINK: dict[str, tuple[str, Any, Any]] = {
    "late": ("delay_s", 0.5, 0.0),
    "half-open": ("stalled", True, False),
    "refuse": ("refusing", True, False),
    "corrupt": ("corrupt", 0.05, 0.0),
    "slow": ("bytes_s", 4_000, None),
}
NODE: dict[str, tuple[str, Any, str, Any]] = {
    "unplug": ("unplug", None, "plug", None),
    "noise": ("noise", 2e-3, "noise", 0.0),
    "vanish": ("vanish", True, "vanish", False),
    "reboot": ("reboot", None, "", None),
    "modem-unplug": ("modem-unplug", None, "modem-plug", None),
    "modem-hang": ("modem-hang", True, "modem-hang", False),
    "modem-lies": ("modem-lies", False, "", None),
    "modem-mute": ("modem-mute", True, "", None),
    "modem-restart": ("modem-restart", None, "", None),
}
