# SPDX-License-Identifier: Apache-2.0
"""Reports on a schedule: when each is due, once each, tried again after a failure, which is told."""

from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import pytest
from console_seed import HOUR, NOW_MS, Seed, registry
from hypothesis import given
from hypothesis import strategies as st

from coldchain.records.filed import SENT, FiledDesk, FiledReader, Schedule
from coldchain.records.readiness import Known, findings
from coldchain.records.registry import Registry
from coldchain.settings.model import MailSettings
from coldchain.wiring.held import held
from coldchain.wiring.report.due import due, unsent
from coldchain.wiring.report.mailing import Mailing, look, mailer

ZONE = "Asia/Vientiane"
DAY = 24 * HOUR


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)


def schedule(every: str, made: str = "2026-01-01T00:00", clock: str = "07:30") -> Schedule:
    return Schedule(1, every, "vte", "en", every, clock, ("a@x.la",), at(made), "admin")


@pytest.mark.parametrize(
    ("every", "now", "of"),
    [
        ("day", "2026-03-01T07:29", "2026-02-27"),
        ("day", "2026-03-01T07:30", "2026-02-28"),
        ("month", "2026-03-01T07:29", "2026-01"),
        ("month", "2026-03-01T07:30", "2026-02"),
        ("month", "2026-03-31T23:59", "2026-02"),
    ],
)
def test_what_is_due(every: str, now: str, of: str) -> None:
    assert due(schedule(every), at(now), ZONE) == of


def test_nothing_is_due_of_the_time_before_it_was_asked_for() -> None:
    one = schedule("day", made="2026-03-01T09:00")
    assert due(one, at("2026-03-02T07:29"), ZONE) == ""
    assert due(one, at("2026-03-02T07:30"), ZONE) == "2026-03-01"


@given(st.integers(0, 400 * DAY), st.integers(0, DAY))
def test_what_is_due_never_goes_back(start: int, step: int) -> None:
    base = at("2026-01-01T00:00")
    for every in ("day", "month"):
        one = schedule(every)
        assert due(one, base + start, ZONE) <= due(one, base + start + step, ZONE)


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(3))
    made.history(hours=1)
    made.close()
    desk = FiledDesk(made.settings.desk_db, lambda: NOW_MS - 3 * DAY)
    desk.add(Schedule(0, "day", "vte", "lo", "day", "00:05", ("boss@x.la", "qa@x.la"), 0, "admin"))
    desk.close()
    return made


def test_it_leaves_once_and_what_left_matches_the_record(seed: Seed) -> None:
    sent: list[tuple[str, str, bytes]] = []

    def send(to: str, _text: str, name: str, body: bytes) -> str:
        sent.append((to, name, body))
        return ""

    (filed,) = look(seed.settings, send, NOW_MS, lambda: NOW_MS)
    assert filed.outcome == SENT
    assert look(seed.settings, send, NOW_MS + HOUR, lambda: NOW_MS + HOUR) == [], "once"
    assert [to for to, _, _ in sent] == ["boss@x.la", "qa@x.la"]
    assert sent[0][1] == "day-2023-11-14-vte-lo.pdf"
    assert held(seed.settings, sent[0][2]).state == "matches"
    assert unsent(seed.settings, NOW_MS) == []
    (kept,) = FiledReader(seed.settings.desk_db).filed()
    assert (kept.due, kept.sent_to, len(kept.sha256)) == ("2023-11-14", ("boss@x.la", "qa@x.la"), 64)


def test_a_failure_is_told_and_tried_again_after_an_hour(seed: Seed) -> None:
    answers = iter(["", "the mail server cannot be used", "", ""])
    tried: list[str] = []

    def send(to: str, *_rest: object) -> str:
        tried.append(to)
        return next(answers)

    def again(later: int) -> int:
        return len(look(seed.settings, send, NOW_MS + later, lambda: NOW_MS + later))

    assert again(0) == 1
    ((report, why),) = unsent(seed.settings, NOW_MS)
    assert (report, why) == ("day 2023-11-14 vte", "qa@x.la: the mail server cannot be used")
    known = Known(now_ms=NOW_MS, registry=Registry(), profiles={}, since_ms=0, unsent=[(report, why)])
    assert "report" in {finding.what for finding in findings(known)}
    assert again(HOUR - 1) == 0
    assert again(HOUR) == 1
    assert unsent(seed.settings, NOW_MS + HOUR) == []
    assert len(tried) == 4


def test_without_a_mail_server_that_is_what_is_told(seed: Seed) -> None:
    (filed,) = Mailing(seed.settings, lambda: NOW_MS).once()
    assert "set [notify.mail]" in filed.outcome


def test_the_mail_carries_the_file(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[bytes] = []

    class Server:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...
        def send_message(self, message) -> None:
            went.append(bytes(message))

    monkeypatch.setattr("alerts.notifiers.mail._Server", Server)
    options = MailSettings(host="mail.x.la", sender="coldchain@x.la", starttls=False)
    settings = seed.settings.model_copy(
        update={"notify": seed.settings.notify.model_copy(update={"mail": options})}
    )
    assert mailer(settings)("boss@x.la", "text", "r.pdf", b"%PDF-x") == ""
    part = next(p for p in message_from_bytes(went[0]).walk() if p.get_filename())
    assert (part.get_filename(), part.get_payload(decode=True)) == ("r.pdf", b"%PDF-x")
