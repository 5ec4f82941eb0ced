# SPDX-License-Identifier: Apache-2.0
"""Without a connection: the last state is kept, stamped, cleared at sign-out; answers go later, once."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from console_seed import MINUTE
from playwright.sync_api import Browser, Page
from screens import PASSWORD, Served, chromium, complaints, visit, wait

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import Asked, AskedReader
from coldchain.records.sql import open_writer, transaction
from dashboards.console.offline import ANSWER_OLD_MS, check_late
from dashboards.console.problems import Problem

CONTROLLED = "navigator.serviceWorker.controller !== null"
KEPT = "caches.open('state').then(c => c.keys()).then(k => k.map(r => new URL(r.url).pathname).sort())"
OLDER = """by => new Promise(done => {
    const opening = indexedDB.open('coldchain', 1);
    opening.onsuccess = () => {
        const all = opening.result.transaction('answers', 'readwrite'), store = all.objectStore('answers');
        store.getAll().onsuccess = e => e.target.result.forEach(one => store.put({...one, at: one.at - by}));
        all.oncomplete = () => { opening.result.close(); done(); };
    };
})"""
"""As if the answers that wait had been given so much earlier [ms]."""
TOUCH = {"has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "record")
    yield made
    made.close()


def asked(served: Served) -> list[Asked]:
    return AskedReader(served.seed.settings.desk_db).about(served.alarm, 1, "vte-br-000")


def state(served: Served, state: str) -> None:
    db = open_writer(served.seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("UPDATE alarm SET state = ? WHERE number = 1", (state,))
    db.close()


def kept_here(page: Page, *paths: str) -> None:
    """Open these pages, the first one until the service worker holds it."""
    for path in (paths[0], *paths):
        page.goto(path, wait_until="load")
        wait(page, CONTROLLED)
    wait(page, f"{KEPT}.then(k => {list(paths)!r}.every(p => k.includes(p)))")


def test_a_thumb_answers_without_a_connection_and_it_is_sent_once_later(
    browser: Browser, served: Served
) -> None:
    context = visit(browser, served, "en", **TOUCH)
    page = context.new_page()
    told = complaints(page)
    kept_here(page, "/", "/alarms", "/alarm/1")
    assert told == []
    served.stop()
    page.goto("/alarms")
    assert page.locator("#kept").is_visible()
    assert "No connection. This is what was known at" in page.locator("#kept").inner_text()
    page.goto("/alarm/1")
    page.locator("#do-acknowledge button").tap()
    wait(page, "!document.querySelector('#unsent').hidden")
    assert "Not yet sent: your answer to alarm 1" in page.locator("#unsent").inner_text()
    assert page.evaluate("location.pathname") == "/alarm/1"
    assert page.locator("#do-acknowledge button").is_disabled(), "it is asked for already"
    assert asked(served) == []
    served.start()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    wait(page, "!document.body.dataset.kept && document.querySelector('#unsent').hidden")
    wait(page, "document.body.innerText.includes('Acknowledge: asked by')")
    (one,) = asked(served)
    assert (one.verb, one.person) == ("acknowledge", "Noy en")
    page.reload()
    wait(page, CONTROLLED)
    assert [a.id for a in asked(served)] == [one.id]
    context.close()


def test_one_answer_to_several_alarms_waits_and_is_sent_as_well(browser: Browser, served: Served) -> None:
    served.seed._alarms = 100  # beyond the messages that it has
    for id_ in ("vte-br-000", "vte-pf-003"):
        served.seed.alarm(id_, "silence", peak=None)
    context = visit(browser, served, "en", **TOUCH)
    page = context.new_page()
    kept_here(page, "/", "/alarms")
    served.stop()
    page.goto("/alarms")
    page.locator("form[action='/acknowledge-together'] button").tap()
    wait(page, "!document.querySelector('#unsent').hidden")
    assert page.evaluate("location.pathname") == "/alarms"
    assert "Not yet sent: your answer to alarm" in page.locator("#unsent").inner_text()
    assert page.locator("form[action='/acknowledge-together'] button").is_disabled()
    served.start()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    wait(page, "!document.body.dataset.kept && document.querySelector('#unsent').hidden")
    found = AskedReader(served.seed.settings.desk_db).of_verb("acknowledge", 50)
    assert [(one.person, str(one.alarm).split(":")[1]) for one in found] == [("Noy en", "silence")] * 2
    context.close()


@pytest.mark.parametrize("how", ["closed", "old"])
def test_an_answer_that_comes_too_late_is_told_and_changes_nothing(
    browser: Browser, served: Served, how: str
) -> None:
    context = visit(browser, served, "fr", **TOUCH)
    page = context.new_page()
    kept_here(page, "/alarm/1")
    served.stop()
    page.goto("/alarm/1")
    page.locator("#do-acknowledge button").tap()
    wait(page, "!document.querySelector('#unsent').hidden")
    if how == "closed":
        state(served, "closed")
    else:
        page.evaluate(OLDER, ANSWER_OLD_MS + MINUTE)
    served.start()
    page.evaluate("navigator.serviceWorker.controller.postMessage({what: 'send'})")
    page.wait_for_selector("#unsent .trouble")
    text = page.locator("#unsent").inner_text()
    assert ("close" in text) if how == "closed" else ("trop tard" in text)
    assert asked(served) == []
    page.locator("#unsent button").tap()
    wait(page, "document.querySelector('#unsent').hidden")
    context.close()


def test_what_was_kept_is_stamped_ages_and_ends_with_the_session(browser: Browser, served: Served) -> None:
    context = visit(browser, served, "lo")
    page = context.new_page()
    kept_here(page, "/", "/site/vte", "/alarms")
    page.goto("/account")
    assert "/account" not in page.evaluate(KEPT), "one's own account is not kept"
    page.locator("form[action='/signout'] button").click()
    page.wait_for_url("**/signin")
    wait(page, "caches.has('state').then(has => !has)")
    served.stop()
    with pytest.raises(Exception, match="ERR_"):
        page.goto("/alarms")
    context.close()


def test_a_session_that_has_ended_leaves_nothing_behind(browser: Browser, served: Served) -> None:
    context = visit(browser, served, "en")
    page = context.new_page()
    kept_here(page, "/", "/alarms")
    context.clear_cookies()
    # (the machine itself may read without signing in: a proxy's word makes it somebody far away)
    context.set_extra_http_headers({"x-forwarded-for": "10.0.0.9"})
    page.goto("/alarms")
    wait(page, "caches.open('state').then(c => c.keys()).then(k => k.length === 0)")
    context.close()


def test_only_a_fresh_answer_counts() -> None:
    check_late({}, wanted=False)
    check_late({"ago_ms": str(ANSWER_OLD_MS)}, wanted=True)
    for bad in (str(ANSWER_OLD_MS + 1), "x", "-1", "9" * 13):
        with pytest.raises(Problem, match="answer-too-old"):
            check_late({"ago_ms": bad}, wanted=True)
    with pytest.raises(Problem, match="already-closed"):
        check_late({"ago_ms": "0"}, wanted=False)


# --- somebody else signs in meanwhile


def enter(page: Page, name: str) -> None:
    """The session has ended; somebody signs in anew."""
    page.context.clear_cookies()
    page.goto("/signin")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.locator("main form[action='/signin'] button").click()
    page.wait_for_url(lambda url: not url.endswith("/signin"))
    wait(page, CONTROLLED)


def test_an_answer_is_sent_under_the_name_of_who_gave_it_and_no_other(
    browser: Browser, served: Served
) -> None:
    context = visit(browser, served, "en", **TOUCH)
    page = context.new_page()
    kept_here(page, "/alarm/1")
    served.stop()
    page.goto("/alarm/1")
    page.locator("#do-acknowledge button").tap()
    wait(page, "!document.querySelector('#unsent').hidden")
    context.clear_cookies()
    served.start()
    enter(page, "fr")
    page.goto("/alarms")
    page.wait_for_selector("#unsent .note")
    text = page.locator("#unsent").inner_text()
    assert "Elle n’est pas envoyée sous votre nom" in text
    assert "quand en se connectera ici" in text
    assert asked(served) == [], "another's answer waits for its own"
    page.get_by_text("La garder pour en").tap()
    wait(page, "document.querySelector('#unsent').hidden")
    enter(page, "en")
    wait(page, "document.querySelector('#unsent').hidden")
    page.goto("/alarm/1")
    wait(page, "document.body.innerText.includes('Acknowledge: asked by')")
    (one,) = asked(served)
    assert (one.verb, one.person) == ("acknowledge", "Noy en"), "in a new session of the same account"
    context.close()


def test_an_answer_of_another_is_discarded_only_when_one_says_so(browser: Browser, served: Served) -> None:
    context = visit(browser, served, "en", **TOUCH)
    page = context.new_page()
    kept_here(page, "/alarm/1")
    served.stop()
    page.goto("/alarm/1")
    page.locator("#do-acknowledge button").tap()
    wait(page, "!document.querySelector('#unsent').hidden")
    context.clear_cookies()
    served.start()
    enter(page, "vi")
    page.wait_for_selector("#unsent .note")
    page.get_by_text("Bỏ đi").tap()
    wait(page, "document.querySelector('#unsent').hidden")
    enter(page, "en")
    page.goto("/alarm/1")
    wait(page, CONTROLLED)
    assert page.locator("#unsent").is_hidden()
    assert asked(served) == []
    context.close()


def test_the_server_takes_no_answer_under_another_name(served: Served) -> None:
    with served.client() as client:
        form = client.get("/whoami").json()
        assert (form["who"], form["may"]) == ("en", True)
        for given_by, status in (("fr", 409), ("no account", 409), ("en", 303)):
            body = {"alarm": served.alarm, "command": uuid4().hex, "form": form["form"], "given_by": given_by}
            answer = client.post("/acknowledge", data=body)
            assert answer.status_code == status, given_by
            if status == 409:
                assert answer.headers["x-problem"] == "other-account"
    assert [one.person for one in asked(served)] == ["Noy en"]
