# SPDX-License-Identifier: Apache-2.0
"""What alerts writes into the record in English is read in the reader's language."""

import pytest

from alerts.lifecycle import TRANSITIONS
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
