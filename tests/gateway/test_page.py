# SPDX-License-Identifier: Apache-2.0
"""The gateway's own page: what it says, what it must never do, and that no request hurts it."""

import asyncio
import http.client
import re
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site
from coldchain.wiring.child import free_port
from gateway.codecs.frames import Report
from gateway.day import BUCKET_MS, BUCKETS, CHANNELS_MAX, Channel, Day
from gateway.intake import Arrival, Stored
from gateway.page import metrics, render, sparkline, state, value_text
from gateway.page_server import PageServer
from gateway.spool import Spool, open_spool

NOW_MS = 1_800_000_000_000 // BUCKET_MS * BUCKET_MS + 1000


def stored(tmp_path: Path, *reports: Report) -> list[Stored]:
    spool: Spool = open_spool(
        tmp_path / "s.db", max_bytes=10**9, new_epoch=lambda: "e", wall_ms=lambda: NOW_MS
    )
    with spool.change():
        return spool.accept([Arrival(r, NOW_MS, None) for r in reports], [], 0.0).stored


def registry() -> Registry:
    return Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=(
            Appliance(
                id="br-1",
                name="Blood <1> & Co",
                site="vte",
                assignments=(Assignment(carries="red-cells@eu"),),
            ),
        ),
        sensors=(
            Sensor(id="br-1/load", appliance="br-1", probe="load", node="n1", channel=0),
            Sensor(id="br-1/door", appliance="br-1", quantity="door", node="n1", channel=1),
        ),
    )


def day_of(tmp_path: Path, *reports: Report) -> Day:
    day = Day()
    for part in stored(tmp_path, *reports):
        day.add(part, NOW_MS)
    return day


def report(seq: int, value: int, at_ms: int, node: str = "n1") -> Report:
    return Report(node, 1, seq, 0, 0, 2, at_ms, ((0, 1, 0, value), (1, 2, 0, 1000)))


def text_of(day: Day, known: Registry, **figures) -> str:
    return render("gw-1", day, known, {"lines": {}, **figures}, now_ms=NOW_MS, zone="Asia/Vientiane")


def test_the_page_shows_appliances_now_and_the_last_day(tmp_path: Path) -> None:
    day = day_of(tmp_path, *(report(n, 4000 + n, NOW_MS - n * 3_600_000) for n in range(20)))
    page = text_of(day, registry(), link_up=True, pending=7, oldest_ms=NOW_MS - 90_000)
    assert "Blood &lt;1&gt; &amp; Co" in page
    assert '<b class="now">4.0 °C</b>' in page
    assert "door: open" in page
    assert "<small>Vientiane · red-cells@eu</small>" in page
    assert page.count("M") >= 20
    assert "7 readings, the oldest of 90 s ago" in page
    assert '<section class="ok">' in page
    assert "Asia/Vientiane" in page


def test_it_says_when_something_is_wrong(tmp_path: Path) -> None:
    warm = day_of(tmp_path, report(0, 6001, NOW_MS))
    assert '<section class="out">' in text_of(warm, registry(), link_up=False)
    assert "DOWN: readings are kept here" in text_of(warm, registry(), link_up=False)
    (tmp_path / "s.db").unlink()
    silent = day_of(tmp_path, report(0, 4000, NOW_MS - 301_000))
    assert "silent, was 4.0 °C" in text_of(silent, registry())
    edge = Channel(1, NOW_MS, 6000)  # exactly at the limit is permitted
    assert state(edge, None, NOW_MS) == "ok"
    assert "Nothing has reported" in text_of(Day(), Registry())


def test_the_worst_comes_first(tmp_path: Path) -> None:
    one = registry()
    warm = one.appliances[0].model_copy(update={"id": "zz-9", "name": "Zulu"})
    probe = Sensor(id="zz-9/load", appliance="zz-9", probe="load", node="n2", channel=0)
    known = Registry(sites=one.sites, appliances=(*one.appliances, warm), sensors=(*one.sensors, probe))
    page = text_of(day_of(tmp_path, report(0, 4000, NOW_MS), report(0, 9000, NOW_MS, "n2")), known)
    assert page.index("Zulu") < page.index("Blood &lt;1&gt;")


def test_without_a_registry_nodes_and_channels_are_named(tmp_path: Path) -> None:
    page = text_of(day_of(tmp_path, report(0, 4000, NOW_MS)), Registry())
    assert "<h2>n1</h2>" in page
    assert "4.0 °C" in page


def test_the_page_names_no_other_host(tmp_path: Path) -> None:
    page = text_of(day_of(tmp_path, report(0, 4000, NOW_MS)), registry())
    assert not re.search(r"https?:|//[a-z]|src=|@import|url\(", page)
    assert len(page.encode()) < 100_000


@pytest.mark.parametrize(
    ("quantity", "value", "status", "text"),
    [
        (Quantity.TEMPERATURE, -80_250, 0, "-80.2 °C"),
        (Quantity.DOOR, 0, 0, "closed"),
        (Quantity.BATTERY, 97_000, 0, "97 %"),
        (Quantity.TEMPERATURE, 0, 3, "probe: no answer"),
        (Quantity.TEMPERATURE, 0, 99, "probe: status 99"),
        (200, 1500, 0, "1.5 °C"),
    ],
)
def test_values_are_words(quantity: int, value: int, status: int, text: str) -> None:
    assert value_text(Channel(quantity, NOW_MS, value, status)) == text


