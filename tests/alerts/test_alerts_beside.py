# SPDX-License-Identifier: Apache-2.0
"""Air beside a load warns; when the load is dead, what the air says is critical."""

import pytest
from ward import Ward

from alerts.watches import beside


@pytest.fixture
def ward(tmp_path) -> Ward:
    """A refrigerator with a load and an air; the air is warm from nine on."""
    ward = Ward(tmp_path)
    ward.fridge("br-1", probes=2)
    load, air = ward.registry.sensors
    ward._publish(sensors=(load, air.model_copy(update={"probe": "air"})))
    ward.temperature("br-1/load", 4.0).temperature("br-1/load-2", 4.0).run_until("09:00")
    ward.temperature("br-1/load-2", 12.0).run_until("09:35")
    return ward


def alarm(ward: Ward) -> tuple[str, str]:
    (one,) = [a for a in ward.alarms.alarms() if a.kind == "high"]
    return one.severity, one.sensor


def raises(ward: Ward) -> int:
    number = next(a.id for a in ward.alarms.alarms() if a.kind == "high")
    return [e.event for e in ward.alarms.events(number)].count("raised")


def test_while_the_load_is_well_the_air_only_warns(ward: Ward) -> None:
    ward.run_until("11:00")
    assert alarm(ward) == ("warning", "br-1/load-2")


@pytest.mark.parametrize("how", ["fault", "silent"])
def test_when_the_load_is_dead_the_warning_is_critical_once(ward: Ward, how) -> None:
    if how == "fault":
        ward.temperature("br-1/load", None)
    else:
        ward.silence("br-1/load")
    ward.run_until("09:44")
    assert alarm(ward) == ("critical", "br-1/load-2")
    told = raises(ward)
    ward.run_until("10:10")
    assert raises(ward) == told, "once"


def test_the_story_sees_a_load_that_is_never_found_dead(ward: Ward, monkeypatch) -> None:
    monkeypatch.setattr(beside.Beside, "look", lambda *_: [])
    ward.temperature("br-1/load", None).run_until("09:44")
    assert alarm(ward) == ("warning", "br-1/load-2")
