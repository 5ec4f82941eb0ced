# SPDX-License-Identifier: Apache-2.0
"""A plan for a whole model: due for each of its devices, otherwise for one, left out for another."""

import pytest
from console_client import Client
from console_seed import NOW_MS, Seed
from devices_kit import DAY, OTHER, PAGE, SERIAL, client, record, seed, signed_in, words

from coldchain.kernel.errors import BadData
from coldchain.records.deeds import Deeds
from coldchain.records.devices import DeviceReader, Dossier, ModelPlan, of_model
from coldchain.records.registry import Appliance

__all__ = ["client", "record", "seed"]
TASK = {"model": "MB 1", "task": "Condenser", "every_days": 90, "first_ms": NOW_MS + 5 * DAY}


@pytest.fixture
def deeds(seed: Seed) -> Deeds:
    """The other appliance is of the same model, written otherwise."""
    made = Deeds(seed.settings.desk_db, lambda: NOW_MS)
    made.enter("m0", OTHER, "facts", {"model": " mb  1 "}, person="noy")
    return made


def plan(deeds: Deeds) -> int:
    return deeds.enter("p0", of_model("MB 1"), "model_plan", TASK, person="noy")


def due(seed: Seed, serial: str, model: str = "") -> list[tuple[str, int, int]]:
    found = DeviceReader(seed.settings.desk_db).dossier(serial).due(model)
    return [(one.plan.said.task, one.plan.said.every_days, (one.due_ms - NOW_MS) // DAY) for one in found]


def test_a_models_task_is_due_for_each_of_its_devices(deeds: Deeds, seed: Seed) -> None:
    plan(deeds)
    assert due(seed, OTHER) == [("Condenser", 90, 5)], "as its facts say"
    assert due(seed, SERIAL, "MB 1") == [("Condenser", 90, 5)], "as the registry says"
    assert due(seed, SERIAL, "MB 12") == [], "another model"
    assert due(seed, "nobody-yet", "MB 1") == [("Condenser", 90, 5)], "also one that comes later"
    assert of_model("MB 1") not in DeviceReader(seed.settings.desk_db).all(), "a model is no device"


def test_done_is_done_of_that_device_alone(deeds: Deeds, seed: Seed) -> None:
    number = plan(deeds)
    deeds.enter("d0", OTHER, "done", {"plan": number, "done_ms": NOW_MS}, person="noy")
    assert due(seed, OTHER) == [("Condenser", 90, 90)]
    assert due(seed, SERIAL, "MB 1") == [("Condenser", 90, 5)]


def test_one_device_has_it_more_often_and_another_not_at_all(deeds: Deeds, seed: Seed) -> None:
    number = plan(deeds)
    first = deeds.enter("x0", OTHER, "plan_other", {"plan": number, "every_days": 30}, person="noy")
    deeds.enter("x1", SERIAL, "plan_other", {"plan": number, "off": True}, person="noy")
    assert due(seed, OTHER) == [("Condenser", 30, 5)]
    assert due(seed, SERIAL, "MB 1") == []
    later = {"plan": number, "first_ms": NOW_MS + 50 * DAY}
    deeds.enter("x2", OTHER, "plan_other", later, person="noy", corrects=first)
    assert due(seed, OTHER) == [("Condenser", 90, 50)]
    newest = DeviceReader(seed.settings.desk_db).dossier(OTHER).of("plan_other")[-1]
    deeds.enter("x3", OTHER, "plan_other", None, person="noy", corrects=newest.id)
    assert due(seed, OTHER) == [("Condenser", 90, 5)], "as its model again"


def test_a_plan_that_is_corrected_keeps_what_was_done(deeds: Deeds, seed: Seed) -> None:
    number = plan(deeds)
    deeds.enter("d0", OTHER, "done", {"plan": number, "done_ms": NOW_MS}, person="noy")
    deeds.enter(
        "p1", of_model("MB 1"), "model_plan", TASK | {"every_days": 60}, person="noy", corrects=number
    )
    assert due(seed, OTHER) == [("Condenser", 60, 60)]
    (one,) = DeviceReader(seed.settings.desk_db).models()
    deeds.enter("p2", of_model("MB 1"), "model_plan", None, person="noy", corrects=one.id)
    assert due(seed, OTHER) == []


def test_a_retired_device_and_one_without_a_model_have_none(deeds: Deeds, seed: Seed) -> None:
    plan(deeds)
    deeds.enter("m1", OTHER, "facts", {"model": "MB 1", "status": "retired"}, person="noy")
    assert due(seed, OTHER) == []
    bare = DeviceReader(seed.settings.desk_db).models()
    assert Dossier("s", (), bare).due(" ") == []
    assert isinstance(bare[0].said, ModelPlan)
    assert Appliance(id="a", name="A", site="s").model == ""


def test_nothing_else_is_kept_where_a_model_stands(deeds: Deeds) -> None:
    for serial, kind, said in (
        (of_model("MB 1"), "facts", {"model": "x"}),
        (OTHER, "model_plan", TASK),
    ):
        with pytest.raises(BadData, match="no serial number"):
            deeds.enter(f"n-{kind}", serial, kind, said, person="noy")


def test_the_page_of_what_is_due_plans_for_a_model(client: Client, deeds: Deeds, seed: Seed) -> None:
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    page = client.get("/maintenance", headers=boss).text
    assert '<option value="MB 1">MB 1, 2 devices</option>' in page or "mb 1, 2 devices" in page
    said = {"model": "MB 1", "task": "Condenser", "every_days": "90", "first": "2023-11-01", "form": form,
            "command": "m" * 32}  # fmt: skip
    for _ in range(2):
        answer = client.post("/maintenance/plan", data=said, headers=boss, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/maintenance#models")
    text = words(client, "/maintenance", boss)
    assert "Overdue tasks: 2" in text
    assert "MB 1, 2 devices" in text
    device = words(client, PAGE, boss)
    assert "of its model" in device
    number = DeviceReader(seed.settings.desk_db).models()[0].first
    other = {"serial": SERIAL, "plan": str(number), "off": "1", "note": "no condenser", "form": form}
    assert (
        client.post("/device-entry/plan_other", data=other, headers=boss, follow_redirects=False).status_code
        == 303
    )
    assert "Overdue tasks: 1" in words(client, "/maintenance", boss)
    assert "left out · no condenser" in words(client, PAGE, boss)
    gone = {"corrects": str(number), "withdraw": "1", "form": form}
    client.post("/maintenance/plan", data=gone, headers=boss)
    assert "Nothing is overdue" in words(client, "/maintenance", boss)
    again = client.post("/maintenance/plan", data=gone, headers=boss, follow_redirects=False)
    assert again.status_code == 404, "it was withdrawn already"


def test_programs_plan_for_a_model_and_page_through_what_is_due(
    client: Client, deeds: Deeds, seed: Seed
) -> None:
    boss, _ = signed_in(seed, client, "supervisor", "vte-on-call")
    body = {"model": "mb 1", "task": "Condenser", "every_days": 90, "first": "2023-11-01T00:00:00Z"}
    key = {"Idempotency-Key": "program-1:0001"}
    made = client.post("/api/v1/model-plans", json=body, headers=boss | key)
    assert made.status_code == 201, made.text
    (one,) = client.get("/api/v1/model-plans", headers=boss).json()["plans"]
    assert (one["plan"], one["devices"], one["first"]) == (made.json()["id"], 2, "2023-11-01T00:00:00Z")
    serials, after = [], ""
    while True:
        page = client.get(f"/api/v1/maintenance?limit=1&after={after}", headers=boss).json()
        serials += [row["serial"] for row in page["due"]]
        if (after := page["next"]) is None:
            break
    assert sorted(serials) == sorted([SERIAL, OTHER]), "the same task of the same day, each once"
    bad = client.post("/api/v1/model-plans", json=body | {"first": "soon"}, headers=boss | {
        "Idempotency-Key": "program-1:0002"})  # fmt: skip
    assert bad.status_code == 422


def test_an_account_of_some_sites_plans_nothing_for_all(client: Client, deeds: Deeds, seed: Seed) -> None:
    from coldchain.records.accounts import Accounts

    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    accounts.add(
        "some", "a long sentence of words", role="supervisor", sites=("vte",), by="test", fresh=False
    )
    token = accounts.add_token("some", "t", None)
    accounts.close()
    mine = {"authorization": f"Bearer {token}", "Idempotency-Key": "program-1:0001"}
    body = {"model": "MB 1", "task": "Condenser", "first": "2023-11-01T00:00:00Z"}
    assert client.post("/api/v1/model-plans", json=body, headers=mine).status_code == 403
    assert plan(deeds)
    assert [row["serial"] for row in client.get("/api/v1/maintenance", headers=mine).json()["due"]] == [
        SERIAL
    ]
