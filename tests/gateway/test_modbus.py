# SPDX-License-Identifier: Apache-2.0
"""Modbus against pymodbus's own server, by TCP and over a real pair of ports, with a device that is dead."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rig.programs import need

from coldchain.kernel.words import Quantity, Status
from coldchain.ports.clock import steady_s, wall_ms
from coldchain.settings import LineSettings, ModbusDevice, RegisterSettings
from coldchain.wiring.child import free_port
from gateway.codecs.frames import Report
from gateway.drivers.base import Surroundings
from gateway.drivers.modbus import ModbusBus

T, D = int(Quantity.TEMPERATURE), int(Quantity.DOOR)
MAPS = {
    "controller": (
        RegisterSettings(address=0, channel=0, scale=0.1, failed=(-32768,)),
        RegisterSettings(address=1, channel=1, quantity="set-point", scale=0.1),
        RegisterSettings(address=10, channel=2, quantity="door", type="bit"),
        RegisterSettings(address=900, channel=3, quantity="humidity"),  # the device refuses this address
    )
}
DEVICES = (
    ModbusDevice(node="dead", unit=9, map="controller"),
    ModbusDevice(node="fridge", unit=1, map="controller"),
    ModbusDevice(node="freezer", unit=2, map="controller"),
)


def device(unit: int, temperature: int) -> SimDevice:
    return SimDevice(
        id=unit,
        simdata=[
            SimData(0, values=[temperature & 0xFFFF, 40], datatype=DataType.REGISTERS),
            SimData(10, values=[1], datatype=DataType.REGISTERS),
        ],
    )


SIMULATED = [device(1, 41), device(2, -32768)]


def bus(line: str, driver: str) -> tuple[ModbusBus, list[Report]]:
    heard: list[Report] = []
    settings = LineSettings(
        device=line,
        driver=driver,  # type: ignore[arg-type]
        baud=115200,
        poll_every=timedelta(seconds=0.2),
        timeout=timedelta(seconds=0.3),
        devices=DEVICES,
    )

    def take(route, events) -> None:
        assert route is None
        heard.extend(events)

    return ModbusBus(settings, MAPS, Surroundings(take, wall_ms, steady_s)), heard


async def polled_for(polled: ModbusBus, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await polled.run()


def check(heard: list[Report]) -> None:
    by_node = {name: [r for r in heard if r.node == name] for name in ("fridge", "freezer", "dead")}
    fridge = by_node["fridge"][-1]
    assert (fridge.boot, fridge.seq, fridge.clock) == (None, None, 0)  # the gateway numbers and dates it
    assert fridge.readings == (
        (0, T, 0, 4100), (1, 9, 0, 4000), (2, D, 0, 1000), (3, 6, Status.NO_ANSWER, 0),
    )  # fmt: skip
    assert by_node["freezer"][-1].readings[0] == (0, T, Status.NO_ANSWER, 0)
    assert {status for _, _, status, _ in by_node["dead"][-1].readings} == {Status.NO_ANSWER}
    # Two seconds at a poll every 0.2 s; the dead device takes 0.3 s of the bus, less and less often.
    assert len(by_node["fridge"]) >= 4
    assert len(by_node["freezer"]) >= 4
    assert 2 <= len(by_node["dead"]) <= 5


def hush(unit_at: int, *, silent: bool) -> Callable[[bool, bytes], bytes]:
    """pymodbus answers for a device it does not have, with an exception: keep that answer from the line."""

    def trace(sending: bool, data: bytes) -> bytes:
        return b"" if silent and sending and data[unit_at] == 9 else data

    return trace


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "exception"])
def test_tcp(silent: bool) -> None:
    async def story() -> list[Report]:
        port = free_port()
        server = ModbusTcpServer(SIMULATED, address=("127.0.0.1", port), trace_packet=hush(6, silent=silent))
        await server.serve_forever(background=True)
        polled, heard = bus(f"127.0.0.1:{port}", "modbus-tcp")
        await polled_for(polled, 2.0)
        await server.shutdown()
        await asyncio.sleep(0.1)  # pymodbus closes its sockets in a later turn of the loop
        return heard

    check(asyncio.run(story()))


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two ends of a cable."""
    socat = str(need("socat"))
    ends = [str(tmp_path / end) for end in ("a", "b")]
    child = subprocess.Popen([socat, *(f"pty,raw,echo=0,link={end}" for end in ends)])
    try:
        for _ in range(100):
            if all(Path(end).exists() for end in ends):
                break
            child.poll()
            asyncio.run(asyncio.sleep(0.05))
        yield ends[0], ends[1]
    finally:
        child.terminate()
        child.wait()


def test_rtu_over_a_pair_of_ports(ports: tuple[str, str]) -> None:
    async def story() -> list[Report]:
        server = ModbusSerialServer(
            SIMULATED, port=ports[0], baudrate=115200, trace_packet=hush(0, silent=True)
        )
        await server.serve_forever(background=True)
        polled, heard = bus(ports[1], "modbus-rtu")
        await polled_for(polled, 2.0)
        await server.shutdown()
        await asyncio.sleep(0.1)  # pymodbus closes its sockets in a later turn of the loop
        return heard

    check(asyncio.run(story()))


def test_a_bus_that_is_not_there_is_told_once_and_asked_again(tmp_path: Path) -> None:
    told: list[str] = []
    settings = LineSettings(device=str(tmp_path / "none"), driver="modbus-rtu", devices=DEVICES)
    around = Surroundings(lambda *_: None, wall_ms, steady_s, lambda event, _details: told.append(event))
    polled = ModbusBus(settings, MAPS, around)
    asyncio.run(polled_for(polled, 1.5))
    assert told == ["line_down"]
    assert polled.figures()[0].state == "down"
