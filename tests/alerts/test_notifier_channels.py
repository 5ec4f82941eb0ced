# SPDX-License-Identifier: Apache-2.0
"""Calls, providers, mail, two modems, credit, and a modem that hangs."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from fake_provider import FakeMail, FakeProvider, unused_port
from modems import NURSE, hasty, patient

from alerts.notifiers.credit import credit_in
from alerts.notifiers.mail import MailNotifier, MailOptions
from alerts.notifiers.modem import CallNotifier, ModemNotifier
from alerts.notifiers.provider import READY, HttpNotifier, Provider
from alerts.notifiers.several import Several
from coldchain.kernel.errors import ConfigError
from coldchain.ports.notifier import Delivery, Kind
from coldchain.settings import Settings
from coldchain.settings.model import MailSettings, ModemSettings, NotifySettings, ProviderSettings
from coldchain.wiring.notify import build_channels
from firmware_sim.modem import ModemSim, refused, unanswered

# --- calls


def test_a_call_rings_and_hangs_up() -> None:
    with ModemSim() as sim:
        modem = ModemNotifier(patient(sim.path, ring_s=0.2))
        assert CallNotifier(modem).send(NURSE, "cannot be said").delivery is Delivery.ACCEPTED
        assert sim.phone(NURSE).calls == 1
        assert sim.commands[-2:] == [f"D{NURSE};", "H"]
        assert modem.send(NURSE, "and an SMS after it").delivery is Delivery.ACCEPTED
        modem.close()


def test_a_call_to_no_number_or_without_a_sim_says_so() -> None:
    with ModemSim() as sim:
        modem = ModemNotifier(hasty(sim.path, ring_s=0.1))
        assert modem.call("nobody\rAT+CPWROFF").delivery is Delivery.FAILED_FINAL
        sim.control.sim_card = False
        assert modem.call(NURSE).delivery is Delivery.FAILED_RETRY
        assert not [c for c in sim.commands if "PWROFF" in c]
        modem.close()


# --- two modems, a provider behind them


def test_the_second_way_is_tried_when_the_first_refuses(tmp_path: Path) -> None:
    with ModemSim() as first, ModemSim() as second:
        both = Several([ModemNotifier(patient(first.path)), ModemNotifier(patient(second.path))])
        first.control.next(refused(21))
        sent = both.send(NURSE, "warm")
        assert sent.delivery is Delivery.ACCEPTED
        assert "SIM's credit" in sent.detail
        assert [m.text for m in second.phone(NURSE).received] == ["warm"]
        second.phone(NURSE).reply("ok 483126")
        heard = [one for _ in range(40) for one in both.hear(0.05) if one.kind is Kind.SMS]
        assert {one.text for one in heard} == {"ok 483126"}
        both.forget(heard[:1])
        assert second.card.messages == {}


def test_what_may_have_gone_out_is_not_sent_by_the_second_way() -> None:
    with ModemSim() as first, ModemSim() as second:
        both = Several([ModemNotifier(hasty(first.path)), ModemNotifier(hasty(second.path))])
        first.control.next(unanswered(sent=True))
        assert both.send(NURSE, "warm").delivery is Delivery.UNKNOWN
        assert second.phone(NURSE).received == []


# --- a modem that hangs


def test_a_hanging_modem_loses_its_power_once(tmp_path: Path) -> None:
    now = [1000.0]
    with ModemSim() as sim:
        resets = []

        def reset() -> None:
            resets.append(now[0])
            sim.control.hung = False

        modem = ModemNotifier(hasty(sim.path, command_s=0.05, network_s=0.05), reset=reset)
        assert modem.send(NURSE, "one").delivery is Delivery.ACCEPTED
        sim.control.hung = True
        outcomes = [modem.send(NURSE, "two").delivery for _ in range(3)]
        assert len(resets) == 1
        assert Delivery.ACCEPTED in outcomes or modem.send(NURSE, "two").delivery is Delivery.ACCEPTED
        modem.close()


# --- credit


def test_credit_is_asked_by_ussd() -> None:
    with ModemSim() as sim:
        sim.control.credit = 12
        modem = ModemNotifier(patient(sim.path, network_s=2.0))
        assert modem.credit("*123#") == 12.0
        sim.control.credit = None
        assert modem.credit("*123#") is None
        modem.close()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('+CUSD: 0,"Solde 1 250,50"', 1250.0),
        ('+CUSD: 0,"12.500 LAK"', 12500.0),
        ('+CUSD: 0,"5.25 USD",15', 5.25),
        ("+CUSD: 4", None),
        ('+CUSD: 0,"no credit"', None),
    ],
)
def test_amounts_as_operators_write_them(text: str, left: float | None) -> None:
    assert credit_in(text) == left


# --- providers


def provider(port: int, **more: Any) -> Provider:
    return Provider(
        url=f"http://127.0.0.1:{port}/send", body="To={to}&Body={text}&k={secret}", accepted="queued", **more
    )


@pytest.mark.parametrize(
    ("reply", "delivery"),
    [
        ((200, '{"status": "queued"}', 0.0), Delivery.ACCEPTED),
        ((200, "<html>log in</html>", 0.0), Delivery.UNKNOWN),
        ((200, '{"code": 21211}', 0.0), Delivery.FAILED_FINAL),
        ((400, "no", 0.0), Delivery.FAILED_FINAL),
        ((401, "key hunter2 is wrong", 0.0), Delivery.FAILED_FINAL),
        ((429, "slow down", 0.0), Delivery.FAILED_RETRY),
        ((500, "broke", 0.0), Delivery.UNKNOWN),
        ((503, "busy", 0.0), Delivery.FAILED_RETRY),
        ((200, "queued", 1.0), Delivery.UNKNOWN),
    ],
)
def test_what_a_provider_says_decides(reply: tuple[int, str, float], delivery: Delivery) -> None:
    with FakeProvider() as server:
        server.replies.append(reply)
        channel = HttpNotifier(provider(server.port, final="21211", timeout_s=0.5), secret="hunter2")
        sent = channel.send(NURSE, "8.2 °C & rising")
        assert sent.delivery is delivery
        assert "hunter2" not in sent.detail
        (_, _, body) = server.requests[0]
        assert parse_qs(body) == {"To": [NURSE], "Body": ["8.2 °C & rising"], "k": ["hunter2"]}


def test_a_provider_that_is_not_there_is_tried_again() -> None:
    assert HttpNotifier(provider(unused_port())).send(NURSE, "x").delivery is Delivery.FAILED_RETRY


@pytest.mark.parametrize("name", sorted(READY))
def test_a_ready_provider_fills_its_template(name: str) -> None:
    from dataclasses import replace

    with FakeProvider() as server:
        server.replies.append((200, '{"sid": "SM1", "status": "0", "x": {"status": "Success"}}', 0.0))
        ready = replace(READY[name], url=f"http://127.0.0.1:{server.port}/x")
        channel = HttpNotifier(ready, account="acc", sender="Cold", secret="hunter2")
        assert channel.send(NURSE, "ຕູ້ເຢັນ").delivery is Delivery.ACCEPTED
        (_, headers, body) = server.requests[0]
        assert "{" not in body
        assert "ຕູ້ເຢັນ" in str(parse_qs(body))
        assert "hunter2" in body or "hunter2" in str(headers) or "Authorization" in headers


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="must begin with https"):
        HttpNotifier(Provider(url="file:///etc/passwd", body=""))


# --- mail


def test_a_mail_is_sent_whole() -> None:
    with FakeMail() as server:
        channel = MailNotifier(MailOptions("127.0.0.1", "cold@example.org", server.port, starttls=False))
        assert channel.send("ana@example.org", "vte-br-03 7.2C over 6.0C").delivery is Delivery.ACCEPTED
        assert "Subject: vte-br-03 7.2C over 6.0C" in server.mails[0]


@pytest.mark.parametrize(
    ("refuses", "delivery"),
    [
        ({"RCPT": "550 nobody here"}, Delivery.FAILED_FINAL),
        ({"DATA": "451 later"}, Delivery.FAILED_RETRY),
        ({"DATA": "hang up"}, Delivery.UNKNOWN),
        ({"EHLO": "hang up", "HELO": "hang up"}, Delivery.UNKNOWN),
    ],
)
def test_what_a_mail_server_says_decides(refuses: dict[str, str], delivery: Delivery) -> None:
    with FakeMail(refuses) as server:
        channel = MailNotifier(MailOptions("127.0.0.1", "cold@example.org", server.port, starttls=False))
        assert channel.send("ana@example.org", "x").delivery is delivery


def test_no_mail_server_and_no_address() -> None:
    channel = MailNotifier(MailOptions("127.0.0.1", "cold@example.org", unused_port(), starttls=False))
    assert channel.send("ana@example.org", "x").delivery is Delivery.FAILED_RETRY
    assert channel.send("ana@example.org\nBcc: all@example.org", "x").delivery is Delivery.FAILED_FINAL


# --- wiring


def test_the_settings_build_every_channel(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    settings = Settings(
        data_dir=tmp_path,
        notify=NotifySettings(
            kind="modem",
            modem=ModemSettings(device="/dev/one"),
            second=ModemSettings(device="/dev/two"),
            http=ProviderSettings(ready="twilio", account="acc", sender="+1", secret_file=secret),
            mail=MailSettings(host="mail.example.org", sender="cold@example.org"),
        ),
    )
    channels = build_channels(settings)
    assert sorted(channels) == ["call", "email", "sms"]
    assert isinstance(channels["sms"], Several)
    assert len(channels["sms"]._ways) == 3
    assert "hunter2" not in repr(channels)