@given(
    readings=st.lists(
        st.tuples(st.integers(-3 * BUCKETS, BUCKETS), st.integers(-90_000, 90_000)), max_size=60
    ),
    order=st.randoms(use_true_random=False),
)
def test_the_ring_is_the_last_day_in_any_order(readings: list[tuple[int, int]], order) -> None:
    """Against a plain dict: min and max of each step of five minutes of the day that ends now."""
    newest = NOW_MS // BUCKET_MS
    channel = Channel(Quantity.TEMPERATURE)
    plain: dict[int, tuple[int, int]] = {}
    mixed = [(newest + step, value) for step, value in readings if step <= 0]
    order.shuffle(mixed)
    for step, value in mixed:
        channel.add(step * BUCKET_MS + 1, value, 0)
        if step > newest - BUCKETS:
            low, high = plain.get(step, (value, value))
            plain[step] = min(low, value), max(high, value)
    assert channel.last_day(NOW_MS) == [(s * BUCKET_MS, *plain[s]) for s in sorted(plain)]
    assert sparkline(channel, None, NOW_MS).count("M") == len(plain)


def test_the_page_is_bounded(tmp_path: Path) -> None:
    day = Day()
    readings = tuple((c % 65536, 2, 0, 0) for c in range(CHANNELS_MAX + 10))
    for part in stored(tmp_path, Report("n", 1, 1, 0, 0, 2, NOW_MS, readings)):
        day.add(part, NOW_MS)
    assert (len(day.channels), day.left_out) == (CHANNELS_MAX, 10)


def test_metrics_are_in_prometheus_format() -> None:
    line = {
        "name": 'a"b',
        "state": "up",
        "events": 3,
        "skipped": 0,
        "malformed": 0,
        "opened": 1,
        "last_ms": 5,
    }
    text = metrics({"accepted": 12, "link_up": True, "oldest_ms": None, "lines": {"x": line}})
    assert "coldchain_gateway_accepted 12\n" in text
    assert "coldchain_gateway_link_up 1\n" in text
    assert "oldest" not in text
    assert 'coldchain_gateway_line_events{line="a\\"b"} 3\n' in text


def ask(port: int, request: bytes) -> bytes:
    async def story() -> bytes:
        server = asyncio.create_task(
            PageServer("127.0.0.1", port, {"/": lambda: "page", "/metrics": lambda: 1 / 0}).run()  # type: ignore[dict-item, return-value]
        )
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        if request:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        server.cancel()
        return answer

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 200),
        (b"GET /?x=1 HTTP/1.1\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 503),  # it raises: the page is down, the gateway is not
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n", 400),
    ],
)
def test_requests(request_: bytes, status: int) -> None:
    answer = ask(free_port(), request_)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Security-Policy: default-src 'none'" in answer


def test_the_service_serves_its_page(nats_broker, tmp_path: Path) -> None:
    """From a restart with a spool that waits: the last day is there before anything new has come."""
    import threading

    from coldchain.settings import GatewaySettings, MqttSettings, Settings
    from gateway.service import GatewayService

    port = free_port()
    settings = Settings(
        data_dir=tmp_path,
        mqtt=MqttSettings(port=nats_broker.port),
        gateway=GatewaySettings(id="page-gw", page_port=port, mqtt_nodes=False),
    )
    now_ms = time.time_ns() // 1_000_000
    Desk(settings.desk_db, lambda: 1).publish(registry(), author="a", reason="r")
    spool = open_spool(settings.spool_db, max_bytes=10**9, new_epoch=lambda: "e", wall_ms=lambda: now_ms)
    with spool.change():
        spool.accept([Arrival(report(0, 4321, now_ms), now_ms, None)], [], 0.0)
    spool.close()
    service = GatewayService(settings)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        page = SimpleNamespace(text="")
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page.text = answer.read().decode()
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        assert "Blood &lt;1&gt;" in page.text
        assert "4.3 °C" in page.text
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert b"coldchain_gateway_accepted 2\n" in answer.read()
    finally:
        service.stop()
        thread.join(10)


def test_two_appliances_of_one_name_are_two_appliances(tmp_path: Path) -> None:
    """Every site calls its first one "Blood refrigerator 1"."""
    one = registry()
    twin = one.appliances[0].model_copy(
        update={"id": "br-2", "assignments": (Assignment(carries="plasma@eu"),)}
    )
    probe = Sensor(id="br-2/load", appliance="br-2", probe="load", node="n2", channel=0)
    both = Registry(sites=one.sites, appliances=(*one.appliances, twin), sensors=(*one.sensors, probe))
    day = day_of(tmp_path, report(0, 4000, NOW_MS), report(0, -30_000, NOW_MS, node="n2"))
    page = text_of(day, both)
    assert "(br-1)" in page
    assert "(br-2)" in page
