# SPDX-License-Identifier: Apache-2.0
"""Every page of the console in a real browser: four languages, a phone and a desk, with and without script.

The pages are those of the one table of addresses. `make screens` looks at every combination with axe, light
and dark, and keeps the pictures under build/screens.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from console_addresses import pages
from playwright.sync_api import Browser, Page
from screens import DESK, PHONE, Served, chromium, complaints, too_small, too_wide, violations, visit, weighed

from dashboards.console.accounts.roles import ENDPOINTS
from dashboards.console.english import ENGLISH
from dashboards.console.words import LANGUAGES

PICTURES = os.environ.get("COLDCHAIN_SCREENS", "")
"""Where to keep pictures; with it, everything is looked at."""
WHOLE = bool(PICTURES)
VARIANTS = (
    "/alarm/2", "/alarm/3", "/alarm/4", "/site/skt", "/site/kys", "/devices?q=nothing", "/nation?days=90",
    "/appliance/skt-br-001", "/appliance/kys-pf-005", "/appliance/{appliance_id}?range=1y",
    "/admin/people?who=keo",
)  # fmt: skip
"""What else the same addresses show: other states of alarms and appliances, nothing found."""
FILE = re.compile(r"/api/|/static/|/paper/|\.[a-z]+$")
"""Surely no page, also where this record does not hold it."""
SENTENCES = {text for text in ENGLISH.values() if text.count(" ") >= 2 and "{" not in text}
KEYS = re.compile(r"(?<![\w./@-])(?:" + "|".join(map(re.escape, sorted(ENGLISH))) + r")(?![\w.-])")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("screens"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def untranslated(page: Page, language: str) -> list[str]:
    """Keys that stand for themselves, and whole English sentences elsewhere."""
    text = page.evaluate("document.body.innerText + document.title")
    found = [f"key {key}" for key in KEYS.findall(text)]
    if language != "en":
        found += [sentence for sentence in SENTENCES if sentence in text]
    if page.evaluate("document.documentElement.lang") != language:
        found.append("another language")
    return found


def looked_at(page: Page, where: str, language: str, *, axe: Page | None, picture: str = "") -> list[str]:
    """What is wrong with one page at both widths. axe: where that may run; it needs script itself."""
    found = []
    answer = page.goto(where, wait_until="load")
    if answer is None or answer.status != 200:
        return [f"answered {answer and answer.status}"]
    if axe is not None and axe != page:
        axe.goto(where, wait_until="load")
    found += untranslated(page, language)
    for name, size in (("360", PHONE), ("1440", DESK)):
        page.set_viewport_size(size)
        found += [f"{name} too wide: {one}" for one in too_wide(page)]
        found += [f"{name} too small: {one}" for one in too_small(page)]
        if axe is not None:
            axe.set_viewport_size(size)
            found += [f"{name} {one}" for one in violations(axe)]
        if picture:
            page.screenshot(path=f"{picture}-{name}.png", full_page=name == "360")
    page.set_viewport_size(PHONE)
    return found


def kept(template: str, *parts: str) -> str:
    if not PICTURES:
        return ""
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", template.lower()).strip("-") or "fleet"
    return str(Path(PICTURES) / "-".join((name, *filter(None, parts))))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_every_page_in_every_language_at_both_widths(
    browser: Browser, served: Served, language: str, script: bool
) -> None:
    """Loads, complains of nothing, fits, speaks the language; axe on a phone's and a desk's width.

    In the suite axe looks at each page in one language, and without script each page is looked at in one:
    structure is the same in all.
    """
    wrong: dict[str, list[str]] = {}
    for scheme in ("light", "dark") if WHOLE else ("light",):
        context = visit(browser, served, language, java_script_enabled=script, color_scheme=scheme)
        page = context.new_page()
        told, still = complaints(page), without_scripts(browser, served, language, scheme)
        for number, template in enumerate((*pages(), *(VARIANTS if WHOLE else ()))):
            chosen = WHOLE or number % len(LANGUAGES) == list(LANGUAGES).index(language)
            if not (chosen or script):
                continue
            told.clear()
            axe = (page if script else still if WHOLE else None) if chosen else None
            way = ("" if scheme == "light" else scheme, "" if script else "no-script")
            where, picture = served.address(template, language), kept(template, language, *way)
            found = looked_at(page, where, language, axe=axe, picture=picture) + told
            if found:
                wrong[f"{template} {scheme}"] = found
        context.close()
        still.context.close()
    assert not wrong, "\n".join(f"{where}: {one}" for where, some in wrong.items() for one in some)


def without_scripts(
    browser: Browser, served: Served, language: str, scheme: Literal["light", "dark"]
) -> Page:
    """A page that runs axe and nothing of ours."""
    page = visit(browser, served, language, color_scheme=scheme, service_workers="block").new_page()
    page.route("**/*.js", lambda route: route.abort())
    return page


def test_no_screen_is_forgotten(served: Served) -> None:
    """All addresses of the table are asked for: what answers with a page is on the list, nothing else is."""
    shown, absent = set(), set()
    with served.client() as client:
        for template in sorted(path for method, path in ENDPOINTS if method == "GET"):
            with client.stream(
                "GET", served.address(template, "en"), headers={"accept": "text/html"}
            ) as answer:
                if answer.status_code >= 400:
                    absent.add(template)
                elif answer.headers["content-type"].startswith("text/html"):
                    shown.add(template)
    assert shown == set(pages())
    assert {path for path in absent if not FILE.search(path)} == {"/export/go"}, "which leads on to a file"


def test_a_wall_wanders_within_its_width(browser: Browser, served: Served) -> None:
    """So that no picture burns in it moves by two pixels, and never scrolls."""
    context = visit(browser, served)
    page = context.new_page()
    page.goto("/wall")
    page.set_viewport_size(DESK)
    for x in (-2, 2):
        page.evaluate(f"document.body.style.translate = '{x}px 2px'")
        assert too_wide(page) == []
    context.close()


FIRST_MAX, REPEAT_MAX = 100_000, 15_000
"""Octets on the wire: for somebody who was never here, and for whoever was here a moment ago."""
NATION_MAX = 14_000
"""What a nation's fleet may take of that: names and states that compress worse need room."""


