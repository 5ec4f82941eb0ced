# SPDX-License-Identifier: Apache-2.0
"""Alerts as a process: its threads, its crash points, its files, what it says of itself."""

import json
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ward import Phones, Ward, instant

from alerts.judgement import engine
from alerts.judgement.engine import EngineState
from alerts.notices.outbox import Outbox
from alerts.service import AlertService
from coldchain.kernel.errors import SchemaTooNew
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import Sent
from coldchain.settings import Settings

CHECKPOINTS = Path(__file__).parents[1] / "data" / "checkpoints"


def wait_for(true, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_it_runs_sends_beats_and_stops(tmp_path) -> None:
    """Real clocks, real threads: a warm fridge is told within seconds; stop ends it within three."""
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.service.close()
    service = AlertService(ward.settings, ward.phones)
    thread = threading.Thread(target=service.run)
    thread.start()
    ward.now_ms = wall_ms()
    ward._record([(ward.now_ms - m * 60_000, "br-1/load", 9.0) for m in range(9, -1, -1)])
    began = time.monotonic()
    wait_for(lambda: ward.phone("technician").inbox)
    assert time.monotonic() - began < 5.0
    ward.phone("technician").expect_sms("br-1 9.0C over 6.0C")
    beat = tmp_path / "health" / "alerts.json"
    wait_for(lambda: beat.exists() and json.loads(beat.read_text())["figures"]["notices_sent"] == 1)
    figures = json.loads(beat.read_text())["figures"]
    assert figures["behind"] == 0
    assert figures["alarms_open"] == 1
    began = time.monotonic()
    service.stop()
    thread.join(3.0)
    assert not thread.is_alive()
    assert ward.alarms.counts().notices_sent == 1


def test_it_waits_for_a_journal_that_is_not_there_yet(tmp_path) -> None:
    settings = Settings(data_dir=tmp_path)
    service = AlertService(settings, None)
    assert service.tick() is False
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward._record([(ward.now_ms - m * 60_000, "br-1/load", 9.0) for m in range(9, -1, -1)])
    assert service.tick() is True
    assert [a.kind for a in ward.alarms.alarms()] == ["high"]
    assert ward.alarms.notices() == [], "without a channel nobody is told"


class Dying:
    """A channel in which the process dies: before, or after the message went out."""

    def __init__(self, phones: Phones, *, sends: bool) -> None:
        self.phones, self.sends = phones, sends

    def send(self, to: str, text: str) -> Sent:
        if self.sends:
            self.phones.send(to, text)
        raise KeyboardInterrupt


@pytest.mark.parametrize(("sends", "received"), [(False, 1), (True, 2)])
def test_a_crash_in_the_middle_of_a_try_costs_at_most_one_extra_message(tmp_path, sends, received) -> None:
    """The try was committed before it was made: after the restart it is repeated, and once."""
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.outbox.channels["sms"] = Dying(ward.phones, sends=sends)
    with pytest.raises(KeyboardInterrupt):
        ward.temperature("br-1", 9.0).run_until("08:06")
    (notice,) = ward.alarms.notices()
    assert (notice.state, notice.tries) == ("sending", 1)
    ward.restart_alerts()
    ward.run_until("08:20")
    assert len(ward.phone("technician").inbox) == received
    (notice,) = ward.alarms.notices()
    assert (notice.state, notice.tries) == ("sent", 2)


def test_a_broken_channel_does_not_end_the_outbox(tmp_path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("br-1")

    class Broken:
        def send(self, to: str, text: str) -> Sent:
            raise ValueError("our bug")

    ward.outbox.channels["sms"] = Broken()
    ward.temperature("br-1", 9.0).run_until("08:06")
    (notice,) = ward.alarms.notices()
    assert notice.state == "failed"
    assert "our bug" not in notice.detail
    ward.outbox.channels["sms"] = ward.phones
    ward.run_until("08:10")
    ward.phone("technician").expect_sms("br-1")


def test_an_outbox_that_cannot_write_ends_the_process(tmp_path) -> None:
    """Nobody would be told, and nobody would know: better to end and be started again."""
    ward = Ward(tmp_path)
    ward.outbox._db.execute("ALTER TABLE notice RENAME TO lost")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ward.service.run()


@pytest.mark.parametrize("table", ["alarm", "notice", "excursion"])
def test_a_commit_that_fails_leaves_nothing_behind(tmp_path, table) -> None:
    """Position, alarms and notices share one fate: with the disk full in the middle, none is there."""
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.temperature("br-1", 9.0).run_until("08:04:30")
    db = ward.service._store.db
    db.execute(
        f"CREATE TEMP TRIGGER full AFTER INSERT ON main.{table}"
        " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="disk is full"):
        ward.run_until("08:05:30")
    counts = ward.alarms.counts()
    assert (counts.alarms, counts.excursions, counts.notices_due, counts.notices_sent) == (0, 0, 0, 0)
    ward.restart_alerts()
    ward.run_until("08:07")
    ward.phone("technician").expect_sms("br-1 9.0C", "since 15:00")
    ward.phone("technician").expect_nothing()


def test_the_registry_version_is_noted_where_it_took_effect(tmp_path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.temperature("br-1", 4.0).run_until("08:10")
    ward.fridge("br-2")
    ward.run_until("08:20")
    noted = ward.service._store.db.execute("SELECT version, position FROM registry_effect").fetchall()
    assert len(noted) == 2
    assert noted[0][1] < noted[1][1] <= ward.journal.position


def test_what_was_judged_under_the_old_registry_is_judged_again_under_it(tmp_path) -> None:
    """Killed, and the registry changes meanwhile: the alarm that stood still stands, and then returns."""
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.temperature("br-1", 4.0).run_until("08:02")
    ward.service._save()
    ward.service._at.saved_at_s = ward.now_ms / 1000 + 3600  # not again before the kill
    ward.temperature("br-1", 9.0).run_until("08:10")
    ward.phone("technician").expect_sms("9.0C over 6.0C")
    saved = ward.service._store.saved()
    assert saved is not None
    assert saved.position < saved.judged
    ward.always_carried("br-1", "red-cells-transport@eu")
    ward.restart_alerts()
    ward.run_until("08:12")
    ward.phone("technician").expect_sms("back in range")
    assert [a.state for a in ward.alarms.alarms()] == ["returned"]
    assert [e.ended_ms for e in ward.alarms.excursions()] == [instant("08:11")]


def test_ingest_may_drop_only_what_the_saved_state_has_passed(tmp_path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.temperature("br-1", 4.0).run_until("09:00")
    ward.service.close()
    (position, judged) = (
        sqlite3.connect(ward.settings.alarms_db).execute("SELECT position, judged FROM engine").fetchone()
    )
    assert position == judged == ward.journal.position


@pytest.mark.parametrize("format_", range(1, engine.FORMAT + 1))
def test_a_checkpoint_of_each_format_still_loads(format_) -> None:
    """Saved once, by the version of its time; it stays."""
    saved = EngineState.load((CHECKPOINTS / f"engine-{format_}.bin").read_bytes())
    told = json.loads((CHECKPOINTS / f"engine-{format_}.json").read_text())
    assert len(told) == len(saved.table)
    for row, expected in zip(saved.table, told, strict=True):
        for name, was in expected.items():
            now = row[name].tolist()
            assert (now[: len(was)] if isinstance(was, list) else now) == was, name


def test_a_checkpoint_from_the_future_is_refused() -> None:
    newer = bytes([engine.FORMAT + 1]) + EngineState.fresh(1).save()[1:]
    with pytest.raises(SchemaTooNew, match="install the version that wrote it"):
        EngineState.load(newer)


def test_changed_rules_judge_the_last_day_again(tmp_path) -> None:
    """As when a limit moved while we were away: what the new rules say of yesterday comes out.

    The first reading of a fall of five degrees is doubted; the second bears it out.
    """
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.temperature("br-1", 9.0).run_until("08:20")
    ward.temperature("br-1", 4.0).run_until("08:30")
    ward.service.close()
    with sqlite3.connect(ward.settings.alarms_db) as db:
        db.execute("DELETE FROM excursion")
        db.execute("UPDATE engine SET rules_digest = 'other'")
    ward.service = ward._new_service()
    ward.run_until("08:32")
    (found,) = ward.alarms.excursions()
    assert (found.started_ms, found.ended_ms) == (instant("08:00"), instant("08:21"))


def test_the_outbox_of_a_newer_file_is_refused(tmp_path) -> None:
    path = tmp_path / "alarms.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(SchemaTooNew, match="format 99"):
        Outbox(path, Phones(), lambda: 0, lambda site, text: (site, text))


def make_checkpoint() -> None:
    """How engine-1.bin was made; run by hand when the format grows: ``python tests/alerts/test_....py``."""
    from scalar_judge import Plain
    from test_alerts_engine import RULES, block  # type: ignore[import-not-found]

    readings = [(0, Plain(0, 9000)), (0, Plain(400_000, 9500)), (1, Plain(0, 4000)), (2, Plain(0, 1500))]
    readings += [(3, Plain(60_000, -127_000)), (1, Plain(60_000, 85_000))]
    state = engine.step(EngineState.fresh(), block(readings), RULES).state
    state = engine.step(state, block([(1, Plain(30_000, 9000))]), RULES).state
    (CHECKPOINTS / f"engine-{engine.FORMAT}.bin").write_bytes(state.save())
    names = list(state.table.dtype.names or ())
    told = [{name: np.asarray(row[name]).tolist() for name in names} for row in state.table]
    (CHECKPOINTS / f"engine-{engine.FORMAT}.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    make_checkpoint()
