# SPDX-License-Identifier: Apache-2.0
"""The console over a seeded record, as a browser and as a program see it."""

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import HOUR, MINUTE, NOW_MS, Seed, Story, registry

from coldchain.kernel.instants import rfc3339
from coldchain.records.health import beats
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings
from dashboards.console.app import create_app
from dashboards.console.assets import load_assets
from dashboards.console.console import Console
from dashboards.console.english import ENGLISH
from dashboards.console.security import trusted_peer

REG = registry(12)
WARM, QUIET, BROKEN, NEVER = (REG.appliances[i].id for i in (0, 1, 3, 11))
STORY = Story(
    warm={WARM: 70}, silent={QUIET: 47}, failed={BROKEN}, never={NEVER}, door={REG.appliances[4].id}
)
PAGES = ("/", f"/appliance/{WARM}", f"/appliance/{NEVER}?range=1y", "/alarms", "/alarm/1", "/waiting",
         "/health", "/wall", "/site/vte")  # fmt: skip
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
VOID = {"meta", "link", "input", "img", "br", "path", "circle", "rect", "use"}


class Outline(HTMLParser):
    """Tags in balance, and what a page must have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seed]:
    seed = Seed(tmp_path_factory.mktemp("record"), REG, STORY)
    seed.history(2)
    seed.opened = seed.alarm(WARM, minutes=50, peak=8_000)
    seed.alarm(REG.appliances[6].id, state="closed", minutes=300)
    seed.gateway(pending=1250, oldest_ms=NOW_MS - 20 * MINUTE, lost=14)
    seed.stranger("board-7", 2, 40, NOW_MS)
    seed.beats()
    yield seed
    seed.close()


@pytest.fixture(scope="module")
def client(seed: Seed) -> Iterator[Client]:
    app = create_app(seed.settings, lambda: seed.now_ms)
    with browsing(app) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    page = Outline(answer.text)
    assert page.all("html") == [{"lang": "en"}]
    names = [name for name, _ in page.tags]
    assert names[: names.index("body")].count("title") == 1
    assert names.count("h1") == names.count("main") == 1
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids)), "an id names one thing"
    assert "<style" not in answer.text
    assert not any(name.startswith("on") or name == "style" for _, attrs in page.tags for name in attrs)
    assert all(attrs.get("src") for attrs in page.all("script")), "no inline script: the policy forbids it"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_served_byte_names_a_foreign_host(client: Client) -> None:
    """Namespaces name nothing that is loaded; the one comment in a vendored file is its own."""
    known = ("http://www.w3.org/", "https://github.com/leeoniya/uPlot")
    served = {path: client.get(path).text for path in [*PAGES, f"/spark/{WARM}.svg", "/api/v1/openapi.json"]}
    served |= {name: asset.plain.decode("latin-1") for name, asset in load_assets().items()}
    for name, text in served.items():
        found = re.findall(r"(?:https?:)?//[a-z0-9][a-z0-9.-]*\.[a-z]{2,}[^\s\"')]*", text)
        assert [url for url in found if not url.startswith(known)] == [], name
    assert re.findall(r"(?:https?:)?//[a-z0-9][a-z0-9.-]*\.[a-z]{2,}", "x //cdn.example.org/a.js") != []


def test_the_fleet_says_what_is_wrong(client: Client) -> None:
    text = client.get("/").text
    page = Outline(text)
    rows = [attrs for attrs in page.all("li") if (attrs.get("id") or "").startswith("a-")]
    assert len(rows) == 12
    assert [attrs["id"] for attrs in rows[:3]] == [f"a-{WARM}", f"a-{QUIET}", f"a-{BROKEN}"]
    assert "unknown, was " in text
    assert "probe fault: circuit open" in text
    assert "door open" in text
    counts = [int(n) for n in re.findall(r"<b>(\d+)</b><span>(?:Alarm|Silent|Warning|Waiting|OK)", text)]
    assert len(counts) == 5
    assert sum(counts) == 12
    assert "1\N{NARROW NO-BREAK SPACE}250 readings" in text
    assert "14 readings" in text


def test_the_first_view_is_light(client: Client) -> None:
    """What a phone loads before it shows the fleet, compressed; at most 100 kB."""
    page = client.get("/").text
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    files = [client.get(name).content for name in set(names)]
    weight = sum(len(gzip.compress(one, 6)) for one in [page.encode(), *files])
    print(f"first view of 12 appliances: {weight / 1000:.1f} kB compressed")
    assert len(names) >= 4
    assert weight < 100_000


def test_assets_are_kept_for_ever_and_only_under_their_own_name(client: Client) -> None:
    name = re.findall(r'href="(/static/[^"]+\.css)"', client.get("/").text)[0]
    answer = client.get(name)
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/0123456789ab/console.css").status_code == 404
    assert client.get("/static/x/../../words.py").status_code == 404


def test_search_and_state_filter_without_script(client: Client) -> None:
    def shown(path: str) -> set[str]:
        rows = Outline(client.get(path).text).all("li")
        return {str(a["id"])[2:] for a in rows if (a.get("id") or "").startswith("a-") and "hidden" not in a}

    assert shown("/?q=kaysone") == {a.id for a in REG.appliances if a.site == "kys"}
    assert shown("/?state=alarm") == {WARM}
    assert shown("/?q=nothing-like-it") == set()


def test_the_appliance_page_shows_what_the_chart_shows_also_as_a_table(client: Client) -> None:
    text = client.get(f"/appliance/{WARM}?range=6h").text
    assert 'class="chart"' in text
    assert 'class="gap"' in text, "before the first reading nothing is known"
    assert text.count("<tr") > 30
    assert "above 6.0" in text
    assert "sent" in text
    assert client.get("/appliance/none-such").status_code == 404


def test_a_peak_shows_in_every_range(client: Client, seed: Seed) -> None:
    """Three minutes of 14.9 °C in the year's view."""
    cold = REG.appliances[9].id
    for minute in range(3):
        seed.report(f"{cold}/load", 14_900, NOW_MS - 60 * 86_400_000 + minute * MINUTE)
    for range_ in ("1y", "30d"):
        found = client.get(f"/api/v1/appliances/{cold}/series?range={range_}&points=100").json()
        in_range = range_ == "1y"
        assert (max(v for v in found["high"] if v is not None) == 14.9) is in_range
    assert max(client.get(f"/api/v1/appliances/{cold}/series?range=1y&points=3").json()["n"]) > 0


