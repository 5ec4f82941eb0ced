# SPDX-License-Identifier: Apache-2.0
"""Modbus RTU and TCP through pymodbus: each device of a bus is polled in its turn.

A device that does not answer costs its bus one time-out per poll and is polled less and less often; the
others are polled on. Its channels are reported as not answering. A bus that cannot be opened reports nothing:
it is silent.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from coldchain.kernel.errors import LinkDown
from coldchain.settings import LineSettings, ModbusDevice
from gateway.codecs.frames import Channel, Report
from gateway.codecs.registers import BIT_TABLES, Read, decode_read, plan_reads
from gateway.drivers.base import LineFigures, Maps, Surroundings

BACKOFF_MAX = 4
"""A dead device is polled at least every so many polls of a living one."""
RETRY_FIRST_S, RETRY_MAX_S = 0.25, 10.0
TCP_PORT = 502


@dataclass(slots=True)
class _Polled:
    """A device's place in the round."""

    device: ModbusDevice
    reads: list[Read]
    due_s: float
    failures: int = 0
    answered: int = field(default=0)


class ModbusBus:
    """One bus. `device` in the settings is a port, or `host:port` for TCP."""

    def __init__(self, settings: LineSettings, maps: Maps, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._every_s = settings.poll_every.total_seconds()
        now_s = around.steady_s()
        self._polled = [_Polled(d, plan_reads(maps[d.map]), now_s) for d in settings.devices]
        self._held = False
        self._line = LineFigures(settings.device)

    def figures(self) -> list[LineFigures]:
        return [self._line]

    def hold(self, *, held: bool) -> None:
        self._held = held

    async def run(self) -> None:
        """Poll whoever is due, until cancelled."""
        client = _client(self._settings)
        retry_s = RETRY_FIRST_S
        try:
            while True:
                try:
                    await self._connect(client)
                    retry_s = RETRY_FIRST_S
                    await self._round(client)
                except LinkDown as gone:
                    if self._line.why != gone.why:
                        self._around.log("line_down", {"line": self._line.name, "why": gone.why})
                    self._line.state, self._line.why = "down", gone.why
                    client.close()
                    await asyncio.sleep(retry_s)
                    retry_s = min(2 * retry_s, RETRY_MAX_S)
        finally:
            client.close()

    async def _connect(self, client: Any) -> None:
        if client.connected:
            return
        try:
            connected = await client.connect()
        except (OSError, ValueError) as bad:
            raise LinkDown(link=self._line.name, why=str(bad)) from bad
        if not connected:
            raise LinkDown(link=self._line.name, why="cannot be opened")
        self._line.state, self._line.why = "up", ""
        self._line.opened += 1
        self._around.log("line_up", {"line": self._line.name})

    async def _round(self, client: Any) -> None:
        """Wait for the next device that is due, and poll it."""
        if not self._polled:
            await asyncio.sleep(self._every_s)
            return
        polled = min(self._polled, key=lambda p: p.due_s)
        await asyncio.sleep(max(0.0, polled.due_s - self._around.steady_s()))
        if self._held:
            await asyncio.sleep(RETRY_FIRST_S)
            return
        readings, answered = await self._poll(client, polled)
        polled.failures = 0 if answered else polled.failures + 1
        wait_s = self._every_s * min(2**polled.failures, BACKOFF_MAX)
        # Keep the rhythm, but never work off a queue of missed polls.
        polled.due_s = max(polled.due_s + wait_s, self._around.steady_s())
        if readings:
            self._line.events += 1
            self._line.last_ms = self._around.wall_ms()
            report = Report(polled.device.node, None, None, -1, 0, 0, 0, tuple(readings))
            self._around.sink(None, [report])

    async def _poll(self, client: Any, polled: _Polled) -> tuple[list[Channel], bool]:
        """(readings, did it answer anything). The first time-out ends the poll: so would the rest."""
        from pymodbus.exceptions import ConnectionException, ModbusException  # noqa: PLC0415  heavy

        readings: list[Channel] = []
        silent = answered = False
        for read in polled.reads:
            answer = None
            if not silent:
                try:
                    result = await _request(client, read, polled.device.unit)
                except ConnectionException as bad:
                    raise LinkDown(link=self._line.name, why=str(bad)) from bad
                except (ModbusException, OSError):
                    silent = True
                    self._line.malformed += 1
                else:
                    if not result.isError():  # a bridge answers for a dead device, with an exception
                        answered = True
                        answer = result.bits if read.table in BIT_TABLES else result.registers
            readings += decode_read(read, answer)
        if not answered and not client.connected:
            raise LinkDown(link=self._line.name, why="the connection was lost")
        return readings, answered


async def _request(client: Any, read: Read, unit: int) -> Any:
    ask = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[read.table]
    return await ask(read.address, count=read.size, device_id=unit)


def _client(settings: LineSettings) -> Any:
    """pymodbus is imported only where there is a bus: it is heavy."""
    from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient  # noqa: PLC0415

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # dead devices are told by us, once
    timeout_s = settings.timeout.total_seconds()
    if settings.driver == "modbus-tcp":
        host, _, port = settings.device.rpartition(":")
        if not host:
            host, port = port, str(TCP_PORT)
        return AsyncModbusTcpClient(host, port=int(port), timeout=timeout_s, retries=0, reconnect_delay=0)
    return AsyncModbusSerialClient(
        settings.device, baudrate=settings.baud, timeout=timeout_s, retries=0, reconnect_delay=0
    )
