# SPDX-License-Identifier: Apache-2.0
"""A recorded file as a node: it plays its readings through firmware and a serial line as fast as it can.

The node's clock is the file's time, and it vouches for it. Readings that share an instant share a report.
"""

import selectors
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from firmware_sim.firmware.frames import READINGS_MAX, Reading
from firmware_sim.firmware.ledger import LedgerWriter
from firmware_sim.firmware.line import PtyLine
from firmware_sim.firmware.node import WINDOW, Node, NodeConfig
from firmware_sim.firmware.posts import SerialPost
from firmware_sim.firmware.ring import Held

TEMPERATURE = 1
OUT_OF_RANGE, NOT_A_NUMBER = 4, 5
NODE = "replay"
_AHEAD = 4 * WINDOW
_PROGRESS_MS = 100
_LARGEST = 2**31 - 1

RecordedReading = tuple[str, int, float | None]
"""sensor, at_ms [UTC], celsius; None is a failed reading."""
Progress = Callable[[int, int], None]
"""Called with (readings acknowledged, readings in all), at most ten times a second and once at the end."""


class Recording:
    """Readings in columns, in order of time; those of one instant as given. `sensors` numbers them."""

    def __init__(
        self, readings: Iterable[RecordedReading], channels: Mapping[str, int] | None = None
    ) -> None:
        self.sensors: dict[str, int] = dict(channels or {})
        numbers, instants, values, statuses = array("H"), array("q"), array("i"), array("B")
        for sensor, at_ms, celsius in readings:
            value, status = _coded(celsius)
            if sensor not in self.sensors:
                self.sensors[sensor] = max(self.sensors.values(), default=-1) + 1
            numbers.append(self.sensors[sensor])
            instants.append(at_ms)
            values.append(value)
            statuses.append(status)
        at = np.frombuffer(instants, np.int64) if instants else np.empty(0, np.int64)
        order = np.argsort(at, kind="stable")
        self._channels, self._instants, self._values, self._statuses = numbers, instants, values, statuses
        self._order = order

    def __len__(self) -> int:
        return len(self._instants)

    def first_ms(self) -> int:
        """The earliest instant; 0 when there is none."""
        return self._instants[self._order[0]] if len(self) else 0

    def reports(self) -> Iterator[tuple[int, tuple[Reading, ...]]]:
        """(at_ms, readings of that instant), at most 120 at once and each channel at most once."""
        group: dict[int, Reading] = {}
        group_ms = 0
        for row in self._order.tolist():
            at_ms, channel = self._instants[row], self._channels[row]
            if group and (at_ms != group_ms or channel in group or len(group) == READINGS_MAX):
                yield group_ms, tuple(group.values())
                group = {}
            group_ms = at_ms
            group[channel] = Reading(channel, TEMPERATURE, self._statuses[row], self._values[row])
        if group:
            yield group_ms, tuple(group.values())


def _coded(celsius: float | None) -> tuple[int, int]:
    if celsius is None or celsius != celsius:  # noqa: PLR0124 - not a number
        return 0, NOT_A_NUMBER
    if abs(celsius) * 1000 > _LARGEST:
        return 0, OUT_OF_RANGE
    return round(celsius * 1000), 0


class _Counting:
    """The ledger, and how many readings it says are acknowledged."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self._ledger = ledger
        self.acked_readings = 0

    def measured(self, node: str, held: Held) -> None:
        self._ledger.measured(node, held)

    def acked(self, node: str, held: list[Held]) -> None:
        self._ledger.acked(node, held)
        self.acked_readings += sum(len(one.report.readings) for one in held)

    def lost(self, node: str, held: list[Held]) -> None:
        raise AssertionError(f"{node} fills its ring no faster than it empties")


class Replay:
    """Plays readings from `folder/lines/replay`; the ledger is `folder/replay-ledger.bin`.

    sensors   channel by sensor, known at once: register them before the gateway opens the line
    done      set when every reading is acknowledged
    boot      differs from run to run
    channels  of sensors that have theirs already, from an earlier run; the others get the next free ones
    """

    def __init__(
        self,
        readings: Iterable[RecordedReading],
        *,
        folder: Path,
        boot: int,
        node: str = NODE,
        channels: Mapping[str, int] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.recording = Recording(readings, channels)
        self.node_name = node
        self.sensors = self.recording.sensors
        self.ledger_path = folder / f"{node}-ledger.bin"
        self.line_path = folder / "lines" / node
        self.done = threading.Event()
        self._progress = progress
        self._ledger = LedgerWriter(self.ledger_path)
        self._diary = _Counting(self._ledger)
        self._node = Node(
            NodeConfig(node, text="coldchain replay 1", capacity=2 * _AHEAD),
            boot=boot,
            now_ms=self.recording.first_ms(),
            diary=self._diary,
        )
        self._selector = selectors.DefaultSelector()
        self._post = SerialPost(self._node, PtyLine(self.line_path), self._selector)
        self._reports = self.recording.reports()
        self._exhausted = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def total(self) -> int:
        """Readings in all."""
        return len(self.recording)

    @property
    def acked(self) -> int:
        """Readings acknowledged so far."""
        return self._diary.acked_readings

    def start(self) -> None:
        """Run in a thread."""
        self._thread = threading.Thread(target=self.run, name="replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End `run`; waits for the thread of `start`."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)

    def run(self) -> None:
        """Block until stopped. The line stays when all is done: the gateway sees no fault at the end."""
        try:
            ticked_ms = 0
            while not self._stop.is_set():
                now_ms = _steady_ms()
                if now_ms - ticked_ms >= _PROGRESS_MS:
                    ticked_ms = now_ms
                    self._post.tick(now_ms)
                    self._tell()
                self._fill()
                self._post.pump(now_ms)
                if self._exhausted and not len(self._node.ring) and not self.done.is_set():
                    self._tell()
                    self.done.set()
                due_ms = self._post.next_ms(now_ms)
                idle_ms = 500 if self.done.is_set() else _PROGRESS_MS
                wait_ms = idle_ms if due_ms is None else min(max(due_ms - now_ms, 0), idle_ms)
                for _, events in self._selector.select(wait_ms / 1000):
                    self._post.ready(events, _steady_ms())
        finally:
            self._post.close()
            self._selector.close()
            self._ledger.close()

    def _fill(self) -> None:
        while not self._exhausted and self._node.ring.waiting < _AHEAD:
            report = next(self._reports, None)
            if report is None:
                self._exhausted = True
                return
            at_ms, readings = report
            self._node.measure(readings, at_ms)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.acked, self.total)


def _steady_ms() -> int:
    """UTC at the start of the process, and steady from there: ages stay whole when the clock steps."""
    return _ANCHOR_MS + time.monotonic_ns() // 1_000_000


_ANCHOR_MS = (time.time_ns() - time.monotonic_ns()) // 1_000_000
