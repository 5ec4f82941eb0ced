# SPDX-License-Identifier: Apache-2.0
"""Work that does not end by itself at the console: gates that wait, orders sent again and again."""

import sqlite3

import pytest
from console_client import Client
from console_seed import HOUR, NOW_MS, Seed
from devices_kit import DAY, HERE, PAGE, WARM, client, record, seed, signed_in, words

from coldchain.kernel.instants import rfc3339
from coldchain.records.deeds import Deeds
from coldchain.records.work import SEND_GAP_MS, SENDS_BY_ONE, SENDS_MAX, SENDS_TO_ONE, TooOften, Work

__all__ = ["client", "record", "seed"]
MISSING = f"{WARM}/load does not report"


def out_and_waiting(seed: Seed, asked_ms: int, came: str = "") -> None:
    """The warm refrigerator is out of service, its work is done, and the gate wants something."""
    db = sqlite3.connect(seed.settings.alarms_db)
    db.execute("DROP TRIGGER audit_out_of_service_new")
    db.execute(
        "INSERT INTO out_of_service (appliance, person, reason, from_ms) VALUES (?, 'noy', 'fan', ?)",
        (WARM, asked_ms - HOUR),
    )
    db.execute(
        "INSERT INTO proving (appliance, person, reason, asked_ms, looked_ms, missing, ended_ms, came)"
        " VALUES (?, 'noy', 'fan', ?, ?, ?, ?, ?)",
        (WARM, asked_ms, NOW_MS, MISSING, NOW_MS if came else None, came),
    )
    db.commit()
    db.close()


def test_a_site_shows_what_waits_at_the_gate_since_when_and_for_what(client: Client, seed: Seed) -> None:
    assert "Waiting to go back into service" not in words(client, "/site/vte")
    out_and_waiting(seed, NOW_MS - 30 * HOUR)
    text = words(client, "/site/vte")
    assert "Waiting to go back into service" in text
    assert "(1 d 6 h)" in text
    assert MISSING in text
    assert "Waiting to go back into service" not in words(client, "/site/skt"), "it stands elsewhere"
    told = client.get("/api/v1/devices/DOM%2FMB%201-77", headers=HERE).json()
    assert told["proving"] == MISSING
    assert told["proving_since"] == rfc3339(NOW_MS - 30 * HOUR)


def test_a_gate_that_nobody_looks_at_any_more_is_still_shown(client: Client, seed: Seed) -> None:
    out_and_waiting(seed, NOW_MS - 31 * DAY, "too long")
    assert "It waited too long and is looked at no longer" in words(client, "/site/vte")


def test_a_device_tells_every_reason_for_which_it_is_out(client: Client, seed: Seed) -> None:
    out_and_waiting(seed, NOW_MS - 30 * HOUR)
    db = sqlite3.connect(seed.settings.alarms_db)
    db.execute("DROP TRIGGER audit_out_hold_new")
    for holder, reason in (("", "recalled by its maker"), ("7", "work order 7: Fan")):
        db.execute(
            "INSERT INTO out_hold (out, holder, person, reason, from_ms) SELECT id, ?, 'noy', ?, from_ms"
            " FROM out_of_service",
            (holder, reason),
        )
    db.commit()
    db.close()
    page = client.get(PAGE, headers=HERE).text
    assert "recalled by its maker" in page
    assert '<a href="/work-order/7">work order 7: Fan</a>' in page


def test_each_repair_is_compared_before_and_after_when_one_asks(client: Client, seed: Seed) -> None:
    now = [NOW_MS - 40 * HOUR]
    deeds = Deeds(seed.settings.desk_db, lambda: now[0])
    for n in range(1, 6):
        number = deeds.raise_(f"r{n}", WARM, f"Repair {n}", person="vte-on-call")
        now[0] += HOUR
        deeds.step(f"s{n}", number, "started", person="vte-on-call", body={"to": "empty"})
        deeds.step(f"f{n}", number, "finished", person="vte-on-call", body={"findings": "done"})
    page = client.get(PAGE, headers=HERE).text
    assert page.count('#compared">') == 5
    assert ("Work order 5: Repair 5" in page, "Work order 1: Repair 1" in page) == (True, False)
    first = client.get(f"{PAGE}?repair=1", headers=HERE).text
    assert ("Work order 5: Repair 5" in first, "Work order 1: Repair 1" in first) == (False, True)


