# SPDX-License-Identifier: Apache-2.0
"""A fault in the settings is named by file, line, key, and the nearest valid key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.errors import ConfigError
from coldchain.settings import check_text, load
from coldchain.settings.file import key_lines
from coldchain.settings.template import Answers, render

SOUND = """\
data_dir = "data"

[gateway]
id = "gw-7"
batch_linger = 2

[[gateway.lines]]
device = "lines/*"

[[gateway.lines]]
device = "/dev/ttyS0"
driver = "modbus-rtu"
devices = [
  { node = "freezer-7", unit = 1, map = "controller" },
]

[gateway.register_maps]
controller = [{ address = 0, channel = 0, scale = 0.1 }]
"""


def test_sound_text_gives_settings_with_paths_under_its_folder(tmp_path: Path) -> None:
    settings, findings = check_text(SOUND, "c.toml", base=tmp_path)
    assert findings == []
    assert settings is not None
    assert settings.data_dir == tmp_path / "data"
    assert [line.device for line in settings.gateway.lines] == [str(tmp_path / "lines/*"), "/dev/ttyS0"]


@pytest.mark.parametrize(
    ("wrong", "right", "line", "key", "nearest"),
    [
        ("batch_lingr = 2", "batch_linger = 2", 5, "gateway.batch_lingr", "batch_linger"),
        ("[gatway]", "[gateway]", 3, "gatway", "gateway"),
        ('id = "GW 7"', 'id = "gw-7"', 4, "gateway.id", None),
        ('driver = "modbus"', 'driver = "modbus-rtu"', 12, "gateway.lines[1].driver", None),
        ('map = "controler"', 'map = "controller"', 13, "gateway.lines[1].devices[0].map", "controller"),
        ('divice = "lines/*"', 'device = "lines/*"', 8, "gateway.lines[0].divice", "device"),
    ],
)
def test_each_fault_has_its_line_key_and_nearest(
    wrong: str, right: str, line: int, key: str, nearest: str | None
) -> None:
    text = SOUND.replace(right, wrong)
    if wrong == "[gatway]":
        text = 'data_dir = "data"\n\n[gatway]\nid = "gw-7"\n'
    settings, findings = check_text(text, "c.toml")
    assert settings is None
    assert (line, key, nearest) in {(f.line, f.key, f.nearest) for f in findings}


TWICE = """\
[[gateway.lines]]
device = "plc.example"
driver = "modbus-tcp"
devices = [{ node = "a", unit = 1, map = "m" }, { node = "a", unit = 2, map = "m" }]
[gateway.register_maps]
m = [{ address = 0, channel = 0 }, { address = 1, channel = 0 }]
"""


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[alerts]\npoll = 0", {(2, "alerts.poll")}),
        ("[gateway]\nbatch_linger = -5", {(2, "gateway.batch_linger")}),
        ("[ingest]\nwindow = 0\nkeep_raw = -1", {(2, "ingest.window"), (3, "ingest.keep_raw")}),
        ("[mqtt]\nkeepalive = 0", {(2, "mqtt.keepalive")}),
        ("[mqtt]\nembedded = true\nport = 0", {(3, "mqtt.port")}),
        ('zone = "Asia/Vientianne"', {(1, "zone")}),
        ('[influx]\nurl = "db:8086"', {(2, "influx.url")}),
        ("[ingest]\nhttp_port = 8080", {(0, "console.port")}),
        ('_env_prefix = "X"', {(1, "_env_prefix")}),
        (TWICE, {(4, "gateway.lines[0].devices[1].node"), (6, "gateway.register_maps.m[1].channel")}),
        (TWICE.replace("plc.example", "plc:x"), {(2, "gateway.lines[0].device")}),
    ],
)
def test_what_no_process_could_work_with_is_refused(text: str, faults: set[tuple[int, str]]) -> None:
    settings, findings = check_text(text, "c.toml")
    assert settings is None
    assert faults <= {(f.line, f.key) for f in findings}


def test_a_syntax_fault_has_its_line() -> None:
    _, findings = check_text('a = 1\nb = "open\n', "c.toml")
    assert [(f.line, f.key) for f in findings] == [(2, "syntax")]


def test_load_names_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[console]\nport = 99999\nhots = 'x'\n")
    with pytest.raises(ConfigError, match=r"(?s)c\.toml:2: console\.port.*c\.toml:3: console\.hots.*`host`"):
        load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="coldchain init"):
        load(tmp_path / "none.toml")


@given(
    st.builds(
        Answers,
        modem=st.sampled_from(["", "/dev/ttyUSB1"]),
        influx_url=st.sampled_from(["", "http://db:8086"]),
        broker_host=st.sampled_from(["", "broker.example"]),
        console_port=st.sampled_from([8080, 8081, 8082]),
    )
)
def test_what_init_writes_is_sound(answers: Answers) -> None:
    settings, findings = check_text(render(answers), "c.toml")
    assert findings == []
    assert settings is not None
    assert settings.mqtt.embedded == (not answers.broker_host)
    assert settings.notify.kind == ("modem" if answers.modem else "file")


@given(st.text(max_size=300))
def test_no_text_crashes_the_check(text: str) -> None:
    settings, findings = check_text(text, "c.toml")
    assert (settings is None) == bool(findings)


@given(st.text(alphabet="ab.[]=\"'{}\n #1", max_size=120))
def test_the_index_of_lines_never_crashes(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + len(text.splitlines()) for line in key_lines(text).values())


@pytest.mark.parametrize("modem", ["", "/dev/ttyUSB0"])
def test_what_the_template_says_of_telephones_is_true(modem: str) -> None:
    """Each line of [notify] that is commented out, taken in, is a key that exists."""
    text = render(Answers(modem=modem))
    people = text[text.index("[notify]") :]
    keys = (
        "notify|kind|device|pin_file|own_number|ussd|reserve|reset|ready|account|sender|secret_file|callback_file|host"
        "|morning|all_well|canary_at|ping_url"
    )
    taken_in, lines = re.subn(rf"(?m)^# (?=\[?({keys}|calls|password_file)\b)", "", people)
    assert lines > 12
    kept = re.sub(r'(?m)^kind = "file"\n|^file = .*\n', "", taken_in)
    settings, findings = check_text(kept, "c.toml")
    assert findings == [], findings
    assert settings is not None
    assert settings.notify.second is not None
    assert settings.notify.http is not None
    assert settings.notify.http.callback_file is not None
    assert settings.notify.modem.reset
    assert not settings.notify.calls
