# SPDX-License-Identifier: Apache-2.0
"""Schedules of reports at the console: added, listed, ended; what is not sound is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_seed import Seed, registry
from office import Desk, office

from coldchain.records.filed import FiledReader

GOOD = {"kind": "day", "site": "vte", "language": "lo", "at": "07:30", "who": "a@x.la, b@x.la"}


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(3))
    made.close()
    return made


@pytest.fixture
def admin(seed: Seed) -> Iterator[Desk]:
    with office(seed) as (_, desks):
        yield desks["admin"]


def test_added_listed_and_ended(admin: Desk, seed: Seed) -> None:
    assert "No mail server is set up" in admin.text("/admin/schedules")
    assert admin.post("/admin/schedules", **GOOD).status_code == 303
    (one,) = FiledReader(seed.settings.desk_db).schedules()
    assert (one.kind, one.subject, one.at_clock, one.who, one.made_by) == (
        "day", "vte", "07:30", ("a@x.la", "b@x.la"), "admin",
    )  # fmt: skip
    assert "a@x.la, b@x.la" in admin.text("/admin/schedules")
    assert admin.post("/admin/schedules/end", schedule=str(one.id)).status_code == 303
    assert FiledReader(seed.settings.desk_db).schedules() == []
    assert admin.post("/admin/schedules/end", schedule=str(one.id)).status_code == 404


WRONG = [{"at": "25:00"}, {"who": "nobody"}, {"who": ""}, {"site": ""}, {"site": "x"}, {"kind": "year"},
         {"language": "de"}]  # fmt: skip


def test_what_is_not_sound_is_refused(admin: Desk, seed: Seed) -> None:
    for change in WRONG:
        assert admin.post("/admin/schedules", **GOOD | change).status_code == 422, change
    assert FiledReader(seed.settings.desk_db).schedules() == []
