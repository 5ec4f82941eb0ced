# SPDX-License-Identifier: Apache-2.0
"""Bags, trips, readings by hand, findings, the nation: pages and API over real databases and a real book."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from blood_bank import BOX, DONATION, HERE, PASSWORD, SPARE, TYPED, Bank, open_bank, warmed
from book_kit import FRIDGE, HOUR, MINUTE

from coldchain.kernel.exposure import FATES
from coldchain.records.found import CAUSES, VERDICTS
from dashboards.console.blood.shapes import Cause, Fate, Verdict


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_bank(tmp_path) as made:
        yield made


@pytest.fixture
def warm(bank: Bank) -> Bank:
    return warmed(bank)


# --- what it turned out to be


def test_an_alarm_is_marked_once_it_is_over_and_corrected_later(bank: Bank) -> None:
    bank.shop.begins("high")
    assert bank.post("/alarm/1/finding", verdict="true", cause="door") == 409
    bank.shop.now_ms += 5 * MINUTE
    bank.shop.ends("high")
    assert bank.post("/alarm/1/finding", verdict="perhaps") == 422
    assert "Nobody has marked it yet" in bank.page("/alarm/1")
    assert bank.post("/alarm/1/finding", verdict="nuisance", cause="warm_load") == 303
    bank.shop.now_ms += MINUTE
    assert bank.post("/alarm/1/finding", verdict="true", cause="door", reason="was ajar") == 303
    page = bank.page("/alarm/1")
    assert "True: somebody had to act" in page
    assert "before: nuisance" in page
    assert "was ajar" in page
    found = bank.api("/api/v1/alarms/1/findings")["findings"]
    assert [one["verdict"] for one in found] == ["true", "nuisance"]
    told = bank.api("/api/v1/quality")
    assert (told["all"]["precision"], told["sites"]["vte"]["true"]) == (1.0, 1)


# --- bags


def test_bags_are_scanned_judged_and_signed_by_two_accounts(warm: Bank) -> None:
    assert warm.post("/alarm/1/bags", donations=f"=A99992612345600\n{TYPED}\nA9999 26 123457 Z\n") == 422
    assert "check character is not Z. Read" in warm.text, "the good ones are taken, the wrong one is told"
    listed = warm.api("/api/v1/alarms/1/bags")
    assert [bag["donation"] for bag in listed["bags"]] == [DONATION], "the same bag twice is one bag"
    assert listed["rule"] == "red-cells-30-minutes@au v1"
    assert 39 * 60 <= listed["exposure"]["out_s"] <= 41 * 60
    assert listed["bags"][0]["proposed"] == "quarantine"
    assert [ground["what"] for ground in listed["bags"][0]["grounds"]] == ["once_s"]
    page = warm.page("/alarm/1/bags")
    assert "A9999 26 123456" in page
    assert "Quarantine" in page

    other = warm.api("/api/v1/alarms/1/bags?rule=red-cells-60-minutes@ca")
    assert other["proposed"] == "keep", "sixty minutes bear it"

    sign = {"do": "sign", "signer": "noy", "password": PASSWORD}
    assert warm.post("/alarm/1/bags", **(sign | {"password": "wrong"})) == 422
    assert warm.post("/alarm/1/bags", **sign, signer2="noy", password2=PASSWORD) == 422, "two people"
    assert warm.post("/alarm/1/bags", **sign, signer2="guest", password2=PASSWORD) == 403
    assert warm.post("/alarm/1/bags", **sign) == 303
    paper = warm.where.rpartition("/")[2]
    assert "waits for the second signature" in warm.page("/alarm/1/bags")
    assert warm.post(f"/signature/{paper}", signer="kham", password=PASSWORD) == 303
    page = warm.page("/alarm/1/bags")
    assert "as the list stands now" in page
    told = warm.api("/api/v1/alarms/1")
    assert told["alarm"]["state"] == "closed", "the gravest fate of the list is the disposition"
    (fate,) = told["dispositions"]
    assert (fate["what"], fate["person"], fate["second"]) == ("quarantine", "technician", "boss")

    assert warm.post("/alarm/1/bags", do="decide", donation=DONATION, fate="discard") == 422, "a reason"
    assert warm.post("/alarm/1/bags", do="decide", donation=DONATION, fate="discard", reason="leaks") == 303
    assert "has changed since" in warm.page("/alarm/1/bags")
    assert warm.post("/alarm/1/bags", do="remove", donation=DONATION) == 303
    assert warm.api("/api/v1/alarms/1/bags")["bags"] == []


def test_a_bag_that_came_later_has_its_own_exposure(warm: Bank) -> None:
    late = warm.shop.now_ms - 15 * MINUTE  # the last five minutes of the forty
    at = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(late / 1000 + 7 * 3600))
    assert warm.post("/alarm/1/bags", donations=TYPED, **{"from": at}) == 303
    (bag,) = warm.api("/api/v1/alarms/1/bags")["bags"]
    assert 4 * 60 <= bag["exposure"]["out_s"] <= 6 * 60
    assert bag["proposed"] == "keep"


def test_the_bag_sheet_is_a_draft_until_two_have_signed_this_list(warm: Bank) -> None:
    from coldchain.wiring.report.blood import bag_sheet

    warm.post("/alarm/1/bags", donations=TYPED)
    assert bag_sheet(warm.settings, 1, "en", warm.shop.now_ms).draft
    both = {"signer": "noy", "password": PASSWORD, "signer2": "kham", "password2": PASSWORD}
    assert warm.post("/alarm/1/bags", do="sign", **both) == 303
    signed = bag_sheet(warm.settings, 1, "en", warm.shop.now_ms)
    assert not signed.draft
    assert "Kham" in str(signed.blocks)
    warm.shop.now_ms += MINUTE
    before = warm.shop.now_ms
    warm.post("/alarm/1/bags", donations="=B99992612345600")
    warm.shop.now_ms += MINUTE
    assert bag_sheet(warm.settings, 1, "en", warm.shop.now_ms).draft, "the list has changed"
    assert not bag_sheet(warm.settings, 1, "en", before - MINUTE).draft, "as it was known then"
    for language in ("lo", "fr", "vi"):
        assert DONATION[:5] in str(bag_sheet(warm.settings, 1, language, before).blocks)


def test_pdfs_come_from_the_console(warm: Bank) -> None:
    warm.post("/alarm/1/bags", donations=TYPED)
    for path in ("/alarm/1/bags.pdf", "/site/vte/day.pdf?day=2026-03-01", "/nation/review.pdf?month=2026-02"):
        answer = warm.client.get(path, headers=HERE)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.content[:5] == b"%PDF-"
    assert warm.client.get("/alarm/1/bags.pdf?rule=none@x", headers=HERE).status_code == 404
    assert warm.client.get("/site/vte/day.pdf?day=yesterday", headers=HERE).status_code == 400


# --- readings by hand


def test_a_thermometer_is_read_at_the_console_and_shown_apart(warm: Bank) -> None:
    assert warm.post("/by-hand", appliance=FRIDGE, celsius="warm") == 422
    assert warm.post("/by-hand", appliance=FRIDGE, celsius="9,5") == 303
    assert warm.where == "/site/vte#by-hand"
    page = warm.page("/site/vte")
    assert "9.5" in page
    assert "by hand" in page
    assert warm.post("/by-hand", appliance=SPARE, celsius="-4.25", back="appliance") == 303
    assert warm.where == f"/appliance/{SPARE}#by-hand"
    noted = warm.api(f"/api/v1/appliances/{FRIDGE}/by-hand")["by_hand"]
    assert [(one["celsius"], one["how"]) for one in noted] == [(9.5, "console")]
    warm.api(f"/api/v1/appliances/{FRIDGE}/by-hand", celsius=4.4, person="technician")
    noted = warm.api(f"/api/v1/appliances/{FRIDGE}/by-hand")["by_hand"]
    assert [one["celsius"] for one in noted] == [4.4, 9.5]
    assert warm.api("/api/v1/alarms")["open"] == [] or len(warm.api("/api/v1/alarms")["open"]) == 1
    row = warm.api("/api/v1/appliances")["appliances"]
    assert all(one["celsius"] != 9.5 for one in row), "no sensor said that"
    assert warm.post(f"/by-hand/{noted[0]['id']}", appliance=SPARE) == 404, "it is of another appliance"
    assert warm.post("/by-hand/99", appliance=FRIDGE) == 404
    assert len(warm.api(f"/api/v1/appliances/{FRIDGE}/by-hand")["by_hand"]) == 2
    assert warm.post(f"/by-hand/{noted[0]['id']}", appliance=FRIDGE) == 303
    left = warm.api(f"/api/v1/appliances/{FRIDGE}/by-hand")["by_hand"]
    assert [one["celsius"] for one in left] == [9.5]


def test_the_site_page_tells_which_way_it_goes_and_how_long_it_takes(bank: Bank) -> None:
    now = bank.shop.now_ms
    for minute in range(60):
        at = now - (60 - minute) * MINUTE
        bank.reads(FRIDGE, 4.0 + minute * 0.02, at, at + 1)
    bank.shop.now_ms += 5_000  # the fleet is looked at again
    page = bank.page("/site/vte")
    found = re.search(r"rising 1\.2 °C an hour: (\d+) min to the limit", page.replace("\xa0", " "))
    assert found, page[:3000]
    assert 38 <= int(found[1]) <= 46, "0.8 °C at 1.2 °C an hour"


# --- the nation


def test_the_nation_on_one_page(warm: Bank) -> None:
    warm.post("/alarm/1/finding", verdict="nuisance", cause="defrost")
    page = warm.page("/nation")
    assert "The nation" in page
    assert "of 1 marked" in page
    assert "0 LAK" in page
    told = warm.api("/api/v1/nation")
    assert told["sms_cost"] == 0, "nothing was sent yet"
    assert [bad["appliance"] for bad in told["worst"]] == [FRIDGE]
    assert told["worst"][0]["out_s"] == 2400
    assert told["quality"]["nuisance"] == 1
    assert sum(told["counts"].values()) == 3
    assert [place["name"] for place in told["provinces"]] == ["Vientiane"]
    assert told["replace"] == []

    db, now_ms = warm.shop.store.db, warm.shop.now_ms
    with warm.shop.store.transaction():
        db.execute("UPDATE notice SET state = 'sent', sent_ms = ? WHERE channel = 'sms'", (now_ms - MINUTE,))
        (sent,) = db.execute("SELECT count(*) FROM notice WHERE sent_ms IS NOT NULL").fetchone()
        db.execute("INSERT INTO held VALUES (?,3,120,480,31000,?)", (SPARE, now_ms))
    for n in range(4):  # the first is the nuisance; three faults that nobody explains by a door or a cut
        warm.shop.now_ms += HOUR
        warm.shop.begins("high")
        warm.shop.now_ms += 5 * MINUTE
        warm.shop.ends("high")
        warm.shop.ask("acknowledge", warm.shop.alarm().id)
        with warm.shop.store.transaction():
            warm.shop.aside.dispose(
                warm.shop.alarm().id, "technician", warm.shop.scene, what="keep", second="boss", reason=str(n)
            )
    told = warm.api("/api/v1/nation")
    assert sent >= 1
    assert told["sms_cost"] == 250 * sent
    assert {one["appliance"] for one in told["replace"]} == {SPARE, FRIDGE}
    assert "bears a power cut for 120 min, its maker says 480 (25 %)" in str(told["replace"])
    assert "3 times too warm within 90 days" in str(told["replace"])


def test_what_programs_may_say_is_what_alerts_knows() -> None:
    assert (get_args(Cause), get_args(Verdict), get_args(Fate)) == (CAUSES, VERDICTS, FATES)


REFUSED: tuple[tuple[str, dict[str, object], int], ...] = (
    ("/api/v1/trips", {"source": FRIDGE, "target": BOX, "at": "0001-01-01T00:00"}, 422),
    ("/api/v1/trips", {"source": FRIDGE, "target": BOX, "at": "9999-12-31T23:59"}, 422),
    ("/api/v1/trips", {"source": FRIDGE, "target": BOX, "carries": "milk"}, 422),
    ("/api/v1/trips", {"source": FRIDGE, "target": BOX, "since": "2035-01-01T00:00"}, 422),
    ("/api/v1/trips/nowhere/steps", {"target": SPARE}, 404),
    (f"/api/v1/appliances/{FRIDGE}/by-hand", {"celsius": 61}, 400),
    ("/api/v1/appliances/nothing/by-hand", {"celsius": 6}, 404),
    ("/api/v1/alarms/1/bags", {"donations": []}, 400),
    ("/api/v1/alarms/1/bags", {"donations": [DONATION], "fate": "discard"}, 422),
    ("/api/v1/alarms/99/bags", {"donations": [TYPED]}, 404),
    ("/api/v1/alarms/1/finding", {"verdict": "perhaps"}, 400),
)


def test_what_is_not_understood_is_refused(warm: Bank) -> None:
    headers = HERE | {"Idempotency-Key": "key-12345678"}
    for path, body, status in REFUSED:
        answer = warm.client.post(path, json=body | {"person": "technician"}, headers=headers)
        assert answer.status_code == status, (path, body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert warm.client.post(path, json=body, headers=HERE).status_code == 400, "no key"
