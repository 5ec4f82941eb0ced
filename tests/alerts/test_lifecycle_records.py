# SPDX-License-Identifier: Apache-2.0
"""Records of older versions: registries without the new fields, alarms.db without the new tables."""

import json
from pathlib import Path

import pytest

from alerts.store import AlarmStore
from coldchain.kernel.errors import BadData
from coldchain.records.alarms import AlarmsReader
from coldchain.records.alarms_schema import FIRST, ON_CALL
from coldchain.records.registry import Registry, read_registry_file
from coldchain.records.sql import open_writer, transaction

OLD = {
    "sites": [{"id": "vte", "name": "Vientiane"}],
    "appliances": [{"id": "f", "name": "F", "site": "vte", "assignments": [{"carries": "red-cells@eu"}]}],
    "sensors": [{"id": "f/load", "appliance": "f", "probe": "load", "node": "n", "channel": 0}],
    "people": [{"id": "noy", "name": "Noy", "phone": "+8562000000001"}],
}


def test_a_registry_of_before_is_read_with_defaults() -> None:
    found = read_registry_file(json.dumps(OLD))
    (appliance,), (sensor,), (person,) = found.appliances, found.sensors, found.people
    assert (appliance.service, appliance.fed_by, appliance.hold_over_min) == ("in", "vte", None)
    assert (sensor.offsets, sensor.calibrated_until_ms, person.pin) == ((), None, None)
    assert Registry.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    "offsets",
    [
        [{"from_ms": 2, "offset_k": 0.1}, {"from_ms": 1, "offset_k": 0.1}],
        [{"from_ms": 1, "offset_k": 0.1}, {"from_ms": 1, "offset_k": 0.2}],
        [{"from_ms": 1, "offset_k": 21}],
        [{"from_ms": 1, "offset_k": "NaN"}],
    ],
)
def test_offsets_that_make_no_sense_are_refused(offsets: list[dict[str, object]]) -> None:
    sensor = {**OLD["sensors"][0], "offsets": offsets}  # type: ignore[index]
    with pytest.raises(BadData):
        read_registry_file(json.dumps({**OLD, "sensors": [sensor]}))


def test_alarms_that_were_open_before_wait_for_a_disposition(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    old = open_writer(path, (FIRST, ON_CALL))
    states = {"a": ("high", "unacknowledged"), "b": ("high", "closed"), "c": ("silence", "acknowledged")}
    with transaction(old) as db:
        for number, (id_, (kind, state)) in enumerate(states.items(), start=1):
            db.execute(
                "INSERT INTO alarm VALUES (?,?,'appliance','f','f/load','vte',?,'critical',?,1,2,NULL,NULL,"
                "NULL,9000,6000,9000,'high@1',NULL,1,1,3)",
                (number, id_, kind, state),
            )
    old.close()
    AlarmStore(path).close()
    reader = AlarmsReader(path)
    assert {a.id: a.product for a in reader.alarms()} == {"a": True, "b": False, "c": False}
    assert all(a.parent is None for a in reader.alarms())
    assert (reader.shelved(), reader.dispositions(), reader.out_of_service(), reader.alarm_list("a")) == (
        [], [], [], [],
    )  # fmt: skip


def test_while_alerts_has_never_run_everything_is_empty(tmp_path: Path) -> None:
    reader = AlarmsReader(tmp_path / "alarms.db")
    assert [*reader.shelved(), *reader.dispositions(), *reader.out_of_service()] == []
