# SPDX-License-Identifier: Apache-2.0
"""Answering an alarm in a real browser at 360 pixels: by keyboard alone, and without any script."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import Asked, AskedReader
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.web import WebService
from dashboards.console.app import create_app

WARM = "vte-br-000"
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "ArrowDown": (40, "")}
FOCUS = "document.activeElement.tagName + ' ' + (document.activeElement.name || '')"
SMALL = (
    "[...document.querySelectorAll('main button, main summary, main select, main .choice,"
    " main input:not([type=hidden]):not([type=radio])')]"
    ".filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.outerHTML)"
)


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[Seed]:
    made = Seed(tmp_path / "record", registry(6), Story(warm={WARM: 90}))
    made.history(hours=0.2)
    made.opened = made.alarm(WARM)
    db = open_writer(made.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("UPDATE alarm SET product = 1")
    db.close()
    yield made
    made.close()


@pytest.fixture
def url(seed: Seed) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = WebService(create_app(seed.settings, lambda: NOW_MS), "127.0.0.1", port)
    thread = threading.Thread(target=service.run)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    service.stop()
    thread.join(10)


def press(browser: Chromium, key: str) -> None:
    code, text = KEYS[key]
    name = " " if key == "Space" else key
    values = {"key": name, "code": key, "windowsVirtualKeyCode": code}
    browser.call("Input.dispatchKeyEvent", type="keyDown", text=text, **values)
    browser.call("Input.dispatchKeyEvent", type="keyUp", **values)


def tab_to(browser: Chromium, wanted: str) -> None:
    """As somebody does who has no mouse: on, until it is there."""
    for _ in range(40):
        if browser.eval(FOCUS) == wanted:
            return
        press(browser, "Tab")
    raise AssertionError(f"{wanted} cannot be reached by keyboard")


def asked(seed: Seed) -> list[Asked]:
    return AskedReader(seed.settings.desk_db).about(seed.opened, 1, WARM)


@pytest.mark.parametrize("script", [True, False])
def test_acknowledging_by_keyboard_at_360_pixels(tmp_path: Path, seed: Seed, url: str, script: bool) -> None:
    browser = Chromium(tmp_path / "profile", 360, 800, script=script)
    try:
        browser.open(url + "/alarm/1")
        browser.wait("location.pathname === '/alarm/1' && document.readyState === 'complete'")
        browser.eval("document.querySelector('details').open = true")
        assert browser.eval("document.documentElement.scrollWidth") <= 360
        assert browser.eval(SMALL) == [], "targets that a thumb misses"
        browser.eval("document.querySelector('details').open = false")
        assert browser.eval("document.querySelector('noscript meta')") is None, (
            "no form is emptied under hands"
        )
        tab_to(browser, "INPUT action")
        press(browser, "Space")
        tab_to(browser, "INPUT reason")
        browser.call("Input.insertText", text="ajar")
        tab_to(browser, "SELECT name")
        press(browser, "ArrowDown")
        tab_to(browser, "BUTTON ")
        press(browser, "Enter")
        browser.wait("(document.body?.innerText ?? '').includes('Acknowledge: asked by On-call, Vientiane')")
        (one,) = asked(seed)
        assert (one.verb, one.person, one.body) == (
            "acknowledge", "vte-on-call", {"action": "door", "by": "console", "reason": "ajar"},
        )  # fmt: skip
        assert browser.faults == []
    finally:
        browser.close()


def test_nothing_is_sent_without_an_action(tmp_path: Path, seed: Seed, url: str) -> None:
    """The browser itself holds the form back and shows where."""
    browser = Chromium(tmp_path / "profile", 360, 800)
    try:
        browser.open(url + "/alarm/1")
        browser.wait(
            "document.readyState === 'complete' && !!document.querySelector('#do-acknowledge button')"
        )
        browser.eval("document.querySelector('#do-acknowledge button').click()")
        browser.wait(f"({FOCUS}) === 'INPUT action'")
        assert asked(seed) == []
    finally:
        browser.close()
