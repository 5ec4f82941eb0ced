# SPDX-License-Identifier: Apache-2.0
"""May I leave? After repairs that hold, repairs that do not, and where nothing is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from power_cut import START_UTC_S, Stage, Story
from typer.testing import CliRunner

from alerts.site import keeping, leave
from alerts.site.leave import Course, Said
from coldchain.cli.app import app
from coldchain.kernel.errors import BadData
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.site import Held
from coldchain.records.sql import open_writer, transaction
from coldchain.settings import Settings
from coldchain.wiring.leave import may_i_leave
from firmware_sim.faults import Fault, FaultKind, Schedule
from firmware_sim.physics.quantities import Quantity
from firmware_sim.physics.world import World

HOUR = 3600.0
BROKE, FIXED = 12 * HOUR, 12.6 * HOUR


def courses(*faults: Fault, hours: float = 14.5) -> tuple[Course, Course]:
    """(air, load) of one fridge through faults, minute by minute."""
    fleet = Story(1, ()).fleet()
    world = World(fleet, Schedule(faults), seed=3, start_utc_s=START_UTC_S)
    at, air, load = [], [], []
    for minute in range(int(hours * 60)):
        world.step_to(minute * 60.0)
        sensed = world.sense_all()[0]
        at.append(minute * 60_000)
        air.append(round(1000 * sensed[Quantity.AIR]))
        load.append(round(1000 * sensed[Quantity.LOAD]))
    instants = np.array(at, np.int64)
    return Course(instants, np.array(air, np.int64)), Course(instants, np.array(load, np.int64))


def lost(kind: FaultKind, end_s: float, **numbers: float | str) -> Fault:
    return Fault(kind, BROKE, end_s, ("vte-000",), numbers=numbers)


def asked(air: Course, load: Course, minutes: float, *, before_s: float = BROKE) -> Said:
    now_ms = round((FIXED + minutes * 60) * 1000)
    return leave.ask(
        air.between(0, now_ms + 1), load.between(0, now_ms + 1), low_c=2.0, high_c=6.0,
        before_ms=round(before_s * 1000), since_ms=round(FIXED * 1000), now_ms=now_ms,
    )  # fmt: skip


def words(air: Course, load: Course) -> list[str]:
    return [asked(air, load, minutes).word for minutes in range(10, 100, 10)]


def test_a_repair_that_holds_is_a_yes_within_ninety_minutes() -> None:
    air, load = courses(lost(FaultKind.COMPRESSOR_LOST, FIXED))
    told = words(air, load)
    assert told[0] == "not yet"
    assert "yes" in told
    assert "no" not in told[: told.index("yes")]


def test_a_repair_in_vain_is_never_a_yes() -> None:
    air, load = courses(lost(FaultKind.COMPRESSOR_LOST, math.inf))
    told = words(air, load)
    assert set(told) == {"not yet", "no"}
    assert told[-1] == "no"
    assert asked(air, load, 95).why == "no cycles yet"


def test_half_the_refrigerant_is_no_repair() -> None:
    air, load = courses(lost(FaultKind.REFRIGERANT_LOSS, math.inf, part_per_day=9.0))
    assert "yes" not in words(air, load)


def test_without_healthy_days_there_is_no_yes() -> None:
    air, load = courses()
    said = asked(air, load, 95, before_s=600.0)
    assert said.word == "no"
    assert "healthy days are not known" in said.why
    silent = asked(air.between(0, round(FIXED * 1000)), load.between(0, round(FIXED * 1000)), 95)
    assert (silent.word, silent.why) == ("no", "no readings")


def test_a_looser_comparison_would_say_yes_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: whatever cycles, whatever it runs, may be left."""
    for name, value in (("POWER_LEAST", 0.0), ("DUTY_MOST", 1.1), ("CYCLES_WANTED", 0)):
        monkeypatch.setattr(f"alerts.insight.hold_over.{name}", value)
    weak = lost(FaultKind.REFRIGERANT_LOSS, math.inf, part_per_day=4.0)
    assert "yes" in words(*courses(weak))


def test_asked_of_the_record(tmp_path: Path) -> None:
    """By wiring: the appliance's own record, counted from the answer to its alarm or from --since."""
    fault = Fault(FaultKind.COMPRESSOR_LOST, 5 * HOUR, 5.6 * HOUR, ("vte-000",))
    stage = Stage(tmp_path, Story(1, (), (fault,), learns=False))
    stage.play_to(6.9 * HOUR, every_s=300)
    since_ms = round((START_UTC_S + 5.6 * HOUR) * 1000)
    said = may_i_leave(stage.settings, "vte-000", since_ms, stage.now_ms)
    assert (said.word, said.minutes) == ("yes", 78), said
    with pytest.raises(BadData, match="there is no appliance 'vte-9'"):
        may_i_leave(stage.settings, "vte-9", since_ms, stage.now_ms)
    if not stage.book.alarms():
        with pytest.raises(BadData, match="--since"):
            may_i_leave(stage.settings, "vte-000", None, stage.now_ms)
    stage.close()


def test_hold_over_beside_the_maker_s(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    db = open_writer(settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        keeping.put_held(db, [Held("a", 2, 60, 120, 25_000, 0), Held("b", 1, 90, None, 25_000, 0)])
        keeping.put_held(db, [Held("a", 3, 66, 120, 25_000, 9)])
    db.close()
    (tmp_path / "coldchain.toml").write_text(f'data_dir = "{tmp_path}"\n')
    told = CliRunner().invoke(app, ["appliance", "hold-over", "--dir", str(tmp_path)])
    assert told.stdout.splitlines()[:2] == [
        "a\t66 min\tmaker 120 min\t55 %\t3 outages",
        "b\t90 min\tmaker's not known\t\t1 outages",
    ]
    said = CliRunner().invoke(app, ["appliance", "hold-over", "--dir", str(tmp_path), "--json"])
    assert [one["part_of_maker"] for one in json.loads(said.stdout)] == [0.55, None]


def test_asked_from_the_command_line(tmp_path: Path) -> None:
    """The command's clock is today's: for it this appliance fell silent long ago."""
    stage = Stage(tmp_path, Story(1, (), learns=False))
    stage.play_to(4 * HOUR, every_s=600)
    (tmp_path / "coldchain.toml").write_text(f'data_dir = "{tmp_path}"\n')
    stage.close()
    command = ["appliance", "leave", "vte-000", "--dir", str(tmp_path), "--json", "--since"]
    told = CliRunner().invoke(app, [*command, str(START_UTC_S + 3 * HOUR)])
    assert told.exit_code == 65, told.output
    said = json.loads(told.stdout)
    assert (said["word"], said["why"]) == ("no", "no readings")
    assert said["healthy"] is not None
    badly = CliRunner().invoke(app, [*command, "yesterday"])
    assert isinstance(badly.exception, BadData)
