# SPDX-License-Identifier: Apache-2.0
"""A work order as one SMS to its contractor: number, appliance, place, what to do, serial number. Pure."""

from __future__ import annotations

from alerts.notifiers.gsm7 import fit_gsm7, is_gsm7
from alerts.words import GSM_LANGUAGES, compose, fits
from alerts.words.texts import written

CUTS = (120, 90, 60, 45, 30, 20, 12)
"""What is to be done is cut step by step, at a word, until everything is in one segment."""


def work_order(
    language: str, *, number: int, appliance: str, site: str, place: str, serial: str, what: str
) -> str:
    """Whatever its letters: what cannot be written in the message's alphabet is left for the console."""
    fields: dict[str, object] = {
        "number": number,
        "appliance": appliance,
        "place": written(place, site, language),
        "target": serial,
    }
    if language not in GSM_LANGUAGES or is_gsm7(fit_gsm7(what)):
        for most in CUTS:
            text = compose(language, ("work_order",), fields | {"list": cut(what, most)})
            if fits(text) and (serial in text or most == CUTS[-1]):
                return text
    return compose(language, ("work_order_bare",), fields)


def cut(text: str, most: int) -> str:
    """Its beginning, to the end of a word.

    >>> cut("Door seal is torn at the hinge", 18), cut("Short", 18)
    ('Door seal is torn.', 'Short')
    """
    if len(text) <= most:
        return text
    head = text[: most - 1]
    return (head.rsplit(" ", 1)[0] if " " in head and text[most - 1] != " " else head).rstrip() + "."
