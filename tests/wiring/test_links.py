# SPDX-License-Identifier: Apache-2.0
"""Addresses that are secrets: a calendar that is only read, delivery reports of providers; PINs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_client import Client, browsing
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from night import code_in
from ward import Phones, Ward, instant

from coldchain.kernel.errors import BadData
from coldchain.ports.notifier import Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.duty import DEFAULTS, Rota
from coldchain.records.links import subject_of
from coldchain.records.registry import Registry
from coldchain.records.sql import open_reader
from coldchain.settings import Settings
from coldchain.settings.model import NotifySettings, ProviderSettings
from coldchain.wiring.addresses import new_address, set_pin
from coldchain.wiring.answer_links import AnswerLinks, Linked
from coldchain.wiring.links import add_links
from dashboards.console import problems
from dashboards.console.app import create_app

BASE = "https://blood.example"


def application(settings: Settings, at: str = "08:00") -> FastAPI:
    app = FastAPI()
    add_links(app, settings, lambda: instant(at))
    answer = problems.answering(lambda request, problem: PlainTextResponse("", problem.status))
    problems.install(app, answer)
    return app


def create_app_with_links(settings: Settings) -> FastAPI:
    """The whole console, its gate in front."""
    app = create_app(settings)
    add_links(app, settings)
    return app


def provided(ward: Ward, ready: Any = "twilio") -> Settings:
    http = ProviderSettings(ready=ready, account="AC1")
    return ward.settings.model_copy(update={"notify": NotifySettings(kind="http", http=http)})


# --- calendars


def test_a_rota_s_calendar_is_read_by_its_secret_and_a_new_secret_ends_the_old(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward._publish(rotas=(Rota(id="night", people=("technician",)),))
    with pytest.raises(BadData, match="no rota 'day'; known: night"):
        new_address(ward.settings, "calendar", "day", BASE)
    address = new_address(ward.settings, "calendar", "night", f"{BASE}/")
    path = address.removeprefix(BASE)
    with browsing(application(ward.settings)) as client:
        feed = client.get(path)
        assert feed.status_code == 200
        assert feed.headers["content-type"] == "text/calendar; charset=utf-8"
        assert feed.text.startswith("BEGIN:VCALENDAR")
        assert "technician" in feed.text
        assert client.post(path).status_code == 405, "to read and nothing more"
        new_address(ward.settings, "calendar", "night", BASE)
        assert subject_of(ward.settings.desk_db, "calendar", path.split("/")[-1].removesuffix(".ics")) is None
    secret = path.split("/")[-1].removesuffix(".ics")
    assert secret.encode() not in ward.settings.desk_db.read_bytes(), "kept is a hash"
    assert len(secret) >= 43, "256 bits"


@pytest.mark.parametrize("secret", ["x", "a" * 43, "%2e%2e%2fdesk", "a" * 500])
def test_an_unknown_secret_opens_nothing(tmp_path: Path, secret: str) -> None:
    ward = Ward(tmp_path)
    with browsing(application(provided(ward))) as client:
        assert client.get(f"/api/v1/delivery/twilio/{secret}").status_code == 404
        assert client.get(f"/api/v1/calendar/{secret}.ics").status_code == 404


# --- delivery reports


CALLBACKS = {
    "twilio": (("MessageSid", "MessageStatus"), "delivered", "undelivered", "sent"),
    "vonage": (("messageId", "status"), "delivered", "expired", "accepted"),
    "africastalking": (("id", "status"), "Success", "Failed", "Buffered"),
}


def numbered(ward: Ward) -> None:
    """The provider names its messages SM1, SM2 ..., and reports by callback."""
    plain = ward.phones.send

    def send(to: str, text: str) -> Sent:
        return replace(plain(to, text), carrier_id=f"SM{ward.phones.tries}")

    ward.phones.send = send  # type: ignore[method-assign]


def report(client: Client, path: str, ready: str, name: str, said: str, form: str = "form") -> int:
    names, *_ = CALLBACKS[ready]
    fields = dict(zip(names, (name, said), strict=True))
    sent = {"form": {"data": fields}, "json": {"json": fields}, "query": {"params": fields}}[form]
    return int(client.post(path, **sent).status_code)


@pytest.mark.parametrize(
    ("ready", "form"), [("twilio", "form"), ("vonage", "json"), ("africastalking", "query")]
)
def test_a_provider_s_report_keeps_or_moves_the_chain(tmp_path: Path, ready: str, form: str) -> None:
    """Delivered: nothing more. Failed: the next number at once, not after three minutes."""
    _, arrived, failed, underway = CALLBACKS[ready]
    ward = Ward(tmp_path, policies=DEFAULTS)
    numbered(ward)
    ward.person("ana", "+8562000000011", numbers=("+8562000000012",))
    ward._publish(people=tuple(p for p in ward.registry.people if p.id != "technician"))
    ward.fridge("vte-br-03")
    settings = provided(ward, ready)
    path = new_address(settings, "delivery", ready, BASE).removeprefix(BASE)
    ward.temperature("vte-br-03", 9.0).run_until("08:05:10")
    ward.phone("ana").expect_sms("vte-br-03")
    with browsing(application(settings)) as client:
        assert report(client, path[:-1] + "x", ready, "SM1", failed, form) == 404
        assert report(client, path, ready, "SM1", underway, form) == 204
        assert report(client, path, ready, "SM9", failed, form) == 204, "of a message that is not ours"
        ward.run_until("08:05:30")
        assert ward.phones.tries == 1
        assert report(client, path, ready, "SM1", failed, form) == 204
        assert report(client, path, ready, "SM1", failed, form) == 204
        ward.run_until("08:05:50")
        assert ward.phones.tries == 2
        second = ward.phones.phone("+8562000000012")
        second.expect_sms("vte-br-03")
        assert report(client, path, ready, "SM2", arrived, form) == 204
        ward.run_until("08:06")
        assert report(client, path, ready, "SM2", failed, form) == 204, "too late to be true"
        ward.run_until("08:07:50")
        assert ward.phones.tries == 2
    db = open_reader(ward.settings.alarms_db, len(ALARMS_MIGRATIONS))
    assert [row[0] for row in db.execute("SELECT fate FROM delivery ORDER BY notice")] == [
        "failed",
        "delivered",
    ]


def test_what_is_no_callback_is_refused(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    settings = provided(ward)
    path = new_address(settings, "delivery", "twilio", BASE).removeprefix(BASE)
    with browsing(application(settings)) as client:
        assert client.post(path, content=b"x" * 9_000).status_code == 413
        headers = {"content-type": "application/json"}
        assert client.post(path, content=b"{", headers=headers).status_code == 400
        assert client.post(path, content=b"[1]", headers=headers).status_code == 204
    assert (
        not open_reader(settings.desk_db, len(DESK_MIGRATIONS))
        .execute("SELECT count(*) FROM command")
        .fetchone()[0]
    )


# --- answering by a link


def test_a_link_in_a_mail_shows_the_alarm_and_answers_it_once(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:05:10")
    console = ward.settings.console.model_copy(update={"address": f"{BASE}/"})
    settings = ward.settings.model_copy(update={"console": console})
    links, mails = AnswerLinks(settings, lambda: ward.now_ms), Phones()
    text = ward.phone("technician").expect_sms("vte-br-03")
    Linked(mails, links).send("a@b.example", text)
    mail = mails.phone("a@b.example").inbox[0]
    assert mail.startswith(text)
    path = mail.split()[-1].removeprefix(BASE)
    assert path.startswith(f"/answer/{code_in(text)}-")
    with browsing(create_app_with_links(settings)) as client:
        page = client.get(path)
        assert page.status_code == 200
        assert "vte-br-03 9.0C over 6.0C" in page.text
        assert page.text.count("<form") == 5
        ward.run_until("08:05:40")
        assert ward.alarms.alarm(1).state == "unacknowledged", "mail servers open what they deliver"
        for forged in (
            path[:-1] + ("A" if path[-1] != "A" else "B"),
            f"/answer/{code_in(text)}",
            "/answer/1-x",
        ):
            assert client.post(forged, data={"action": "door"}).status_code == 404
        assert client.post(path, data={"action": "explode"}).status_code == 400
        assert (
            client.post(path, data={"action": "door"}, headers={"origin": "https://evil.example"}).status_code
            == 403
        )
        for _ in range(2):
            assert client.post(path, data={"action": "door"}).status_code == 200
        ward.run_until("08:06")
        alarm = ward.alarms.alarm(1)
        assert (alarm.state, alarm.acknowledged_by) == ("acknowledged", "technician")
        assert "<form" not in client.get(path).text
    assert (tmp_path / "link-key").stat().st_mode & 0o777 == 0o600
    other = AnswerLinks(settings.model_copy(update={"data_dir": tmp_path / "other"}), lambda: 0)
    (tmp_path / "other").mkdir()
    assert other.find(path.removeprefix("/answer/")) is None, "another hub's key"


def test_without_the_console_s_address_a_mail_has_no_link(tmp_path: Path) -> None:
    ward, mails = Ward(tmp_path), Phones()
    links = AnswerLinks(ward.settings, lambda: 0)
    Linked(mails, links).send("a@b.example", "warm. Reply OK 483126")
    assert list(mails.phone("a@b.example").inbox) == ["warm. Reply OK 483126"]


# --- PINs


def test_a_shared_telephone_is_signed_by_a_pin_that_nobody_can_read(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    ward.person("duty", "+8562000000005", shared=True)
    ward.person("ana", "+8562000000006", role="contractor", initials="AP")
    ward.person("bao", "+8562000000007", role="contractor")
    set_pin(ward.settings, "bao", "7391")
    with pytest.raises(BadData, match="choose another PIN"):
        set_pin(ward.settings, "ana", "7391")
    for wrong in ("739", "739164", "abcd"):
        with pytest.raises(BadData, match="four or five digits"):
            set_pin(ward.settings, "ana", wrong)
    set_pin(ward.settings, "ana", "20481")
    reader_people = ward._desk._db.execute("SELECT body FROM registry ORDER BY version DESC").fetchone()[0]
    kept = [p["pin"] for p in json.loads(reader_people)["people"] if p["pin"]]
    assert [pin.split("$")[0] for pin in kept] == ["scrypt", "scrypt"]
    ward.registry = Registry.model_validate_json(reader_people)
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:05:10")
    duty = ward.phone("duty")
    code = code_in(duty.expect_sms("vte-br-03"))
    for wrong in (f"ok {code}", f"ok {code} 1111", f"ok {code} ap 7391"):
        duty.replies(wrong)
    ward.run_until("08:06")
    for _ in range(3):
        duty.expect_sms("initials or PIN")
    duty.replies(f"ok {code} 7391")
    ward.run_until("08:07")
    duty.expect_sms("is yours")
    assert ward.alarms.alarm(1).acknowledged_by == "bao"
    kept = [
        row[0]
        for row in open_reader(ward.settings.alarms_db, len(ALARMS_MIGRATIONS)).execute(
            "SELECT text FROM incoming"
        )
    ]
    assert f"ok {code} ****" in kept
    assert not [text for text in kept if "7391" in text.replace(code, "")]
