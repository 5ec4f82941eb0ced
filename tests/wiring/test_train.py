# SPDX-License-Identifier: Apache-2.0
"""Training reaches nobody: no real channel can be configured from it, and its folder is nobody's record."""

import os
import pty
from dataclasses import replace
from pathlib import Path

import pytest
from book_kit import Shop
from typer.testing import CliRunner

from coldchain.cli.app import app
from coldchain.kernel.errors import BadData, ConfigError
from coldchain.records.accounts import Accounts
from coldchain.records.alarms import Alarm, AlarmEvent
from coldchain.settings import load
from coldchain.settings.model import NotifySettings, Settings
from coldchain.wiring.demo.plan import write_settings
from coldchain.wiring.notify import build_channels
from coldchain.wiring.phones import PASSWORD, SCENARIOS, Phones
from coldchain.wiring.train import make_accounts, training_plan
from dashboards.console.office.training import QUICK_MS, judged
from dashboards.console.office.training import SCENARIOS as SHOWN
from firmware_sim.faults import Scenario

REAL = [
    (
        'kind = "modem"',
        'kind = "http"\nhttp = {ready = "twilio"}',
    ),
    ('device = "modem"', 'device = "/dev/ttyUSB0"'),
    ('device = "modem"', 'device = "modem"\n[notify.mail]\nhost = "mail.x.la"\nsender = "c@x.la"'),
    ('device = "modem"', 'device = "modem"\n[notify.http]\nready = "twilio"'),
    ('device = "modem"', 'device = "modem"\n[notify.second]\ndevice = "/dev/ttyUSB1"'),
    ('kind = "modem"', 'kind = "modem"\nping_url = "https://watch.example/x"'),
    ("[console]", '[influx]\nurl = "http://influx:8086"\n[console]'),
    ("embedded = true", 'embedded = false\nhost = "broker.la"'),
    ("[console]", '[console]\nhost = "0.0.0.0"'),
    ("[[gateway.lines]]", '[gateway.guard]\nhub_number = "+8562055501002"\n[[gateway.lines]]'),
]


def planned(folder: Path) -> Settings:
    return write_settings(training_plan("door-open", folder, 0))


def test_it_is_an_installation_of_its_own_that_says_what_it_is(tmp_path: Path) -> None:
    settings = planned(tmp_path)
    assert settings.training == "door-open"
    assert settings.notify.kind == "modem"
    assert load(tmp_path / "coldchain.toml") == settings


@pytest.mark.parametrize(("plain", "real"), REAL)
def test_no_real_channel_can_be_configured_from_it(tmp_path: Path, plain: str, real: str) -> None:
    planned(tmp_path)
    path = tmp_path / "coldchain.toml"
    text = path.read_text("utf-8")
    assert plain in text
    changed = text.replace(plain, real)
    path.write_text(changed, "utf-8")
    with pytest.raises(ConfigError, match="training must reach nobody"):
        load(path)
    path.write_text(changed.replace('training = "door-open"\n', ""), "utf-8")
    load(path)  # it is the training that refuses it


def test_nor_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(tmp_path)
    monkeypatch.setenv("COLDCHAIN__NOTIFY__PING_URL", "https://watch.example/x")
    with pytest.raises(ConfigError, match="ping_url"):
        load(tmp_path / "coldchain.toml")


def test_a_modem_that_is_no_pseudo_terminal_is_not_opened(tmp_path: Path) -> None:
    settings = planned(tmp_path)
    device = Path(settings.notify.modem.device)
    device.symlink_to("/dev/null")  # as good as a real serial port
    with pytest.raises(ConfigError, match="no pseudo-terminal"):
        build_channels(settings)
    device.unlink()
    master, slave = pty.openpty()
    device.symlink_to(os.ttyname(slave))
    assert set(build_channels(settings)) == {"sms", "call"}
    os.close(master)
    os.close(slave)
    forced = settings.model_copy(update={"notify": NotifySettings(kind="file", ping_url="http://x.la")})
    with pytest.raises(ConfigError, match="ping_url"):
        build_channels(forced)


def test_its_folder_is_nobodys_record(tmp_path: Path) -> None:
    (tmp_path / "alarms.db").write_bytes(b"")
    with pytest.raises(BadData, match="somebody's record"):
        training_plan("door-open", tmp_path, 0)
    (tmp_path / "coldchain.toml").write_text(f'data_dir = "{tmp_path}"\n')
    with pytest.raises(BadData, match="holds an installation"):
        training_plan("door-open", tmp_path, 0)
    with pytest.raises(BadData, match="no scenario"):
        training_plan("earthquake", tmp_path / "new", 0)
    done = CliRunner().invoke(app, ["train", "earthquake", "--dir", str(tmp_path / "new")])
    assert isinstance(done.exception, BadData)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_its_file_and_its_place_on_the_page(tmp_path: Path, name: str) -> None:
    plan = training_plan(name, tmp_path / name, 0)
    assert plan.scenario is not None
    assert Scenario.load(plan.scenario).name == name
    assert SHOWN == SCENARIOS


def test_phones_show_what_they_received_and_take_replies(tmp_path: Path) -> None:
    phones = Phones(planned(tmp_path))
    assert phones.received() == []
    line = '{"number": "+8562055501002", "text": "too warm", "instant": "2026-03-01T00:00:00.500Z"}\n'
    (tmp_path / "phones.jsonl").write_text(line + line.replace("too warm", "again") + '{"number"', "utf-8")
    assert [text for _, _, text in phones.received()] == ["again", "too warm"]
    phones.reply("+8562055501002", " OK 123456 \n DOOR")
    assert (
        tmp_path / "replies.jsonl"
    ).read_text() == '{"number": "+8562055501002", "text": "OK 123456 DOOR"}\n'
    for number, text in (("+8562055501002", ""), ("+8562055501002", "x" * 161), ("+8562099999999", "OK")):
        with pytest.raises(BadData):
            phones.reply(number, text)


def test_its_accounts_are_two_people_of_its_registry(tmp_path: Path) -> None:
    settings, shop = planned(tmp_path), Shop(tmp_path / "shop")
    for _ in range(2):
        make_accounts(settings, shop.registry, lambda: 1)
    store = Accounts(settings.desk_db, lambda: 2)
    assert {store.check(name, PASSWORD, "x").person for name in ("trainee", "second")} == {"Noy", "Kham"}
    store.close()


ALARM = Alarm(1, "i", "appliance", "a", "", "vte", "high", "critical", "acknowledged", 0, 0, None,
              None, None, 9, 6, 9, "r", None, 1, 1, 1000, product=True)  # fmt: skip


def test_the_checklist_knows_what_was_done_and_what_came_late() -> None:
    nothing = judged([ALARM], [], [], [], [])
    wanted = ["told", "answered", "action", "returned", "disposed", "signed"]
    assert [(s.key, s.at_ms) for s in nothing] == [(key, None) for key in wanted]
    late = AlarmEvent(1, "i", 1000 + QUICK_MS + 1, "acknowledged", "noy door: closed it")
    plain = AlarmEvent(2, "i", 1000 + QUICK_MS, "acknowledged", "noy: coming")
    found = {s.key: s for s in judged([replace(ALARM, returned_ms=9)], [late], [5], [7], [8])}
    assert found["answered"].late
    assert (found["action"].at_ms, found["returned"].at_ms, found["signed"].at_ms) == (late.at_ms, 9, 8)
    in_time = {s.key: s for s in judged([ALARM], [plain], [5], [], [])}
    assert not in_time["answered"].late
    assert in_time["action"].at_ms is None