def test_an_error_code_does_not_bend_the_chart(client: Client, seed: Seed) -> None:
    """Five minutes of -127.000: a gap, and around it the true lowest and highest."""
    other = REG.appliances[10].id
    before = client.get(f"/api/v1/appliances/{other}/series?range=7d&points=50").json()
    for minute in range(5):
        seed.report(f"{other}/load", -127_000, NOW_MS - 90 * MINUTE + minute * MINUTE + 7_000)
    after = client.get(f"/api/v1/appliances/{other}/series?range=7d&points=50").json()
    assert sum(after["n"]) == sum(before["n"]) + 5
    assert (after["low"], after["high"]) == (before["low"], before["high"])


def test_series_by_sensor_and_span(client: Client) -> None:
    start, end = rfc3339(NOW_MS - HOUR), rfc3339(NOW_MS)
    params = {"from": start, "to": end, "points": 30, "sensor": f"{WARM}/door"}
    found = client.get(f"/api/v1/appliances/{WARM}/series", params=params).json()
    assert (found["quantity"], found["step_ms"], found["limits"]) == ("door", 120_000, [])
    assert {v for v in found["high"] if v is not None} == {0.0}
    limits = client.get(f"/api/v1/appliances/{WARM}/series").json()["limits"]
    assert [(one["low_c"], one["high_c"]) for one in limits] == [(2.0, 6.0)]
    silent = client.get(f"/api/v1/appliances/{QUIET}/series?range=6h").json()
    assert len(silent["gaps"]) == 2, "before the first reading, and since the last"
    assert silent["gaps"][1][0] > NOW_MS - 48 * MINUTE


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/appliances/none/series", 404, "unknown-appliance"),
        (f"/api/v1/appliances/{WARM}/series?sensor=x", 404, "unknown-sensor"),
        (f"/api/v1/appliances/{WARM}/series?range=2h", 400, "bad-request"),
        (f"/api/v1/appliances/{WARM}/series?points=0", 400, "bad-request"),
        (f"/api/v1/appliances/{WARM}/series?from=2023-01-01T00:00:00", 400, "bad-request"),
        (f"/api/v1/appliances/{WARM}/series?from=9999999999", 400, "bad-request"),
        ("/api/v1/nothing", 404, "unknown-page"),
    ],
)
def test_refusals_are_problem_details(client: Client, path: str, status: int, kind: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{kind}"


def test_csv_has_every_reading(client: Client) -> None:
    lines = client.get(f"/api/v1/appliances/{BROKEN}/readings.csv?range=6h").text.splitlines()
    assert lines[0] == "sensor,time,celsius"
    assert len(lines) == 1 + 120, "from two hours ago, to before now"
    assert sum(line.endswith(",") for line in lines) == 59, "failed readings are there, and empty"


def test_the_programs_view(client: Client, seed: Seed) -> None:
    fleet = client.get("/api/v1/appliances").json()
    assert sum(fleet["counts"].values()) == len(fleet["appliances"]) == 12
    assert [one["state"] for one in fleet["appliances"][:2]] == ["alarm", "silent"]
    assert fleet["appliances"][1]["celsius"] is None
    alarms = client.get("/api/v1/alarms").json()
    assert [one["id"] for one in alarms["open"]] == [seed.opened]
    assert [one["state"] for one in alarms["closed"]] == ["closed"]
    health = client.get("/api/v1/health").json()
    assert {p["name"]: p["alive"] for p in health["processes"]}["ingest"] is True
    assert health["gateways"][0]["lost"] == 14
    assert health["facts"]["InfluxDB"] == "up 30 behind"


def test_an_unknown_channel_waits_with_the_command_that_names_it(client: Client) -> None:
    assert "coldchain sensor adopt board-7/2 --as APPLIANCE/load" in client.get("/waiting").text


def form(client: Client, **values: str):
    headers = HERE | {"content-type": "application/x-www-form-urlencoded"}
    return client.post("/acknowledge", data=values, headers=headers, follow_redirects=False)


def commands(seed: Seed):
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    found = reader.commands()
    reader.close()
    return found


def test_acknowledging_writes_one_command_however_often_it_is_tapped(client: Client, seed: Seed) -> None:
    page = Outline(client.get("/alarms", headers=HERE).text)
    hidden = {str(a["name"]): str(a["value"]) for a in page.all("input") if a.get("type") == "hidden"}
    assert hidden["alarm"] == seed.opened
    for name in ("Noy", "Noy again"):
        assert form(client, **hidden, name=name).status_code == 303
    (command,) = commands(seed)
    assert (command.verb, command.alarm, command.person) == ("acknowledge", seed.opened, "Noy")
    assert "Asked: Noy" in client.get("/alarms", headers=HERE).text


@pytest.mark.parametrize(
    "other",
    [
        {"origin": "http://evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"x-forwarded-for": "10.0.0.9"},
        {"origin": "null"},
    ],
)
def test_only_this_machine_may_write(client: Client, seed: Seed, other: dict[str, str]) -> None:
    before = len(commands(seed))
    body = {"alarm": seed.opened, "name": "Mallory", "command": "f" * 32}
    answer = client.post("/acknowledge", data=body, headers=HERE | other, follow_redirects=False)
    assert answer.status_code in (401, 403)
    assert len(commands(seed)) == before


def test_a_named_network_may_write_and_nobody_else() -> None:
    """Under Compose the machine's own browser arrives from the bridge; off by default."""
    bridge = Settings.model_validate({"console": {"trusted": ["172.18.0.0/16"]}}).console.trusted
    assert Settings().console.trusted == ()
    assert trusted_peer("127.0.0.1", ())
    assert trusted_peer("172.18.0.1", bridge)
    assert not trusted_peer("172.18.0.1", ())
    assert not trusted_peer("172.19.0.1", bridge)
    assert not trusted_peer("no-address", bridge)


def test_a_site_says_who_and_what(client: Client) -> None:
    text = client.get("/site/vte").text
    page = Outline(text)
    rows = [a["id"] for a in page.all("li") if (a.get("id") or "").startswith("a-")]
    assert rows[0] == f"a-{WARM}"
    assert {row.split("-")[1] for row in rows if row} == {"vte"}
    assert "On-call, Vientiane" in text
    assert "…002" in text
    assert "+8562055501002" not in text
    assert "1250 readings wait in its spool" in text
    assert "No rota is in the registry" in text
    assert "No gateway is registered" in client.get("/site/skt").text
    assert client.get("/site/nowhere").status_code == 404


def test_bad_forms_are_refused(client: Client, seed: Seed) -> None:
    assert form(client, alarm=seed.opened, name=" ").status_code == 422
    assert form(client, alarm="none-such", name="Noy").status_code == 404
    assert form(client, alarm="x" * 9000, name="Noy").status_code == 413


def test_before_anything_is_there(tmp_path: Path) -> None:
    """First start: no file of the record exists yet; then they come."""
    now = [NOW_MS]
    settings = Settings(data_dir=tmp_path)
    with browsing(create_app(settings, lambda: now[0])) as client:
        assert "Waiting for the first reading" in client.get("/").text
        for path in ("/alarms", "/waiting", "/health"):
            assert client.get(path).status_code == 200, path
        seed = Seed(tmp_path, REG)
        seed.no_alarms()
        now[0] += 5_000
        text = client.get("/").text
        assert "no reading yet" in text
        assert client.get(f"/appliance/{WARM}").status_code == 200
        seed.history(0.2)
        now[0] += 5_000
        assert client.get("/api/v1/appliances").json()["counts"]["ok"] == 12
        assert client.get("/api/v1/appliances").json()["troubles"] == []
        seed.close()
    assert {beat.name for beat in beats(tmp_path)} == {"console"}


def test_a_locked_record_leaves_the_last_look_standing(tmp_path: Path) -> None:
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    seed.no_alarms()
    seed.close()
    console = Console(seed.settings, lambda: seed.now_ms)
    assert console.records.look().troubles == ()
    console.records._journal.reader()._db.close()
    look = console.records.look()
    assert "cannot be read" in str(look.troubles[0])
    assert len(look.fleet.rows) == 12
    assert look.fleet.rows[0].number != ""
    console.close()


def test_a_damaged_batch_is_told_and_stops_nothing(tmp_path: Path) -> None:
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    seed.no_alarms()
    seed.alarm(WARM)
    seed._journal.db.execute("UPDATE log SET rows = X'0102030405060708'")
    with browsing(create_app(seed.settings, lambda: seed.now_ms)) as client:
        answer = client.get("/")
        assert answer.status_code == 200
        assert "The record of readings is not there yet, or cannot be read" in answer.text
        assert client.get(f"/api/v1/appliances/{WARM}/series").status_code == 503
        assert client.get("/api/v1/alarms").json()["open"][0]["appliance"] == WARM, "alarms still show"
    seed.close()


def test_every_word_of_the_pages_is_in_the_catalogue() -> None:
    """And every word of the catalogue is asked for: by its key, or by what keys of a kind begin with."""
    folder = Path(create_app.__code__.co_filename).parent
    paths = [*folder.rglob("*.py"), *(folder / "templates").glob("*.html"), *(folder / "static").glob("*.js")]
    texts = [path.read_text() for path in paths if not path.name.startswith("english")]
    asked = {key for text in texts for key in re.findall(r"\bt\(\s*[\"']([a-z_.0-9-]+)[\"']", text)}
    begun = tuple(key for key in asked if key.endswith((".", "_")))
    assert sorted(key for key in asked - ENGLISH.keys() if key not in begun) == []
    named = {key for text in texts for key in re.findall(r"[\"']([a-z_]+\.[a-z_.0-9-]+)[\"']", text)}
    begun += tuple(
        {key for text in texts for key in re.findall(r"[\"'`]([a-z_]+\.[a-z_]*)(?:\{|[\"'] [~+])", text)}
    )
    kinds = {
        key for text in texts for key in re.findall(r"\b(?:word|coded|by_code)\(\s*[\"']([a-z_]+)[\"']", text)
    }
    kinds |= {"left_why", "life", "spoke", "strip"}  # asked for by codes of alerts, by a number, by a state
    unused = {
        key for key in ENGLISH.keys() - named if not key.startswith(begun) and key.split(".")[0] not in kinds
    }
    assert sorted(unused) == []
