# SPDX-License-Identifier: Apache-2.0
"""What is to be mended, on the health page."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from console_client import browsing
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.readiness import Finding
from dashboards.console.app import create_app
from dashboards.console.ready import KEEP_MS, Mending, shown

SILENT = Finding("now", "silent", "vte-br-000", "vte-br-000 is silent since noon", "look at its node")
UNPROVEN = Finding("soon", "unproven", "noy", "never sent", "coldchain test sms +8562055501002; ask")


def page(tmp_path: Path, ready: Callable[[int], Sequence[Finding]] | None, language: str = "en") -> str:
    seed = Seed(tmp_path, registry(6), Story())
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS, ready=ready)) as client:
        return str(client.get("/health", headers={"accept-language": language}).text)


def test_the_list_is_on_the_health_page(tmp_path: Path) -> None:
    text = page(tmp_path, lambda _now_ms: [SILENT, UNPROVEN])
    for told in (
        "To be mended",
        "Nothing heard since noon.",
        "Look at its board",
        "telephone not proven",
    ):
        assert told in text
    assert "+8562055501002" not in text
    assert "Nothing is to be mended" not in text


def test_nothing_to_mend_is_said_and_not_known_is_not(tmp_path: Path) -> None:
    assert "Nothing is to be mended" in page(tmp_path / "a", lambda _now_ms: [])

    def broken(_now_ms: int) -> Sequence[Finding]:
        raise StoreUnavailable("alarms.db: not there")

    for number, ready in enumerate((None, broken)):
        text = page(tmp_path / f"b{number}", ready)
        assert "To be mended" not in text
        assert "Nothing is to be mended" not in text


def test_whoever_sees_one_site_sees_what_is_about_it() -> None:
    known = registry(6)
    other = Finding("now", "silent", next(a.id for a in known.appliances if a.site != "vte"), "", "")
    found = [SILENT, other, UNPROVEN]
    assert shown(found, known, lambda site, _registry: site == "vte") == [SILENT]
    assert [one.subject for one in shown(found, known, None) or []] == ["vte-br-000", other.subject, "noy"]


def test_the_list_is_made_once_for_many() -> None:
    asked: list[int] = []

    def made(now_ms: int) -> list[Finding]:
        asked.append(now_ms)
        return []

    mending = Mending(made)
    for now_ms in (0, 1, KEEP_MS - 1, KEEP_MS):
        mending.look(now_ms)
    assert asked == [0, KEEP_MS]


@pytest.mark.parametrize(("language", "heading"), [("fr", "À régler"), ("vi", "Cần sửa"), ("lo", "ຕ້ອງແກ້")])
def test_it_speaks_the_readers_language(tmp_path: Path, language: str, heading: str) -> None:
    text = page(tmp_path, lambda _now_ms: [SILENT], language)
    assert heading in text
    assert "To be mended" not in text
