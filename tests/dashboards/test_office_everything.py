# SPDX-License-Identifier: Apache-2.0
"""Each table as CSV and as XLSX, for whom it is; what people typed is text in it, and numbers are numbers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry
from openpyxl import load_workbook
from signed import QUICK

from coldchain.kernel.instants import rfc3339
from coldchain.records.accounts import Accounts
from coldchain.records.consignments import Bag, Consignments, Step, Trip
from coldchain.records.deeds import Deeds
from coldchain.records.registry import Person, RegistryReader
from coldchain.wiring.links import add_links
from coldchain.wiring.tables import TABLES
from dashboards.console.app import create_app
from dashboards.console.office import exports

WARM, OTHER = "vte-br-000", "skt-br-001"
DAY = 86_400_000
EVIL = '=HYPERLINK("http://x.example","4.0")'
FAR = {"x-forwarded-for": "10.0.0.9"}


def fleet() -> Any:
    plain = registry(3)
    people = (Person(id="noy", name=EVIL, phone="+8562055501002"),)
    named = tuple(a.model_copy(update={"name": "@SUM(A1)"}) if a.id == WARM else a for a in plain.appliances)
    return plain.model_copy(update={"people": people, "appliances": named})


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    made = Seed(tmp_path_factory.mktemp("tables"), fleet(), Story(warm={WARM: 90}))
    made.history(hours=0.1)
    made.alarm(WARM)
    made.close()
    deeds = Deeds(made.settings.desk_db, lambda: NOW_MS)
    said: dict[str, dict[str, object]] = {
        "certificate": {"sensor": f"{WARM}/load", "offset_k": -0.25, "from_ms": NOW_MS - DAY,
                        "expires_ms": NOW_MS + 300 * DAY, "laboratory": EVIL},
        "plan": {"task": "+1 clean", "every_days": 30, "first_ms": NOW_MS + DAY},
        "facts": {"maker": "-cmd", "model": "MB 1"},
    }  # fmt: skip
    for kind, fields in said.items():
        deeds.enter(f"key-{kind}", WARM, kind, fields, person="noy")
    deeds.raise_("order-0001", WARM, EVIL, person="noy", contractor="noy")
    desk = Consignments(made.settings.desk_db, lambda: NOW_MS)
    steps = (Step(NOW_MS - 3_600_000, WARM, "noy", "console"), Step(NOW_MS - 60_000, OTHER, "noy", "console"))
    desk.start(Trip("t-1", "red-cells@eu", NOW_MS - DAY, EVIL, "noy", NOW_MS, steps))
    desk.put_bags("trip:t-1", [Bag("A999926123456", None, None, "discard", EVIL, "noy", NOW_MS)])
    return made


@pytest.fixture(scope="module")
def tokens(seed: Seed) -> dict[str, dict[str, str]]:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    found = {}
    for name, role, sites in (("boss", "admin", ()), ("skt", "technician", ("skt",)), ("aud", "auditor", ())):
        store.add(name, "a long sentence of words", role=role, sites=sites, by="test", fresh=False)
        found[name] = FAR | {"authorization": f"Bearer {store.add_token(name, 'test', None)}"}
    store.close()
    return found


@pytest.fixture(scope="module")
def client(seed: Seed) -> Iterator[Client]:
    app = create_app(seed.settings, lambda: NOW_MS)
    add_links(app, seed.settings, lambda: NOW_MS)
    with browsing(app) as made:
        yield made


def address(table: str, form: str) -> str:
    return f"/api/v1/tables/{table}.{form}" + (f"?appliance={WARM}" if table == "readings" else "")


def rows(client: Client, path: str, who: dict[str, str]) -> list[dict[str, str]]:
    answer = client.get(path, headers=who)
    assert answer.status_code == 200, (path, answer.text)
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_every_table_there_is_can_be_taken_from_the_console() -> None:
    assert set(TABLES) == {*exports.TABLES, *exports.KEPT, "audit"}


@pytest.mark.parametrize("table", [*exports.TABLES, *exports.KEPT, "audit"])
def test_each_table_is_both(
    client: Client, tokens: dict[str, dict[str, str]], tmp_path: Path, table: str
) -> None:
    """The same rows; no cell of either is a formula; page and program are given the same file."""
    found = rows(client, address(table, "csv"), tokens["boss"])
    page = address(table, "csv").replace("/api/v1/tables", "/export")
    assert rows(client, page, tokens["boss"]) == found
    for row in found:
        for name, cell in row.items():
            assert not cell.startswith(("=", "@", "\t")), (table, name, cell)
            assert not cell.startswith(("+", "-")) or cell[1:].replace(".", "").isdecimal(), (table, cell)
    answer = client.get(address(table, "xlsx"), headers=tokens["boss"])
    (tmp_path / "t.xlsx").write_bytes(answer.content)
    sheet = load_workbook(tmp_path / "t.xlsx").worksheets[0]
    assert sheet.max_row == 1 + len(found)
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row), table
    head = [str(cell.value).partition(" (Asia")[0] for cell in sheet[1]]
    assert head == (list(found[0]) if found else head)


def test_what_the_tables_say(client: Client, tokens: dict[str, dict[str, str]], tmp_path: Path) -> None:
    boss = tokens["boss"]

    def table(name: str) -> list[dict[str, str]]:
        return rows(client, address(name, "csv"), boss)

    device = next(one for one in table("devices") if one["serial"] == WARM)
    assert (device["maker"], device["appliance"], device["next task"]) == ("'-cmd", WARM, "'+1 clean")
    assert device["open work orders"] == "1"
    by_sensor = {one["sensor"]: one for one in table("calibrations")}
    assert by_sensor[f"{WARM}/load"]["offset K"] == "-0.25", "a number stays a number"
    assert by_sensor[f"{OTHER}/load"]["expires"] == "", "a sensor without a certificate is named"
    legs = [(one["leg"], one["appliance"], one["until"]) for one in table("trips")]
    assert legs == [("1", WARM, rfc3339(NOW_MS - 60_000)), ("2", OTHER, "")]
    (bag,) = table("bags")
    assert (bag["trip"], bag["donation"], bag["fate decided"]) == ("t-1", "A999926123456", "discard")
    (noy,) = table("people")
    assert (noy["name"], noy["phone"]) == (f"'{EVIL}", "+8562055501002")
    assert {one["kind"] for one in table("device-history")} == {"certificate", "plan", "facts"}
    assert table("maintenance")[0]["every days"] == "30"
    assert {one["account"]: one["role"] for one in table("accounts")}["skt"] == "technician"
    answer = client.get(address("calibrations", "xlsx"), headers=boss)
    (tmp_path / "c.xlsx").write_bytes(answer.content)
    values = list(load_workbook(tmp_path / "c.xlsx").active.iter_rows(min_row=2, values_only=True))
    assert -0.25 in [row[4] for row in values]
    assert EVIL in [row[7] for row in values], "in XLSX text is text as it was written"


def test_a_table_holds_ones_own_sites_and_a_span(client: Client, tokens: dict[str, dict[str, str]]) -> None:
    skt = tokens["skt"]
    assert {one["site"] for one in rows(client, address("devices", "csv"), skt)} == {"skt"}
    assert {one["id"] for one in rows(client, address("sites", "csv"), skt)} == {"skt"}
    assert [one["site"] for one in rows(client, address("calibrations", "csv"), skt)] == ["skt"]
    assert len(rows(client, address("trips", "csv"), skt)) == 2, "a trip that touches a site is its own"
    for table in (*exports.KEPT, "audit"):
        assert client.get(address(table, "csv"), headers=skt).status_code == 403, table
    boss = tokens["boss"]
    assert rows(client, f"/api/v1/tables/bags.csv?until={rfc3339(NOW_MS)}", boss) == []
    assert len(rows(client, f"/api/v1/tables/bags.csv?from={rfc3339(NOW_MS)}", boss)) == 1
    assert client.get("/api/v1/tables/bags.csv?from=soon", headers=boss).json()["type"] == (
        "/problems/bad-request"
    )
    assert client.get("/api/v1/tables/colours.csv", headers=boss).status_code == 404


def test_a_part_of_the_registry_goes_out_and_comes_back_as_it_was(
    client: Client, tokens: dict[str, dict[str, str]], seed: Seed
) -> None:
    """Also names that begin like a formula."""
    boss = tokens["boss"]
    for table in ("people", "appliances", "sites", "sensors"):
        text = client.get(f"/api/v1/registry/{table}.csv", headers=boss).text
        assert "\n=" not in text
        assert ",=" not in text
        key = {"idempotency-key": f"registry-{table}"}
        plan = client.post(f"/api/v1/registry/{table}", json={"csv": text}, headers=boss | key).json()
        assert {row["state"] for row in plan["rows"]} == {"same"}, (table, plan)
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    reader.close()
    assert reader.registry.person_by_id["noy"].name == EVIL
