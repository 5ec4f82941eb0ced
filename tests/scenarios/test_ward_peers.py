# SPDX-License-Identifier: Apache-2.0
"""A process beside alerts that makes no progress is told to people, and so is alerts that starts anew."""

from __future__ import annotations

from pathlib import Path

from ward import Ward

from alerts.watches.peers import STILL_S
from coldchain.records.health import Heart, stopped
from coldchain.wiring.supervise import STUCK_AFTER_S


class Beating(Ward):
    """Processes beat every five seconds while they are in `living`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "08:00")
        self.living = {"ingest", "gateway", "console"}
        self.hearts = {name: self.heart(name) for name in self.living}

    def heart(self, name: str) -> Heart:
        """Of a process that starts now."""
        steady_s = lambda: (self.now_ms + self.set_back_ms) / 1000  # noqa: E731
        return Heart(self.settings.data_dir, name, lambda: self.now_ms, steady_s)

    def replaced(self, name: str) -> None:
        self.hearts[name] = self.heart(name)
        self.living.add(name)

    def passes(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            for name in self.living:
                self.hearts[name].beat({}, now=True)
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
    ward.replaced("ingest")
    ward.passes(30)
    assert ward.open() == ["coldchain-ingest chain"], "over at once, it might be told to nobody"
    ward.passes(40)
    assert ward.open() == []
    (back,) = ward.told()
    assert "coldchain-ingest works again" in back
    ward.restart_alerts(killed=True)
    ward.passes(70)
    assert ward.told() == [], "its successor tells nothing that has been told"
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


def test_one_that_was_replaced_while_alerts_was_killed_again_and_again_is_told(tmp_path: Path) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.living.remove("console")
    ward.passes(40)
    for _ in range(4):  # each time it has just begun to look
        ward.restart_alerts(killed=True)
        ward.passes(5)
    assert ward.told() == []
    ward.replaced("console")
    ward.passes(10)
    (text,) = ward.told()
    assert "coldchain-console STANDS STILL since 08:00" in text
    ward.restart_alerts(killed=True)
    ward.passes(70)
    (back,) = ward.told()
    assert "coldchain-console works again" in back
    ward.restart_alerts(killed=True)
    ward.passes(120)
    assert (ward.told(), ward.open()) == ([], []), "once"


def test_all_processes_one_after_the_other_are_told_at_once(tmp_path: Path) -> None:
    """They belong to no site, so that more than three of them once were a storm, and held back."""
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.living.clear()
    ward.passes(60)
    assert len([text for text in ward.told() if "STANDS STILL" in text]) == 3
    for name in ("gateway", "ingest", "console"):
        ward.replaced(name)
    ward.passes(10)
    ward.service._beat()
    ward.now_ms += 62_000
    ward.restart_alerts(killed=True)
    for name in ward.living:
        ward.hearts[name].beat({}, now=True)
    ward.settle()
    assert any("coldchain-alerts STANDS STILL" in text for text in ward.told())


def test_a_clock_set_forward_before_a_start_and_a_whole_machine_that_stood_tell_no_peer(
    tmp_path: Path,
) -> None:
    ward = Beating(tmp_path)
    ward.passes(60)
    ward.set_back("10:00")
    ward.replaced("console")
    ward.passes(60)
    assert (ward.told(), ward.open()) == ([], [])
    ward.service._beat()
    ward.now_ms += 100_000  # all killed together
    ward.restart_alerts(killed=True)
    for name in list(ward.living):
        ward.replaced(name)
    ward.passes(20)
    assert ward.open() == ["coldchain-alerts chain"]


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
