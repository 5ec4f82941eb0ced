# SPDX-License-Identifier: Apache-2.0
"""One conduct suite for every driver: it hears a node, survives the loss of its link, and hears it again."""

import asyncio
import contextlib
import json
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rig.brokers import BROKERS, Broker

from coldchain.ports.clock import steady_s, wall_ms
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.settings import LineSettings, ModbusDevice, MqttSettings, RegisterSettings
from coldchain.wiring.child import free_port
from gateway.codecs.binary import BinaryCodec, encode_report
from gateway.codecs.frames import Event, Report
from gateway.drivers import DRIVERS
from gateway.drivers.base import Driver, Surroundings
from gateway.drivers.mqtt_nodes import MqttNodes

WAIT_S = 20.0
MAPS = {"fridge": (RegisterSettings(address=0, channel=3, scale=0.1),)}


class World(Protocol):
    """A driver, and the far end of its link."""

    driver: Driver

    async def cut(self) -> None: ...
    async def mend(self) -> None: ...
    async def say(self) -> None: ...
    async def heard_back(self) -> bytes: ...


class Heard:
    """The sink: what came, and whether anybody could be answered."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.routes: list[Any] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.around = Surroundings(self.take, wall_ms, steady_s, lambda *said: self.logged.append(said))

    def take(self, route: Any, events: Any) -> None:
        self.events += events
        self.routes += [route] * len(events)


class SerialWorld:
    """A pseudo-terminal behind a by-id name, as udev makes them."""

    def __init__(self, heard: Heard, folder: Path) -> None:
        self.name = folder / "usb-probe-1"
        self.pattern = str(folder / "usb-*")
        self.driver: Driver = DRIVERS["serial"](LineSettings(device=self.pattern), {}, heard.around)
        self.master = -1
        self.seq = 0

    async def mend(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.name.symlink_to(os.ttyname(slave))
        os.set_blocking(self.master, False)
        self.slave = slave

    async def cut(self) -> None:
        self.name.unlink()
        os.close(self.slave)
        os.close(self.master)
        self.master = -1

    async def say(self) -> None:
        os.write(self.master, encode_report(Report("n1", 1, self.seq, 0, 0, 0, 0, ((3, 1, 0, 4100),))))
        self.seq += 1

    async def heard_back(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, 4096)
        return b""


class ModbusWorld:
    def __init__(self, heard: Heard) -> None:
        self.port = free_port()
        line = LineSettings(
            device=f"127.0.0.1:{self.port}",
            driver="modbus-tcp",
            poll_every=timedelta(seconds=0.1),
            timeout=timedelta(seconds=0.5),
            devices=(ModbusDevice(node="n1", unit=1, map="fridge"),),
        )
        self.driver: Driver = DRIVERS["modbus-tcp"](line, MAPS, heard.around)

    async def mend(self) -> None:
        device = SimDevice(id=1, simdata=[SimData(0, values=[41], datatype=DataType.REGISTERS)])
        self.server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self.server.serve_forever(background=True)

    async def cut(self) -> None:
        await self.server.shutdown()

    async def say(self) -> None:
        """It is asked."""

    async def heard_back(self) -> bytes:
        return b"(polled)"


class MqttWorld:
    def __init__(self, heard: Heard, broker: Broker) -> None:
        self.broker = broker
        self.settings = MqttSettings(port=broker.port, reconnect_max=timedelta(seconds=1))
        self.driver: Driver = MqttNodes(self.settings, "contract", heard.around)
        self.seq = 0
        self.answers: list[bytes] = []

    async def mend(self) -> None:
        await asyncio.to_thread(self.broker.start)
        self.node = make_client(self.settings, "contract-node", clean=True)
        self.node.on_connect = lambda client, *_: client.subscribe("coldchain/v1/node/n1/ack", 1)
        self.node.on_message = lambda _c, _u, message: self.answers.append(bytes(message.payload))
        start_client(self.node, self.settings, clean=True)

    async def cut(self) -> None:
        await asyncio.to_thread(stop_client, self.node)
        await asyncio.to_thread(self.broker.stop)

    async def say(self) -> None:
        report = {
            "v": 1,
            "node": "n1",
            "boot": 1,
            "seq": self.seq,
            "readings": [{"ch": 3, "q": "temperature", "m": 4100}],
        }
        self.node.publish("coldchain/v1/node/n1/report", json.dumps(report), qos=1)
        self.seq += 1

    async def heard_back(self) -> bytes:
        return b"".join(self.answers)


@contextlib.asynccontextmanager
async def serial_world(heard: Heard, folder: Path) -> AsyncIterator[World]:
    yield SerialWorld(heard, folder)


@contextlib.asynccontextmanager
async def modbus_world(heard: Heard, folder: Path) -> AsyncIterator[World]:
    yield ModbusWorld(heard)


def mqtt_world(kind: str) -> Callable[[Heard, Path], Any]:
    @contextlib.asynccontextmanager
    async def world(heard: Heard, folder: Path) -> AsyncIterator[World]:
        broker = BROKERS[kind](folder / "broker")
        try:
            yield MqttWorld(heard, broker)
        finally:
            broker.stop()

    return world


WORLDS = {
    "serial": serial_world,
    "modbus-tcp": modbus_world,
    "mqtt-nats": mqtt_world("nats"),
    "mqtt-mosquitto": mqtt_world("mosquitto"),
}


async def until(true: Callable[[], bool], meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            if meanwhile is not None:
                await meanwhile()
            await asyncio.sleep(0.1)


async def answered(world: World) -> None:
    """Until the node has been answered by its name."""
    back = b""

    async def listen() -> None:
        nonlocal back
        back += await world.heard_back()

    await until(lambda: b"n1" in back, listen)


def state(driver: Driver) -> str:
    return ",".join(figures.state for figures in driver.figures())


async def lose_and_find_again(name: str, folder: Path) -> None:
    heard = Heard()
    async with WORLDS[name](heard, folder) as world:
        task = asyncio.create_task(world.driver.run())
        await asyncio.sleep(0.3)
        assert state(world.driver) in ("", "down")
        assert not task.done()
        for _ in range(2):
            await world.mend()
            await until(lambda: state(world.driver) == "up")
            heard.events.clear()
            await until(lambda: bool(heard.events), world.say)
            report = heard.events[-1]
            assert isinstance(report, Report)
            assert (report.node, report.readings) == ("n1", ((3, 1, 0, 4100),))
            if heard.routes[-1] is not None:
                heard.routes[-1].acknowledge("n1", 1, [(0, 3)])
                heard.routes[-1].committed()
                await answered(world)
            await world.cut()
            await until(lambda: "up" not in state(world.driver))
            assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)  # pymodbus closes its sockets in a later turn of the loop


@pytest.mark.parametrize("name", WORLDS)
def test_a_driver_survives_the_loss_of_its_link(name: str, tmp_path: Path) -> None:
    asyncio.run(lose_and_find_again(name, tmp_path))


def test_the_settings_name_every_driver() -> None:
    assert set(DRIVERS) == set(LineSettings.model_fields["driver"].annotation.__args__)


def test_a_line_of_our_own_is_not_shared(tmp_path: Path) -> None:
    """A second opener is refused: two readers would tear each other's frames."""
    from coldchain.kernel.errors import LinkDown
    from gateway.drivers.serial_line import open_serial

    master, slave = os.openpty()
    port = open_serial(os.ttyname(slave), 9600)
    with pytest.raises(LinkDown, match="exclusively lock"):
        open_serial(os.ttyname(slave), 9600)
    port.close()
    os.close(master)
    os.close(slave)


def test_the_answer_reaches_the_node_as_a_frame() -> None:
    """What the contract looks for (the name in the bytes) is an ACK frame on a serial line."""
    (frame,) = BinaryCodec().ack("n1", 1, [(0, 3)])
    assert b"n1" in frame
    assert frame[3] == 0x81
