# SPDX-License-Identifier: Apache-2.0
"""A guard whose modem hangs gets it back, while its gateway goes on."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from modems import NURSE, eventually, patient

from alerts.notices import errands
from alerts.notifiers.line import Line, open_serial
from alerts.notifiers.modem import CallNotifier, ModemNotifier
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer
from coldchain.settings import GatewaySettings, Settings
from coldchain.settings.model import GuardSettings
from coldchain.wiring import guard as guards
from coldchain.wiring.guard import SiteGuard
from coldchain.wiring.guard_voice import HUNG_MAX, Made
from firmware_sim.modem import ModemSim

NOTICE = (
    "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
    " due_ms, state) VALUES ('a', 'raised', 0, 'p', 'sms', 0, ?, 'warm', 's', 0, 0, 'due')"
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "HANGS_S", 0.4)
    monkeypatch.setattr(guards, "AGAIN_S", 0.05)
    monkeypatch.setattr("alerts.notices.outbox.BACKOFF_MS", 50)


class Stuck:
    """A driver that never returns while it is held, and holds its port until it is closed."""

    def __init__(self, held: threading.Event, port: str) -> None:
        self._held, self._line = held, open_serial(port, 115_200)

    def read(self, within_s: float) -> bytes:
        self._held.wait(30.0)
        return self._line.read(within_s)

    def write(self, octets: bytes) -> None:
        self._line.write(octets)

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def guard_of(folder: Path, modems: Callable[[], ModemNotifier]) -> SiteGuard:
    given = GuardSettings.model_validate({"file": folder / "messages"})
    settings = Settings(data_dir=folder, gateway=GatewaySettings(guard=given))
    db = open_writer(folder / "guard/alarms.db", ALARMS_MIGRATIONS)
    db.execute(NOTICE, (NURSE,))
    db.close()

    def made() -> Made:
        modem = modems()
        return {"sms": modem, "call": CallNotifier(modem)}, None

    return SiteGuard(settings, made()[0], make=made)


def notice_of(folder: Path) -> tuple[str, int]:
    with closing(sqlite3.connect(f"file:{folder / 'guard/alarms.db'}?mode=ro", uri=True)) as db:
        state, tries = db.execute("SELECT state, tries FROM notice").fetchone()
    return str(state), int(tries)


def test_a_hung_modem_is_taken_from_its_driver_and_opened_anew(
    tmp_path: Path, let_go: threading.Event
) -> None:
    with ModemSim() as sim:
        made: list[ModemNotifier] = []

        def opened(port: str, baud: int) -> Line:
            return Stuck(let_go, port) if len(made) == 1 else open_serial(port, baud)

        def modem() -> ModemNotifier:
            made.append(ModemNotifier(patient(sim.path), open_line=opened))
            return made[-1]

        guard = guard_of(tmp_path, modem)
        guard.start()
        assert eventually(lambda: notice_of(tmp_path) == ("sent", 2), within_s=10.0), guard.status()
        assert len(made) == 2
        let_go.set()
        assert eventually(lambda: not made[0].abandon()), "what hung came back, and left the port alone"
        assert made[0].send(NURSE, "x").detail == "another has taken this modem over"
        assert eventually(lambda: guard.status()["state"] == "no_rules")
        guard.stop()
        made[-1].close()


def test_a_modem_that_hangs_each_time_leaves_the_guard_mute_and_judging(
    tmp_path: Path, let_go: threading.Event
) -> None:
    """Else its threads would pile up; and it says so, in the gateway's status."""
    with ModemSim() as sim:
        made: list[ModemNotifier] = []

        def modem() -> ModemNotifier:
            held = let_go
            made.append(ModemNotifier(patient(sim.path), open_line=lambda port, _: Stuck(held, port)))
            return made[-1]

        guard = guard_of(tmp_path, modem)
        guard.start()
        assert eventually(lambda: guard._voice.lost and guard.service is not None, within_s=15.0)
        assert eventually(lambda: "take its power away" in guard.status()["why"])
        assert guard.status()["state"] == "broken"
        assert len(made) == HUNG_MAX
        assert guard._thread.is_alive()
        let_go.set()
        assert eventually(lambda: len(made) == HUNG_MAX + 1, within_s=5.0), "they came back: a voice again"
        guard.stop()