# --- sent again and again


class Clock:
    ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(seed: Seed, clock: Clock) -> Work:
    return Work(seed.settings.desk_db, clock)


def order(work: Work, key: str) -> int:
    return work.raise_(key, "SN", appliance=WARM, site="vte", what="fan", person="noy", contractor="fixer")


def send(work: Work, key: str, number: int, person: str = "noy", contractor: str = "fixer") -> bool:
    return work.step(key, number, "sent", person=person, body={"contractor": contractor})


def test_an_order_is_not_sent_again_at_once_and_five_times_a_day(work: Work, clock: Clock) -> None:
    number = order(work, "a")
    assert send(work, "s0", number)
    assert not send(work, "s0", number), "the same wish is the same message"
    with pytest.raises(TooOften, match="was sent just now") as bad:
        send(work, "s1", number)
    assert bad.value.again_ms == NOW_MS + SEND_GAP_MS
    for n in range(1, SENDS_MAX):
        clock.ms += SEND_GAP_MS
        assert send(work, f"s{n}", number)
    clock.ms += SEND_GAP_MS
    with pytest.raises(TooOften, match="5 times today") as bad:
        send(work, "s9", number)
    clock.ms = bad.value.again_ms
    assert clock.ms == NOW_MS + DAY
    assert send(work, "s9", number)


@pytest.mark.parametrize("who", ["person", "contractor"])
def test_many_orders_are_no_way_around_it(work: Work, who: str) -> None:
    most = SENDS_BY_ONE if who == "person" else SENDS_TO_ONE
    for n in range(most):
        other = f"p{n}"
        said = {"contractor": other} if who == "person" else {"person": other}
        assert send(work, f"s{n}", order(work, f"o{n}"), **said)
    with pytest.raises(TooOften, match="30 orders today"):
        send(work, "more", order(work, "more"))
    assert send(work, "else", order(work, "else"), person="kham", contractor="other"), "others may"


def test_the_page_says_plainly_from_when_it_may_be_sent_again(client: Client, seed: Seed) -> None:
    headers, form = signed_in(seed, client, "supervisor", "vte-on-call")
    said = {"form": form, "appliance": WARM, "what": "Noisy", "command": "a" * 32}
    client.post("/work-order", data=said, headers=headers)
    step = {"form": form, "contractor": "fixer"}
    assert "Send" in words(client, "/work-order/1", headers)
    client.post("/work-order/1/sent", data=step | {"command": "b" * 32}, headers=headers)
    answer = client.get("/work-order/1", headers=headers)
    assert "Sent 1 times within a day. It may be sent again from" in " ".join(answer.text.split())
    assert 'action="/work-order/1/sent"' not in answer.text, "no button that would be refused"
    again = client.post(
        "/work-order/1/sent", data=step | {"command": "c" * 32}, headers=headers, follow_redirects=False
    )
    assert again.status_code == 429
    assert "each message costs credit that alarms need" in again.text
    program = client.post(
        "/api/v1/work-orders/1/sent", json={"contractor": "fixer"}, headers=headers | {
            "Idempotency-Key": "program-1:0009"}
    )  # fmt: skip
    assert (program.status_code, program.json()["type"]) == (429, "/problems/sent-too-often")
    assert "it may be sent again from 20" in program.json()["detail"]
    db = sqlite3.connect(seed.settings.desk_db)
    assert db.execute("SELECT count(*) FROM command WHERE verb = 'work_order'").fetchone() == (1,)
    db.close()
