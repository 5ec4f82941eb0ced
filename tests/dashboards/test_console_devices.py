# SPDX-License-Identifier: Apache-2.0
"""Devices at the console: one page a serial number, orders, documents, certificates, places; who may what."""

import re
import sqlite3

from console_client import Client
from console_seed import NOW_MS, Seed
from devices_kit import HERE, OTHER, PAGE, PNG, SERIAL, WARM, client, commands, record, seed, signed_in, words

from coldchain.records.papers import Papers
from coldchain.records.registry import RegistryReader

__all__ = ["client", "record", "seed"]


def test_a_page_of_a_serial_number_with_what_it_did_before_each_fault(client: Client) -> None:
    text = words(client, PAGE)
    parts = (
        "MB 1",
        SERIAL,
        "The hours before alarm 1",
        "Starts per day",
        "38",
        "4 h 0 min",
        "Where it stood",
    )
    assert [
        part for part in (*parts, "no outage has taught it", "No work order yet.") if part not in text
    ] == []
    page = client.get(PAGE, headers=HERE).text
    assert '<svg class="chart"' in page, "without script it is drawn"
    (src,) = re.findall(r'data-src="([^"]+)"', page)
    curve = client.get(src.replace("&amp;", "&"), headers=HERE).json()
    assert curve["sensor"] == f"{WARM}/load"
    assert max(value for value in curve["high"] if value is not None) > 8
    assert (curve["limits"][0]["low_c"], curve["limits"][0]["high_c"]) == (2.0, 6.0)
    second = words(client, f"{PAGE}?fault=2")
    assert "The hours before alarm 2" in second
    assert client.get("/device/nobody-knows-it", headers=HERE).status_code == 404
    assert "DOM/MB 1-77" in words(client, "/devices?q=mb%201")
    assert SERIAL not in words(client, "/devices?q=zzz")


