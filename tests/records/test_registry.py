# SPDX-License-Identifier: Apache-2.0
"""The registry keeps every version, and refuses what does not hang together."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldchain.kernel.errors import BadData, SchemaTooNew
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    Person,
    Registry,
    RegistryReader,
    Sensor,
    Site,
    read_registry_file,
)
from coldchain.records.sql import open_reader, open_writer

SITE = Site(id="vte", name="Vientiane")
FRIDGE = Appliance(
    id="br-1",
    name="Blood fridge 1",
    site="vte",
    assignments=(Assignment(carries="red-cells@eu", from_ms=100),),
)
LOAD = Sensor(id="br-1/load", appliance="br-1", node="n-1", channel=0)


def test_a_reader_takes_up_each_new_version(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.db", lambda: 5)
    reader = RegistryReader(tmp_path / "desk.db")
    assert not reader.refresh()
    assert desk.publish(Registry(sites=(SITE,)), author="a", reason="first") == 1
    assert reader.refresh()
    assert (
        desk.publish(
            Registry(sites=(SITE,), appliances=(FRIDGE,), sensors=(LOAD,)), author="a", reason="more"
        )
        == 2
    )
    assert reader.refresh()
    assert not reader.refresh()
    assert reader.registry.by_channel["n-1", 0].id == "br-1/load"


def test_two_people_cannot_overwrite_each_other(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.db", lambda: 5)
    desk.publish(Registry(), author="a", reason="first")
    desk.publish(Registry(), author="b", reason="second", after=1)
    with pytest.raises(BadData, match="changed meanwhile"):
        desk.publish(Registry(), author="a", reason="late", after=1)


def test_an_assignment_holds_from_its_moment() -> None:
    assert FRIDGE.carries(99) is None
    assert FRIDGE.carries(100) == "red-cells@eu"


def test_people_are_told_of_their_sites_only() -> None:
    here = Person(id="a", name="A", phone="+8562055500001", sites=("vte",))
    everywhere = Person(id="b", name="B", phone="+8562055500002")
    registry = Registry(sites=(SITE,), people=(here, everywhere))
    assert registry.people_for("vte") == [here, everywhere]
    assert registry.people_for("pks") == [everywhere]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"sites": (SITE, SITE)}, "site 'vte' appears twice"),
        ({"appliances": (FRIDGE,)}, "site 'vte' is not known"),
        ({"sensors": (LOAD,)}, "appliance 'br-1' is not known"),
        (
            {
                "sites": (SITE,),
                "appliances": (FRIDGE.model_copy(update={"assignments": (Assignment(carries="tea@eu"),)}),),
            },
            "'tea@eu'",
        ),
    ],
)
def test_what_does_not_hang_together_is_refused(parts: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Registry(**parts)  # type: ignore[arg-type]


def test_a_file_that_is_no_registry_says_where() -> None:
    with pytest.raises(BadData, match="sites"):
        read_registry_file('{"sites": [{"id": "UPPER", "name": "x"}]}')


def test_a_file_of_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_writer(path, ["CREATE TABLE a (b)", "CREATE TABLE c (d)"]).close()
    with pytest.raises(SchemaTooNew, match="format 2, this version reads up to 1"):
        open_reader(path, 1)
    with pytest.raises(SchemaTooNew, match="format 2"):
        open_writer(path, ["CREATE TABLE a (b)"])
