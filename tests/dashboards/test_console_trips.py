# SPDX-License-Identifier: Apache-2.0
"""Trips of blood: one clock over all legs, late readings in it, answers to alarms among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blood_bank import BOX, SPARE, Bank, open_bank, warmed
from book_kit import FRIDGE, HOUR, MINUTE

from coldchain.records.found import FoundReader


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_bank(tmp_path) as made:
        yield made


@pytest.fixture
def warm(bank: Bank) -> Bank:
    return warmed(bank)


# --- trips


def test_a_trip_has_one_clock_over_its_legs_and_late_readings_change_it(bank: Bank) -> None:
    start = bank.shop.now_ms
    bank.reads(FRIDGE, 4.0, start - 25 * HOUR, start + MINUTE)
    assert bank.post("/trips", source=FRIDGE, target=FRIDGE) == 422
    assert bank.post("/trips", source=FRIDGE, target=BOX, note="to Savannakhet", command="a" * 32) == 303
    trip = bank.where.rpartition("/")[2]
    again = bank.post("/trips", source=FRIDGE, target=BOX, note="to Savannakhet", command="a" * 32)
    assert (again, bank.where) == (303, f"/trip/{trip}"), "a second tap is the same trip"
    bank.shop.now_ms += 2 * HOUR
    assert bank.post(f"/trip/{trip}/steps", target=SPARE) == 303
    bank.shop.now_ms += HOUR
    bank.reads(SPARE, 4.0, start + 2 * HOUR, bank.shop.now_ms)
    told = bank.api(f"/api/v1/trips/{trip}")
    assert [leg["appliance"] for leg in told["legs"]] == [FRIDGE, BOX, SPARE]
    assert told["legs"][1]["profile"] == "red-cells-transport@eu v1", "limits while packed"
    assert told["legs"][1]["unknown_s"] == 7200, "nobody has read the box yet"
    assert told["proposed"] == "quarantine"

    # The box's logger is read out: 30 minutes of it were at 12 °C, beyond what transport allows.
    bank.reads(BOX, 4.0, start, start + HOUR, bank.shop.now_ms)
    bank.reads(BOX, 12.0, start + HOUR, start + 90 * MINUTE, bank.shop.now_ms)
    bank.reads(BOX, 5.0, start + 90 * MINUTE, start + 2 * HOUR, bank.shop.now_ms)
    told = bank.api(f"/api/v1/trips/{trip}")
    assert told["late"] > 60
    assert told["exposure"]["out_s"] == sum(leg["out_s"] for leg in told["legs"])
    assert 29 * 60 <= told["exposure"]["out_s"] <= 31 * 60
    assert told["legs"][1]["unknown_s"] < 300
    page = bank.page(f"/trip/{trip}")
    assert "readings came after the event" in page
    assert '<svg class="chart"' in page

    assert [m.target for m in FoundReader(bank.settings.alarms_db).moved()] == [SPARE, BOX], "alerts counts"
    assert [one["id"] for one in bank.api("/api/v1/trips")["trips"]] == [trip], "and it is one trip still"
    assert bank.post(f"/trip/{trip}/steps") == 303
    assert bank.api(f"/api/v1/trips/{trip}")["trip"]["over"]
    assert bank.post(f"/trip/{trip}/steps", target=FRIDGE) == 422, "over is over"
    assert "to Savannakhet" in bank.page("/trips")


def test_blood_that_was_moved_by_an_answer_is_a_trip_too(warm: Bank) -> None:
    alarm = warm.shop.alarm().id
    with warm.shop.store.transaction():
        warm.shop.store.moved(alarm, FRIDGE, SPARE, "technician", warm.shop.now_ms - 30 * MINUTE)
    (trip,) = warm.api("/api/v1/trips")["trips"]
    assert (trip["moved"], trip["place"]) == (True, SPARE)
    assert "answer to an alarm" in warm.page("/trips")
    assert warm.post(f"/trip/{trip['id']}/steps", target=FRIDGE) == 422
    told = warm.api(f"/api/v1/trips/{trip['id']}")
    assert [leg["appliance"] for leg in told["legs"]] == [FRIDGE, SPARE]
    bags = warm.api("/api/v1/alarms/1/bags")
    assert 19 * 60 <= bags["exposure"]["out_s"] <= 21 * 60, "it left the fridge after twenty minutes"


def test_a_move_that_was_told_twice_is_one_trip_and_what_follows_a_trip_is_another(warm: Bank) -> None:
    """Answered by telephone and packed at the console; then, without a word at the console, moved on."""
    alarm, now = warm.shop.alarm().id, warm.shop.now_ms
    with warm.shop.store.transaction():
        warm.shop.store.moved(alarm, FRIDGE, BOX, "technician", now - 5 * MINUTE)
        warm.shop.store.moved(alarm, FRIDGE, BOX, "technician", now - 4 * MINUTE)
    assert len(warm.api("/api/v1/trips")["trips"]) == 1, "taken out of service, too: the same bags"
    assert warm.post("/trips", source=FRIDGE, target=BOX, command="a" * 32) == 303
    (trip,) = warm.api("/api/v1/trips")["trips"]
    assert not trip["moved"]
    with warm.shop.store.transaction():
        warm.shop.store.moved("", BOX, SPARE, "technician", now + HOUR)
        warm.shop.store.moved("", FRIDGE, BOX, "technician", now + 2 * HOUR)
    warm.shop.now_ms += 3 * HOUR
    told = warm.api("/api/v1/trips")["trips"]
    assert [one["moved"] for one in told] == [True, True, False], "other bags, hours later, are another trip"
    for one in told:
        assert warm.api(f"/api/v1/trips/{one['id']}")["trip"]["id"] == one["id"]


def test_programs_read_trips_page_by_page(bank: Bank) -> None:
    for n in range(3):
        assert bank.post("/trips", source=FRIDGE, target=BOX, command=f"{n}" * 32) == 303
        bank.shop.now_ms += (n == 0) * MINUTE  # the second and the third begin at one instant
    whole = bank.api("/api/v1/trips")
    assert len(whole["trips"]) >= 3
    assert whole["next"] is None
    told: list[Any] = []
    before: str | None = ""
    while before is not None:
        page = bank.api(f"/api/v1/trips?limit=2&before={before}")
        assert 1 <= len(page["trips"]) <= 2
        told, before = told + page["trips"], page["next"]
    assert told == whole["trips"]


def test_the_list_names_the_site_once_where_it_stays_the_same(bank: Bank) -> None:
    assert bank.post("/trips", source=FRIDGE, target=BOX, command="c" * 32) == 303
    known = bank.shop.registry
    site = known.site_by_id["vte"].name
    fridge, box = (known.appliance_by_id[one].name for one in (FRIDGE, BOX))
    page = bank.page("/trips")
    assert f"Trip to {box}, {site}" in page
    assert f"{fridge}, {site} → {box} ·" in page
