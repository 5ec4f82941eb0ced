# SPDX-License-Identifier: Apache-2.0
"""A sensor nobody knows: what it sends waits, and is judged and kept once somebody gives it a name."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Desk
from coldchain.wiring.adopt import waiting_channels
from coldchain.wiring.demo.account import keep_books, pending
from coldchain.wiring.demo.plan import DemoPlan
from coldchain.wiring.demo.run import Demo
from firmware_sim.firmware.ledger import ACKED, MEASURED, read_ledger


def until(demo: Demo, done: Callable[[], bool], seconds: float = 40) -> bool:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        demo.supervisor.check()
        if done():
            return True
        time.sleep(0.1)
    return False


def test_a_stranger_waits_and_is_taken_in(tmp_path: Path) -> None:
    plan = DemoPlan(directory=tmp_path, appliances=0, synthetic=3, synthetic_backfill_s=60)
    demo = Demo(plan, lambda _: None)
    known = demo.registry.sensors[:2]
    changed = demo.registry.model_copy(update={"sensors": known, "appliances": demo.registry.appliances[:2]})
    Desk(demo.settings.desk_db, wall_ms).publish(changed, author="test", reason="forget the third")
    demo.supervisor.start()
    try:
        assert until(demo, lambda: bool(waiting_channels(demo.settings)))
        (stranger,) = waiting_channels(demo.settings)
        assert (stranger.node, stranger.channel, stranger.quantity) == ("syn-000", 2, "temperature")
        words = ["sensor", "adopt", "syn-000/2", "--as", "new-fridge/load", "--profile", "red-cells@eu"]
        adopted = subprocess.run(
            [sys.executable, "-m", "coldchain", *words, "--dir", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert adopted.returncode == 0, adopted.stderr
        assert until(demo, lambda: not waiting_channels(demo.settings))
        demo.supervisor.stop("world")
        assert until(demo, lambda: pending(demo.settings) == 0)
    finally:
        demo.supervisor.stop()
    ledger = read_ledger(tmp_path / "ledger.bin")
    acked, measured = (
        {(at_ms, value) for _, _, _, channel, _, value, at_ms in ledger.tuples(kind) if channel == 2}
        for kind in (ACKED, MEASURED)
    )
    rows = JournalReader(demo.settings.readings_db).readings("new-fridge/load", 0, 2**62)
    kept = [(int(row["at_ms"]), int(row["value"])) for row in rows]
    assert kept == sorted(set(kept)), "in order, and none twice"
    # the node may have been stopped before it read the last acknowledgement
    assert acked <= set(kept) <= measured
    assert len(kept) > 50
    assert keep_books(demo.settings, 0).balanced
