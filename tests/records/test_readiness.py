# SPDX-License-Identifier: Apache-2.0
"""Each thing that keeps a phone from ringing is on the list, and is off it once mended."""

from dataclasses import replace

import pytest

from coldchain.records.alarm_rows import Alarm
from coldchain.records.readiness import DAY_MS, DRILL_EVERY_MS, PROVEN_MS, Known, findings, line_of
from coldchain.records.registry import Appliance, Assignment, Person, Registry, Sensor, Site
from coldchain.records.site import Proving
from coldchain.settings.profile_files import PROFILES

NOW = 400 * DAY_MS
HOUR = 3_600_000
REGISTRY = Registry(
    sites=(Site(id="vte", name="Vientiane"),),
    appliances=(
        Appliance(id="br", name="Fridge", site="vte", assignments=(Assignment(carries="red-cells@eu"),)),
        Appliance(id="spare", name="Spare", site="vte", assignments=(Assignment(carries="empty"),)),
    ),
    sensors=(
        Sensor(id="br/load", appliance="br", probe="load", node="n", channel=0),
        Sensor(id="spare/load", appliance="spare", probe="load", node="n", channel=1),
    ),
    people=(Person(id="noy", name="Noy", phone="+8562055501002"),),
)
WELL = Known(
    now_ms=NOW,
    registry=REGISTRY,
    profiles=PROFILES,
    delivered={"noy": NOW - HOUR},
    asked={"noy": NOW - 9 * DAY_MS},
    heard={"br/load": NOW - 60_000},
    drills={"br": NOW - DAY_MS},
    credit=90.0,
    reserve=10.0,
    signal_dbm=-71,
)
OPEN = Alarm(
    7, "a", "appliance", "br", "br/load", "vte", "high", "critical", "unacknowledged", NOW - 2 * HOUR,
    NOW - 2 * HOUR, None, None, None, 9000, 6000, 9000, "high@1", None, 1, 1, NOW - 2 * HOUR,
)  # fmt: skip


def gate(hours: float, *, over: bool = False) -> Proving:
    """The spare refrigerator's, asked so long ago."""
    asked = NOW - round(hours * HOUR)
    came = (NOW, "too long") if over else (None, "")
    return Proving("spare", "fixer", "fan", asked, NOW, "spare/load does not report", *came)


def told(known: Known) -> list[tuple[str, str, str]]:
    return [(one.level, one.what, one.subject) for one in findings(known)]


def calibrated(days: float) -> Known:
    until = NOW + round(days * DAY_MS)
    sensors = (REGISTRY.sensors[0].model_copy(update={"calibrated_until_ms": until}), REGISTRY.sensors[1])
    return replace(WELL, registry=REGISTRY.model_copy(update={"sensors": sensors}))


def test_when_all_is_well_nothing_is_said() -> None:
    assert told(WELL) == []
    assert line_of(findings(WELL)) == "all ready"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"delivered": {"noy": NOW - PROVEN_MS}, "asked": {"noy": NOW - 200 * DAY_MS}},
            ("now", "unproven", "noy"),
        ),
        ({"delivered": {}, "asked": {"noy": NOW - PROVEN_MS}}, ("now", "unproven", "noy")),
        ({"delivered": {}, "asked": {}}, ("soon", "unproven", "noy")),
        ({"gaps": [("vte", NOW + HOUR, NOW + 2 * HOUR)]}, ("now", "shift", "vte")),
        ({"gaps": [("vte", NOW + 3 * DAY_MS, NOW + 4 * DAY_MS)]}, ("soon", "shift", "vte")),
        ({"drills": {"br": NOW - DRILL_EVERY_MS}}, ("soon", "drill", "br")),
        ({"drills": {}}, ("soon", "drill", "br")),
        ({"heard": {"br/load": NOW - HOUR}}, ("now", "silent", "br")),
        ({"heard": {}}, ("now", "silent", "br")),
        ({"backlogs": {"gw": NOW - 2 * HOUR}}, ("soon", "backlog", "gw")),
        ({"credit": 10.0}, ("now", "credit", "modem")),
        ({"credit": 29.0}, ("soon", "credit", "modem")),
        ({"signal_dbm": -105}, ("soon", "signal", "modem")),
        ({"certificate_until_ms": NOW + 29 * DAY_MS}, ("soon", "certificate", "broker")),
        ({"certificate_until_ms": NOW + HOUR}, ("now", "certificate", "broker")),
        ({"certificate_refused": "it has expired"}, ("now", "certificate", "broker")),
        ({"alarms": [OPEN]}, ("now", "unanswered", "br")),
        ({"alarms": [replace(OPEN, state="disposition_due")]}, ("note", "disposition", "br")),
        ({"registry": REGISTRY.model_copy(update={"people": ()})}, ("now", "nobody", "vte")),
        ({"registry": Registry()}, ("now", "nothing", "registry")),
        ({"tells": False}, ("now", "channel", "notify")),
        ({"gates": [gate(2)]}, ("note", "gate", "spare")),
        ({"gates": [gate(30)]}, ("soon", "gate", "spare")),
        ({"gates": [gate(2, over=True)]}, ("soon", "gate", "spare")),
    ],
)
def test_each_thing_to_mend_is_on_the_list(change: dict[str, object], says: tuple[str, str, str]) -> None:
    found = findings(replace(WELL, **change))  # type: ignore[arg-type]
    assert [(one.level, one.what, one.subject) for one in found] == [says]
    assert found[0].do
    assert found[0].says


@pytest.mark.parametrize(
    ("days", "level"), [(91, None), (89, "note"), (31, "note"), (29, "soon"), (0.5, "soon"), (-0.5, "now")]
)
def test_a_calibration_comes_nearer(days: float, level: str | None) -> None:
    assert told(calibrated(days)) == ([(level, "calibration", "br/load")] if level else [])


def test_what_is_not_old_enough_is_not_asked_for() -> None:
    young = replace(WELL, since_ms=NOW - DAY_MS, drills={}, delivered={}, asked={})
    assert told(young) == []


def test_an_appliance_out_of_service_and_an_empty_one_are_left_alone() -> None:
    assert told(replace(WELL, heard={}, drills={}, out_of_service=frozenset({"br"}))) == []


def test_a_profile_that_judges_outside_its_limits_is_the_first_thing() -> None:
    bad = replace(PROFILES["red-cells@eu"], deadband_k=9.0)
    found = told(replace(WELL, profiles={"red-cells@eu": bad}, drills={}))
    assert found[0] == ("now", "limits", "red-cells@eu")


def test_a_short_alarm_is_not_yet_unanswered() -> None:
    assert told(replace(WELL, alarms=[replace(OPEN, raised_ms=NOW - 60_000)])) == []


def test_the_line_names_the_urgent_ones() -> None:
    found = findings(replace(WELL, heard={}, credit=1.0, drills={}))
    assert line_of(found) == "2 now: credit modem, silent br; 1 soon"
