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
_PATTERNS = (
    (re.compile(r"there is no alarm .*"), "came.no_alarm"),
    (re.compile(r"alarm \d+ is \w+, not shelved"), "came.not_shelved"),
    (re.compile(r"say why.*"), "came.say_why"),
    (re.compile(r"the second person is somebody else.*"), "came.second"),
    (re.compile(r"nothing is left \((?P<why>.+)\): .*"), "came.nothing_left"),
    (re.compile(r"more than an hour a day .* at most (?P<n>\d+) min"), "came.two_people"),
    (re.compile(r".+ is out of service"), "came.out_already"),
    (re.compile(r".+ is not out of service"), "came.not_out"),
    (re.compile(r".+ carries (?P<what>.+): say where its blood is .*"), "came.where_blood"),
    (re.compile(r".+ is not for blood yet: (?P<what>.+)"), "came.not_for_blood"),
    (re.compile(r"alarm (?P<n>\d+) passed no limit of a product.*"), "came.no_product"),
    (re.compile(r"alarm (?P<n>\d+) stands: .*"), "came.stands"),
    (re.compile(r"it was taken back before"), "came.taken_back"),
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
    key = _ENGLISH.get(text)
    return t(key) if key is not None else text
