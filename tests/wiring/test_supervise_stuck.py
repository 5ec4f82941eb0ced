# SPDX-License-Identifier: Apache-2.0
"""A process that lives and does nothing is killed and started anew, within the time that P9 allows."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from coldchain.settings import Settings
from coldchain.settings.model import MqttSettings
from coldchain.wiring import supervise
from coldchain.wiring.child import free_port
from coldchain.wiring.run import broker_child
from coldchain.wiring.supervise import Child, Supervisor

BEATS = """import sys, time, pathlib
while True:
    pathlib.Path(sys.argv[1]).write_text("x")
    time.sleep(0.05)
"""


def wait(supervisor: Supervisor, done: object, seconds: float = 10.0) -> float:
    began_s = time.monotonic()
    while not done():  # type: ignore[operator]
        assert time.monotonic() - began_s < seconds
        supervisor.check()
        time.sleep(0.02)
    return time.monotonic() - began_s


def test_a_frozen_process_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "STUCK_AFTER_S", 1.0)
    heart = tmp_path / "heart"
    child = Child("beats", [sys.executable, "-c", BEATS, str(heart)], heart=heart)
    supervisor = Supervisor([child])
    supervisor.start()
    try:
        wait(supervisor, lambda: child.beat_s > child.started_s)
        wait(supervisor, lambda: time.monotonic() > child.started_s + 2.0)
        assert child.deaths == 0, "a heart that beats is left alone"
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        took_s = wait(supervisor, lambda: child.pid not in (None, first))
        assert 0.9 < took_s < 3.0
    finally:
        supervisor.stop()


def test_a_start_that_hangs_is_found_as_soon_and_one_that_works_may_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "STUCK_AFTER_S", 1.0)
    heart = tmp_path / "heart"
    works = Child("works", [sys.executable, "-c", "while True: pass"], heart=heart)
    hangs = Child("hangs", [sys.executable, "-c", "import time; time.sleep(60)"], heart=heart)
    supervisor = Supervisor([works, hangs])
    supervisor.start()
    try:
        wait(supervisor, lambda: hangs.deaths == 1)
        assert works.deaths == 0
    finally:
        supervisor.stop()


def test_a_frozen_broker_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port still takes connections: only an answer counts."""
    monkeypatch.setattr(supervise, "STUCK_AFTER_S", 1.5)
    monkeypatch.setattr(supervise, "ASK_EVERY_S", 0.2)
    child = broker_child(Settings(data_dir=tmp_path, mqtt=MqttSettings(port=free_port())))
    supervisor = Supervisor([child])
    supervisor.start()
    try:
        wait(supervisor, lambda: child.beat_s > child.started_s)
        wait(supervisor, lambda: time.monotonic() > child.started_s + 2.5)
        assert child.deaths == 0, "one that answers is left alone"
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        wait(supervisor, lambda: child.pid not in (None, first))
        wait(supervisor, lambda: child.beat_s > child.started_s)
    finally:
        supervisor.stop()


def test_the_limit_keeps_the_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child("slow", ["true"], heart=tmp_path / "heart")
    child.started_s = child.beat_s = child.worked_s = 100.0
    assert child.stuck_s(100.0 + supervise.STUCK_AFTER_S) <= 0, "it has not begun to beat"
    (tmp_path / "heart").write_text("x")
    assert child.stuck_s(150.0) < 0
    assert child.stuck_s(150.0 + supervise.STUCK_AFTER_S + 1) > 0
    assert supervise.STUCK_AFTER_S + supervise.BACK_OFF_MOST_S < 120
