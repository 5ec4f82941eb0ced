# SPDX-License-Identifier: Apache-2.0
"""The committed dashboards are what the code writes; links lead somewhere; the languages say the same."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from coldchain.cli.grafana import FOLDER
from coldchain.records.influx_names import STATES
from dashboards.grafana import influxql as ql
from dashboards.grafana.build import as_text, built, write
from dashboards.grafana.panels import SOURCE
from dashboards.grafana.words import CATALOGUES, ENGLISH

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "deploy/grafana/dashboards"
PROVISIONING = ROOT / "deploy/grafana/provisioning"
BOARDS = built()


def test_the_committed_files_are_what_the_code_writes(tmp_path: Path) -> None:
    write(tmp_path)
    written = {p.relative_to(tmp_path).as_posix(): p.read_text() for p in tmp_path.rglob("*.json")}
    committed = {p.relative_to(COMMITTED).as_posix(): p.read_text() for p in COMMITTED.rglob("*.json")}
    assert sorted(written) == sorted(committed)
    for name, text in written.items():
        assert text == committed[name], f"{name}: run `coldchain grafana build {FOLDER}`"
    assert as_text(BOARDS["en/wall.json"] | {"title": "x"}) != committed["en/wall.json"]


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_panels_have_their_own_number_and_place(name: str) -> None:
    board = BOARDS[name]
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for one in panels:
        at = one["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, one["title"]
        taken |= cells
        assert one["datasource"]["uid"] == "coldchain-influxql"
    assert "null" not in json.dumps({k: board[k] for k in ("time", "templating", "annotations", "links")})


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_panel_says_what_it_shows(name: str) -> None:
    said = {one["title"]: one.get("description", "") for one in BOARDS[name]["panels"]}
    assert [title for title, about in said.items() if len(about) < 20] == []


def test_a_sites_defrosts_are_marked_only_when_asked_for() -> None:
    def shown(board: str) -> dict[str, bool]:
        return {one["name"]: one["enable"] for one in BOARDS[f"en/{board}.json"]["annotations"]["list"]}

    assert shown("site")[ENGLISH["mark.defrost"]] is False
    assert all(shown("appliance").values())
    assert all(shown("device").values())


def test_uids_are_fixed_and_every_link_leads_to_one() -> None:
    uids = [board["uid"] for board in BOARDS.values()]
    assert sorted(uids) == sorted(
        f"coldchain-{board}{tail}"
        for board in ("wall", "site", "appliance", "device", "system")
        for tail in ("", "-lo")
    )
    for board in BOARDS.values():
        linked = re.findall(r"/d/([a-z-]+)", json.dumps(board))
        assert linked
        assert set(linked) <= set(uids)
        assert all(one.endswith("-lo") == board["uid"].endswith("-lo") for one in linked), (
            "one's own language"
        )
    assert "/d/coldchain-site?" in json.dumps(BOARDS["en/wall.json"])
    assert "/d/coldchain-appliance?" in json.dumps(BOARDS["en/site.json"])


def test_the_languages_have_the_same_keys_and_all_are_used() -> None:
    for catalogue in CATALOGUES.values():
        assert catalogue.keys() == ENGLISH.keys()
        assert all(catalogue.values())
    assert all("draft" in CATALOGUES[one]["folder"] for one in CATALOGUES if one != "en")
    source = "".join(
        p.read_text() for p in (ROOT / "dashboards/grafana").glob("*.py") if p.name != "words.py"
    )
    quoted = set(re.findall(r'"([a-z_.]+)"', source)) | {"var.site", "var.appliance", "var.sensor"}
    quoted |= {f"alarm.{state}" for state in STATES}
    assert sorted(ENGLISH.keys() - quoted) == []


def yaml(path: str) -> Any:
    return YAML(typ="safe").load(PROVISIONING / path)


def test_each_language_is_provisioned_from_its_folder() -> None:
    providers = yaml("dashboards/coldchain.yml")["providers"]
    assert {Path(p["options"]["path"]).name: p["folder"] for p in providers} == {
        language: words["folder"] for language, words in CATALOGUES.items()
    }
    assert all(p["allowUiUpdates"] is False and p["disableDeletion"] is False for p in providers)


def test_the_data_source_is_one_that_every_influxdb_serves_and_cuts_no_fleet_short() -> None:
    (source,) = yaml("datasources/coldchain.yml")["datasources"]
    assert source["uid"] == SOURCE["uid"]
    told = source["jsonData"]
    assert (told["version"], told["dbName"], told["timeInterval"]) == ("InfluxQL", "coldchain", "60s")
    assert "database" not in source, "Grafana 10 and later read `jsonData.dbName`"
    assert told["maxSeries"] >= 10 * 1_000


def test_the_dead_man_asks_what_the_code_asks_and_rings_without_an_answer() -> None:
    (group,) = yaml("alerting/coldchain.yml")["groups"]
    (rule,) = group["rules"]
    assert rule["noDataState"] == rule["execErrState"] == "Alerting"
    ask, below = rule["data"]
    assert ask["model"]["query"] == ql.roll_ups_written()
    assert ask["datasourceUid"] == yaml("datasources/coldchain.yml")["datasources"][0]["uid"]
    assert rule["condition"] == below["refId"]
    span = ask["relativeTimeRange"]
    # A roll-up's time is its window's start: the newest is 15 to 30 minutes old while all is well.
    assert span["from"] - span["to"] >= 2 * ql.WINDOW_S
    assert below["model"]["conditions"][0]["evaluator"] == {"type": "lt", "params": [1]}


SCHEMA = ROOT / "build" / "grafana-schema"
TYPED = """\
import { Dashboard } from "@grafana/schema";
type Written<T> = T extends string ? `${T}` : T extends (infer U)[] ? Written<U>[]
  : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
"""


@pytest.mark.npm
def test_grafanas_own_types_take_them(tmp_path: Path) -> None:
    """`make grafana-types` installs TypeScript and @grafana/schema from npm, then runs this."""
    program = SCHEMA / "node_modules/typescript/bin/tsc"
    assert program.exists(), f"no TypeScript in {SCHEMA.relative_to(ROOT)}: run `make grafana-types`"
    (tmp_path / "node_modules").symlink_to(SCHEMA / "node_modules")

    boards = {**BOARDS, "bad": BOARDS["en/wall.json"] | {"graphTooltip": 7}}
    text = TYPED
    for i, board in enumerate(boards.values()):
        text += f"export const d{i}: Written<Dashboard> = {json.dumps(common(board))};\n"
    (tmp_path / "boards.ts").write_text(text)
    tsc = [str(program), "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler",
           "--module", "esnext", "--target", "es2022", "boards.ts"]  # fmt: skip
    said = subprocess.run(["node", *tsc], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    lines = text.splitlines()
    bad = [lines[int(n) - 1].split(":")[0] for n in re.findall(r"^boards\.ts\((\d+),", said, re.MULTILINE)]
    assert bad == [f"export const d{len(BOARDS)}"], said


def common(board: dict[str, Any]) -> dict[str, Any]:
    """Without what a data source adds to an annotation's query: its type has the keys of all sources only."""
    marks = [
        one | {"target": {key: one["target"][key] for key in ("refId", "datasource")}}
        for one in board["annotations"]["list"]
    ]
    return board | {"annotations": {"list": marks}}