@pytest.mark.slow
def test_every_page_is_light(browser: Browser, served: Served) -> None:
    """With its fonts: Lao needs its own."""
    heavy = {}
    heaviest = ["/appliance/{appliance_id}", "/alarm/{number}", "/site/{site_id}", "/nation"]
    for template in pages() if WHOLE else heaviest:
        context = visit(browser, served, "lo", service_workers="block")
        page = context.new_page()
        first, what = weighed(page, served.address(template, "lo"))
        repeat, again = weighed(page, served.address(template, "lo"))
        if first > FIRST_MAX or repeat > REPEAT_MAX:
            heavy[template] = (first, what[:6], repeat, again[:6])
        context.close()
    assert heavy == {}


def test_a_fleet_of_a_nation_is_light(browser: Browser, tmp_path: Path) -> None:
    served = Served(tmp_path / "nation", appliances=243, hours=1)
    try:
        context = visit(browser, served, "lo", service_workers="block")
        page = context.new_page()
        for path, most in (("/", FIRST_MAX), ("/", NATION_MAX), ("/wall", REPEAT_MAX)):
            octets, what = weighed(page, path)
            assert octets <= most, what
        assert page.locator(".row").count() == 243
        page.goto("/")  # found by its own words, and by its province, which it does not show
        page.fill("#q", "KAYSONE savannakhet 117")
        assert page.locator(".row:not([hidden])").count() == 0
        page.fill("#q", "kaysone savannakhet 116")
        assert page.locator(".row:not([hidden])").count() == 1
        context.close()
    finally:
        served.close()
