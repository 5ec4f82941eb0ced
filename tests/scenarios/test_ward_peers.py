# SPDX-License-Identifier: Apache-2.0
"""A process beside alerts that makes no progress is told to people, and so is alerts that starts anew."""

from __future__ import annotations

from pathlib import Path

from ward import Ward

from alerts.peers import STILL_S
from coldchain.records.health import Heart, stopped
from coldchain.wiring.supervise import STUCK_AFTER_S


class Beating(Ward):
    """Processes beat every five seconds while they are in `living`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "08:00")
        self.living = {"ingest", "gateway", "console"}

    def passes(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            for name in self.living:
                Heart(self.settings.data_dir, name, lambda: self.now_ms).beat({}, now=True)
            self.now_ms += 5_000
            self.settle()

    def told(self) -> list[str]:
        inbox = self.phone("technician").inbox
        found = list(inbox)
        inbox.clear()
        return found

    def open(self) -> list[str]:
        return [f"{a.appliance} {a.kind}" for a in self.alarms.open_alarms() if a.standing]


def test_a_peer_that_stands_still_is_told_before_it_is_replaced(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    assert ward.told() == []
    ward.living.remove("ingest")
    ward.passes(40)
    assert ward.told() == []
    ward.passes(20)
    (text,) = ward.told()
    assert "coldchain-ingest STANDS STILL since " in text
    assert ward.open() == ["coldchain-ingest chain"]
    ward.living.add("ingest")
    ward.passes(30)
    assert ward.open() == []
    (back,) = ward.told()
    assert "coldchain-ingest works again" in back
    assert STILL_S < STUCK_AFTER_S, "whoever hangs is told of while it hangs"


def test_our_own_restarts_do_not_hide_it(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.living.remove("ingest")
    for _ in range(3):
        ward.passes(20)
        ward.restart_alerts(killed=True)
    ward.passes(15)
    assert ward.open() == ["coldchain-ingest chain"]


def test_one_that_was_stopped_and_one_that_ran_long_ago_are_not_missed(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    Heart(ward.settings.data_dir, "gateway", lambda: ward.now_ms - 3_600_000).beat({}, now=True)
    ward.living = {"ingest", "console"}
    ward.passes(60)
    stopped(ward.settings.data_dir, "console")
    ward.living = {"ingest"}
    ward.passes(240)
    assert (ward.told(), ward.open()) == ([], [])


def test_a_clock_that_is_set_back_makes_nobody_stand_still(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.set_back("07:00")
    ward.passes(300)
    assert ward.open() == []


def test_alerts_tells_of_itself_after_it_was_replaced(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.service._beat()
    ward.now_ms += 62_000  # frozen, and killed by whoever watches
    ward.restart_alerts(killed=True)
    ward.settle()
    (text,) = ward.told()
    assert "coldchain-alerts STANDS STILL" in text
    ward.passes(50)
    assert ward.told() == []
    ward.passes(20)
    (back,) = ward.told()
    assert "coldchain-alerts works again" in back
    ward.service._beat()
    stopped(ward.settings.data_dir, "alerts")
    ward.now_ms += 62_000
    ward.restart_alerts(killed=False)
    ward.passes(240)
    assert ward.open() == [], "it was stopped on purpose"
