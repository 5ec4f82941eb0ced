# SPDX-License-Identifier: Apache-2.0
"""The fleet file: 243 appliances of a national service, and what a wrong file is told."""

import re
import tomllib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.fleet import NATIONAL, Fleet, FleetError
from firmware_sim.physics.designs import DESIGNS, ApplianceType
from firmware_sim.physics.quantities import OFFERS, Quantity

PROVINCES = {
    "Attapeu", "Bokeo", "Bolikhamxay", "Champasak", "Houaphanh", "Khammouane", "Luang Namtha",
    "Luang Prabang",
    "Oudomxay", "Phongsaly", "Sainyabuli", "Salavan", "Savannakhet", "Sekong", "Vientiane Prefecture",
    "Vientiane Province", "Xaisomboun", "Xiangkhouang",
}  # fmt: skip


@pytest.fixture(scope="module")
def national():
    return Fleet.load()


def test_the_national_fleet_is_243_appliances_on_about_40_lines(national):
    assert len(national.appliances) == 243
    assert {site.level for site in national.sites} == {"central", "provincial", "district"}
    assert {site.province for site in national.sites} == PROVINCES
    assert set(Counter(a.type for a in national.appliances)) == set(ApplianceType)
    links = Counter(node.link for node in national.nodes)
    assert links["serial"] == 40
    mobile = [a for a in national.appliances if a.mobile]
    assert links["mqtt"] == len(mobile)
    by_node = {node.id: node for node in national.nodes}
    assert all((by_node[a.node].link == "mqtt") == a.mobile for a in national.appliances)


def test_ids_are_short_and_readable(national):
    for appliance in national.appliances:
        code = DESIGNS[appliance.type].code
        assert re.fullmatch(rf"{appliance.site}-{code}-\d\d", appliance.id)
        assert appliance.profile in {"red-cells@eu", "plasma@eu", "platelets@eu"}
        assert appliance.free_units > 0
    for node in national.nodes:
        assert re.fullmatch(r"[a-z0-9-]{4,10}", node.id)
    for person in national.people:
        assert re.fullmatch(r"\+856205550\d{4}", person.phone)
    assert len({person.phone for person in national.people}) == len(national.people)
    for site in national.sites:
        roles = {person.role for person in national.people if person.site == site.id}
        assert {"technician", "on-call"} <= roles


def test_channels_never_collide_and_never_move(national):
    for node in national.nodes:
        numbers = [n for a in national.on_node(node.id) for n in a.channels.values()]
        assert len(numbers) == len(set(numbers))
    first = national.appliances[0]
    assert first.id == "vte-br-01"
    assert first.channel(Quantity.LOAD) == first.slot * 16
    assert first.sensor(Quantity.SET_POINT) == "vte-br-01/set-point"


def test_a_node_keeps_its_readings_modest():
    for kind, offers in OFFERS.items():
        slow = sum(3600 / offer.every_s for offer in offers if offer.every_s > 60)
        assert slow <= 40, kind
        assert {Quantity.LOAD, Quantity.AIR} <= {offer.quantity for offer in offers}


WHOLE = Fleet.load()


@given(st.integers(0, 243), st.integers(0, 5))
def test_a_small_fleet_is_a_balanced_prefix(count, seed):
    fleet = Fleet.small(count, seed, of=WHOLE)
    assert len(fleet.appliances) == count
    assert fleet.appliances == Fleet.small(243, seed, of=WHOLE).appliances[:count]
    if count:
        assert fleet.appliances[0].id == "vte-br-01"
        assert {a.site for a in fleet.appliances} == {s.id for s in fleet.sites}
        assert {a.node for a in fleet.appliances} == {n.id for n in fleet.nodes}
    if count >= 6:
        assert {a.type for a in fleet.appliances} == set(ApplianceType)
    whole = Counter(a.type for a in WHOLE.appliances)
    for kind, times in Counter(a.type for a in fleet.appliances).items():
        assert abs(times - count * whole[kind] / 243) <= 3


def test_too_large_a_fleet_is_refused():
    with pytest.raises(FleetError, match=r"244 appliances asked for; the fleet 'national' has 0\.\.243"):
        Fleet.small(244)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "vte-br-02"', 'id = "vte-br-01"', "appliance .*vte-br-01.* appears twice"),
        ('level = "central"', 'level = "national"', "site vte: level 'national' is not one of"),
        ('node = "vte-n1", slot = 1,', 'node = "vte-n1", slot = 0,', "appliance vte-br-02: slot .* is taken"),
        (
            'node = "vte-n1", slot = 1,',
            'node = "lpb-n1", slot = 7,',
            "its node lpb-n1 stands at another site",
        ),
        ('type = "ultra-freezer"', 'type = "toaster"', "'toaster' is not a valid ApplianceType"),
        ("utc_offset_h = 7.0", "", "utc_offset_h"),
        (
            'room = "storage", link = "serial"',
            'room = "storage", link = "radio"',
            "link 'radio' is not serial or mqtt",
        ),
    ],
)
def test_a_wrong_file_is_told_where(old, new, message):
    text = NATIONAL.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(FleetError, match=message):
        Fleet.of(tomllib.loads(text.replace(old, new, 1)))
