# SPDX-License-Identifier: Apache-2.0
"""The console served on a free port, and one Chromium that looks at it as different people do."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from argon2 import PasswordHasher
from console_addresses import address
from console_seed import NOW_MS, Seed, Story, registry
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from rig.programs import need
from signed import sign

from alerts.oncall.rota import on_duty
from coldchain.records.accounts import Accounts
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.deeds import Deeds
from coldchain.records.duty import Rota
from coldchain.records.registry import Person
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.answer_links import AnswerLinks
from coldchain.wiring.blood import console_tools
from coldchain.wiring.child import free_port
from coldchain.wiring.device_tools import device_tools
from coldchain.wiring.links import add_links
from coldchain.wiring.web import WebService
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app
from dashboards.console.words import LANGUAGES

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
PHONE: ViewportSize = {"width": 360, "height": 780}
DESK: ViewportSize = {"width": 1440, "height": 900}
LONG = "ຕູ້ເຢັນເກັບຮັກສາເລືອດແດງ ຫ້ອງທະນາຄານເລືອດ ຊັ້ນສອງ ໂຮງໝໍເມືອງໄກສອນ"
"""What somebody called an appliance: a line of Lao, which writes no spaces between words."""
PASSWORD = "a long sentence of words"
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Served:
    """A seeded record, a console that serves it, and for each language an admin who is signed in."""

    def __init__(self, folder: Path, appliances: int = 12, hours: float = 6) -> None:
        plain = registry(appliances)
        first = plain.appliances[0].model_copy(update={"model": "MB 1"})
        long = plain.appliances[2].model_copy(update={"name": LONG})
        person = Person(id="keo", name="Dr Keo", phone="+8562055501003")
        fixer = Person(id="fix", name="Khamla, Cooling Works", phone="+8562055501004", role="contractor")
        readers = [
            Person.model_validate(
                {"id": f"reader-{c}", "name": name, "phone": f"+856205550200{i}", "language": c}
            )
            for i, (c, name) in enumerate(LANGUAGES.items())
        ]
        reg = plain.model_copy(
            update={
                "appliances": (first, plain.appliances[1], long, *plain.appliances[3:]),
                "people": (*plain.people, person, fixer, *readers),
                "rotas": (
                    Rota(id="night", people=("vte-on-call", "keo"), sites=("vte",), starts=date(2023, 1, 2)),
                    Rota(id="second", people=("keo",), sites=("vte",), level=2, starts=date(2023, 1, 2)),
                ),
            }
        )
        warm, quiet, dark = (reg.appliances[i].id for i in (0, 1, 3))
        story = Story(warm={warm: 70}, silent={quiet: 47}, dark={dark}, never={reg.appliances[5].id})
        self.seed = seed = Seed(folder, reg, story)
        seed.history(hours, batch_rows=4_000)  # some come late
        self.alarm = seed.alarm(warm, minutes=50, peak=8_000)
        seed.alarm(reg.appliances[4].id, state="acknowledged", severity="warning", minutes=30)
        seed.alarm(reg.appliances[6].id, state="returned", minutes=90)
        seed.alarm(reg.appliances[7].id, state="closed", minutes=300)
        seed.gateway(pending=5)
        seed.stranger("board-7", 2, 40, NOW_MS)
        seed.beats()
        history_of(seed, warm)
        asked_by_mail(seed, self.alarm, warm)
        accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=quick)
        self.words = {}
        for code in LANGUAGES:
            accounts.add(
                code, PASSWORD, role="admin", person=f"Noy {code}", language=code, by="test", fresh=False
            )
            self.words[code] = accounts.sign_in(code, PASSWORD, "here")
        accounts.close()
        sign(seed.settings.desk_db, NOW_MS, self.alarm, "discard", "Noy", "Dr Keo", "9 °C for 90 min")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        try:
            self.order = self.ask("/work-order", alarm="1")
            number = self.order.rpartition("/")[2]
            self.passed = self.ask("/device-link", number=number, days="3", person="fix")
            self.went = self.trip(warm)
            self.asked_for()
        except BaseException:
            self.close()  # its thread would keep the interpreter
            raise

    def trip(self, source: str) -> str:
        """Blood that left a refrigerator an hour ago, with one bag; its address."""
        target = self.seed.registry.appliances[2].id
        where = self.ask("/trips", source=source, target=target, at="2023-11-15T04:13", note="to Savannakhet")
        self.ask(f"{where}/bags", donations="A9999 26 123456 T")
        return where

    def asked_for(self) -> None:
        """A change of rules that waits for a second person, and a report that leaves each month."""
        registry = self.seed.registry.model_dump(mode="json")
        registry["appliances"][0]["assignments"][0]["carries"] = "red-cells@us"
        self.ask(
            "/changes", name="registry.json", text=json.dumps(registry), reason="other limits", step="bring"
        )
        self.ask("/admin/schedules", kind="month", site="", language="lo", at="07:30", who="a@blood.example")

    def address(self, template: str, language: str) -> str:
        """As `console_addresses` fills it in, with this record's secrets and its trip."""
        if template.startswith("/answer/"):
            code = f"10000{list(LANGUAGES).index(language)}"
            settings = self.seed.settings
            told = settings.model_copy(
                update={"console": settings.console.model_copy(update={"address": "-"})}
            )
            return (AnswerLinks(told, lambda: NOW_MS).url(code) or "").removeprefix("-")
        known = template.replace("/pass/{secret}", self.passed).replace("/trip/{trip}", self.went)
        return address(known)

    def client(self) -> httpx.Client:
        """Of the admin who reads English."""
        cookies, headers = {COOKIE: self.words["en"]}, {"origin": self.url}
        return httpx.Client(base_url=self.url, cookies=cookies, headers=headers, timeout=60)

    def ask(self, path: str, **fields: str) -> str:
        """A form of an admin; where it leads."""
        with self.client() as client:
            page = client.get("/account").text
            form = re.findall(r'name="form" value="([^"]+)"', page)[0]
            answer = client.post(path, data={"form": form, "command": uuid4().hex, **fields})
            if found := re.search(r"/pass/[\w-]{43}", answer.text):
                return found[0]
            assert answer.status_code in (200, 303), answer.text
            return str(answer.headers.get("location", path))

    def start(self) -> None:
        settings = self.seed.settings
        tools = device_tools(settings, lambda: self.seed.now_ms)
        app = create_app(settings, lambda: self.seed.now_ms, on_duty, tools=tools)
        app.state.room.tools = console_tools(settings)
        add_links(app, settings)
        self._service = WebService(app, "127.0.0.1", self.port)
        self._thread = threading.Thread(target=self._service.run)
        self._thread.start()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError("the console does not start")

    def stop(self) -> None:
        if self._thread.is_alive():
            self._service.stop()
            self._thread.join(10)

    def close(self) -> None:
        self.stop()
        self.seed.close()


