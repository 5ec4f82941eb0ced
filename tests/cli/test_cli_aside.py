# SPDX-License-Identifier: Apache-2.0
"""`alarm shelve|unshelve|dispose|states` and `appliance out|back|list` as a person runs them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner
from ward import Ward

from alerts.alarms.lifecycle_page import page
from coldchain.cli.app import app
from coldchain.kernel.errors import BadData


def run(folder: Path, *words: str):
    return CliRunner().invoke(app, [*words, "--dir", str(folder)])


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    (tmp_path / "coldchain.toml").write_text('data_dir = "."\n[notify]\nkind = "none"\n')
    ward = Ward(tmp_path)
    ward.person("boss", "+8562000000002", role="supervisor")
    ward.fridge("vte-br-03")
    ward.fridge("vte-br-07")
    ward.temperature("vte-br-03", 9.0).run_until("08:06")
    return ward


@contextmanager
def alerts_at_work(ward: Ward) -> Iterator[None]:
    """It applies commands while the command line waits."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.02):
            ward.service.tick()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()


def test_shelved_from_the_command_line_and_back(ward: Ward, tmp_path: Path) -> None:
    words = ("alarm", "shelve", "1", "--by", "technician", "--for", "15", "--why", "restocking")
    with alerts_at_work(ward):
        said = run(tmp_path, *words)
        assert said.exit_code == 0, said.output
        assert "alarm 1 is shelved until 2026-03-01T08:21" in said.stderr
        assert ward.alarms.alarms()[0].state == "shelved"
        again = run(tmp_path, *words)
        told = run(tmp_path, "alarm", "unshelve", "1", "--by", "boss", "--json")
    assert isinstance(again.exception, BadData)
    assert "unshelve it first" in str(again.exception)
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("{")]  # alerts logs beside it
    assert json.loads(line) == {"applied": True, "outcome": "applied: alarm 1 is unacknowledged"}


def test_disposed_of_from_the_command_line(ward: Ward, tmp_path: Path) -> None:
    words = ("alarm", "dispose", "1", "discard", "--by", "boss", "--why", "9 °C", "--with", "technician")
    with alerts_at_work(ward):
        early = run(tmp_path, *words)
    assert "nobody can clear a condition that stands" in str(early.exception)
    ward.temperature("vte-br-03", 4.0).run_until("08:20")
    with alerts_at_work(ward):
        said = run(tmp_path, *words)
    assert said.exit_code == 0, said.output
    assert "alarm 1 is closed" in said.stderr
    assert [d.what for d in ward.alarms.dispositions()] == ["discard"]


def test_out_and_not_yet_back(ward: Ward, tmp_path: Path) -> None:
    words = ("appliance", "out", "vte-br-03", "--by", "technician", "--why", "compressor")
    with alerts_at_work(ward):
        unsaid = run(tmp_path, *words)
        out = run(tmp_path, *words, "--to", "vte-br-07")
        back = run(tmp_path, "appliance", "back", "vte-br-03", "--by", "technician")
    assert "say where its blood is now" in str(unsaid.exception)
    assert out.exit_code == 0, out.output
    assert "is not for blood yet" in str(back.exception)
    listed = run(tmp_path, "appliance", "list")
    assert listed.stdout.startswith("vte-br-03\tout\t")
    (one,) = json.loads(run(tmp_path, "appliance", "list", "--json").stdout)
    assert one["reason"] == "compressor (blood: vte-br-07)"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("alarm", "shelve", "7", "--by", "boss", "--for", "5", "--why", "x"), "no alarm 7; see `coldchain"),
        (("alarm", "dispose", "1", "keep", "--by", "x"), "nobody is called 'x'; known: boss, technician"),
        (("appliance", "back", "x", "--by", "boss"), "no appliance 'x'; known: vte-br-03, vte-br-07"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(ward: Ward, tmp_path: Path, words, says) -> None:
    done = run(tmp_path, *words)
    assert isinstance(done.exception, BadData)
    assert says in str(done.exception)


def test_the_lifecycle_is_printed() -> None:
    assert CliRunner().invoke(app, ["alarm", "states"]).stdout == page()


def test_help_teaches() -> None:
    told = CliRunner().invoke(app, ["alarm", "shelve", "--help"]).stdout
    assert "coldchain alarm shelve 7 --by technician" in told
    assert "two people" in told or "second person" in told
