# SPDX-License-Identifier: Apache-2.0
"""What widens by a new entry, by a date or by an order, and not by a number that grew."""

from __future__ import annotations

from typing import Any

import pytest

from coldchain.kernel.widening import Effect, worst
from coldchain.records.changes import of_registry
from coldchain.records.registry import Registry
from coldchain.settings.profile_files import PROFILES

NOW_MS = 1_790_000_000_000
YEAR_MS = 365 * 86_400_000
STEP = {"after_s": 0, "tell": ["everybody"], "by": ["sms", "call"]}
PROMPT = {
    "id": "prompt", "severity": "critical", "repeat_s": 600, "lapse_s": 600, "receipt_s": 60,
    "steps": [STEP, STEP | {"after_s": 60}],
}  # fmt: skip
LAZY: dict[str, Any] = {"severity": "critical", "repeat_s": 0, "steps": [STEP | {"after_s": 86_400}]}
SENSOR = {"id": "a/load", "appliance": "a", "probe": "load", "node": "n", "channel": 0}
PEOPLE = [
    {"id": "anna", "name": "Anna", "phone": "+8562000000001", "role": "on-call"},
    {"id": "boun", "name": "Boun", "phone": "+8562000000002", "role": "on-call"},
]
BASE: dict[str, Any] = {
    "sites": [{"id": "s", "name": "S", "level": "provincial"}, {"id": "t", "name": "T"}],
    "appliances": [
        {"id": "a", "name": "A", "site": "s", "hold_over_min": 60,
         "assignments": [{"carries": "red-cells@eu"}]}
    ],
    "sensors": [SENSOR | {"offsets": [{"from_ms": NOW_MS - YEAR_MS, "offset_k": 1.0}]}],
    "people": PEOPLE,
    "policies": [PROMPT],
    "rotas": [{"id": "all", "people": ["anna", "boun"]}],
}  # fmt: skip


def effect(before: dict[str, Any], **parts: Any) -> Effect:
    old, new = Registry.model_validate(before), Registry.model_validate({**before, **parts})
    return worst(of_registry(old, new, PROFILES, NOW_MS))


def sensor(**fields: Any) -> list[dict[str, Any]]:
    return [BASE["sensors"][0] | fields]


WIDER: dict[str, dict[str, Any]] = {
    "a lazy policy for one site": {"policies": [PROMPT, LAZY | {"id": "own", "sites": ["s"]}]},
    "a lazy policy before the prompt one": {"policies": [LAZY | {"id": "first"}, PROMPT]},
    "a rota of one hour a week for a site": {
        "rotas": [
            *BASE["rotas"],
            {"id": "own", "people": ["anna"], "sites": ["s"],
             "hours": [{"weekdays": [0], "start": "08:00", "end": "09:00"}]},
        ]
    },
    "an offset from another day": {
        "sensors": sensor(offsets=[{"from_ms": NOW_MS + YEAR_MS, "offset_k": 1.0}])
    },
    "readings that were never due": {
        "sensors": sensor(paces=[{"until_ms": NOW_MS + YEAR_MS, "every_s": 10**7}])
    },
    "a pace until the end of time": {"sensors": sensor(paces=[{"until_ms": 10**18, "every_s": 10**7}])},
    "a longer hold-over": {"appliances": [BASE["appliances"][0] | {"hold_over_min": 6_000}]},
}  # fmt: skip


@pytest.mark.parametrize("what", WIDER)
def test_it_is_asked_of_two(what: str) -> None:
    assert effect(BASE, **WIDER[what]) is Effect.WIDENS


def test_the_first_rota_calls_one_where_everybody_was_called() -> None:
    bare = {**BASE, "rotas": []}
    assert effect(bare, rotas=BASE["rotas"]) is Effect.WIDENS
    nobody = {**bare, "appliances": [], "sensors": [], "people": [PEOPLE[0] | {"sites": ["t"]}]}
    told_of_t = [{"id": "x", "people": ["anna"], "sites": ["s"]}]
    assert effect(nobody, rotas=told_of_t) is Effect.NEUTRAL, "nobody was told of that site before"


def test_a_level_of_a_site_decides_which_rota_serves_it() -> None:
    served = {**BASE, "rotas": [{"id": "p", "people": ["anna"], "site_levels": ["provincial"]}]}
    assert effect(served, sites=[BASE["sites"][0] | {"level": "district"}, BASE["sites"][1]]) is Effect.WIDENS


def test_what_only_adds_is_one_persons() -> None:
    same = PROMPT | {"id": "prompt-s", "sites": ["s"]}
    assert effect(BASE, policies=[PROMPT, same]) is Effect.NEUTRAL, "the same by another name"
    second = {"id": "second", "people": ["boun"], "level": 2}
    assert effect(BASE, rotas=[*BASE["rotas"], second]) is Effect.NEUTRAL
    beside = {"id": "night", "people": ["boun"]}
    assert effect(BASE, rotas=[*BASE["rotas"], beside]) is Effect.NEUTRAL
    past = [{"until_ms": NOW_MS - 1, "every_s": 600}]
    assert effect(BASE, sensors=sensor(paces=past)) is Effect.NEUTRAL
