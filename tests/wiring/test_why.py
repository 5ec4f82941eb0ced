# SPDX-License-Identifier: Apache-2.0
"""An alarm can be explained and judged again; another profile can be tried on the same record."""

import subprocess
import sys
from pathlib import Path

import pytest
from ward import Ward, instant

from coldchain.kernel.errors import BadData
from coldchain.wiring.why import Change, what_if, why


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    ward = Ward(tmp_path)
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 4.0)
    ward.at("09:10").temperature("vte-br-03", 7.2)
    ward.at("09:13").temperature("vte-br-03", None)
    ward.at("09:14").temperature("vte-br-03", 7.4).run_until("09:30")
    return ward


def test_an_alarm_is_its_readings_its_rule_and_arithmetic(ward: Ward) -> None:
    told = why(ward.settings, 1)
    assert (told.rule, told.profile) == ("high@2", "red-cells@eu v1")
    assert [value for _, value in told.readings] == [7200, 7200, 7200, None, 7400, 7400]
    assert told.judged_again == instant("09:15")
    text = "\n".join(told.arithmetic)
    for words in ("celsius > 6.000", "<= 5.700", "300 s >= 300 s", "the same"):
        assert words in text


def test_the_hash_repeats_and_sees_a_change(ward: Ward) -> None:
    first = why(ward.settings, 1).hash
    ward.person("new", "+8562000000009")  # another version of the registry
    ward.temperature("vte-br-03", 4.0).run_until("09:50")
    ward.restart_alerts()
    assert why(ward.settings, 1).hash == first
    ward.late("vte-br-03", {"09:12:30": 7.3})
    assert why(ward.settings, 1).hash != first


def test_silence_is_explained_by_its_deadline(ward: Ward) -> None:
    ward.silence("vte-br-03").run_until("09:50")
    number = next(a.number for a in ward.alarms.alarms() if a.kind == "silence")
    told = why(ward.settings, number)
    assert "max(2 x 60 s, 300 s) = 300 s" in "\n".join(told.arithmetic)
    assert why(ward.settings, number).hash == told.hash


def test_there_is_no_alarm_99(ward: Ward) -> None:
    with pytest.raises(BadData, match="there is no alarm 99"):
        why(ward.settings, 99)


def highs(changes: list[Change]) -> list[Change]:
    return [c for c in changes if c.kind == "high"]


def test_what_if_counts_gained_lost_and_moved(ward: Ward, tmp_path: Path) -> None:
    ward.temperature("vte-br-03", 1.5).run_until("09:50")  # too cold for Europe only
    now = instant("09:50")
    against = {(c.kind, c.change) for c in what_if(ward.settings, [], "red-cells@eu", "red-cells@us", 1, now)}
    assert {("high", "same"), ("high_warning", "same"), ("low", "lost"), ("low_warning", "lost")} <= against
    path = tmp_path / "a.csv"
    rows = [f"a,{1_700_000_000 + 60 * n},{5.0 + n / 20}" for n in range(300)]
    path.write_text("\n".join(["sensor,time,celsius", *rows]) + "\n")
    (moved,) = highs(what_if(None, [path], "red-cells@eu", "red-cells-transport@eu", 1, now))
    assert (moved.change, moved.minutes) == ("later", 80.0)
    (back,) = highs(what_if(None, [path], "red-cells-transport@eu", "red-cells@eu", 1, now))
    assert (back.change, back.minutes) == ("earlier", -80.0)
    command = [sys.executable, "-m", "coldchain", "what-if", str(path), "--profile", "red-cells@eu"]
    done = subprocess.run([*command, "--against", "reagents@eu"], capture_output=True, text=True, check=True)
    assert "later\t+40 min" in done.stdout


def test_a_warning_and_a_spent_budget_are_explained_by_their_own_numbers(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 4.0)
    ward.at("09:10").temperature("vte-br-03", 5.8).run_until("09:30")
    told = why(ward.settings, 1)
    assert told.rule == "high_warning@1"
    assert told.judged_again == instant("09:20")
    assert "celsius > 5.500" in "\n".join(told.arithmetic)
    for n in range(6):
        ward.at(f"{10 + n}:00").temperature("vte-br-03", 7.0).run_until(f"{10 + n}:09")
        ward.temperature("vte-br-03", 4.0).run_until(f"{10 + n}:50")
    spent = next(a for a in ward.alarms.alarms() if a.kind == "cumulative")
    told = why(ward.settings, spent.number)
    assert told.judged_again == spent.raised_ms
    assert "> 1800" in "\n".join(told.arithmetic)
    assert why(ward.settings, spent.number).hash == told.hash


def test_an_air_alone_is_explained_by_the_load_reckoned_from_it(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("vte-br-03")
    (only,) = ward.registry.sensors
    ward._publish(sensors=(only.model_copy(update={"probe": "air"}),))
    ward.at("09:00").temperature("vte-br-03", 4.0).run_until("14:00")
    ward.temperature("vte-br-03", 9.0).run_until("15:30")
    high = next(a for a in ward.alarms.alarms() if a.rule == "high@2")
    told = why(ward.settings, high.number)
    assert told.judged_again == high.raised_ms
    assert "follows in 5400 s" in "\n".join(told.arithmetic)