def history_of(seed: Seed, appliance: str) -> None:
    """What people wrote about one device: facts, a plan, a certificate, a repair, an order that is open."""
    deeds, at = Deeds(seed.settings.desk_db, lambda: NOW_MS), NOW_MS - 40 * 86_400_000
    who = seed.registry.people[0].id
    deeds.enter("k1", appliance, "facts", {"maker": "Dometic", "model": "MB 3000"}, person=who)
    plan = {"task": "Condenser", "every_days": 30, "first_ms": at}
    deeds.enter("k2", appliance, "plan", plan, person=who)
    ends = {"offset_k": -0.1, "from_ms": NOW_MS - 86_400_000, "expires_ms": NOW_MS + 25 * 86_400_000}
    deeds.enter("k3", appliance, "certificate", {"sensor": f"{appliance}/load", **ends}, person=who)
    mapped = {"mapped_ms": at, "points": 9, "coldest_c": 2.5, "warmest_c": 5.2, "hold_min": 190}
    deeds.enter("k4", appliance, "mapping", mapped, person=who)
    deeds.enter("k5", appliance, "part", {"number": "4501", "name": "Fan", "used_ms": at}, person=who)
    paper = {"title": "Hinge", "sha256": "0" * 64, "media": "application/pdf", "size": 1}
    deeds.enter("k6", appliance, "paper", paper, person=who)
    deeds.raise_("o1", appliance, "Door", person=who, contractor=who, alarm=1)


