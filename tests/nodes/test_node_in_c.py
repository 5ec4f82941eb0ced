# SPDX-License-Identifier: Apache-2.0
"""A node in plain C, written only from docs/wire-format.md, talks to the gateway over a damaged cable."""

import os
import random
import select
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.programs import under_ci

from coldchain.kernel.readings import Rows
from coldchain.settings import GatewaySettings, LineSettings, MqttSettings, Settings
from coldchain.wiring.child import free_port
from gateway.service import GatewayService
from gateway.spool import open_spool

COUNT, BOOT, BASE_MS = 300, 77, 1_700_000_000_000
SOURCE = Path(__file__).with_name("node.c")


class Cable:
    """Two ports joined by a cable that changes a byte now and then, in both directions."""

    def __init__(self, *, byte_error_rate: float, seed: int = 1) -> None:
        self._rate, self._random = byte_error_rate, random.Random(seed)
        self._ends = [os.openpty() for _ in range(2)]
        for _, port in self._ends:
            tty.setraw(port)
        self.ports = [os.ttyname(port) for _, port in self._ends]
        self.damaged = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        for end in self._ends:
            for fd in end:
                os.close(fd)

    def _carry(self) -> None:
        one, other = (master for master, _ in self._ends)
        while not self._stop.is_set():
            for master in select.select([one, other], [], [], 0.05)[0]:
                data = bytearray(os.read(master, 4096))
                for at in range(len(data)):
                    if self._random.random() < self._rate:
                        data[at] ^= 1 << self._random.randrange(8)
                        self.damaged += 1
                os.write(other if master == one else one, data)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        message = "no C compiler (Debian: gcc): the node in C cannot be built"
        if under_ci():
            pytest.fail(f"{message}; under CI nothing is skipped", pytrace=False)
        pytest.skip(message)
    built = tmp_path_factory.mktemp("node") / "node"
    strict = ["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1"]
    subprocess.run([compiler, *strict, "-o", str(built), str(SOURCE)], check=True)
    return built


@pytest.fixture(params=[0.0, 0.0005], ids=["clean", "damaged"])
def cable(request: pytest.FixtureRequest) -> Iterator[Cable]:
    cable = Cable(byte_error_rate=request.param)
    yield cable
    cable.close()


def ledger_of(out: str) -> dict[int, tuple[int, ...]]:
    """seq -> (unix_ms, temperature status, temperature, door)."""
    rows = [
        tuple(int(word) for word in line.split()[1:]) for line in out.splitlines() if line.startswith("acked")
    ]
    assert len({row[0] for row in rows}) == len(rows), "acknowledged twice"
    return {row[0]: row[1:] for row in rows}


def spooled(settings: Settings) -> Rows:
    spool = open_spool(
        settings.spool_db,
        max_bytes=settings.gateway.spool_max_bytes,
        new_epoch=lambda: "x",
        wall_ms=lambda: 0,
    )
    with spool.change():
        _, nodes, rows = spool.read([(1, 10 * COUNT)])
    spool.close()
    assert nodes == [("c-node", BOOT)]
    return rows


def test_its_ledger_and_the_spool_agree(program: Path, cable: Cable, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        mqtt=MqttSettings(port=free_port()),  # no broker: what is accepted stays in the spool
        gateway=GatewaySettings(lines=(LineSettings(device=cable.ports[0]),), mqtt_nodes=False),
    )
    service = GatewayService(settings)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        argv = [str(program), cable.ports[1], "c-node", str(BOOT), str(COUNT), str(BASE_MS)]
        run = subprocess.run(argv, capture_output=True, text=True, timeout=70, check=False)
    finally:
        service.stop()
        thread.join(10)
    assert (run.returncode, run.stdout.splitlines()[-1:]) == (0, ["done"]), run.stderr
    ledger = ledger_of(run.stdout)
    assert sorted(ledger) == list(range(COUNT))

    rows = spooled(settings)
    temperatures = {int(row["seq"]): row for row in rows if row["channel"] == 0}
    doors = {int(row["seq"]): row for row in rows if row["channel"] == 1}
    assert len(rows) == 2 * COUNT
    for seq, (unix_ms, status, milli, door) in ledger.items():
        row = temperatures[seq]
        assert (row["at_ms"], row["device_ms"], row["clock"]) == (unix_ms, unix_ms, 2)
        assert (row["quantity"], row["status"], doors[seq]["quantity"]) == (1, status, 2)
        assert row["uptime_ms"] == 60_000 * seq
        assert status or row["value"] == milli
        assert doors[seq]["value"] == door
    assert bool(cable.damaged) == (cable._rate > 0)
