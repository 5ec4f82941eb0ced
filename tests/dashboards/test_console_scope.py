# SPDX-License-Identifier: Apache-2.0
"""Ways around what an account is for: whole-fleet pages, other sites' sensors, forms of other pages."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from console_addresses import address
from console_client import Client
from console_seed import HOUR, NOW_MS, Seed
from devices_kit import (
    DAY,
    HERE,
    KEY,
    OTHER,
    PAGE,
    PASSWORD,
    SERIAL,
    WARM,
    client,
    commands,
    record,
    seed,
    signed_in,
)

from coldchain.kernel.errors import BadData
from coldchain.records.accounts import Accounts
from coldchain.records.deeds import Deeds
from coldchain.records.devices import LATEST_MS, DeviceReader
from coldchain.records.registry import Desk, RegistryReader
from coldchain.records.work import Work
from coldchain.wiring.changing import decider
from dashboards.console.accounts.gate import Visitor
from dashboards.console.accounts.roles import ENDPOINTS, ROLES, WHOLE

__all__ = ["client", "record", "seed"]
FAR = {"x-forwarded-for": "10.0.0.9"}


def token(seed: Seed, name: str, role: str, *sites: str, person: str = "") -> dict[str, str]:
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    accounts.add(name, PASSWORD, role=role, sites=sites, person=person, by="test", fresh=False)
    word = accounts.add_token(name, "t", None)
    accounts.close()
    return FAR | KEY | {"authorization": f"Bearer {word}"}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_cannot_be_cut_is_not_for_an_account_of_some_sites(
    client: Client, seed: Seed, role: str
) -> None:
    who = token(seed, "one", role, "skt")
    for (method, path), right in ENDPOINTS.items():
        if right in WHOLE:
            ask = client.get if method == "GET" else client.post
            answer = ask(address(path), headers=who, follow_redirects=False)
            assert answer.status_code == 403, (role, method, path)
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    one = accounts.find("one")
    accounts.close()
    assert one is not None
    assert Visitor(one).rights == ROLES[role] - WHOLE | {"public"}


def test_a_certificate_is_for_a_sensor_of_ones_own_sites(client: Client, seed: Seed) -> None:
    mine = token(seed, "boss", "supervisor", "vte", person="vte-on-call")
    said = {"sensor": f"{OTHER}/load", "offset_k": -0.4, "from_ms": NOW_MS - HOUR, "expires_ms": NOW_MS}
    body = {"serial": SERIAL, "kind": "certificate", "said": said}
    assert client.post("/api/v1/devices", json=body, headers=mine).status_code == 403
    # One that somebody of all sites wrote is not taken away by it either, nor by a withdrawal.
    Deeds(seed.settings.desk_db, lambda: NOW_MS).enter("k-by-all", SERIAL, "certificate", said, person="x")
    (entry,) = DeviceReader(seed.settings.desk_db).dossier(SERIAL).of("certificate")
    for new in (None, said | {"sensor": f"{WARM}/load"}):
        again = body | {"said": new, "corrects": entry.id}
        assert client.post("/api/v1/devices", json=again, headers=mine).status_code == 403, new
    own = body | {"said": said | {"sensor": f"{WARM}/load"}}
    assert client.post("/api/v1/devices", json=own, headers=mine).status_code == 201
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    reader.close()
    kept = reader.registry.sensor_by_id
    assert [o.offset_k for o in kept[f"{OTHER}/load"].offsets] == [-0.4]
    assert [o.offset_k for o in kept[f"{WARM}/load"].offsets] == [-0.4]


def test_one_id_is_one_step_of_one_order(seed: Seed) -> None:
    """Else the order stays as it was, and alerts is asked all the same."""
    deeds = Deeds(seed.settings.desk_db, lambda: NOW_MS)
    one = deeds.raise_("k1", WARM, "Door", person="vte-on-call", contractor="fixer")
    other = deeds.raise_("k2", OTHER, "Fan", person="vte-on-call", contractor="fixer")
    assert deeds.step("same-key", one, "noted", person="fixer", body={"note": "seen"})
    assert not deeds.step("same-key", one, "noted", person="fixer", body={"note": "seen"})
    for number, state in ((one, "started"), (other, "started"), (other, "noted")):
        with pytest.raises(BadData, match="something else was asked"):
            deeds.step("same-key", number, state, person="fixer", body={"to": "empty"})
    work = Work(seed.settings.desk_db, lambda: NOW_MS)
    with pytest.raises(BadData, match="something else"):
        work.step("same-key", one, "sent", person="fixer")
    work.close()
    assert commands(seed) == []


def test_another_scheme_of_authorization_is_no_word_of_a_program(client: Client) -> None:
    """A browser sends a proxy's password by itself, from a stranger's page, too."""
    evil = HERE | {"origin": "http://evil.example"}
    body = {"appliance": WARM, "celsius": "4", "name": "Somebody"}
    for extra in ({}, {"authorization": "Basic eDp5"}):
        answer = client.post("/by-hand", data=body, headers=evil | extra, follow_redirects=False)
        assert answer.status_code == 403, extra
    answer = client.post("/by-hand", data=body, headers=HERE, follow_redirects=False)
    assert answer.status_code == 303


def test_a_person_by_id_and_by_name_is_one_who_decides(seed: Seed) -> None:
    known = RegistryReader(seed.settings.desk_db)
    known.refresh()
    known.close()
    person = known.registry.people[0]
    token(seed, "by-id", "supervisor", person=person.id)
    token(seed, "by-name", "manager", person=person.name)
    assert decider(seed.settings, "by-id") == decider(seed.settings, "by-name") == person.id


def test_a_document_of_two_devices_is_for_whoever_sees_one(client: Client, seed: Seed) -> None:
    everybody = token(seed, "all", "supervisor", person="vte-on-call")
    pdf = b"%PDF-1.7 a manual of both"
    for serial, key in ((OTHER, "paper-0001"), (SERIAL, "paper-0002")):
        path = f"/api/v1/papers?serial={quote(serial)}&title=Manual"
        made = client.post(path, content=pdf, headers=everybody | {"Idempotency-Key": key})
        assert made.status_code == 201, made.text
    sha = made.json()["sha256"]
    for site, status in (("skt", 200), ("vte", 200), ("vte-none", 403)):
        who = token(seed, f"of-{site}", "technician", site)
        assert client.get(f"/paper/{sha}", headers=who, follow_redirects=False).status_code == status, site


def test_no_instant_is_taken_that_a_page_cannot_show(client: Client, seed: Seed) -> None:
    who = token(seed, "tech", "technician", person="vte-on-call")
    for at_ms in (2**53 - 1, 253_402_300_800_000):
        for kind, said in (
            ("done", {"plan": 1, "done_ms": at_ms}), ("part", {"number": "n", "used_ms": at_ms}),
        ):  # fmt: skip
            body = {"serial": SERIAL, "kind": kind, "said": said}
            assert client.post("/api/v1/devices", json=body, headers=who).status_code == 422, said
    far = {"serial": SERIAL, "kind": "part", "said": {"number": "n", "used_ms": LATEST_MS - 1}}
    assert client.post("/api/v1/devices", json=far, headers=who).status_code == 201
    boss = token(seed, "boss", "supervisor", person="vte-on-call")
    plan = {"task": "t", "every_days": 3660, "first_ms": LATEST_MS - 1}
    body = {"serial": SERIAL, "kind": "plan", "said": plan}
    made = client.post("/api/v1/devices", json=body, headers=boss | {"Idempotency-Key": "plan-00001"})
    assert made.status_code == 201, made.text
    for page in (PAGE, "/maintenance", "/api/v1/maintenance", "/api/v1/devices/" + quote(SERIAL)):
        assert client.get(page, headers=boss).status_code == 200, page


def test_a_link_is_in_no_other_name_tells_of_no_other_site_and_ends_with_the_order(
    client: Client, seed: Seed
) -> None:
    now = [NOW_MS - 2 * DAY]
    deeds = Deeds(seed.settings.desk_db, lambda: now[0])
    number = deeds.raise_("k1", WARM, "Door", person="vte-on-call", contractor="fixer")
    deeds.step("k1-sent", number, "sent", person="vte-on-call", body={"contractor": "fixer"})
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    asked = {"serial": SERIAL, "number": str(number), "days": "3", "form": form}
    for person, status in (("vte-on-call", 422), ("nobody", 422), ("fixer", 200), ("", 200)):
        answer = client.post("/device-link", data=asked | {"person": person}, headers=boss)
        assert answer.status_code == status, person
    (path,) = re.findall(r"(/pass/[\w-]{43})", answer.text)
    page = client.get(path, headers=FAR).text
    assert 'value="vte-' in page, "where the blood may be"
    assert 'value="skt-' not in page
    now[0] = NOW_MS + 1
    deeds.step("k2-sent", number, "sent", person="vte-on-call", body={"contractor": "other"})
    here = HERE | FAR
    step = {"to": "empty"}
    gone = client.post(f"{path}/started", data=step, headers=here, follow_redirects=False)
    assert gone.status_code == 403, "it is another's now"


def test_test_messages_to_people_of_other_sites_are_not_told(client: Client, seed: Seed) -> None:
    known = RegistryReader(seed.settings.desk_db)
    known.refresh()
    known.close()
    people = tuple(
        p.model_copy(update={"sites": ("vte",)}) if p.id == "vte-on-call" else p
        for p in known.registry.people
    )
    desk = Desk(seed.settings.desk_db, lambda: NOW_MS)
    desk.publish(known.registry.model_copy(update={"people": people}), author="t", reason="t")
    for number, to in enumerate(("vte-on-call", "fixer", "somebody-gone")):
        desk.command(f"test-{number:04}", "test_sms", person="admin", alarm=None, body={"to": to})
    desk.close()
    for sites, told in (((), 3), (("vte",), 2), (("skt",), 1)):
        who = token(seed, f"told-{told}", "on-call", *sites)
        found = client.get("/api/v1/test-messages", headers=who).json()["tests"]
        assert len(found) == told, (sites, found)