def asked_by_mail(seed: Seed, alarm: str, appliance: str) -> None:
    """One code for a reader of each language, and a temperature that somebody read."""
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        for number, language in enumerate(LANGUAGES):
            person, code = f"reader-{language}", f"10000{number}"
            db.execute("INSERT INTO code VALUES (?, ?, ?, ?, NULL)", (code, person, alarm, NOW_MS))
            db.execute(
                "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
                " created_ms, due_ms, state) VALUES (?, 'raised', 1, ?, 'email', 1, '', ?, '', ?, ?, 'sent')",
                (alarm, person, f"{appliance} 9.1 °C > 6.0 °C. OK {code}", NOW_MS, NOW_MS),
            )
        row = (appliance, NOW_MS - 600_000, 4_200, seed.registry.people[0].id, "console", NOW_MS)
        db.execute(
            "INSERT INTO by_hand (appliance, at_ms, value, person, how, written_ms) VALUES (?,?,?,?,?,?)", row
        )
    db.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, headless."""
    program = str(need("chromium"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(browser: Browser, served: Served, language: str | None = "en", **values: Any) -> BrowserContext:
    """A browser of its own: on a phone, signed in as the admin who reads that language, or as nobody."""
    context = browser.new_context(viewport=PHONE, base_url=served.url, **values)
    if language is not None:
        word = served.words[language]
        context.add_cookies([{"name": COOKIE, "value": word, "url": served.url}])
    return context


def complaints(page: Page) -> list[str]:
    """What its console, its script and its requests complain about; it grows."""
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("response", lambda r: found.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    return found


def wait(page: Page, expression: str, timeout_s: float = 20) -> Any:
    """The first true value. (Playwright's own waiting evaluates text, which the page's policy forbids.)"""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        with suppress(PlaywrightError):  # it is just being loaded
            if found := page.evaluate(expression):
                return found
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def weighed(page: Page, address: str) -> tuple[int, list[str]]:
    """Octets on the wire for an address, headers included, and what they were for."""
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    names: dict[str, str] = {}
    found: list[tuple[int, str]] = []
    wire.on("Network.requestWillBeSent", lambda e: names.update({e["requestId"]: e["request"]["url"]}))
    wire.on(
        "Network.loadingFinished",
        lambda e: found.append((int(e["encodedDataLength"]), names.get(e["requestId"], "?"))),
    )
    page.goto(address, wait_until="load")
    page.wait_for_timeout(250)  # lazy pictures and fonts come after the load
    wire.detach()
    return sum(n for n, _ in found), [f"{n} {url}" for n, url in sorted(found, reverse=True) if n]


def too_wide(page: Page) -> list[str]:
    """What makes it scroll sideways."""
    if page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        return []
    return page.evaluate(
        "[...document.querySelectorAll('body *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        ".slice(0, 6).map(e => e.outerHTML.slice(0, 160))"
    ) or ["?"]


LETTER_LEAST_PX = 9.0
"""Smaller letters nobody reads at arm's length: a picture that shrinks must not take its words along."""


def too_small(page: Page) -> list[str]:
    """Words in pictures that are smaller than that."""
    found = page.evaluate(
        "[...document.querySelectorAll('svg text')].filter(e => e.getClientRects().length)"
        ".map(e => [parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a, e.textContent])"
    )
    return [f"{size:.1f} px: {text}" for size, text in found if size < LETTER_LEAST_PX][:6]


def violations(page: Page) -> list[str]:
    """What axe finds, all of its rules. It is put in past the page's policy, as a tool may."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"(() => {{ {AXE} }})()")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
