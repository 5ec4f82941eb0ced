# SPDX-License-Identifier: Apache-2.0
"""What an alarm turned out to be, temperatures read by hand, and blood that was moved without an alarm."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from book_kit import FRIDGE, HOUR, MINUTE, Shop
from hypothesis import given
from hypothesis import strategies as st

from alerts.answers.desk import Answers
from alerts.answers.parse import Verb, parse
from alerts.commands import Commands
from coldchain.kernel.audit import Altered, Head
from coldchain.records.audit import check
from coldchain.records.found import FoundReader, Outcome, quality_of
from coldchain.records.registry import Desk

NUMBERS = count()
PHONE = "+8562000000001"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    desk = Desk(tmp_path / "desk.db", lambda: made.now_ms)
    desk.publish(made.registry, author="test", reason="seed")
    desk.close()
    return made


def tell(shop: Shop, verb: str, alarm: str = "", **body: str) -> str:
    """A command of the technician's, applied; what came of it."""
    folder = shop.store_path.parent
    desk = Desk(folder / "desk.db", lambda: shop.now_ms)
    id_ = f"c-{verb}-{next(NUMBERS)}"
    desk.command(id_, verb, person="technician", alarm=alarm or None, body=dict(body))
    desk.close()
    Commands(folder / "desk.db", shop.store, shop.book, shop.aside).apply(shop.scene)
    (outcome,) = shop.store.db.execute("SELECT outcome FROM command_applied WHERE id = ?", (id_,)).fetchone()
    return str(outcome)


def test_a_finding_is_made_when_it_is_over_and_may_be_corrected(shop: Shop) -> None:
    alarm = shop.begins("high") or ""
    assert tell(shop, "finding", alarm, verdict="true", cause="door").startswith("refused: alarm 1 stands")
    shop.now_ms += 3 * MINUTE
    shop.ends("high")
    assert tell(shop, "finding", alarm, verdict="sure").startswith("refused: 'sure' is no finding")
    assert tell(shop, "finding", alarm, verdict="true", cause="ghosts").startswith("refused: 'ghosts'")
    assert tell(shop, "finding", alarm, verdict="nuisance", cause="warm_load").startswith("applied")
    shop.now_ms += MINUTE
    assert tell(shop, "finding", alarm, verdict="true", cause="door", reason="was ajar").startswith("applied")
    found = FoundReader(shop.store_path).findings(alarm)
    assert [(f.verdict, f.cause, f.reason) for f in found] == [
        ("true", "door", "was ajar"),
        ("nuisance", "warm_load", ""),
    ], "the newest counts, the other one stays"
    (outcome,) = FoundReader(shop.store_path).outcomes(0, 2**60)
    assert (outcome.verdict, outcome.cause) == ("true", "door")
    then = FoundReader(shop.store_path).outcomes(0, 2**60, as_of_ms=shop.now_ms - 1)[0]
    assert then.verdict == "nuisance", "as it was known then"
    events = [e.event for e in FoundReader(shop.store_path).events(alarm)]
    assert events.count("finding") == 2


def test_an_edited_finding_is_found_by_the_audit_chain(shop: Shop) -> None:
    alarm = shop.begins("high") or ""
    shop.now_ms += 3 * MINUTE
    shop.ends("high")
    tell(shop, "finding", alarm, verdict="nuisance")
    assert isinstance(check(shop.store_path, "alarms"), Head)
    db = shop.store.db
    db.execute("DROP TRIGGER audit_finding_changed")
    db.execute("UPDATE finding SET verdict = 'true'")
    found = check(shop.store_path, "alarms")
    assert isinstance(found, Altered)
    assert "finding" in str(found)


def test_response_and_precision_are_of_what_really_was(shop: Shop) -> None:
    alarm = shop.begins("high") or ""
    shop.now_ms += 7 * MINUTE
    shop.ask("acknowledge", alarm)
    (outcome,) = FoundReader(shop.store_path).outcomes(0, 2**60)
    assert outcome.took_ms == 7 * MINUTE
    assert quality_of([outcome]).median_ms == 7 * MINUTE
    assert quality_of([outcome]).precision is None, "nobody has marked it"


@given(
    st.lists(
        st.tuples(st.sampled_from(["true", "nuisance", "missed", ""]), st.none() | st.integers(-5, 10**7))
    )
)
def test_quality_counts_each_alarm_once(told: list[tuple[str, int | None]]) -> None:
    outcomes = [Outcome("s", "a", "high", "critical", 0, took, verdict, "") for verdict, took in told]
    found = quality_of(outcomes)
    assert found.alarms == len(told)
    assert found.marked == sum(v != "" for v, _ in told)
    assert found.answered == sum(took is not None for _, took in told)
    spans = [max(0, took) for _, took in told if took is not None]
    if spans:
        assert found.median_ms in spans
        assert found.p90_ms in spans
        assert sum(s <= (found.p90_ms or 0) for s in spans) >= 0.9 * len(spans)
        assert sum(s <= (found.median_ms or 0) for s in spans) >= 0.5 * len(spans)
    if found.precision is not None:
        assert 0 <= found.precision <= 1


def sms(shop: Shop, text: str, sender: str = PHONE) -> str:
    shop.now_ms += MINUTE
    with shop.store.transaction():
        shop.store.db.execute(
            "INSERT INTO incoming (id, at_ms, kind, sender, text) VALUES (?,?,'sms',?,?)",
            (f"m{shop.now_ms}", shop.now_ms, sender, text),
        )
    Answers(shop.store, shop.book, shop.chains).apply(shop.scene)
    (outcome,) = shop.store.db.execute("SELECT outcome FROM incoming ORDER BY at_ms DESC LIMIT 1").fetchone()
    return str(outcome)


