# SPDX-License-Identifier: Apache-2.0
"""One of the two files was lost or restored: alerts must not go deaf, nor ring twice for what it told."""

from pathlib import Path

import pytest
from ward import Ward

from alerts.bookkeeping import anew
from alerts.bookkeeping.anew import GONE
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows


def lose(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def begin_another_journal(ward: Ward, *fridges: str) -> None:
    """readings.db is lost; ingest makes a new one, in which the sensors have other numbers."""
    ward.restart_alerts(killed=False)
    ward.journal.close()
    lose(ward.settings.readings_db)
    ward.journal = SqliteJournal(ward.settings.readings_db)
    for number, name in enumerate(fridges, start=1):
        ward._series[f"{name}/load"] = number
        ward.journal.db.execute(
            "INSERT INTO series (id, sensor, quantity) VALUES (?,?,1)", (number, f"{name}/load")
        )
    ward.restart_alerts(killed=True)


def two_fridges(folder: Path) -> Ward:
    ward = Ward(folder)
    ward.fridge("br-1")
    ward.fridge("br-2")
    ward.temperature("br-1", 4.0).temperature("br-2", 4.0).run_until("09:00")
    return ward


def test_another_journal_is_judged_from_its_start(tmp_path) -> None:
    """Its positions begin at 1 again: to wait for the old ones would be hours without an alarm."""
    ward = two_fridges(tmp_path)
    begin_another_journal(ward, "br-2", "br-1")
    ward.temperature("br-2", 7.9).run_until("09:10")
    (alarm,) = ward.alarms.alarms()
    assert (alarm.appliance, alarm.kind, alarm.standing) == ("br-2", "high", True)
    ward.phone("technician").expect_sms("br-2 7.9C")
    ward.phone("technician").expect_nothing()


@pytest.mark.parametrize(("after", "standing"), [(4.0, False), (7.9, True)])
def test_an_alarm_of_the_lost_journal_does_not_stand_for_ever(tmp_path, after, standing) -> None:
    ward = two_fridges(tmp_path)
    ward.temperature("br-1", 7.9).run_until("09:10")
    ward.phone("technician").expect_sms("br-1 7.9C")
    begin_another_journal(ward, "br-2", "br-1")
    ward.temperature("br-1", after).run_until("09:25")
    (alarm,) = ward.alarms.alarms()
    assert alarm.standing is standing
    events = ward.service._store.db.execute(
        "SELECT detail FROM alarm_event WHERE event = 'returned'"
    ).fetchall()
    assert (GONE,) in events
    lasting = [e for e in ward.service._store.lasting() if e.kind == "high"]
    assert len(lasting) == int(standing)
    (first, *_) = sorted(
        (e for e in ward.alarms.excursions() if e.kind == "high"), key=lambda e: e.started_ms
    )
    assert first.ended_ms is not None
    assert first.ended_ms > first.updated_ms, "it lasted longer than somebody last wrote of it"


def test_without_its_own_file_it_finds_what_is_true_in_the_sealed_record(tmp_path) -> None:
    """alarms.db is lost while a fridge is warm and another has fallen silent, and the log is sealed away."""
    ward = two_fridges(tmp_path)
    ward.silence("br-2").temperature("br-1", 7.9).run_until("09:04")
    sealer = Sealer(ward.journal, Windows(60_000, 0))
    for _ in (*sealer.steps(ward.now_ms + 60_000), *sealer.remove(ward.journal.position)):
        pass
    ward.service.close()
    lose(ward.settings.alarms_db)
    ward.service = ward._new_service()
    ward.run_until("09:12")
    found = {(a.appliance, a.kind): a for a in ward.alarms.alarms()}
    assert set(found) == {("br-1", "high"), ("br-2", "silence")}
    assert found["br-1", "high"].since_ms < found["br-1", "high"].raised_ms
    (excursion,) = ward.alarms.excursions()
    assert excursion.started_ms == ward.now_ms - 12 * 60_000, "since 09:00, which only the chunks know"


def test_a_journal_that_goes_on_is_left_in_peace(tmp_path, monkeypatch) -> None:
    ward = two_fridges(tmp_path)
    monkeypatch.setattr(anew, "line_up", lambda *_: pytest.fail("nothing was lost"))
    ward.restart_alerts(killed=True)
    ward.run_until("09:05")
