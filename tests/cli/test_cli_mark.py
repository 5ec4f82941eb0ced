# SPDX-License-Identifier: Apache-2.0
"""`coldchain alarm mark`: a command that alerts applies, or refuses in words."""

from pathlib import Path

import pytest
from book_kit import MINUTE, Shop
from typer.testing import CliRunner

from alerts.commands import Commands
from coldchain.cli.app import app
from coldchain.records.asked import AskedReader
from coldchain.records.found import FoundReader
from coldchain.records.registry import Desk


def test_an_alarm_is_marked_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldchain.cli.asking.APPLIED_WITHIN_S", 0.05)
    (tmp_path / "coldchain.toml").write_text('data_dir = "."\n')
    shop = Shop(tmp_path)
    desk = Desk(tmp_path / "desk.db", lambda: shop.now_ms)
    desk.publish(shop.registry, author="test", reason="seed")
    desk.close()
    commands = Commands(tmp_path / "desk.db", shop.store, shop.book, shop.aside)
    alarm = shop.begins("high") or ""

    def mark(*more: str) -> str:
        words = ["alarm", "mark", "1", "--by", "technician", "--verdict", "true", "--dir", str(tmp_path)]
        said = CliRunner().invoke(app, [*words, *more])
        assert said.exit_code == 0, (said.output, said.exception)
        commands.apply(shop.scene)
        newest = AskedReader(tmp_path / "desk.db").of_verb("finding", 1)[0]
        return FoundReader(tmp_path / "alarms.db").outcome(newest.id) or ""

    assert mark().startswith("refused: alarm 1 stands")
    shop.now_ms += 5 * MINUTE
    shop.ends("high")
    assert mark("--cause", "ghosts").startswith("refused: 'ghosts' is no cause")
    assert mark("--cause", "door", "--reason", "was ajar").startswith("applied")
    (found,) = FoundReader(tmp_path / "alarms.db").findings(alarm)
    assert (found.verdict, found.cause, found.person) == ("true", "door", "technician")
