# SPDX-License-Identifier: Apache-2.0
"""A beat says that a process lives only while it is fresh by the clock of today."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from coldchain.records.health import STALE_AFTER_S, Heart, beats, stopped

NOW_MS = 1_800_000_000_000
LIMIT_MS = int(STALE_AFTER_S * 1000)


@pytest.mark.parametrize(
    ("later_ms", "stale"),
    [(0, False), (LIMIT_MS, False), (LIMIT_MS + 1, True), (-LIMIT_MS, False), (-3_600_000, True)],
)
def test_a_beat_is_stale_when_old_and_when_the_clock_was_set_back(
    tmp_path: Path, later_ms: int, stale: bool
) -> None:
    Heart(tmp_path, "gateway", lambda: NOW_MS).beat({}, now=True)
    (beat,) = beats(tmp_path)
    assert beat.stale(NOW_MS + later_ms) is stale


def test_who_stopped_on_purpose_is_not_silent(tmp_path: Path) -> None:
    Heart(tmp_path, "gateway", lambda: NOW_MS).beat({"n": 1}, now=True)
    stopped(tmp_path, "gateway")
    stopped(tmp_path, "never-ran")
    (beat,) = beats(tmp_path)
    assert (beat.stopped, beat.at_ms, beat.figures) == (True, NOW_MS, {"n": 1})
    Heart(tmp_path, "gateway", lambda: NOW_MS).beat({}, now=True)
    assert not beats(tmp_path)[0].stopped


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_each_beat_and_nothing_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"@coldchain-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        systemd.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        now = [NOW_MS]
        heart = Heart(tmp_path, "ingest", lambda: now[0])
        heart.beat({})
        heart.beat({})
        assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
        now[0] += 2_000
        heart.beat({})
        assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
        stopped(tmp_path, "ingest")
        assert systemd.recv(100) == b"STOPPING=1"
        with pytest.raises(TimeoutError):
            systemd.recv(100)
    heart.beat({}, now=True)  # nobody listens: no error


def test_a_full_disk_stops_no_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [NOW_MS]
    heart = Heart(tmp_path, "alerts", lambda: now[0])
    heart.beat({"position": 12, "behind": 0}, now=True)
    size = (tmp_path / "health" / "alerts.json").stat().st_size

    def full(self: Path, text: str) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    now[0] += 5_000
    heart.beat({"position": 13}, now=True)
    (beat,) = beats(tmp_path)
    assert (beat.at_ms, beat.figures) == (NOW_MS + 5_000, {})
    assert (tmp_path / "health" / "alerts.json").stat().st_size == size, "it took no room"
    assert [path.name for path in (tmp_path / "health").iterdir()] == ["alerts.json"]
