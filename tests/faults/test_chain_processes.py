# SPDX-License-Identifier: Apache-2.0
"""Real processes: the clock steps, file handles or memory or the supervisor are gone; a console is killed
while somebody answers.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chain import Chain

from coldchain.ports.clock import wall_ms
from coldchain.records.accounts import Accounts
from coldchain.wiring import supervise

STEPPED = Path(__file__).parents[1] / "support" / "stepped"
LONG = bool(os.environ.get("COLDCHAIN_LONG"))
"""Set by `make reliability`: what takes more than a minute is left out elsewhere."""
OURS = ("gateway", "ingest", "alerts", "console")
STEPS_S = (3600.0, -3600.0, 315_360_000.0, -1_700_000_000.0, 0.0)
"""An hour ahead, an hour back, ten years ahead, 1972, right again."""


@pytest.mark.timeout(240)
def test_clocks_that_step_under_running_processes(tmp_path: Path) -> None:
    """What sensors without a clock say is dated by the gateway's: here every node has one of its own."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    environment = {"PYTHONPATH": str(STEPPED), "COLDCHAIN_TEST_CLOCK": str(clock)}
    with Chain(tmp_path / "chain", environment=dict.fromkeys(OURS, environment)) as chain:
        chain.until(lambda: chain.figures("ingest").get("recorded"))
        for step_s in STEPS_S:
            before = chain.books().readings_recorded
            clock.write_text(str(step_s))
            took_s = chain.until(lambda: chain.books().readings_recorded > before + 40, 20.0)  # noqa: B023
            print(f"clock {step_s:+.0f} s: 40 more readings recorded after {took_s:.1f} s")
        hot = {str(s.appliance) for s in chain.demo.registry.sensors if s.channel == 0}
        chain.until(lambda: {a.appliance for a in chain.alarms() if a.kind == "high"} >= hot, 20.0)
        chain.until(lambda: all(name in chain.told() for name in hot), 30.0)
        print(f"drained in {chain.drains():.1f} s; deaths {[chain.deaths(name) for name in OURS]}")
        assert [chain.deaths(name) for name in ("gateway", "ingest", "alerts")] == [0, 0, 0]
        chain.sound()


@pytest.mark.timeout(240)
@pytest.mark.skipif(not LONG, reason="takes minutes: `make reliability` runs it, or COLDCHAIN_LONG=1")
@pytest.mark.parametrize("what", ["file handles", "memory"])
def test_without_handles_or_memory_a_process_ends_and_starts_anew_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A heart that stands still is found after 60 s; here after 8 s."""
    monkeypatch.setattr(supervise, "STUCK_AFTER_S", 8.0)
    with Chain(tmp_path, sensors=50, every_s=0.2) as chain:
        chain.until(lambda: chain.figures("ingest").get("recorded"))
        took = {}
        for name in ("ingest", "alerts", "gateway"):
            chain.until(lambda: chain.figures(name), 20.0)  # noqa: B023
            chain.passes(1.0)
            pid, before = chain.pid(name), chain.books().readings_recorded
            squeeze(pid, what)
            chain.proxy.cut()
            chain.until(lambda: chain.demo.supervisor.child(name).pid != pid, 15.0, must=False)  # noqa: B023
            chain.until(lambda: chain.books().readings_recorded > before + 50, 60.0)  # noqa: B023
            took[name] = "replaced" if chain.demo.supervisor.child(name).pid != pid else "did without"
        print(f"no {what}: {took}; drained in {chain.drains():.1f} s")
        hot = {str(s.appliance) for s in chain.demo.registry.sensors if s.channel == 0}
        chain.until(lambda: all(name in chain.told() for name in hot), 30.0)
        chain.sound()


def squeeze(pid: int, what: str) -> None:
    """No handle beyond those it has, or no byte beyond half of what it has."""
    if what == "file handles":
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))
    else:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        half = pages * resource.getpagesize() // 2
        resource.prlimit(pid, resource.RLIMIT_AS, (half, half))


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.timeout(240)
def test_on_a_full_disk_alarms_go_on_and_nothing_acknowledged_is_lost(
    own_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-server gives its store up for good when it cannot write: it is replaced, here after 12 s."""
    monkeypatch.setattr(supervise, "STUCK_AFTER_S", 12.0)
    monkeypatch.setattr(supervise, "ASK_EVERY_S", 2.0)
    (own_disk / "chain").mkdir()
    for name in ("phones.jsonl", "ledger.bin"):  # not ours: telephones and nodes have disks of their own
        (tmp_path / name).touch()
        (own_disk / "chain" / name).symlink_to(tmp_path / name)
    with Chain(own_disk / "chain") as chain:
        reserve = chain.settings.data_dir / "reserve"
        chain.until(lambda: reserve.exists() and reserve.stat().st_size > 0)
        chain.until(chain.alarms)
        ballast = own_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(16_384))
        took_s = chain.until(lambda: "disk full" in chain.told(), 60.0)
        print(f"a message left {took_s:.1f} s after the disk was full")
        assert reserve.stat().st_size == 0
        recorded = chain.books().readings_recorded
        chain.passes(3.0)
        assert chain.books().readings_recorded == recorded, "what is left is for alarms"
        ballast.unlink()
        healed_s = chain.until(lambda: chain.books().readings_recorded > recorded + 100, 60.0)
        chain.until(lambda: not [a for a in chain.alarms() if a.appliance == "disk" and a.standing], 60.0)
        print(f"recorded again {healed_s:.1f} s after there was room; drained in {chain.drains():.1f} s")
        chain.sound()


