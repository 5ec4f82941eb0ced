# SPDX-License-Identifier: Apache-2.0
"""The console in a real browser, served over HTTP: script, policy, phone width, live changes, no script."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.wiring.web import WebService
from dashboards.console.app import create_app

REG = registry(12)
WARM, QUIET, CALM = (REG.appliances[i].id for i in (0, 1, 2))


class Served:
    """A seeded record and a console that serves it."""

    def __init__(self, folder: Path) -> None:
        self.seed = Seed(folder, REG, Story(warm={WARM: 70}, silent={QUIET: 47}))
        self.seed.history(1)
        self.seed.alarm(WARM, minutes=50, peak=8_000)
        self.seed.gateway()
        self.seed.stranger("board-7", 2, 40, NOW_MS)
        self.seed.beats()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._service = WebService(
            create_app(self.seed.settings, lambda: self.seed.now_ms), "127.0.0.1", self.port
        )
        self._thread = threading.Thread(target=self._service.run)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._service.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "an open event stream must not hold the process"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.stop()
    served.seed.close()


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Chromium]:
    browser = Chromium(tmp_path / "profile", 360, 800)
    yield browser
    browser.close()


def test_pages_fit_a_phone_and_break_no_policy(served: Served, phone: Chromium) -> None:
    """The browser reports each refused script, style and request; too wide a page scrolls sideways."""
    pages = ("/", f"/appliance/{WARM}", "/alarms", "/alarm/1", "/waiting", "/health", "/site/vte", "/wall")
    for path in pages:
        phone.open(served.url + path)
        phone.wait(f"location.pathname === '{path}' && document.readyState === 'complete'")
        assert phone.eval("document.documentElement.scrollWidth") <= 360, path
        small = phone.eval(
            "[...document.querySelectorAll('main button, main input:not([type=hidden]), nav a, .count')]"
            ".filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.outerHTML)"
        )
        assert small == [], "targets that a thumb misses"
        assert phone.faults == [], path
    phone.eval("fetch('http://127.0.0.2:9/').catch(() => 0)")
    phone.wait("true")
    assert phone.faults != [], "the policy is enforced, and a breach would be seen"


def test_the_chart_is_drawn(served: Served, phone: Chromium) -> None:
    phone.open(f"{served.url}/appliance/{WARM}?range=6h")
    assert phone.wait("document.querySelector('#chart canvas')?.width") > 200
    assert phone.faults == []


def test_live_without_reloading(served: Served, phone: Chromium) -> None:
    seed = served.seed
    phone.open(served.url)
    phone.wait("document.querySelector('#live-text')?.textContent === 'Live'")
    phone.eval("window.same = true")
    seed.now_ms += 10_000
    seed.report(f"{CALM}/load", 5_250, seed.now_ms)
    phone.wait(f"document.querySelector('#a-{CALM} .is strong').textContent === '5.3'")
    assert phone.eval(f"document.querySelector('#a-{CALM} time').textContent") == "just now"
    seed.alarm(CALM, minutes=5, peak=None)
    phone.wait(f"document.querySelector('#a-{CALM}').closest('.group').dataset.group === 'alarm'")
    order = "[...document.querySelectorAll('.group.alarm .row')].map(row => row.id)"
    assert phone.eval(order) == [f"a-{WARM}", f"a-{CALM}"]
    assert phone.eval("document.querySelector('.count.alarm b').textContent") == "2"
    assert phone.eval("document.querySelector('#badge').textContent") == "2"
    assert phone.eval("window.same"), "the page was not loaded again"
    assert phone.faults == []


def test_search_hides_at_once_what_does_not_match(served: Served, phone: Chromium) -> None:
    phone.open(served.url)
    phone.wait("document.querySelector('#live-text')?.textContent === 'Live'")
    phone.eval(
        "{const q = document.getElementById('q'); q.value = 'kaysone';"
        " q.dispatchEvent(new Event('input', {bubbles: true}))}"
    )
    shown = (
        "[...document.querySelectorAll('.row')].filter(row => row.offsetHeight).map(row => row.id.slice(2))"
    )
    assert set(phone.eval(shown)) == {a.id for a in REG.appliances if a.site == "kys"}


def test_everything_can_be_read_without_script(served: Served, tmp_path: Path) -> None:
    browser = Chromium(tmp_path / "profile", 1440, 900, script=False)
    try:
        browser.open(served.url)
        browser.wait(f"document.querySelector('#a-{WARM} img.spark')?.naturalWidth === 240")
        assert browser.eval("document.querySelector('noscript meta')?.content") == "30"
        browser.open(f"{served.url}/appliance/{WARM}?range=6h")
        browser.wait("document.querySelector('svg.chart')?.getBoundingClientRect().height > 200")
        assert browser.faults == []
    finally:
        browser.close()


def test_a_dead_console_is_seen_on_the_wall(tmp_path: Path) -> None:
    """Nothing is worse than a calm page that nobody renews."""
    served = Served(tmp_path / "record")
    browser = Chromium(tmp_path / "profile", 1440, 900)
    try:
        browser.open(served.url + "/wall")
        browser.wait("document.querySelector('#live-text')?.textContent === 'Live'")
        browser.wait("/^\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#clock').textContent)")
        assert browser.eval("document.querySelector('#wall-off').hidden")
        served.stop()
        browser.wait("document.querySelector('#live').dataset.live === 'off'", 30)
        assert browser.eval("document.body.classList.contains('cut')")
        assert browser.eval("document.querySelector('#wall-off').offsetHeight") > 40
        assert "Disconnected: last word" in browser.eval("document.querySelector('#live-text').textContent")
    finally:
        browser.close()
        served.seed.close()
