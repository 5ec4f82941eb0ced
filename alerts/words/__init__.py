# SPDX-License-Identifier: Apache-2.0
"""What we say to people, in their language: gettext catalogues, one SMS segment each.

English is the message ids themselves. A language without a catalogue is answered in English.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from alerts.notifiers.gsm7 import fit_gsm7, is_gsm7
from alerts.notifiers.pdu import segments
from alerts.words.templates import TEMPLATES

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("lo", "en", "fr", "vi")
GSM_LANGUAGES = frozenset({"en", "fr"})
"""These are spelled in the GSM alphabet (160 letters); the others travel as UCS-2 (70)."""

SHORTENED = ("appliance", "place", "target", "refuge", "person", "kind", "state")
LENGTHS = (48, 24, 18, 14, 11, 8, 6)
"""Names are shortened step by step until everything is in one segment."""
WORTH_LETTERS = 11


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("alerts", LOCALE, [language], fallback=True)


def say(language: str, key: str, fields: Mapping[str, object]) -> str:
    """One sentence. KeyError for a key or a field that does not exist."""
    template = catalogue(language).pgettext(key, TEMPLATES[key])
    return template.format_map(fields)


def fits(text: str) -> bool:
    """Is it one message?"""
    return segments(fit_gsm7(text)).parts == 1


def compose(
    language: str,
    keys: tuple[str, ...],
    fields: Mapping[str, object],
    *,
    optional: tuple[str, ...] = (),
    where: str = "",
    tail: str = "",
) -> str:
    """Sentences in one segment: `keys`, then `optional` ones and `where` if there is room, then `tail`.

    Names in `fields` are shortened as far as needed; numbers and codes never. For an optional sentence (how
    much time is left) names are shortened to WORTH_LETTERS, and then the template `..._short` is taken,
    before it is left out; never for `where`.
    """
    gsm = language in GSM_LANGUAGES
    end = [say(language, tail, fields)] if tail else []
    where = where if gsm and is_gsm7(fit_gsm7(where)) else ""
    extras = [say(language, key, fields) for key in optional]
    text = ""
    for length in LENGTHS:
        told = dict(fields)
        for name in SHORTENED:
            if name in told:
                told[name] = short(str(told[name]), length)
        head = [say(language, key, told) for key in keys]
        tries = [[*head, *extras, f"{where}."], [*head, *extras]] if where else [[*head, *extras]]
        if extras and length <= WORTH_LETTERS:
            brief = [say(language, _brief(key), told) for key in keys]
            tries += [[*brief, *extras], head]
        for sentences in tries:
            text = " ".join([*sentences, *end])
            if gsm:
                text = fit_gsm7(text)
            if fits(text):
                return text
    return text


def _brief(key: str) -> str:
    return f"{key}_short" if f"{key}_short" in TEMPLATES else key


def short(name: str, length: int) -> str:
    """Its beginning and its end: ends tell appliances apart.

    >>> short("kaysone-district-br-03", 14), short("vte-br-03", 14)
    ('kayson..-br-03', 'vte-br-03')
    """
    if len(name) <= length:
        return name
    back = (length - 2) // 2
    return f"{name[: length - 2 - back]}..{name[-back:]}"
