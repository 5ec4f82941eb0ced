# SPDX-License-Identifier: Apache-2.0
"""The morning's messages, one segment each: what is to be mended; how a site is and who is on call. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.words import compose, fits, say
from alerts.words.templates import TEMPLATES
from alerts.words.texts import LETTERS_MAX, celsius, written

LISTED_MAX = 12


def to_mend(items: Sequence[tuple[str, str]], language: str = "en") -> str:
    """items: (what, its name), the most urgent first; what has no room is counted.

    >>> to_mend([("silent", "vte-br-03"), ("drill", "vte-br-01")])
    '2 to mend: silent vte-br-03, test alarm of vte-br-01. See the console.'
    >>> to_mend([])
    'Nothing to mend. All is ready.'
    """
    if not items:
        return compose(language, ("none_to_mend",), {})
    named = [f"{_what(what, language)} {name}" for what, name in items[:LISTED_MAX]]
    for shown in range(len(named), -1, -1):
        more = f" +{len(items) - shown}" if shown < len(items) else ""
        listed = (", ".join(named[:shown]) + more).strip()
        if len(listed) > LETTERS_MAX:
            continue
        text = compose(language, ("to_mend",), {"count": len(items), "list": listed})
        if shown == 0 or fits(text):
            return text
    raise AssertionError("a list of nothing fits")


def how_it_is(
    place: str,
    site: str,
    ranges: Sequence[tuple[int, int]],
    alarms: int,
    on_call: Sequence[tuple[str, str]],
    language: str = "en",
) -> str:
    """A site's line: is it well, between what [thousandths] it was for a day, who is on call tonight.

    ranges   lowest and highest by what is carried; those that have no room are left out
    on_call  (name, id)

    >>> how_it_is("Vientiane", "vte", [(2900, 5100)], 0, [("Noy", "noy")])
    'Vientiane: all well, 2.9C to 5.1C. On call tonight: Noy.'
    """
    people = [written(name, id_, language) for name, id_ in on_call]
    fields = {
        "place": written(place, site, language),
        "person": ", ".join(people[:2]) or say(language, "nobody", {}),
        "count": alarms,
    }
    key = "not_well" if alarms else "all_well"
    spans = [
        say(language, "from_to", {"low": celsius(low), "high": celsius(high)}) for low, high in ranges[:4]
    ] or [say(language, "unmeasured", {})]
    text = ""
    for shown in range(len(spans), 0, -1):
        text = compose(language, (key,), fields | {"list": "; ".join(spans[:shown])})
        if fits(text):
            return text
    return text


def _what(what: str, language: str) -> str:
    key = f"mend_{what}"
    return say(language, key if key in TEMPLATES else "mend_other", {})
