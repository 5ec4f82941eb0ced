# SPDX-License-Identifier: Apache-2.0
"""What alerts made of a command, and what spoke for a cause, in the reader's language. Pure.

Alerts writes them in English into the record. A sentence that is not known here stands as it is.
"""

from __future__ import annotations

import re

from dashboards.console.devices.saying import missing_said
from dashboards.console.english_outcomes import OUTCOME_WORDS
from dashboards.console.words import t, word

_ENGLISH = {english: key for key, english in OUTCOME_WORDS.items()}
"""Fixed pieces of alerts' sentences -> their key."""
_IS = re.compile(r"alarm (?P<n>\d+) is (?P<state>\w+): (?P<why>.+)")
_OF_SITES = (
    (re.compile(r"mains absent at (?P<n>\d+) of (?P<all>\d+) appliances"), "spoke.mains_off_at"),
    (re.compile(r"cooling stopped at (?P<n>\d+)"), "spoke.stopped_at"),
    (re.compile(r"batteries fall at (?P<n>\d+) of (?P<all>\d+) appliances"), "spoke.batteries"),
    (re.compile(r"cooling stopped together at (?P<n>\d+) of (?P<all>\d+) appliances"), "spoke.together"),
)
"""What spoke for a power cut of a site, with its counts."""
_PATTERNS = (
    (re.compile(r"there is no alarm .*"), "came.no_alarm"),
    (re.compile(r"alarm \d+ is \w+, not shelved"), "came.not_shelved"),
    (re.compile(r"say why.*"), "came.say_why"),
    (re.compile(r"the second person is somebody else.*"), "came.second"),
    (re.compile(r"nothing is left \((?P<why>.+)\): .*"), "came.nothing_left"),
    (re.compile(r"more than an hour a day .* at most (?P<n>\d+) min"), "came.two_people"),
    (re.compile(r".+ stays out of service: (?P<reason>.+) \((?P<who>[^()]*)\)"), "came.stays_out"),
    (re.compile(r".+ is out of service"), "came.out_already"),
    (re.compile(r".+ is not out of service"), "came.not_out"),
    (re.compile(r".+ carries (?P<what>.+): say where its blood is .*"), "came.where_blood"),
    (re.compile(r".+ is not for blood yet: (?P<what>.+)"), "came.not_for_blood"),
    (re.compile(r"alarm (?P<n>\d+) passed no limit of a product.*"), "came.no_product"),
    (re.compile(r"alarm (?P<n>\d+) stands: .*"), "came.stands"),
    (re.compile(r"it was taken back before"), "came.taken_back"),
    (re.compile(r"there is no appliance .*"), "came.no_appliance"),
    (re.compile(r".* is no temperature of a blood bank.*"), "came.no_temperature"),
    (re.compile(r"\S+ is not within the last month"), "came.not_this_month"),
    (re.compile(r"there is no reading by hand .*"), "came.no_hand"),
    (re.compile(r"from .* to .*: two different appliances.*"), "came.two_places"),
    (re.compile(r".* is no (?:finding|cause); one of .*"), "came.no_finding"),
    (re.compile(r""), "came.nothing"),
)


def outcome_said(outcome: str) -> str:
    """`refused: ...` or `nothing to do: ...` as the record has it, for people.

    >>> outcome_said("nothing to do: alarm 4 is closed: it is over")
    'Alarm 4: Closed; it is over.'
    >>> outcome_said("refused: something new")
    'refused: something new'
    """
    rest = re.sub(r"^(refused|nothing to do)(: )?", "", outcome)
    if found := _IS.fullmatch(rest):
        state = word("alarm", found["state"])
        return t("came.is", n=found["n"], state=state, why=_piece(found["why"]))
    for pattern, key in _PATTERNS:
        if found := pattern.fullmatch(rest):
            values = found.groupdict()
            if "why" in values:
                values["why"] = _piece(values["why"])
            if key == "came.not_for_blood":
                values["what"] = "; ".join(missing_said(values["what"]))
            return t(key, **values)
    return outcome


def evidence_said(evidence: str) -> str:
    """What spoke for a cause.

    >>> evidence_said("97 %: door open, mains present")
    '97 %: door open, mains present'
    """
    sure, colon, spoke = evidence.partition(": ")
    return f"{sure}: {', '.join(_piece(part) for part in spoke.split(', '))}" if colon else evidence


def _piece(text: str) -> str:
    if (key := _ENGLISH.get(text)) is not None:
        return t(key)
    for pattern, key in _OF_SITES:
        if found := pattern.fullmatch(text):
            return t(key, **found.groupdict())
    return text