def test_an_order_from_an_alarm_in_one_tap_and_back_into_service(client: Client, seed: Seed) -> None:
    form = {"alarm": "1", "name": "vte-on-call", "command": "a" * 32}
    for _ in range(2):
        answer = client.post("/work-order", data=form, headers=HERE, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/work-order/1")
    again = client.post(
        "/work-order", data=form | {"command": "b" * 32}, headers=HERE, follow_redirects=False
    )
    assert again.headers["location"] == "/work-order/1", "one live order for an alarm"
    assert "Alarm 1: too warm" in words(client, "/work-order/1")
    assert "Alarm 1: too warm" in words(client, "/alarm/1"), "visible at the alarm"
    assert "Work order 1" in words(client, f"/appliance/{WARM}"), "and at the appliance"

    def step(verb: str, **said: str) -> int:
        body = {"name": "vte-on-call", "command": verb.ljust(32, "x")} | said
        return client.post(
            f"/work-order/1/{verb}", data=body, headers=HERE, follow_redirects=False
        ).status_code

    assert step("sent") == 422, "nobody was named"
    assert step("sent", contractor="fixer") == 303
    assert step("started") == 422, "where is the blood?"
    assert step("started", to=WARM) == 422
    assert step("finished", findings="x") == 422, "it has not begun"
    assert step("started", to=OTHER, name="Passer-by") == 422, "nobody of the registry"
    assert step("started", to=OTHER) == 303
    assert step("finished", findings="New seal", parts="2 x 4501-77 Door seal", cost="a lot") == 422
    assert step("finished", findings="New seal", parts="2 x 4501-77 Door seal", cost="120 000") == 303
    assert step("finished", findings="New seal", command="d" * 32) == 422
    told = commands(seed)
    assert [(verb, person) for verb, person, _ in told] == [
        (verb, "vte-on-call") for verb in ("work_order", "out_of_service", "return_to_service")
    ]  # fmt: skip
    assert (told[0][2]["contractor"], told[0][2]["serial"]) == ("fixer", SERIAL)
    assert (told[1][2]["to"], told[2][2]["wait"]) == (OTHER, "yes")
    db = sqlite3.connect(seed.settings.alarms_db)
    db.execute(
        "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
        " due_ms, state, sent_ms) VALUES ('work:1', 'work_order', 0, 'fixer', 'sms', 0, '+1', 'WORK ORDER 1',"
        " 'vte', ?1, ?1, 'sent', ?1)",
        (NOW_MS,),
    )
    db.commit()
    db.close()
    assert "WORK ORDER 1 sent, no proof of arrival" in words(client, "/work-order/1")
    assert "Take out of service: asked by On-call, Vientiane" in words(client, "/work-order/1")
    text = words(client, PAGE)
    for part in ("finished", "New seal", "2 × 4501-77 Door seal", "120 000", "Before and after each repair"):
        assert part in text, part


def test_who_may_write_what(client: Client, seed: Seed) -> None:
    plan = {"serial": SERIAL, "task": "Clean", "every_days": "90", "first": "2023-01-05"}
    assert client.post("/device-entry/plan", data=plan, headers=HERE).status_code == 401
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    stale = client.post("/device-entry/plan", data=plan | {"form": "no"}, headers=boss)
    assert stale.status_code == 403
    done = client.post("/device-entry/plan", data=plan | {"form": form}, headers=boss, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    text = words(client, "/maintenance")
    assert "Overdue tasks: 1" in text
    assert "Clean" in text
    fixer, own = signed_in(seed, client, "contractor", "fixer")
    assert client.post("/device-entry/plan", data=plan | {"form": own}, headers=fixer).status_code == 403
    did = {"serial": SERIAL, "plan": "1", "form": own}
    assert (
        client.post("/device-note/done", data=did, headers=fixer, follow_redirects=False).status_code == 303
    )
    assert "Nothing is overdue" in words(client, "/maintenance")
    assert client.post("/device-note/facts", data=did, headers=fixer).status_code == 404
    raised = {"appliance": WARM, "what": "Look at it", "contractor": "other", "form": form}
    assert client.post("/work-order", data=raised | {"form": own}, headers=fixer).status_code == 403
    assert client.post("/work-order", data=raised, headers=boss, follow_redirects=False).status_code == 303
    assert "Look at it" not in words(client, "/devices", fixer).partition("Serial, name")[0], "not theirs"
    start = {"to": OTHER, "form": own}
    theirs = client.post("/work-order/1/started", data=start, headers=fixer)
    assert (theirs.status_code, "somebody else" in theirs.text) == (403, True)
    cancel = client.post("/work-order/1/cancelled", data=start | {"note": "x"}, headers=fixer)
    assert cancel.status_code == 403
    bad = plan | {"form": form, "every_days": "often"}
    assert client.post("/device-entry/plan", data=bad, headers=boss).status_code == 422
    assert (
        client.post(
            "/device-entry/plan", data=plan | {"form": form, "first": "soon"}, headers=boss
        ).status_code
        == 422
    )


def test_a_certificate_counts_from_its_day_and_readiness_hears_of_its_end(client: Client, seed: Seed) -> None:
    boss, form = signed_in(seed, client, "admin", "vte-on-call")
    said = {"serial": SERIAL, "sensor": f"{WARM}/load", "offset_k": "-0,25", "from": "2023-11-14",
            "expires": "2023-11-30", "laboratory": "Lab", "form": form}  # fmt: skip
    answer = client.post("/device-entry/certificate", data=said, headers=boss, follow_redirects=False)
    assert answer.status_code == 303, answer.text[-300:]
    assert "−0.25 K" in words(client, PAGE)
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    sensor = reader.registry.sensor_by_id[f"{WARM}/load"]
    assert sensor.offsets[0].offset_k == -0.25
    from coldchain.wiring.readiness import readiness

    found = [one for one in readiness(seed.settings, NOW_MS) if one.what == "calibration"]
    assert [(one.level, one.subject) for one in found] == [("soon", f"{WARM}/load")]
    assert "ends in 15 days" in found[0].says, "to the end of its last day in Vientiane"


def test_documents_are_what_they_are_and_nothing_that_runs(client: Client, seed: Seed) -> None:
    said = {"serial": SERIAL, "title": "Hinge <b>", "sort": "photo", "name": "fixer", "command": "e" * 32}

    def send(body: bytes, **more: str) -> int:
        files = {"file": ("x.png", body, "image/png")}
        answer = client.post(
            "/device-paper", data=said | more, files=files, headers=HERE, follow_redirects=False
        )
        return answer.status_code

    assert send(PNG) == 303
    assert send(PNG) == 303, "sent twice is one document"
    assert send(b"<html><script>alert(1)</script>") == 422
    assert send(b"") == 422
    assert send(PNG + b"x" * 8_100_000, command="f" * 32) == 413
    page = client.get(PAGE, headers=HERE).text
    (digest,) = re.findall(r'<a href="/paper/([0-9a-f]{64})"', page)
    assert "<img" not in page, "a photo of a telephone is loaded when somebody asks for it"
    assert "Hinge &lt;b&gt;" in page
    answer = client.get(f"/paper/{digest}", headers=HERE)
    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    Papers(seed.settings.data_dir).path(digest).write_bytes(b"changed")
    assert client.get(f"/paper/{digest}", headers=HERE).status_code == 404, "only what its hash says"
    assert client.get(f"/paper/{'0' * 64}", headers=HERE).status_code == 404
    assert client.post("/device-paper", content=b"not a form", headers=HERE).status_code == 422
    boss, _ = signed_in(seed, client, "supervisor", "vte-on-call")
    files = {"file": ("x.png", PNG, "image/png")}
    assert (
        client.post("/device-paper", data=said | {"form": "no"}, files=files, headers=boss).status_code == 403
    )


def test_what_is_corrected_stays_and_a_device_keeps_its_history_across_sites(
    client: Client, seed: Seed
) -> None:
    boss, form = signed_in(seed, client, "admin", "vte-on-call")
    moved = {"serial": SERIAL, "appliance": OTHER, "from": "2023-11-14", "form": form, "command": "1" * 32}
    answer = client.post("/device-entry/installed", data=moved, headers=boss, follow_redirects=False)
    assert answer.status_code == 303, answer.text[-300:]
    text = words(client, PAGE)
    assert f"Stands as Blood refrigerator 1 {OTHER}" in text
    assert "Savannakhet Hospital · 2023-11-14 – now" in text
    assert "not known – 2023-11-14" in text, "where the registry had it before"
    numbers = [f["number"] for f in client.get("/api/v1/devices/DOM/MB%201-77").json()["faults"]]
    assert numbers == [3, 2], "of each place while it stood there"
    entries = client.get("/api/v1/devices/DOM/MB%201-77").json()["entries"]
    last = next(e for e in entries if e["said"]["appliance"] == OTHER)
    undo = {"serial": SERIAL, "corrects": str(last["id"]), "withdraw": "1", "form": form}
    assert (
        client.post("/device-entry/installed", data=undo, headers=boss, follow_redirects=False).status_code
        == 303
    )
    entries = client.get("/api/v1/devices/DOM/MB%201-77").json()["entries"]
    assert len(entries) == 3
    assert [e["standing"] for e in entries if e["id"] == last["id"]] == [False]
    assert "stands nowhere" not in words(client, "/devices")
