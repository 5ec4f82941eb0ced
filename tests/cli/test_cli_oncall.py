# SPDX-License-Identifier: Apache-2.0
"""`alarm`, `oncall` and `test` as a person runs them: what they print, and what they say when they cannot."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner
from ward import Ward

from coldchain.cli.app import app
from coldchain.kernel.errors import BadData, ColdChainError, ConfigError
from coldchain.ports.clock import wall_ms
from coldchain.records.duty import Holiday, Rota
from coldchain.records.health import Heart
from firmware_sim.modem import ModemSim

NURSE = "+8562055512345"


def run(folder: Path, *words: str):
    return CliRunner().invoke(app, [*words, "--dir", str(folder)])


def settle(folder: Path, notify: str) -> None:
    (folder / "coldchain.toml").write_text(f'data_dir = "."\n[notify]\n{notify}\n')


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    settle(tmp_path, 'kind = "none"')
    ward = Ward(tmp_path)
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:06")
    return ward


def test_alarms_are_listed_and_explained(ward: Ward, tmp_path: Path) -> None:
    listed = run(tmp_path, "alarm", "list", "--json")
    assert listed.exit_code == 0
    (alarm,) = json.loads(listed.stdout)
    assert (alarm["number"], alarm["state"], alarm["appliance"]) == (1, "unacknowledged", "vte-br-03")
    told = run(tmp_path, "alarm", "explain", "1").stdout
    for part in ("above 6.000 °C", "it read 9.000 °C", "rule high@", "registry version", "technician by sms"):
        assert part in told, told
    facts = json.loads(run(tmp_path, "alarm", "explain", "1", "--json").stdout)
    assert facts["events"][0]["event"] == "raised"
    assert facts["escalation"]["state"] == "calling"


def test_an_answer_is_a_command_that_alerts_applies(ward: Ward, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("coldchain.cli.asking.APPLIED_WITHIN_S", 0.2)
    said = run(tmp_path, "alarm", "ack", "1", "--by", "technician", "--action", "door")
    assert said.exit_code == 0
    assert "written down" in said.stderr
    ward.settle()
    (alarm,) = ward.alarms.alarms()
    assert (alarm.state, alarm.acknowledged_by) == ("acknowledged", "technician")
    assert "technician answered (door)" in run(tmp_path, "alarm", "explain", "1").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("alarm", "ack", "1", "--by", "stranger"), "nobody is called 'stranger'; known: technician"),
        (("alarm", "ack", "7", "--by", "technician"), "no alarm 7; see `coldchain alarm list --all`"),
        (("alarm", "explain", "7"), "no alarm 7"),
        (("oncall", "now", "--site", "xyz"), "no site 'xyz'; known: vte"),
        (("oncall", "calendar", "night"), "no rota 'night'; known: none yet"),
        (("test", "sms", "12345"), "write \\+ and the country code"),
        (("test", "sms", NURSE), 'set kind = "modem" and its device under'),
    ],
)
def test_what_cannot_be_done_says_what_to_do(ward: Ward, tmp_path: Path, words, says) -> None:
    failed = run(tmp_path, *words)
    assert failed.exit_code != 0
    assert isinstance(failed.exception, ColdChainError)
    with pytest.raises(ColdChainError, match=says):
        raise failed.exception


def test_who_is_on_call_and_where_nobody_is(ward: Ward, tmp_path: Path) -> None:
    assert "technician +8562000000001" in run(tmp_path, "oncall", "now").stdout
    every_day = tuple(Holiday(day=date.fromordinal(date(2026, 11, 1).toordinal() + n)) for n in range(400))
    ward._publish(rotas=(Rota(id="night", people=("technician",), holidays=every_day),))
    said = run(tmp_path, "oncall", "now")
    assert "NOBODY" in said.stdout
    assert "nobody on call: vte level 1" in said.stderr
    feed = run(tmp_path, "oncall", "calendar", "night", "--days", "10").stdout
    assert feed.startswith("BEGIN:VCALENDAR")
    assert "NOBODY ON CALL" in feed


# --- a test message


def test_a_test_message_goes_out_and_its_delivery_is_told(tmp_path: Path) -> None:
    with ModemSim(link=tmp_path / "modem") as sim:
        settle(tmp_path, 'kind = "modem"\n[notify.modem]\ndevice = "modem"')
        said = run(tmp_path, "test", "sms", NURSE)
        assert said.exit_code == 0, said.exception
        assert "taken" in said.stderr
        assert "delivered" in said.stderr
        assert "No alarm" in sim.phone(NURSE).received[0].text


def test_while_alerts_has_the_modem_it_sends_the_test(ward: Ward, tmp_path: Path, monkeypatch) -> None:
    settle(tmp_path, 'kind = "file"\nfile = "out.jsonl"')
    Heart(tmp_path, "alerts", wall_ms).beat({}, now=True)
    monkeypatch.setattr("coldchain.wiring.trial.REPORT_S", 0.4)
    said = run(tmp_path, "test", "sms", NURSE)
    assert "alerts did not send it" in str(said.exception)
    ward.settle()
    assert "No alarm" in ward.phones.phone(NURSE).inbox[-1]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("no modem", "no modem at .*: nothing is plugged in under that name: look in /dev/serial/by-id"),
        ("wrong port", "nothing answers at .*: wrong port, or the modem hangs"),
        ("wrong pin", "the SIM refused the PIN, and it is not tried again: correct the modem's PIN"),
        ("no pin", "the SIM asks for its PIN: set the modem's PIN in the configuration"),
        ("no credit", "check the SIM's credit"),
        ("no network", "no network .*: check aerial, coverage and SIM"),
        ("no sim", "no SIM card: switch the modem off, insert it"),
    ],
)
def test_each_trouble_of_a_modem_says_what_to_do(tmp_path: Path, trouble: str, says: str) -> None:
    pin = "1234" if "pin" in trouble else None
    with ModemSim(link=tmp_path / "modem", pin=pin) as sim:
        device = "nowhere" if trouble == "no modem" else "modem"
        secret = 'pin_file = "pin"\n' if trouble == "wrong pin" else ""
        (tmp_path / "pin").write_text("9999")
        settle(tmp_path, f'kind = "modem"\n[notify.modem]\ndevice = "{device}"\n{secret}')
        sim.control.hung = trouble == "wrong port"
        sim.control.credit = 0 if trouble == "no credit" else None
        sim.control.registration = 2 if trouble == "no network" else 1
        sim.control.sim_card = trouble != "no sim"
        failed = run(tmp_path, "test", "sms", NURSE)
        assert failed.exit_code != 0
        assert isinstance(failed.exception, ColdChainError)
        assert not isinstance(failed.exception, BadData | ConfigError)
        with pytest.raises(ColdChainError, match=says):
            raise failed.exception
        assert "9999" not in str(failed.exception)


@pytest.mark.parametrize("device", ["nowhere", "coldchain.toml"])
def test_without_a_modem_alarms_are_still_listed_answered_and_explained(
    ward: Ward, tmp_path: Path, monkeypatch, device: str
) -> None:
    settle(tmp_path, f'kind = "modem"\n[notify.modem]\ndevice = "{device}"\npin_file = "no-such-file"')
    monkeypatch.setattr("coldchain.cli.asking.APPLIED_WITHIN_S", 0.1)
    for words in (
        ("alarm", "list"),
        ("alarm", "explain", "1"),
        ("alarm", "ack", "1", "--by", "technician", "--action", "coming"),
        ("oncall", "now"),
    ):
        said = run(tmp_path, *words)
        assert said.exit_code == 0, (words, said.exception)
    failed = run(tmp_path, "test", "sms", NURSE)
    assert isinstance(failed.exception, ColdChainError)
    with pytest.raises(ColdChainError, match=r"no-such-file: .*; put the secret into that file"):
        raise failed.exception


# --- moved blood, secret addresses, PINs


def test_moved_blood_is_listed_with_its_clock(ward: Ward, tmp_path: Path) -> None:
    assert "no exposure clock runs" in run(tmp_path, "alarm", "moved").stderr
    ward.fridge("vte-br-04")
    ward.temperature("vte-br-04", 4.0).run_until("08:08")
    body: dict[str, object] = {"action": "moved", "target": "vte-br-04"}
    ward._desk.command("m-1", "acknowledge", person="technician", alarm="1", body=body)
    ward.run_until("08:10")
    said = run(tmp_path, "alarm", "moved").stdout
    assert "blood of vte-br-03 in vte-br-04" in said
    assert "by technician: 8 min out of limits (8 before), of 30; runs" in said
    assert "blood of vte-br-03 in vte-br-04" in run(tmp_path, "alarm", "explain", "1").stdout
    (clock,) = json.loads(run(tmp_path, "alarm", "moved", "--json").stdout)
    assert clock["target"] == "vte-br-04"


def test_a_secret_address_and_a_pin_are_made_by_the_command_line(ward: Ward, tmp_path: Path) -> None:
    ward._publish(rotas=(Rota(id="night", people=("technician",)),))
    said = run(tmp_path, "oncall", "link", "calendar", "night", "--base", "https://blood.example/")
    assert said.stdout.startswith("https://blood.example/calendar/")
    assert "keep it secret" in said.stderr
    for words, says in (
        (("calendar", "day"), "no rota 'day'; known: night"),
        (("delivery", "twilio"), "set \\[notify.http\\]"),
        (("door", "night"), "write calendar or delivery"),
    ):
        with pytest.raises(BadData, match=says):
            raise run(tmp_path, "oncall", "link", *words).exception
    typed = CliRunner().invoke(
        app, ["oncall", "pin", "technician", "--dir", str(tmp_path)], input="7391\n7391\n"
    )
    assert typed.exit_code == 0, typed.exception
    assert "7391" not in typed.output