@pytest.mark.timeout(120)
def test_when_the_supervisor_is_killed_nothing_goes_on_unwatched(tmp_path: Path) -> None:
    """The watchdog itself dies: its children end, beats stand still, and the gateways' guards hear no hub."""
    chain = Chain(tmp_path)  # only its folder, settings and registry
    command = [sys.executable, "-m", "coldchain", "run", "--config", str(chain.plan.config)]
    with (tmp_path / "run.log").open("wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: all(chain.figures(name) for name in OURS), 30.0)
        children = children_of(run.pid)
        assert len(children) == len(OURS) + 1, "and the broker"
        run.kill()
        run.wait()
        took_s = until(lambda: not any(alive(pid) for pid in children), 20.0)
        print(f"{len(children)} processes ended {took_s:.1f} s after their supervisor was killed")
    finally:
        run.kill()
        for pid in children_of(run.pid):
            os.kill(pid, signal.SIGKILL)


def until(done: object, seconds: float) -> float:
    began_s = time.monotonic()
    while not done():  # type: ignore[operator]
        assert time.monotonic() - began_s < seconds
        time.sleep(0.05)
    return time.monotonic() - began_s


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.timeout(240)
def test_a_console_killed_while_somebody_answers_loses_and_doubles_no_answer(tmp_path: Path) -> None:
    dice = random.Random(6)
    with Chain(tmp_path, sensors=40) as chain:
        accounts = Accounts(chain.settings.desk_db, wall_ms)
        accounts.add("tester", "a long enough word", role="on-call", by="test", fresh=False)
        token = accounts.add_token("tester", "test", None)
        accounts.close()
        hot = {str(s.appliance) for s in chain.demo.registry.sensors if s.channel == 0}
        chain.until(lambda: {a.appliance for a in chain.alarms()} >= hot)
        promised = []
        for alarm in sorted(chain.alarms(), key=lambda one: one.number):
            key = f"answer-{alarm.number:08d}"
            promised.append(key)
            answer(chain, alarm.number, key, token, dice)
        kills = chain.deaths("console")
        applied = chain.until(lambda: set(commands(chain.settings.alarms_db)) >= set(promised), 20.0)
        asked = commands(chain.settings.desk_db, "command")
        assert sorted(asked) == sorted(promised), "each once"
        outcomes = commands(chain.settings.alarms_db)
        assert all(outcomes[key].startswith("applied") for key in promised), outcomes
        print(f"{len(promised)} answers, {kills} kills of the console; all applied {applied:.1f} s later")
        assert kills >= len(promised)


def answer(chain: Chain, number: int, key: str, token: str, dice: random.Random) -> None:
    """Ask until it has said yes; it is killed in the middle of the first request."""
    url = f"http://127.0.0.1:{chain.settings.console.port}/api/v1/alarms/{number}/acknowledge"
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    chain.until(lambda: post(url, headers, "/health") is not None, 30.0)
    pid = chain.pid("console")
    killer = subprocess.Popen(["sh", "-c", f"sleep {dice.uniform(0.0, 0.06):.3f}; kill -9 {pid}"])
    post(url, headers)
    killer.wait()
    chain.until(lambda: chain.demo.supervisor.child("console").pid != pid, 10.0)
    chain.until(lambda: post(url, headers) in (200, 202), 30.0)


def post(url: str, headers: dict[str, str], instead: str = "") -> int | None:
    """The status; None when nobody answered."""
    try:
        if instead:
            return httpx.get(url.partition("/api")[0] + instead, headers=headers, timeout=5).status_code
        said = {"action": "work", "reason": "on my way"}
        return httpx.post(url, headers=headers, json=said, timeout=5).status_code
    except httpx.HTTPError:
        return None


def commands(path: Path, table: str = "command_applied") -> dict[str, str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        what = "outcome" if table == "command_applied" else "verb"
        return dict(db.execute(f"SELECT id, {what} FROM {table} WHERE id LIKE 'answer-%'").fetchall())
