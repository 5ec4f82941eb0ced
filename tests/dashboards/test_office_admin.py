# SPDX-License-Identifier: Apache-2.0
"""Administration at the console: tables row by row, first names, profiles, people, gateways, backups."""

import re
import sqlite3
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from console_seed import NOW_MS, Seed, registry
from office import Desk, office, registry_of

from coldchain.records.backup import verify
from coldchain.records.pins import fits
from coldchain.records.registry import Desk as RegistryDesk
from coldchain.records.registry import Person

PHONE = "+8562055501002"


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    people = (Person(id="noy", name="Noy", phone=PHONE),)
    made = Seed(tmp_path, registry(3).model_copy(update={"people": people}))
    made.history(hours=0.1)
    made.gateway(pending=7)
    made.stranger("board-7", 2, 40, NOW_MS)
    made.close()
    return made


@pytest.fixture
def admin(seed: Seed) -> Iterator[Desk]:
    with office(seed) as (_, desks):
        yield desks["admin"]


def look(admin: Desk, table: str, text: str) -> str:
    answer = admin.send("/admin/registry/preview", {"file": ("t.csv", text.encode())}, table=table)
    assert answer.status_code == 200, answer.text
    return answer.text


def fields(page: str) -> dict[str, str]:
    part = page[page.index('action="/admin/registry/apply"') :]
    text = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", part, re.DOTALL)
    assert text is not None
    named = dict(re.findall(r'name="(table|base)" value="([^"]*)"', part))
    return named | {"text": text[1].replace("&#34;", '"').replace("&amp;", "&")}


def test_a_table_is_looked_at_first_and_then_applied(admin: Desk, seed: Seed) -> None:
    text = "id,name,site,carries\nvte-br-000,Renamed,vte,\n"
    page = look(admin, "appliances", text)
    assert "added: 0, changed: 1, as it is: 0, refused: 0" in page
    assert "<del>Blood refrigerator 0</del> → <ins>Renamed</ins>" in page
    assert registry_of(seed).appliance_by_id["vte-br-000"].name != "Renamed", "only looked at"
    answer = admin.post("/admin/registry/apply", **fields(page), reason="new sticker")
    assert answer.status_code == 303, answer.text
    assert registry_of(seed).appliance_by_id["vte-br-000"].name == "Renamed"
    assert "2" in admin.text(answer.headers["location"])
    assert "new sticker" in admin.get("/audit?chain=desk&kind=registry")


def test_what_was_not_shown_is_not_applied(admin: Desk, seed: Seed) -> None:
    page = look(admin, "sites", "id,name\nnew,New site\nBAD ID,x\n")
    assert "refused" in page
    assert 'action="/admin/registry/apply"' not in page
    good = fields(look(admin, "sites", "id,name\nnew,New site\n"))
    look_again = look(admin, "sites", "id,name\nother,Other site\n")
    assert admin.post("/admin/registry/apply", **fields(look_again)).status_code == 303
    assert admin.post("/admin/registry/apply", **good).status_code == 409, "the registry changed meanwhile"
    assert {"other"} == registry_of(seed).site_by_id.keys() - {"vte", "skt", "kys"}
    assert "That file cannot be read" in look(admin, "sites", "colour\nred\n")


def test_what_alarms_more_seldom_is_asked_of_a_second_person(admin: Desk, seed: Seed) -> None:
    """An appliance that is said to be empty alarms no more: the admin alone does not say so."""
    page = look(admin, "appliances", "id,carries\nvte-br-000,empty\n")
    before = registry_of(seed)
    answer = admin.post("/admin/registry/apply", **fields(page))
    assert answer.status_code == 422 or "asked=" in answer.headers["location"]
    assert registry_of(seed) == before


def test_what_reports_gets_a_name_and_a_place(admin: Desk, seed: Seed) -> None:
    assert "board-7/2" in admin.text("/admin/discovery")
    body = {"node": "board-7", "channel": "2", "new": "skt-br-09", "site": "skt", "place": "load",
            "profile": "red-cells@eu"}  # fmt: skip
    assert admin.post("/admin/discovery", **body | {"node": "board-8"}).status_code == 422
    assert admin.post("/admin/discovery", **body | {"new": "Not A Name"}).status_code == 422
    assert admin.post("/admin/discovery", **body).status_code == 303
    made = registry_of(seed)
    assert made.by_channel["board-7", 2].id == "skt-br-09/load"
    assert made.appliance_by_id["skt-br-09"].carries(NOW_MS) == "red-cells@eu"
    after = admin.text("/admin/discovery?done=skt-br-09")
    assert "It has its name" in after
    assert "board-7/2" not in after, "it is not offered again while ingest takes it up"


