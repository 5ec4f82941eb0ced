# SPDX-License-Identifier: Apache-2.0
"""Room for alarms: kept while there is room, let go when there is none, kept anew when there is again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from coldchain.records.reserve import BYTES_MAX, Reserve


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Disk:
    """A disk of 10 MB whose free room we set. A twentieth of it is kept."""

    total = 10_000_000

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 9_000_000
        monkeypatch.setattr(
            "shutil.disk_usage", lambda _: Usage(self.total, self.total - self.free, self.free)
        )


def test_it_is_kept_let_go_and_kept_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, room = Disk(monkeypatch), Reserve(tmp_path)
    assert not room.spent, "nothing was ever kept: nobody stops for it"
    room.look()
    assert room.kept
    assert (tmp_path / "reserve").stat().st_size == disk.total // 20
    disk.free = 100_000
    room.look()
    assert room.kept, "there is some room yet"
    assert not room.spent
    disk.free = 10_000
    assert room.full
    room.look()
    disk.free += disk.total // 20
    assert not room.kept
    assert room.spent, "who writes readings leaves this to alarms"
    room.look()
    assert not room.kept, "what was let go is not taken back"
    disk.free = 5_000_000
    assert not room.spent
    room.look()
    assert room.kept


def test_a_large_disk_gives_no_more_than_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.total = disk.free = 10**12
    assert Reserve(tmp_path)._wanted() == BYTES_MAX
