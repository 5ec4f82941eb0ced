# SPDX-License-Identifier: Apache-2.0
"""A test of an appliance's alarm: the phone rings, the answer's time is kept, the record stays clean."""

import numpy as np
import pytest
from ward import MINUTE, Ward, instant

from coldchain.kernel.errors import BadData
from coldchain.kernel.words import Flag
from coldchain.records.journal import JournalReader
from coldchain.records.readiness import DRILL_EVERY_MS
from coldchain.records.registry import RegistryReader
from coldchain.wiring.drill import begin, due, record_of
from ingest.admission import Bounds, admit
from ingest.known import Known, Wired

FRIDGE = "vte-br-03"


class DrillWard(Ward):
    """Readings inside a drill's window arrive marked, as ingest marks them."""

    def begin(self, minutes: float = 30) -> None:
        begin(self.settings, FRIDGE, "technician", minutes, self.now_ms)
        reader = RegistryReader(self.settings.desk_db)
        reader.refresh()
        self.registry = reader.registry
        reader.close()

    def drills(self) -> list[tuple[int, int]]:
        (appliance,) = [a for a in self.registry.appliances if a.id == FRIDGE]
        return [(drill.from_ms, drill.until_ms) for drill in appliance.drills]

    def mark(self, at_ms: int) -> Flag:
        return Flag.TEST if any(a <= at_ms < b for a, b in self.drills()) else Flag.NONE


def ward_of(tmp_path) -> DrillWard:
    ward = DrillWard(tmp_path)
    ward.fridge(FRIDGE)
    ward.temperature(FRIDGE, 4.0)
    ward.run_until("09:00")
    return ward


def test_a_drill_rings_is_answered_and_leaves_no_excursion(tmp_path) -> None:
    ward = ward_of(tmp_path)
    ward.begin(30)
    ward.run_until("09:05")
    ward.temperature(FRIDGE, 7.2).run_until("09:20")
    text = ward.phone("technician").expect_sms("TEST", FRIDGE, "7.2C", "6.0C")
    ward.phone("technician").expect_nothing()
    ward.phone("technician").replies(text.split("OK ")[1][:6])
    ward.temperature(FRIDGE, 4.0).run_until("09:40")
    (row,) = ward.alarms.drills()
    assert (row.appliance, row.person, row.kind) == (FRIDGE, "technician", "high")
    assert (row.trip_value, row.limit_value) == (7200, 6000)
    assert row.ended_ms is not None
    (answer,) = record_of(ward.settings, row).answers
    assert answer.person == "technician"
    assert answer.told_ms is not None
    assert answer.answered_ms is not None
    assert abs(answer.answered_ms - answer.told_ms - 10 * MINUTE) <= 10_000
    assert ward.alarms.excursions() == []
    assert {a.kind: a.state for a in ward.alarms.alarms()} == {"drill": "closed"}
    marked = JournalReader(ward.settings.readings_db).readings(f"{FRIDGE}/load", 0, 2**60)
    assert ((marked["value"] > 6000) <= ((marked["flags"] & Flag.TEST) != 0)).all()


def test_it_is_told_at_the_trip_and_not_before_the_delay(tmp_path) -> None:
    ward = ward_of(tmp_path)
    ward.begin(30)
    ward.temperature(FRIDGE, 7.2).run_until("09:04")
    ward.phone("technician").expect_nothing()
    ward.run_until("09:08")
    ward.phone("technician").expect_sms("TEST")
    (row,) = ward.alarms.drills()
    assert row.trip_ms is not None
    assert instant("09:05") <= row.trip_ms <= instant("09:08")


def test_nothing_trips_and_it_says_so(tmp_path) -> None:
    ward = ward_of(tmp_path)
    ward.begin(10)
    ward.run_until("09:15")
    (row,) = ward.alarms.drills()
    assert (row.trip_ms, row.alarm) == (None, None)
    assert row.ended_ms is not None
    ward.phone("technician").expect_nothing()
    assert due(ward.settings, ward.now_ms) == [(FRIDGE, None, None)], "what did not trip proves nothing"


def test_real_warmth_after_the_drill_rings_in_earnest(tmp_path) -> None:
    ward = ward_of(tmp_path)
    ward.begin(10)
    ward.run_until("09:01")
    ward.temperature(FRIDGE, 7.2).run_until("09:09")
    ward.phone("technician").expect_sms("TEST")
    ward.run_until("09:30")
    told = sorted(ward.phone("technician").inbox)
    assert ["the test is over" in told[1], "over 6.0C" in told[0], len(told)] == [True, True, 2], told
    ((excursion),) = ward.alarms.excursions()
    assert excursion.started_ms >= ward.drills()[0][1]


def test_the_next_one_is_due_a_quarter_later(tmp_path) -> None:
    ward = ward_of(tmp_path)
    ward.begin(30)
    ward.temperature(FRIDGE, 7.2).run_until("09:20")
    ((name, tested, when),) = due(ward.settings, ward.now_ms)
    assert name == FRIDGE
    assert tested is not None
    assert when == tested + DRILL_EVERY_MS


@pytest.mark.parametrize(
    ("appliance", "person", "minutes", "why"),
    [
        ("nothing", "technician", 30, "no appliance"),
        (FRIDGE, "nobody", 30, "nobody is called"),
        (FRIDGE, "technician", 3000, "5 to 240 minutes"),
        (FRIDGE, "technician", 30, "runs already"),
    ],
)
def test_what_speaks_against_a_drill(tmp_path, appliance, person, minutes, why) -> None:
    ward = ward_of(tmp_path)
    ward.begin(30)
    with pytest.raises(BadData, match=why):
        begin(ward.settings, appliance, person, minutes, ward.now_ms)


def test_admission_marks_what_comes_within_a_test_and_nothing_else() -> None:
    from coldchain.kernel.link import Batch
    from coldchain.kernel.readings import SPOOLED

    known = Known()
    known.rewire({("n", 0): Wired("a/load", 1, ((2_000, 4_000),)), ("n", 1): Wired("b/load", 1)})
    rows = np.zeros(8, SPOOLED)
    rows["channel"] = [0, 0, 0, 0, 1, 1, 1, 1]
    rows["quantity"], rows["clock"] = 1, 2
    rows["at_ms"] = [1_999, 2_000, 3_999, 4_000] * 2
    rows["seq"] = np.arange(8)
    batch = Batch("gw", "e", [(1, 8)], [("n", 1)], rows)
    no = lambda seen: (np.zeros(len(seen), np.bool_), np.zeros(len(seen), "<i4"), np.zeros(len(seen), "u1"))  # noqa: E731
    admitted = admit(batch, known, 4_500, no, Bounds())
    assert ((admitted.rows["flags"] & Flag.TEST) != 0).tolist() == [False, True, True, False] + [False] * 4
