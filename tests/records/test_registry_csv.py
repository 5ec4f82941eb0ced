# SPDX-License-Identifier: Apache-2.0
"""Tables for the registry: row by row what is added, changed or refused; nothing comes of a refusal."""

import pytest
from console_seed import NOW_MS, registry
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.errors import BadData
from coldchain.records.registry import Registry
from coldchain.records.registry_csv import MODELS, plan, template

BASE = registry(6)


def states(table: str, text: str, base: Registry = BASE) -> list[tuple[str, str]]:
    return [(row.id, row.state) for row in plan(table, text, base, NOW_MS).rows]


@pytest.mark.parametrize("table", sorted(MODELS))
def test_what_is_brought_back_as_it_was_changes_nothing(table: str) -> None:
    found = plan(table, template(table, BASE), BASE, NOW_MS)
    assert {row.state for row in found.rows} <= {"same"}
    assert found.made is None


def test_added_changed_and_the_version_that_comes_of_it() -> None:
    text = (
        "id,name,site,kind,carries,hold_over_min\n"
        "vte-br-000,Renamed,vte,,plasma@eu,\n"
        "skt-br-001,,,,,240\n"
        "vte-br-009,New one,vte,blood-refrigerator,red-cells@eu,90\n"
    )
    found = plan("appliances", text, BASE, NOW_MS)
    assert [(row.id, row.state) for row in found.rows] == [
        ("vte-br-000", "changed"), ("skt-br-001", "changed"), ("vte-br-009", "added"),
    ]  # fmt: skip
    assert found.rows[0].changes == (
        ("name", "Blood refrigerator 0", "Renamed"),
        ("carries", "red-cells@eu", "plasma@eu"),
    )
    assert found.rows[1].changes == (("hold_over_min", "", "240"),)
    assert found.made is not None
    first = found.made.appliance_by_id["vte-br-000"]
    assert (first.carries(NOW_MS - 1), first.carries(NOW_MS)) == ("red-cells@eu", "plasma@eu")
    assert found.made.appliance_by_id["skt-br-001"].name == "Blood refrigerator 1", (
        "empty keeps what is there"
    )
    assert len(found.made.appliances) == 7
    assert found.made.sensors == BASE.sensors


@pytest.mark.parametrize(
    ("table", "line", "why"),
    [
        ("appliances", "x-1,X,nowhere", "site 'nowhere' is not known"),
        ("appliances", "X Y,X,vte", "id 'X Y'"),
        ("appliances", ",X,vte", "no id"),
    ],
)
def test_one_refused_row_and_nothing_comes_of_the_rest(table: str, line: str, why: str) -> None:
    found = plan(table, f"id,name,site\nvte-br-009,Good,vte\n{line}\n", BASE, NOW_MS)
    assert [row.state for row in found.rows] == ["added", "refused"]
    assert why in found.rows[1].why
    assert found.made is None


def test_people_in_cells_with_several_values() -> None:
    text = "id;name;phone;numbers;sites;channels\nnoy;Noy;+8562055501009;+8562055501010;vte;sms\n"
    found = plan("people", text, BASE, NOW_MS)
    assert found.made is not None
    noy = found.made.person_by_id["noy"]
    assert (noy.numbers, noy.sites, noy.channels) == (("+8562055501010",), ("vte",), ("sms",))
    bad = plan("people", "id,name,phone\nnoy,Noy,0205\n", BASE, NOW_MS)
    assert "phone" in bad.rows[0].why


def test_what_is_wrong_with_the_whole_is_told() -> None:
    twice = plan("sensors", "id,node,channel\na/load,n-vte-br-000,0\n", BASE, NOW_MS)
    assert "appears twice" in twice.fault, "another sensor has that channel"
    assert twice.made is None
    assert states("sites", "id,name\na,A\na,B\n") == [("a", "added"), ("a", "refused")]
    for text, why in (
        ("", "empty"),
        ("id,colour\nx,red\n", "colour"),
        ("name\nx\n", "id"),
        ('id\n"x\n', "commas"),
    ):
        with pytest.raises(BadData, match=why):
            plan("sites", text, BASE, NOW_MS)


@given(st.sampled_from(sorted(MODELS)), st.text(max_size=120))
def test_no_text_breaks_it(table: str, text: str) -> None:
    """It is a plan, or BadData; and what it makes is sound."""
    try:
        found = plan(table, f"id,{'name' if table in ('sites', 'people') else 'site'}\n{text}", BASE, NOW_MS)
    except BadData:
        return
    assert found.made is None or Registry.model_validate(found.made.model_dump()) == found.made