def test_the_first_one_brings_its_site_and_names_that_people_know(admin: Desk, seed: Seed) -> None:
    body = {"node": "board-7", "channel": "2", "new": "psl-pf-01", "name": "Plasma freezer, back room",
            "kind": "plasma-freezer", "new_site": "psl", "site_name": "Phongsaly Hospital"}  # fmt: skip
    assert admin.post("/admin/discovery", **body | {"kind": "toaster"}).status_code == 422
    answer = admin.post("/admin/discovery", **body)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/discovery?done=psl-pf-01")
    made = registry_of(seed)
    one, site = made.appliance_by_id["psl-pf-01"], made.site_by_id["psl"]
    assert (one.name, one.kind, one.site) == ("Plasma freezer, back room", "plasma-freezer", "psl")
    assert (site.name, site.zone) == ("Phongsaly Hospital", seed.settings.zone)


def test_a_load_probe_beside_one_in_the_air_is_not_adopted_by_one(admin: Desk, seed: Seed) -> None:
    """What is in the air only warns from then on; and whose node the new one is nobody knows."""
    body = {"node": "board-7", "channel": "2", "appliance": "vte-br-000", "place": "load"}
    whole = registry_of(seed)
    load = whole.sensor_by_id["vte-br-000/load"]
    others = tuple(s for s in whole.sensors if s != load)
    air = load.model_copy(update={"id": "vte-br-000/air", "probe": "air"})
    for sensors, status in (((*others, air), 422), (others, 303)):
        desk = RegistryDesk(seed.settings.desk_db, lambda: NOW_MS)
        desk.publish(whole.model_copy(update={"sensors": sensors}), author="t", reason="t")
        desk.close()
        answer = admin.post("/admin/discovery", **body)
        assert answer.status_code == status, re.sub("<[^>]*>", "", answer.text)
    assert registry_of(seed).by_channel["board-7", 2].id == "vte-br-000/load"


def test_people_their_numbers_channels_and_pin(admin: Desk, seed: Seed) -> None:
    body = {"id": "keo", "name": "Keo", "phone": "+8562055501003", "numbers": "+8562055501004",
            "role": "supervisor", "language": "lo", "sites": "vte; skt", "by-sms": "1", "by-email": "1",
            "email": "k@x.la"}  # fmt: skip
    assert admin.post("/admin/people", **body | {"phone": "0205"}).status_code == 422
    answer = admin.post("/admin/people", **body)
    assert answer.status_code == 303, re.sub("<[^>]*>", "", answer.text)
    keo = registry_of(seed).person_by_id["keo"]
    assert (keo.numbers, keo.channels, keo.sites) == (("+8562055501004",), ("sms", "email"), ("vte", "skt"))
    assert admin.post("/admin/people/pin", person="keo", pin="123").status_code == 422
    assert admin.post("/admin/people/pin", person="keo", pin="7391").status_code == 303
    assert fits("7391", registry_of(seed).person_by_id["keo"].pin)
    db = sqlite3.connect(seed.settings.desk_db)
    last = db.execute("SELECT author, reason FROM registry ORDER BY version DESC LIMIT 1").fetchone()
    db.close()
    assert last[1] == "a new PIN of keo"
    assert last[0] not in ("keo", ""), "who set it, not whose it is"
    text = admin.text("/admin/people")
    assert "Keo" in text
    assert "scrypt" not in text


def test_gateways_tell_what_they_have_and_where_they_stand(admin: Desk, seed: Seed) -> None:
    text = admin.text("/admin/gateways")
    assert "gw-1" in text
    assert "Waits to be sent 7" in text
    assert admin.post("/admin/gateways", id="gw-1", site="skt", phone=PHONE).status_code == 303
    assert registry_of(seed).gateways[0].site == "skt"
    assert admin.post("/admin/gateways", id="gw-1", site="nowhere").status_code == 422


def test_a_backup_is_made_tried_out_and_taken_away(admin: Desk, seed: Seed, tmp_path: Path) -> None:
    assert "no backup" in admin.text("/admin/backup")
    assert admin.post("/admin/backup").status_code == 303
    (folder,) = (seed.settings.data_dir / "backups").iterdir()
    answer = admin.post("/admin/backup/try", name=folder.name)
    assert "found whole" in answer.text
    taken = admin.client.get(f"/admin/backup/{folder.name}.tar", headers=admin.headers).content
    with tarfile.open(fileobj=BytesIO(taken)) as tar:
        tar.extractall(tmp_path / "out")
    verify(tmp_path / "out" / folder.name)
    (folder / "desk.db").write_bytes((folder / "desk.db").read_bytes()[:-1] + b"x")
    assert "is not sound" in admin.post("/admin/backup/try", name=folder.name).text
    assert admin.post("/admin/backup/try", name="../../etc").status_code == 404
    assert not list(seed.settings.data_dir.glob(".rehearsal-*")), "nothing is left over"


def test_profiles_with_their_sources_and_an_assignment(admin: Desk, seed: Seed) -> None:
    assert "2004/33/EC" in admin.text("/admin/profiles")
    assert admin.post("/admin/profiles", appliance="x", profile="red-cells@eu").status_code == 422
    assert admin.post("/admin/profiles", appliance="vte-br-000", profile="nonsense").status_code == 422
    assert "No channel is set up" in admin.text("/admin/channels")
