# SPDX-License-Identifier: Apache-2.0
"""Four languages at the console: every word, per person, and nothing of one reader in another's page."""

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.records.accounts import Accounts
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app
from dashboards.console.english import ENGLISH
from dashboards.console.words import LANGUAGES, LOCALE, Coded, Joined, choose, said, t, word

PASSWORD = "a long sentence of words"
WARM = "vte-br-000"
PAGES = [
    "/",
    "/wall",
    f"/appliance/{WARM}",
    "/site/vte",
    "/alarms",
    "/alarm/1",
    "/waiting",
    "/health",
    "/signin",
    "/nowhere",
]
OTHERS = sorted(set(LANGUAGES) - {"en"})
SCRIPT = {
    "lo": "[\u0e80-\u0eff]{3}",
    "fr": "[éèàçêîôû]",
    "vi": "[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệịọỏốồổỗộớờởỡợụủứừửữự]",
}


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(
        tmp_path, registry(6), Story(warm={WARM: 90}, silent={"skt-br-001": 60}, never={"kys-br-002"})
    )
    made.history(hours=2)
    made.alarm(WARM)
    made.gateway(pending=5)
    made.beats()
    made.close()
    return made


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        yield client


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_is_whole_and_keeps_every_field(language: str) -> None:
    path = LOCALE / language / "LC_MESSAGES" / "console.po"
    with path.open("rb") as file:
        told = {str(m.context): str(m.string) for m in read_po(file) if m.id}
    assert sorted(ENGLISH.keys() - told.keys()) == []
    assert sorted(told.keys() - ENGLISH.keys()) == []
    assert {key for key in told if fields(told[key]) != fields(ENGLISH[key])} == set()
    assert "NOT YET READ BY A NATIVE SPEAKER" in path.read_text("utf-8")
    choose(language)
    try:
        values = {name: name for key in told for name in fields(told[key])}
        assert {key for key in told if t(key, **values) != told[key].format(**values)} == set(), "compile it"
        assert word("kind", "high") != "too warm"
        assert word("kind", "brand_new") == "brand new"
    finally:
        choose("en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_in_every_language(client: Client, path: str, language: str) -> None:
    """The browser's language, until somebody signs in."""
    answer = client.get(path, headers={"accept-language": f"{language}-XX,{language};q=0.9,en;q=0.5"})
    assert f'<html lang="{language}">' in answer.text
    text = re.sub(r"<[^>]*>", " ", answer.text)
    if language == "en":
        assert not re.search(SCRIPT["lo"], text)
        return
    assert re.search(SCRIPT[language], text, re.IGNORECASE)
    # Of whole English sentences none is left; single words (OK, InfluxDB) are the same in some.
    sentences = {text for text in ENGLISH.values() if text.count(" ") >= 2 and "{" not in text}
    assert {sentence for sentence in sentences if sentence in text} == set()


def test_one_reader_in_lao_changes_nothing_for_the_next(client: Client) -> None:
    lao = client.get("/", headers={"accept-language": "lo"}).text
    english = client.get("/", headers={"accept-language": "en"}).text
    assert "above 6.0" in english
    assert "above 6.0" not in lao
    assert "data-events" in english
    assert "data-events" in lao


def test_the_account_has_its_own_language(client: Client, seed: Seed) -> None:
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    accounts.add("keo", PASSWORD, role="on-call", language="vi", by="test", fresh=False)
    cookie = accounts.sign_in("keo", PASSWORD, "x")
    headers = {"cookie": f"{COOKIE}={cookie}", "accept-language": "fr", "origin": "http://127.0.0.1:8080"}
    page = client.get("/account", headers=headers).text
    assert '<html lang="vi">' in page
    form = re.findall(r'name="form" value="([^"]+)"', page)[0]
    client.post("/account/language", data={"language": "lo", "form": form}, headers=headers)
    assert '<html lang="lo">' in client.get("/", headers=headers).text
    wrong = client.post("/account/language", data={"language": "xx", "form": form}, headers=headers)
    assert wrong.status_code == 422
    accounts.close()


def test_what_is_said_later_is_said_in_the_readers_language() -> None:
    text = Joined((said("why.alarm", kind=Coded("kind", "high"), since="02:14"), said("why.door")), "; ")
    assert str(text) == "too warm since 02:14; door open"
    choose("fr")
    try:
        assert str(text) == "trop chaud depuis 02:14; porte ouverte"
    finally:
        choose("en")
    assert not Joined(())
