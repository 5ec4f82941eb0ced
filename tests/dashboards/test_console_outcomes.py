# SPDX-License-Identifier: Apache-2.0
"""What alerts writes into the record in English is read in the reader's language."""

import inspect
import re

import pytest

from alerts.alarms.lifecycle import TRANSITIONS
from alerts.site import supply
from alerts.site.causes import WORDS
from dashboards.console.alarms.outcomes import evidence_said, outcome_said
from dashboards.console.words import speaking

REFUSED = (
    "refused: there is no alarm 9",
    "nothing to do: alarm 3 is closed, not shelved",
    "refused: say why: who reads it at night must know",
    "refused: the second person is somebody else of the registry, not 'keo'",
    "refused: nothing is left (until the limit): act on it, or move the blood",
    "refused: more than an hour a day takes two people: name another, or at most 25 min",
    "nothing to do: vte-br-000 is out of service",
    "nothing to do: vte-br-000 is not out of service",
    "refused: vte-br-000 carries red-cells@eu: say where its blood is now, or that it is empty",
    "refused: vte-br-000 is not for blood yet: no probe measures it",
    "nothing to do: alarm 3 passed no limit of a product; acknowledge it",
    "nothing to do",
    "refused: there is no appliance 'x'",
    "refused: '70000' is no temperature of a blood bank, in thousandths of a degree",
    "refused: 2026-01-01T00:00:00Z is not within the last month",
    "refused: there is no reading by hand '9'",
    "refused: from 'a' to 'a': two different appliances of the registry, please",
    "refused: 'odd' is no finding; one of true, nuisance, missed",
    "refused: 'odd' is no cause; one of door",
)


@pytest.mark.parametrize("language", ["lo", "fr", "vi"])
@pytest.mark.parametrize("outcome", REFUSED)
def test_a_refusal_is_not_english(outcome: str, language: str) -> None:
    english = outcome_said(outcome)
    with speaking(language):
        said = outcome_said(outcome)
    assert said not in (english, outcome)
    assert not any(word in said for word in ("refused", "nothing", "alarm ", "blood"))


def test_every_reason_of_the_lifecycle_and_all_that_speaks_for_a_cause_is_known() -> None:
    reasons = {why for why in TRANSITIONS.values() if type(why) is str}
    assert len(reasons) > 10
    with speaking("lo"):
        for why in reasons:
            assert why not in outcome_said(f"nothing to do: alarm 4 is acknowledged: {why}"), why
        for spoke in WORDS.values():
            assert spoke not in evidence_said(f"97 %: {spoke}"), spoke


def test_the_two_of_service_are_not_mixed_up() -> None:
    assert outcome_said("nothing to do: x is not out of service") == "It is not out of service."
    assert outcome_said("nothing to do: x is out of service") == "It is out of service already."
    assert evidence_said("nobody knows") == "nobody knows"


@pytest.mark.parametrize("language", ["lo", "fr", "vi"])
def test_what_speaks_for_a_power_cut_is_not_english(language: str) -> None:
    told = (
        "97 %: mains absent at 3 of 5 appliances, cooling stopped at 2",
        "90 %: batteries fall at 4 of 5 appliances",
        "99 %: cooling stopped together at 4 of 5 appliances, no contact for mains",
    )
    for evidence in told:
        assert evidence_said(evidence) == evidence
        with speaking(language):
            said = evidence_said(evidence)
        assert re.findall(r"\d+", said) == re.findall(r"\d+", evidence), "the same counts in the same order"
        assert not any(word in said for word in ("mains", "cooling", " fall", "appliances")), said


def test_a_power_cut_is_told_as_alerts_writes_it() -> None:
    """Each sentence of `supply` is known here."""
    count = r"{len\(\w+\)}"
    written = re.findall(r'told \+?= f"(.+)"', inspect.getsource(supply))
    assert len(written) == 4
    with speaking("fr"):
        for sentence in written:
            for part in re.sub(count, "3", sentence).removeprefix(", ").split(", "):
                assert part not in evidence_said(f"97 %: {part}"), part
