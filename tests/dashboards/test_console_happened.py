# SPDX-License-Identifier: Apache-2.0
"""What alerts wrote in English, with ids, is read in the reader's language, with names."""

import re

import pytest
from console_seed import registry

from dashboards.console.alarms.happened import happened
from dashboards.console.words import speaking

REGISTRY = registry(6)
WHO = REGISTRY.people[0]
HERE, THERE = REGISTRY.appliances[0], REGISTRY.appliances[1]
SITE = REGISTRY.site_by_id[HERE.site]

LINES = [
    ("bending", "7562", ["7.6\u00a0°C"]),
    ("finding", f"true warm_load {WHO.id}: looked back on", ["true", "warm load put in", WHO.name]),
    ("finding", f"nuisance unknown {WHO.id}", ["nuisance", WHO.name]),
    ("disposition", f"keep by {WHO.id} and {WHO.id}: it was out", ["Keep", WHO.name, "it was out"]),
    ("out_of_service", f"{WHO.id}: torn seal (blood: {THERE.id})", [WHO.name, "torn seal", THERE.name]),
    (
        "out_of_service",
        f"{WHO.id}: torn seal (blood: empty)",
        [WHO.name, "torn seal", "there was none in it"],
    ),
    ("suppressed", f"site/{SITE.id}:power:1793604655000", ["no mains", SITE.name]),
    ("released", f"{HERE.id}/load:high_warning:1793604655000", ["too warm", HERE.name]),
    ("shelved", f"{WHO.id} and {WHO.id} until 2026-11-16T11:00:00Z: cleaning", [WHO.name, "cleaning"]),
    ("unshelved", f"by {WHO.id}", [WHO.name]),
    ("unshelved", "expired", ["its time was up"]),
    ("raised_again", "sensor_fault", ["sensor fault"]),
    ("cause", "unknown; 76 %", ["not clear"]),
    (
        "blind",
        "x: no data since 14:09; if power is out, red cells pass 6 °C at about 14:49",
        ["14:49", "6 °C"],
    ),
    ("not_delivered", f"{WHO.id}: now by call", [WHO.name, "call"]),
    ("nobody", "supervisor manager", ["supervisor", "manager"]),
    ("acknowledged", f"{WHO.id} moved {THERE.id}: too warm", ["Moved the blood", THERE.name, "too warm"]),
]


@pytest.mark.parametrize(("event", "detail", "told"), LINES)
def test_line(event: str, detail: str, told: list[str]) -> None:
    _, rest = happened(event, detail, REGISTRY)
    assert [part for part in told if part not in rest] == []
    assert not re.search(r"site/|_|(?<!\d)7562|76 %", rest), rest


@pytest.mark.parametrize("language", ["lo", "fr", "vi"])
def test_no_english_is_left(language: str) -> None:
    """Names and what people typed are left; everything that alerts itself wrote is said anew."""
    theirs = [WHO.name, HERE.name, THERE.name, SITE.name]
    theirs += ["looked back on", "it was out", "torn seal", "cleaning"]
    with speaking("en"):
        english = [happened(event, detail, REGISTRY)[1] for event, detail, _ in LINES]
    with speaking(language):
        said = [happened(event, detail, REGISTRY)[1] for event, detail, _ in LINES]
    for one, other in zip(english, said, strict=True):
        for name in theirs:
            one, other = one.replace(name, "7"), other.replace(name, "7")  # noqa: PLW2901
        ours = [part for part in re.split(r", | \+ | → |: ", one) if part[0].islower()]
        assert [part for part in ours if part in other and part != "too warm"] == []


def test_what_is_not_known_stands_as_it_is() -> None:
    assert happened("finding", "something quite new", REGISTRY)[1] == "something quite new"
    assert happened("brand_new", "7", REGISTRY) == ("brand new", "7")
