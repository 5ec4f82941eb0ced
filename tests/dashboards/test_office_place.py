# SPDX-License-Identifier: Apache-2.0
"""On an appliance's page: another probe in a sensor's place, and what it carries from now on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_seed import NOW_MS, Seed, registry
from office import Desk, office, registry_of

from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Offset, Registry

SENSOR = "vte-br-000/load"
PAGE = "/appliance/vte-br-000"


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[Seed]:
    plain = registry(3)
    old = plain.sensor_by_id[SENSOR].model_copy(
        update={"offsets": (Offset(from_ms=1, offset_k=-0.4),), "calibrated_until_ms": NOW_MS + 10**10}
    )
    sensors = tuple(old if one.id == SENSOR else one for one in plain.sensors)
    made = Seed(tmp_path, plain.model_copy(update={"sensors": sensors}))
    made.history(hours=0.1)
    made.stranger("board-7", 2, 40, NOW_MS)
    yield made
    made.close()


@pytest.fixture
def desks(seed: Seed) -> Iterator[dict[str, Desk]]:
    with office(seed) as (_, found):
        yield found


def test_another_probe_takes_the_place_once_two_agree(desks: dict[str, Desk], seed: Seed) -> None:
    supervisor, before = desks["supervisor"], registry_of(seed).sensor_by_id[SENSOR]
    assert "board-7/2: Temperature, 40 readings" in supervisor.text(PAGE)
    body = {"sensor": SENSOR, "channel": "board-7/2", "reason": "broken wire"}
    assert desks["technician"].post(f"{PAGE}/probe", **body).status_code == 403
    for wrong in ({"channel": "board-8/2"}, {"channel": "x"}, {"reason": " "}, {"sensor": "skt-br-001/load"}):
        assert supervisor.post(f"{PAGE}/probe", **body | wrong).status_code in (404, 422), wrong
    answer = supervisor.post(f"{PAGE}/probe", **body)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?asked=1#place")
    assert registry_of(seed).sensor_by_id[SENSOR] == before, "until another person agrees, nothing changes"
    assert desks["manager"].post("/changes/1/agree", note="").status_code == 303
    new = registry_of(seed).sensor_by_id[SENSOR]
    assert (new.node, new.channel, new.wired_ms) == ("board-7", 2, NOW_MS)
    assert (new.offsets[-1].offset_k, new.calibrated_until_ms) == (0.0, None), (
        "the certificate was the old one's"
    )
    assert new.offsets[0] == before.offsets[0], "and the past stays corrected by it"


def curve(seed: Seed) -> list[int]:
    reader = JournalReader(seed.settings.readings_db)
    try:
        return [int(at) for at in reader.readings(SENSOR, 0, 2**60)["at_ms"]]
    finally:
        reader.close()


def test_the_curve_goes_on_and_the_bench_is_no_part_of_it(desks: dict[str, Desk], seed: Seed) -> None:
    """Forty minutes on a warm bench would be an excursion that never was."""
    old = curve(seed)
    body = {"sensor": SENSOR, "channel": "board-7/2", "reason": "broken wire"}
    desks["supervisor"].post(f"{PAGE}/probe", **body)
    desks["manager"].post("/changes/1/agree", note="")
    seed.take_up(registry_of(seed))
    assert len(old) > 1
    assert curve(seed)[:-1] == old, "of forty, the one of this instant"
    assert curve(seed)[-1] == NOW_MS
    letters = seed.letters()
    assert letters == [("before", 39)]


def test_what_it_carries_changes_from_now_on_and_is_remembered(desks: dict[str, Desk], seed: Seed) -> None:
    def known(made: Registry) -> Appliance:
        return made.appliance_by_id["vte-br-000"]

    was = known(registry_of(seed)).carries(NOW_MS)
    assert desks["technician"].post(f"{PAGE}/carries", profile="empty").status_code == 403
    assert desks["supervisor"].post(f"{PAGE}/carries", profile="nothing@no").status_code == 422
    answer = desks["supervisor"].post(f"{PAGE}/carries", profile="red-cells@us", reason="stock moved")
    assert answer.status_code == 303
    if "asked=" in answer.headers["location"]:
        assert known(registry_of(seed)).carries(NOW_MS) == was
        assert desks["manager"].post("/changes/1/agree", note="").status_code == 303
    assert known(registry_of(seed)).carries(NOW_MS) == "red-cells@us"
    assert known(registry_of(seed)).carries(NOW_MS - 1) == was, "the past is judged as it was"
    text = desks["technician"].text(PAGE)
    assert text.index("red-cells@us") < text.rindex(str(was))
    assert "Replace a probe" not in text, "who may not is not offered it"
