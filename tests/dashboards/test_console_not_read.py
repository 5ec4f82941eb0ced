# SPDX-License-Identifier: Apache-2.0
"""What the console cannot read: told, and never taken for all being well."""

from pathlib import Path

from console_client import browsing
from console_seed import Seed, registry

from dashboards.console.app import create_app


def open_part(page: str) -> str:
    return page[page.index('<section id="open"') : page.index("</section>")]


def test_where_alarms_cannot_be_read_no_mark_says_that_none_is_open(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(3))
    seed.history(1)
    try:
        with browsing(create_app(seed.settings, lambda: seed.now_ms)) as client:
            client.get("/")
            told = open_part(client.get("/alarms").text)
            assert 'class="trouble"' in told
            assert "alarms.db" in told
            assert "#i-ok" not in told
        seed.no_alarms()
        seed.gateway()
        seed.beats()
        with browsing(create_app(seed.settings, lambda: seed.now_ms)) as client:
            client.get("/")
            told = open_part(client.get("/alarms").text)
            assert 'class="trouble"' not in told
            assert "#i-ok" in told
    finally:
        seed.close()