def test_a_thermometer_is_read_by_sms_and_judges_nothing(shop: Shop) -> None:
    assert sms(shop, "vte-br-03 4.2") == f"by hand: {FRIDGE} 4200 by technician"
    assert sms(shop, "VTE-BR-03: 9,5 C") == f"by hand: {FRIDGE} 9500 by technician"
    assert sms(shop, "vte-br-99 4.2") == "by hand: no such appliance"
    assert sms(shop, "vte-br-03 420") == "by hand: no such value"
    assert sms(shop, "vte-br-03 4.2", "+8562099999999") == "unknown number: nothing done"
    found = FoundReader(shop.store_path).by_hand([FRIDGE], 0, 2**60)
    assert [(one.value, one.person, one.how) for one in found] == [
        (4200, "technician", "sms"),
        (9500, "technician", "sms"),
    ]
    assert shop.store.standing() == [], "9.5 °C by hand is no alarm"
    replies = shop.store.db.execute("SELECT text FROM notice WHERE about = 'answer'").fetchall()
    assert any("noted at" in text for (text,) in replies)


def test_a_slip_of_the_pen_is_taken_back_and_stays_in_the_record(shop: Shop) -> None:
    assert tell(shop, "by_hand", appliance=FRIDGE, value="42000").startswith("applied")
    assert tell(shop, "by_hand", appliance=FRIDGE, value="99000").startswith("refused")
    old = str(shop.now_ms - 40 * 24 * HOUR)
    assert tell(shop, "by_hand", appliance=FRIDGE, value="4000", at_ms=old).startswith("refused")
    (one,) = FoundReader(shop.store_path).by_hand([FRIDGE], 0, 2**60)
    assert tell(shop, "withdraw", number=str(one.id)).startswith("applied")
    shop.now_ms += 1
    assert tell(shop, "withdraw", number=str(one.id)).startswith("nothing to do")
    assert FoundReader(shop.store_path).by_hand([FRIDGE], 0, 2**60) == []
    (rows,) = shop.store.db.execute("SELECT count(*) FROM by_hand").fetchone()
    assert rows == 2


def test_blood_that_is_moved_without_an_alarm_has_its_clock(shop: Shop) -> None:
    assert tell(shop, "move", source=FRIDGE, target=FRIDGE).startswith("refused")
    assert tell(shop, "move", source=FRIDGE, target="vte-br-07").startswith("applied")
    (moved,) = FoundReader(shop.store_path).moved(running=True)
    assert (moved.source, moved.target, moved.person) == (FRIDGE, "vte-br-07", "technician")


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("vte-br-01 4.2", "vte-br-01", 4_200), ("Vte-Br-01 4,25 °C", "vte-br-01", 4_250),
        ("vte-pf-02: -30.5 KS", "vte-pf-02", -30_500), ("vte-pf-02 −31", "vte-pf-02", -31_000),
        ("vte-br-01 ໔.໒", "vte-br-01", 4_200),
    ],
)  # fmt: skip
def test_what_a_thumb_types_of_a_thermometer(text: str, target: str, value: int) -> None:
    wish = parse(text)
    assert (wish.verb, wish.target, wish.value) == (Verb.BY_HAND, target, value)


@pytest.mark.parametrize(
    "text", ["ok-483126 739", "ok 483126 vte-br-02", "moved 483126 vte-br-02", "vte-br-01?"]
)
def test_what_is_no_thermometer(text: str) -> None:
    assert parse(text).verb is not Verb.BY_HAND


@pytest.mark.parametrize(
    ("verb", "alarm", "body"),
    [
        ("by_hand", "", {"appliance": FRIDGE, "value": "--5"}),
        ("by_hand", "", {"appliance": FRIDGE, "value": "4200", "at_ms": "9" * 20}),
        ("by_hand", "", {"appliance": FRIDGE, "value": "4200", "at_ms": "9" * 5000}),
        ("finding", "9" * 30, {"verdict": "true"}),
    ],
)
def test_what_we_cannot_take_is_refused_once_and_stops_no_judge(
    shop: Shop, verb: str, alarm: str, body: dict[str, str]
) -> None:
    """It would come again at each start: alerts would start for ever, and call nobody."""
    assert tell(shop, verb, alarm, **body).startswith("refused")
    assert tell(shop, "by_hand", appliance=FRIDGE, value="4200").startswith("applied"), "the next one counts"


def test_a_message_that_breaks_us_is_put_by_and_the_next_is_answered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(shop.store, shop.book, shop.book.teller.chains)
    whole = answers._sms

    def breaks(one: Any, people: Any, scene: Any) -> Any:
        if one.id == "m1":
            raise ZeroDivisionError
        return whole(one, people, scene)

    monkeypatch.setattr(answers, "_sms", breaks)
    for name in ("m1", "m2"):
        row = (name, shop.now_ms, "sms", PHONE, f"{FRIDGE} 4.2")
        shop.store.db.execute("INSERT INTO incoming (id, at_ms, kind, sender, text) VALUES (?,?,?,?,?)", row)
    assert answers.apply(shop.scene)
    told = shop.store.db.execute("SELECT outcome FROM incoming ORDER BY id").fetchall()
    assert told[0][0].startswith("refused: it cannot be understood")
    assert told[1][0].startswith(f"by hand: {FRIDGE} 4200")
    assert not answers.apply(shop.scene)
