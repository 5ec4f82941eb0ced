# SPDX-License-Identifier: Apache-2.0
"""Pushing to a server that answers as Grafana's HTTP API documents: folders, dashboards, refusals."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coldchain.cli.grafana import app
from coldchain.kernel.errors import ConfigError
from dashboards.grafana.build import built
from dashboards.grafana.push import ApiGrafana, Refused, push

TOKEN = "glsa_secret"
BOARDS = {"coldchain-wall", "coldchain-site", "coldchain-appliance", "coldchain-device", "coldchain-system"}


class Stub(ThreadingHTTPServer):
    """GET and POST /api/folders, POST /api/dashboards/db, behind a bearer token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folders: dict[str, str] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.provisioned: set[str] = set()
        self.asked: list[str] = []
        self.prefix = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.prefix}"


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self._do({})

    def do_POST(self) -> None:
        self._do(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        pass

    def _do(self, body: dict[str, Any]) -> None:
        status, answer = self._answer(body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        world, path = self.server, self.path.removeprefix(self.server.prefix)
        world.asked.append(f"{self.command} {path}")
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        if self.command == "GET" and path.startswith("/api/folders/"):
            uid = path.rsplit("/", 1)[1]
            if uid not in world.folders:
                return 404, {"message": "folder not found", "status": "not-found"}
            return 200, {"id": 1, "uid": uid, "title": world.folders[uid]}
        if path == "/api/folders":
            if body["uid"] in world.folders:
                return 412, {"message": "a folder with the same uid already exists"}
            world.folders[body["uid"]] = body["title"]
            return 200, {"id": 1, **body}
        if path == "/api/dashboards/db":
            return self._board(body)
        return 404, {"message": "Not found"}

    def _board(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        board, boards = body["dashboard"], self.server.boards
        uid = board["uid"]
        if body["folderUid"] not in self.server.folders:
            return 400, {"message": "folder not found", "status": "not-found"}
        if uid in self.server.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if uid in boards and not body["overwrite"]:
            return 412, {
                "message": "The dashboard has been changed by someone else",
                "status": "version-mismatch",
            }
        assert board["id"] is None, "Grafana gives the number"
        boards[uid] = body
        return 200, {
            "id": 7,
            "uid": uid,
            "url": f"/d/{uid}/x",
            "status": "success",
            "version": 1,
            "slug": "x",
        }


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_twice_is_as_once(stub: Stub) -> None:
    for _ in range(2):
        done = push(ApiGrafana(stub.url, TOKEN), ("en",), "Asia/Vientiane")
        assert done == {uid: f"/d/{uid}/x" for uid in BOARDS}
    assert stub.folders == {"coldchain-en": "Coldchain"}
    assert stub.boards.keys() == BOARDS
    assert stub.boards["coldchain-wall"]["dashboard"] == built()["en/wall.json"] | {"id": None}
    assert {asked.split("?")[0] for asked in stub.asked} == {
        "GET /api/folders/coldchain-en", "POST /api/folders", "POST /api/dashboards/db",
    }  # fmt: skip


def test_a_folder_that_was_renamed_keeps_its_name(stub: Stub) -> None:
    stub.folders["coldchain-en"] = "Blood"
    push(ApiGrafana(stub.url, TOKEN), ("en", "lo"), "Asia/Vientiane")
    assert stub.folders["coldchain-en"] == "Blood"
    assert len(stub.boards) == 10


def test_below_a_path_and_with_a_source_of_their_own(stub: Stub) -> None:
    stub.prefix = "/grafana"
    push(ApiGrafana(stub.url + "/", TOKEN), ("en",), "Europe/Paris", "theirs")
    text = json.dumps(stub.boards["coldchain-site"])
    assert "coldchain-influxql" not in text
    assert '"uid": "theirs"' in text
    assert "tz('Europe/Paris')" in text


def test_what_grafana_says_is_said_and_no_secret_with_it(stub: Stub) -> None:
    with pytest.raises(Refused, match="Unauthorized") as bad:
        push(ApiGrafana(stub.url, "glsa_wrong"), ("en",), "UTC")
    assert "glsa" not in str(bad.value)
    stub.provisioned.add("coldchain-wall")
    with pytest.raises(Refused, match=r"coldchain-wall.*provisioned"):
        push(ApiGrafana(stub.url, TOKEN), ("en",), "UTC")


def test_nobody_there_and_no_address() -> None:
    with pytest.raises(Refused, match="folder 'Coldchain'"):
        push(ApiGrafana("http://127.0.0.1:9", TOKEN), ("en",), "UTC")
    with pytest.raises(ConfigError, match="no address of a Grafana"):
        ApiGrafana("grafana.example", TOKEN)
    with pytest.raises(ConfigError, match="service account"):
        ApiGrafana("http://127.0.0.1:9", "")


def test_the_command(stub: Stub, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    said = CliRunner().invoke(app, ["push", stub.url, "--token-file", str(token)])
    assert said.exit_code == 0, said.output
    assert f"{stub.url}/d/coldchain-wall/x" in said.output
    said = CliRunner().invoke(app, ["build", str(tmp_path / "out")])
    assert said.exit_code == 0
    assert len(list((tmp_path / "out").rglob("*.json"))) == 10
    refused = CliRunner().invoke(app, ["push", stub.url, "--token-file", str(token), "--language", "xx"])
    assert "no language 'xx'" in str(refused.exception)
