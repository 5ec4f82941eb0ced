# SPDX-License-Identifier: Apache-2.0
"""The fleet as people see it: words, order, counts. No database, no clock."""

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from console_seed import HOUR, MINUTE, NOW_MS, registry
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.words import NO_VALUE, Health, Status
from coldchain.records.alarms import Alarm
from coldchain.records.journal import Latest
from dashboards.console.live import changes
from dashboards.console.times import age
from dashboards.console.values import number_c, reading_text
from dashboards.console.views import ORDER, Fleet, fleet_view

ZONE = timezone(timedelta(hours=7))
REG = registry(12)
FIRST = REG.appliances[0]  # red cells: 2..6 °C
LOAD = f"{FIRST.id}/load"
SILENT_AFTER = 5 * MINUTE


def reading(value: int = 4_000, *, ago: int = MINUTE // 2, status: int = 0) -> Latest:
    at = NOW_MS - ago
    return Latest(at, value, status, 0, at)


def alarm(kind: str = "high", state: str = "unacknowledged", **other: object) -> Alarm:
    since = NOW_MS - 14 * MINUTE
    whole: dict[str, Any] = {
        "number": 1, "id": "a1", "scope": "appliance", "appliance": FIRST.id, "sensor": LOAD,
        "site": FIRST.site, "kind": kind, "severity": "critical", "state": state, "since_ms": since,
        "raised_ms": since, "returned_ms": None, "acknowledged_ms": None, "acknowledged_by": None,
        "value": 9_100, "limit_value": 6_000, "peak": 9_100, "rule": "limits", "profile": None,
        "registry_version": 1, "position": 1, "decided_ms": since,
    }  # fmt: skip
    return Alarm(**{**whole, **other})


def look(latest: dict[str, Latest], alarms: list[Alarm] | None = None, now_ms: int = NOW_MS) -> Fleet:
    return fleet_view(REG, latest, alarms or [], now_ms=now_ms, zone=ZONE, silent_after=SILENT_AFTER)


def first(fleet: Fleet):
    """Its row, with its reason as an English reader reads it."""
    found = next(row for row in fleet.rows if row.id == FIRST.id)
    return replace(found, reason=str(found.reason))


def all_well() -> dict[str, Latest]:
    means = {"red-cells@eu": 4_000, "plasma@eu": -30_000, "platelets@eu": 22_000}
    return {f"{a.id}/load": reading(means[a.assignments[0].carries]) for a in REG.appliances}


def test_a_fresh_reading_inside_its_limits_is_ok() -> None:
    row = first(look({LOAD: reading()}))
    assert (row.state, row.number, row.reason, row.limit.text) == (Health.OK, "4.0", "", "2.0 to 6.0 °C")


def test_a_silent_appliance_says_what_was_and_when_and_shows_no_value() -> None:
    """05:13 in the zone: 22:13:20 UTC plus seven hours."""
    row = first(look({LOAD: reading(9_100, ago=3 * HOUR)}))
    assert (row.state, row.number, row.value) == (Health.SILENT, "", None)
    assert row.reason == "unknown, was 9.1\N{NO-BREAK SPACE}°C at 02:13"


def test_silence_begins_after_the_setting_and_two_intervals() -> None:
    assert first(look({LOAD: reading(ago=SILENT_AFTER)})).state is Health.OK
    assert first(look({LOAD: reading(ago=SILENT_AFTER + 1)})).state is Health.SILENT
    rare = REG.model_copy(
        update={"sensors": tuple(s.model_copy(update={"every_s": 600}) for s in REG.sensors)}
    )
    fleet = fleet_view(
        rare, {LOAD: reading(ago=20 * MINUTE)}, [], now_ms=NOW_MS, zone=ZONE, silent_after=SILENT_AFTER
    )
    assert first(fleet).state is Health.OK


def test_an_alarm_names_limit_since_and_the_worst_value_so_far() -> None:
    row = first(look({LOAD: reading(9_400)}, [alarm()]))
    assert row.state is Health.ALARM
    assert row.reason == "above 6.0\N{NO-BREAK SPACE}°C since 04:59, peak 9.4\N{NO-BREAK SPACE}°C"


def test_warm_and_then_silent_is_still_an_alarm_and_says_that_the_value_is_old() -> None:
    row = first(look({LOAD: reading(9_100, ago=HOUR)}, [alarm()]))
    assert row.state is Health.ALARM
    assert "unknown, was 9.1" in row.reason


def test_beyond_a_limit_without_an_alarm_yet_is_a_warning() -> None:
    row = first(look({LOAD: reading(6_100)}))
    assert (row.state, row.reason) == (Health.WARNING, "above 6.0\N{NO-BREAK SPACE}°C now")
    assert first(look({LOAD: reading(6_000)})).state is Health.OK, "exactly at the limit is permitted"


def test_a_returned_alarm_still_wants_somebody() -> None:
    row = first(look({LOAD: reading()}, [alarm(state="returned")]))
    assert row.state is Health.WARNING
    assert "back inside" in row.reason


def test_what_waits_for_a_disposition_is_no_alarm_any_more() -> None:
    row = first(look({LOAD: reading()}, [alarm(state="disposition_due", returned_ms=1)]))
    assert row.state is Health.WARNING
    assert "what became of the blood" in row.reason


def test_a_shelved_alarm_says_that_it_is_put_aside() -> None:
    row = first(look({LOAD: reading(7_000)}, [alarm(state="shelved")]))
    assert row.state is Health.ALARM
    assert "Put aside" in row.reason


def test_a_failed_probe_is_no_temperature() -> None:
    row = first(look({LOAD: reading(NO_VALUE, status=int(Status.OPEN))}))
    assert (row.state, row.number) == (Health.WARNING, "")
    assert row.reason == "probe fault: circuit open"


def test_error_codes_are_no_temperature() -> None:
    row = first(look({LOAD: reading(-127_000)}))
    assert (row.state, row.number, row.value) == (Health.WARNING, "", None)
    assert row.reason == "probe fault: it sends its error code"
    step = first(look({LOAD: reading(85_000)}, [alarm("sensor_fault", peak=None, limit_value=None)]))
    assert (step.state, step.number) == (Health.ALARM, "")
    assert reading_text("temperature", -127_000, 0) == "failed: it sends its error code"


def test_mains_and_door_are_told() -> None:
    well = {LOAD: reading()}
    dark = first(look(well | {f"{FIRST.id}/mains": reading(0)}))
    assert (dark.state, dark.reason) == (Health.WARNING, "no mains power")
    box = FIRST.model_copy(update={"kind": "active-box"})
    boxes = REG.model_copy(update={"appliances": (box, *REG.appliances[1:])})
    latest = well | {f"{FIRST.id}/mains": reading(0)}
    away = first(fleet_view(boxes, latest, [], now_ms=NOW_MS, zone=ZONE, silent_after=SILENT_AFTER))
    assert (away.state, away.reason) == (Health.OK, "no mains power"), "a box on its way runs on its battery"
    door = first(look(well | {f"{FIRST.id}/door": reading(1000)}))
    assert (door.state, door.reason) == (Health.OK, "door open")
    old = first(look(well | {f"{FIRST.id}/mains": reading(0, ago=HOUR)}))
    assert old.state is Health.OK, "an old word about the mains says nothing about now"


def test_a_gateway_alarm_colours_no_appliance() -> None:
    fleet = look(
        all_well(), [alarm("silence", scope="gateway", appliance="gw-1", sensor="", limit_value=None)]
    )
    assert fleet.counts[Health.OK] == len(REG.appliances)


def test_a_reading_from_the_future_is_as_old_as_its_arrival() -> None:
    ahead = Latest(NOW_MS + HOUR, 4_000, 0, 4, NOW_MS - 2 * HOUR)
    assert first(look({LOAD: ahead})).state is Health.SILENT


def test_worst_first() -> None:
    """Alarms by depth, answered ones after; silence that began beyond a limit before other silence."""
    ids = [a.id for a in REG.appliances if a.assignments[0].carries == "red-cells@eu"]
    latest = all_well()
    latest[f"{ids[0]}/load"] = reading(7_000)
    latest[f"{ids[1]}/load"] = reading(9_000)
    latest[f"{ids[2]}/load"] = reading(5_000, ago=9 * HOUR)
    latest[f"{ids[3]}/load"] = reading(9_000, ago=HOUR)
    alarms = [alarm(id=f"a{i}", appliance=ids[i], sensor=f"{ids[i]}/load", peak=None) for i in (0, 1)]
    fleet = look(latest, alarms)
    assert [row.id for row in fleet.rows[:4]] == [ids[1], ids[0], ids[3], ids[2]]
    answered = look(latest, [alarms[0], replace(alarms[1], state="acknowledged")])
    assert [row.id for row in answered.rows[:2]] == [ids[0], ids[1]]


READINGS = st.builds(
    lambda value, ago, status: Latest(
        NOW_MS - ago, NO_VALUE if status else value, status, 0, NOW_MS - ago
    ),
    st.integers(-40_000, 40_000), st.integers(-HOUR, 48 * HOUR), st.sampled_from([0, 0, 0, 1, 3]),
)  # fmt: skip
LATESTS = st.dictionaries(st.sampled_from([s.id for s in REG.sensors]), READINGS, max_size=36)
ALARMS = st.lists(
    st.builds(
        lambda kind, state, a: alarm(kind, state, appliance=a.id, sensor=f"{a.id}/load", limit_value=6_000),
        st.sampled_from(["high", "low", "silence", "sensor_fault", "brand_new"]),
        st.sampled_from(["unacknowledged", "acknowledged", "returned"]),
        st.sampled_from(REG.appliances),
    ),
    max_size=6,
)


@given(LATESTS, ALARMS)
def test_counts_sum_to_the_fleet_and_the_order_is_the_words_order(latest, alarms) -> None:
    fleet = look(latest, alarms)
    assert sum(fleet.counts.values()) == len(fleet.rows) == len(REG.appliances)
    assert [row.state for row in fleet.rows] == sorted((row.state for row in fleet.rows), key=ORDER.index)
    for row in fleet.rows:
        assert (row.number == "") == (row.value is None)
        if row.state is Health.SILENT:
            assert row.number == ""


@given(LATESTS, ALARMS, LATESTS, ALARMS)
def test_changes_applied_to_the_page_give_the_next_page(before, alarms, after, more) -> None:
    """The script's rules, in Python: the page then equals the one that a reload would give."""
    old, new = look(before, alarms), look(after, more)
    said = changes(old, new, lambda row: f"{row.id} {row.state} {row.reason} {row.number} {row.at_ms}")
    page = {state.value: [row.id for row in old.group(state)] for state in ORDER}
    text = {row.id: f"{row.id} {row.state} {row.reason} {row.number} {row.at_ms}" for row in old.rows}
    for id_, state, html in said.get("rows", []):
        text[id_] = html
        if id_ not in page[state]:
            for ids in page.values():
                if id_ in ids:
                    ids.remove(id_)
            page[state].append(id_)
    for id_, number, at_ms in said.get("values", []):
        text[id_] = " ".join([*text[id_].split(" ")[:-2], number, str(at_ms)])
    for id_, follows in said.get("after", {}).items():
        ids = next(ids for ids in page.values() if id_ in ids)
        ids.remove(id_)
        ids.insert(ids.index(follows) + 1 if follows in ids else 0, id_)
    for state, ids in said.get("order", {}).items():
        assert sorted(page[state]) == sorted(ids)
        page[state] = ids
    assert page == {state.value: [row.id for row in new.group(state)] for state in ORDER}
    assert text == {row.id: f"{row.id} {row.state} {row.reason} {row.number} {row.at_ms}" for row in new.rows}
    assert changes(new, new, str) == {}


@given(st.integers(-90_000, 90_000), st.integers(-30_000, 24_000))
def test_rounding_never_moves_a_value_across_a_limit(value: int, high: int) -> None:
    shown = round(float(number_c(value, high=high).replace("\N{MINUS SIGN}", "-")) * 1000)
    assert (shown > high) == (value > high)


@pytest.mark.parametrize(
    ("quantity", "value", "status", "text"),
    [
        ("temperature", -25_040, 0, "−25.0\N{NO-BREAK SPACE}°C"),
        ("door", 1000, 0, "open"),
        ("mains", 0, 0, "absent"),
        ("battery", 87_400, 0, "87\N{NO-BREAK SPACE}%"),
        ("controller-alarm", 7_000, 0, "code 7"),
        ("temperature", NO_VALUE, 2, "failed: short circuit"),
    ],
)
def test_readings_in_words(quantity: str, value: int, status: int, text: str) -> None:
    assert reading_text(quantity, value, status) == text


def test_ages() -> None:
    assert [age(NOW_MS - s * 1000, NOW_MS) for s in (2, 42, 150, 4_000)] == [
        "just now", "42 s ago", "2 min ago", "1 h 6 min ago",
    ]  # fmt: skip
