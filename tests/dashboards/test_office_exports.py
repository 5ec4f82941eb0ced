# SPDX-License-Identifier: Apache-2.0
"""Everything as CSV and XLSX at the console and on the command line, for the sites that somebody may see."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_seed import HOUR, NOW_MS, Seed, Story, registry
from office import Desk, office
from openpyxl import load_workbook
from signed import PASSWORD, QUICK
from typer.testing import CliRunner

from coldchain.cli.app import app
from coldchain.records.accounts import Accounts
from coldchain.records.filed import FiledReader
from coldchain.records.work import Work
from coldchain.wiring.held import held

WARM, OTHER = "vte-br-000", "skt-br-001"


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(6), Story(warm={WARM: 90}))
    made.history(hours=1)
    made.alarm(WARM)
    made.alarm(OTHER, severity="warning")
    made.close()
    return made


@pytest.fixture
def who(seed: Seed) -> Iterator[dict[str, Desk]]:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    store.add("skt", PASSWORD, role="manager", sites=("skt",), by="test", fresh=False)
    word = store.sign_in("skt", PASSWORD, "10.1.1.1")
    store.close()
    with office(seed) as (client, desks):
        yield desks | {"skt": Desk(client, word)}


def rows(desk: Desk, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(desk.get(path))))


def test_alarms_of_all_sites_or_of_ones_own(who: dict[str, Desk]) -> None:
    found = rows(who["manager"], "/export/alarms.csv")
    assert {row["appliance"] for row in found} == {WARM, OTHER}
    assert next(row for row in found if row["appliance"] == WARM)["limit"] == "6"
    assert {row["appliance"] for row in rows(who["skt"], "/export/alarms.csv")} == {OTHER}
    assert rows(who["manager"], "/export/alarms.csv?until=2023-11-01") == []
    assert rows(who["skt"], f"/export/readings.csv?appliance={WARM}") == []


def test_what_is_no_appliance_is_in_no_name_of_a_file(who: dict[str, Desk]) -> None:
    desk = who["manager"]
    for name in ('x"%0d%0aset-cookie: a=b', "%E0%BA%A5", "../x"):
        answer = desk.client.get(f"/export/alarms.csv?appliance={name}", headers=desk.headers)
        assert answer.status_code == 404, name
        assert "set-cookie" not in answer.headers


def test_readings_of_an_appliance_as_a_spreadsheet(who: dict[str, Desk], tmp_path: Path) -> None:
    address = f"/export/go?table=readings&appliance={WARM}&as=xlsx"
    answer = who["technician"].client.get(address, headers=who["technician"].headers)
    assert answer.headers["content-disposition"] == f'attachment; filename="readings-{WARM}.xlsx"'
    (tmp_path / "r.xlsx").write_bytes(answer.content)
    sheet = load_workbook(tmp_path / "r.xlsx").active
    assert {row[0] for row in sheet.iter_rows(min_row=2, values_only=True)} == {
        f"{WARM}/load", f"{WARM}/door", f"{WARM}/mains",
    }  # fmt: skip
    assert sheet.max_row == 1 + 3 * 61
    technician = who["technician"]
    refused = {"/export/readings.csv": 422, "/export/people.csv": 403, "/export/alarms.doc": 404,
               "/export/audit.csv": 403}  # fmt: skip
    for path, status in refused.items():
        got = technician.client.get(path, headers=technician.headers, follow_redirects=False)
        assert got.status_code == status, path
    assert rows(who["auditor"], "/export/audit.csv?chain=desk")[0]["kind"] == "begun"


def test_an_excursions_report_is_made_filed_and_matches(who: dict[str, Desk], seed: Seed) -> None:
    answer = who["technician"].client.get("/alarm/1/report.pdf?lang=fr", headers=who["technician"].headers)
    assert answer.content.startswith(b"%PDF")
    (filed,) = FiledReader(seed.settings.desk_db).filed()
    assert (filed.kind, filed.subject, filed.language) == ("excursion", "1", "fr")
    assert held(seed.settings, answer.content).state == "matches"


def test_the_command_line_writes_the_same_tables(seed: Seed, tmp_path: Path) -> None:
    work = Work(seed.settings.desk_db, lambda: NOW_MS)
    work.close()
    where = ["--dir", str(seed.settings.data_dir)]
    (seed.settings.data_dir / "coldchain.toml").write_text(f'data_dir = "{seed.settings.data_dir}"\n')
    out = tmp_path / "alarms.xlsx"
    done = CliRunner().invoke(
        app, ["export", "--table", "alarms", "--format", "xlsx", "-o", str(out), *where]
    )
    assert done.exit_code == 0, (done.output, done.exception)
    assert load_workbook(out)["alarms"].max_row == 3
    done = CliRunner().invoke(app, ["export", "--table", "work-orders", *where])
    assert done.stdout.startswith("number,state,site")
    done = CliRunner().invoke(app, ["export", "--table", "colours", *where])
    assert "there are alarms, excursions" in str(done.exception)
    text = CliRunner().invoke(
        app, ["export", "--table", "readings", "--from", str((NOW_MS - HOUR // 2) // 1000), *where]
    )
    assert len(text.stdout.splitlines()) == 1 + 6 * 31
