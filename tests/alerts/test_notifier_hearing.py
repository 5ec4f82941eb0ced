# SPDX-License-Identifier: Apache-2.0
"""The driver between sends, on the simulated modem: answers, reports, rings, torn lines, full SIM."""

import time
from pathlib import Path

import pytest
from modems import NURSE, eventually, hasty, patient

from alerts.notifiers.modem import ModemNotifier
from coldchain.ports.notifier import Delivery, Heard, Kind
from firmware_sim.modem import ModemSim


@pytest.fixture
def sim(tmp_path: Path):
    with ModemSim(tmp_path / "inbox.jsonl") as sim:
        yield sim


@pytest.fixture
def modem(sim: ModemSim):
    modem = ModemNotifier(patient(sim.path))
    assert modem.hear(0.05) == []
    yield modem
    modem.close()


def listen(modem: ModemNotifier, count: int, *, within_s: float = 5.0) -> list[Heard]:
    found: list[Heard] = []
    until = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < until:
        heard = modem.hear(0.05)
        modem.forget(heard)
        found += heard
    return found


def test_an_answer_is_heard_and_deleted(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.phone(NURSE).reply("ok 483126")
    (heard,) = listen(modem, 1)
    assert (heard.kind, heard.sender, heard.text) == (Kind.SMS, NURSE, "ok 483126")
    assert sim.card.messages == {}
    assert modem.hear(0.05) == []


def test_lao_digits_survive_the_air(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.phone(NURSE).reply("ຕົກລົງ ໔໘໓໑໒໖")
    (heard,) = listen(modem, 1)
    assert heard.text == "ຕົກລົງ ໔໘໓໑໒໖"


def test_before_it_is_forgotten_it_is_heard_again_under_the_same_name(sim: ModemSim, modem) -> None:
    sim.phone(NURSE).reply("ok 483126")
    assert eventually(lambda: bool(sim.card.messages))
    (first,) = modem.hear(0.2)
    modem.close()
    again = ModemNotifier(patient(sim.path))
    (second,) = again.hear(0.05)
    assert first.id == second.id
    again.forget([second])
    assert sim.card.messages == {}
    again.close()


def test_what_came_while_we_were_away_is_found(sim: ModemSim) -> None:
    for text in ("one", "two"):
        sim.phone(NURSE).reply(text)
    modem = ModemNotifier(patient(sim.path))
    assert [h.text for h in listen(modem, 2)] == ["one", "two"]
    modem.close()


def test_parts_out_of_order_and_twice_are_one_answer(sim: ModemSim, modem: ModemNotifier) -> None:
    text = "ok 483126 " + "the door was open, I have closed it. " * 12
    sim.receive_parts(NURSE, text, order=(2, 1, 3))
    (heard,) = listen(modem, 1)
    assert heard.text == text
    assert len(heard.places) == 3
    assert sim.card.messages == {}


def test_a_half_message_waits_in_the_sim(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.receive_parts(NURSE, "x" * 300, order=(1,))
    assert listen(modem, 1, within_s=0.4) == []
    assert len(sim.card.messages) == 1


def test_a_ring_is_one_call_and_is_hung_up(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.phone(NURSE).ring()
    sim.phone(NURSE).ring()
    heard = listen(modem, 2, within_s=0.5)
    assert [(h.kind, h.sender) for h in heard] == [(Kind.RING, NURSE)]
    assert "H" in sim.commands


def test_a_delivery_report_names_its_message(sim: ModemSim, modem: ModemNotifier) -> None:
    sent = modem.send(NURSE, "hello")
    assert sent.delivery is Delivery.ACCEPTED
    (report,) = listen(modem, 1)
    assert (report.kind, report.sender, report.delivered) == (Kind.REPORT, NURSE, True)
    assert (report.reference,) == sent.references


def test_a_failed_delivery_says_so(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.control.report_status = 0x46
    modem.send(NURSE, "hello")
    (report,) = listen(modem, 1)
    assert report.delivered is False


def test_what_arrives_during_a_send_is_not_lost(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.control.chatter = ("RING", f'+CLIP: "{NURSE}",145')
    modem.send(NURSE, "hello")
    sim.control.chatter = ()
    assert {h.kind for h in listen(modem, 2)} == {Kind.RING, Kind.REPORT}


def test_what_cannot_be_read_is_kept_as_it_is(sim: ModemSim, modem: ModemNotifier) -> None:
    sim.card.messages[3] = (0, bytes.fromhex("00FFFF"))
    sim.say('+CMTI: "SM",3')
    (heard,) = listen(modem, 1)
    assert (heard.sender, heard.text) == ("?", "00FFFF")
    assert sim.card.messages == {}


def test_an_unplugged_modem_hears_nothing_and_comes_back(sim: ModemSim, tmp_path: Path) -> None:
    link = tmp_path / "modem"
    with ModemSim(link=link) as other:
        modem = ModemNotifier(hasty(str(link)))
        modem.hear(0.05)
        other.unplug()
        assert modem.hear(0.05) == []
        other.replug()
        other.phone(NURSE).reply("ok 483126")
        modem._listen_again_s = 0.0
        assert [h.text for h in listen(modem, 1)] == ["ok 483126"]
        modem.close()


def test_an_answer_goes_through_the_air_to_the_alarm(tmp_path: Path) -> None:
    """Driver, outbox and answers together: SMS out, reply in, alarm acknowledged, thanks out."""
    from ward import Ward

    ward = Ward(tmp_path)
    with ModemSim() as sim:
        modem = ModemNotifier(patient(sim.path))
        ward.outbox.channels["sms"] = modem
        ward.fridge("vte-br-03")
        ward.temperature("vte-br-03", 9.0).run_until("08:05:10")
        phone = sim.phone("+8562000000001")
        (message,) = phone.wait_for(1, within_s=5)
        phone.reply(message.text[message.text.rindex("OK") :].lower())
        assert eventually(lambda: ward.outbox.hear(0.05) or False)
        ward.settle()
        texts = [m.text for m in phone.wait_for(2, within_s=5)]
        assert texts[1].startswith("Thank you, vte-br-03 is yours")
        assert ward.alarms.alarms()[0].state == "acknowledged"
        modem.close()
