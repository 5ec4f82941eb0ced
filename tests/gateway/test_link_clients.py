# SPDX-License-Identifier: Apache-2.0
"""A client for each connection: one that was given up is not kept; refused receipts are asked for again."""

import asyncio
import gc
import threading
import time
import weakref
from typing import Any, cast

import pytest

from coldchain.ports.mqtt_client import ThreadGone, make_client
from coldchain.settings import GatewaySettings, MqttSettings
from gateway import link as link_module
from gateway.link import HubLink, _detach
from gateway.writer import SpoolWriter


async def nothing() -> dict[str, Any]:
    return {}


def a_link() -> HubLink:
    return HubLink(
        GatewaySettings(id="gw-1"),
        MqttSettings(),
        cast("SpoolWriter", None),
        status=nothing,
        wall_ms=lambda: 0,
        steady_s=time.monotonic,
        log=lambda name, more: None,
    )


def test_a_client_that_was_given_up_is_let_go_at_once() -> None:
    """On a link that breaks a thousand times a day the collector may be late: each holds two sockets."""

    async def story() -> None:
        link = a_link()
        client = make_client(MqttSettings(), "coldchain-gw-gw-1")
        link._attach(client, asyncio.get_running_loop())
        gone = weakref.ref(client)
        _detach(client)
        del client
        assert gone() is None

    gc.disable()
    try:
        asyncio.run(story())
    finally:
        gc.enable()


def test_receipts_that_were_refused_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rules may have been mended; the connection by itself would hold for ever, and nothing be sent."""
    monkeypatch.setattr(link_module, "REFUSED_AGAIN_S", 0.05)

    async def story() -> None:
        link = a_link()
        link._refused("not authorized")
        assert not link._lost.is_set()
        async with asyncio.timeout(5):
            await link._lost.wait()

    asyncio.run(story())


def test_a_link_whose_keeper_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memory the ending of a client may never return: the gateway would live, and send nothing."""
    monkeypatch.setattr(link_module, "TURN_S", 0.3)
    monkeypatch.setattr(link_module, "THREAD_LOOK_S", 0.05)
    monkeypatch.setattr(link_module, "start_client", lambda *_: None)
    monkeypatch.setattr(link_module, "require_thread", lambda _: None)
    told = threading.Event()
    monkeypatch.setattr(link_module, "stop_client", lambda _: told.wait(5.0))

    async def story() -> None:
        link = a_link()
        link.require_progress()
        keeper = asyncio.create_task(link._keep_connected())
        await asyncio.sleep(0.5)
        link.require_progress()
        link._lost.set()
        await asyncio.sleep(0.5)
        with pytest.raises(ThreadGone):
            link.require_progress()
        told.set()
        keeper.cancel()

    asyncio.run(story())
