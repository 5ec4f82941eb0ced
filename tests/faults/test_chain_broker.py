# SPDX-License-Identifier: Apache-2.0
"""The chain with a broker that drops what it has acknowledged, strangers' payloads, a flood, a long cut."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain import Chain
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from coldchain.kernel.link import node_topic, topic
from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.wiring.demo.plan import GATEWAY

SMALL_QUEUE = "max_queued_messages 5\nmax_inflight_messages 2\nsys_interval 1\n"
STOPPED_S = 6.0
FLOOD_S, FLOOD_HZ = 6.0, 1_000
HOURS = 72
DROPPED = "$SYS/broker/publish/messages/dropped"


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Iterator[Chain]:
    """One chain for all of these; at its end every reading must be accounted for."""
    with Chain(tmp_path_factory.mktemp("chain"), mosquitto=SMALL_QUEUE) as running:
        running.until(lambda: running.figures("ingest").get("recorded"))
        yield running
        print(f"drained in {running.drains():.1f} s: {running.books()}")
        running.sound()


@pytest.fixture
def stranger(chain: Chain) -> Iterator[Client]:
    """Somebody else at the same broker."""
    client = Client(CallbackAPIVersion.VERSION2, "stranger")
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", chain.demo.broker_port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def recorded(chain: Chain) -> int:
    return int(chain.figures("ingest").get("recorded", 0))


@pytest.mark.timeout(180)
def test_a_queue_that_overflows_loses_nothing(chain: Chain, stranger: Client) -> None:
    """The broker acknowledges what it then throws away: only our own receipt lets a reading go."""
    dropped = [0]

    def count(_client: Client, _data: object, message: MQTTMessage) -> None:
        dropped[0] = int(message.payload)

    stranger.on_message = count
    stranger.subscribe(DROPPED)
    chain.signal("ingest", signal.SIGSTOP)
    chain.until(lambda: dropped[0] > 0, 20.0)
    chain.signal("ingest", signal.SIGCONT)
    before = recorded(chain)
    took_s = chain.until(lambda: recorded(chain) > before)
    print(f"{dropped[0]} messages dropped by the broker; recorded again after {took_s:.1f} s")
    assert chain.deaths("ingest") == 0


@pytest.mark.timeout(180)
def test_ten_megabytes_hold_up_nobody(chain: Chain, stranger: Client) -> None:
    huge = bytes(10_000_000)
    before, deaths = recorded(chain), chain.deaths("ingest") + chain.deaths("gateway")
    for where in (topic(GATEWAY, "batch"), node_topic("syn-000", "report"), topic(GATEWAY, "receipt")):
        stranger.publish(where, huge, qos=1).wait_for_publish(20.0)
    took_s = chain.until(lambda: recorded(chain) > before, 10.0)
    chain.until(lambda: "report_refused" in chain.log("gateway"), 10.0)
    print(f"three payloads of {len(huge)} bytes; the next readings were recorded after {took_s:.1f} s")
    assert chain.deaths("ingest") + chain.deaths("gateway") == deaths


def flood(client: Client, told: threading.Event) -> int:
    """One node that reports without end."""
    seq, began_s = 0, time.monotonic()
    while not told.is_set():
        while seq < (time.monotonic() - began_s) * FLOOD_HZ:
            body = {
                "v": 1, "node": "flood", "boot": 1, "seq": seq, "uptime_ms": seq, "age_ms": 0, "clock": 2,
                "unix_ms": wall_ms(), "readings": [{"ch": 0, "q": "temperature", "m": 4000 + seq % 100}],
            }  # fmt: skip
            client.publish(node_topic("flood", "report"), json.dumps(body))
            seq += 1
        time.sleep(0.002)
    return seq


@pytest.mark.timeout(180)
def test_a_flood_from_one_node_holds_up_no_other(chain: Chain, stranger: Client) -> None:
    told, sent = threading.Event(), [0]
    thread = threading.Thread(target=lambda: sent.__setitem__(0, flood(stranger, told)))
    began_ms = wall_ms()
    thread.start()
    chain.passes(FLOOD_S)
    told.set()
    thread.join()
    chain.passes(3.0)
    reader = JournalReader(chain.settings.readings_db)
    worst_ms, n = 0, 0
    for sensor in chain.demo.registry.sensors:
        rows = reader.readings(sensor.id, began_ms, began_ms + round(FLOOD_S * 1000))
        n += len(rows)
        worst_ms = max(worst_ms, int((rows["arrived_ms"] - rows["at_ms"]).max()))
    reader.close()
    print(
        f"{sent[0]} reports in {FLOOD_S:.0f} s by one node; {n} readings of others, worst {worst_ms} ms late"
    )
    assert sent[0] > 0.8 * FLOOD_S * FLOOD_HZ
    assert n > 0.6 * FLOOD_S / 0.5 * len(chain.demo.registry.sensors)
    assert worst_ms < 10_000


@pytest.mark.timeout(240)
def test_seventy_two_hours_without_the_hub_touch_no_acquisition(tmp_path: Path) -> None:
    """The readings of 72 hours, delivered by their nodes in seconds, while the hub cannot be reached."""
    with Chain(tmp_path, every_s=60.0, backfill_s=HOURS * 3600.0, hurry="[gateway]") as chain:
        chain.proxy.weather.refusing = True
        chain.proxy.cut()
        due = HOURS * 60 * len(chain.demo.registry.sensors)
        took_s = chain.until(lambda: chain.figures("gateway").get("accepted", 0) >= due, 90.0)
        assert recorded(chain) == 0
        assert chain.figures("gateway")["withheld"] == 0
        chain.proxy.weather.refusing = False
        drained_s = chain.drains(90.0)
        print(f"{due} readings of {HOURS} h in {took_s:.1f} s without a hub, drained in {drained_s:.1f} s")
        hot = {str(s.appliance) for s in chain.demo.registry.sensors if s.channel == 0}
        chain.until(lambda: {a.appliance for a in chain.alarms()} >= hot, 20.0)
        assert chain.sound().measured >= due
