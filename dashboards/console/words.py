# SPDX-License-Identifier: Apache-2.0
"""Every word that people read on the console, in one catalogue: stable keys, whole sentences.

English is in `english`; other languages are gettext catalogues with the same keys. Which one speaks is chosen
for each request: `choose`.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dashboards.console.english import ENGLISH

LANGUAGES = {"lo": "ລາວ", "en": "English", "fr": "Français", "vi": "Tiếng Việt"}
COMMA = frozenset({"lo", "fr", "vi"})
"""These write a decimal comma; programs and files always read a point."""
LOCALE = Path(__file__).parent / "locale"
_language: ContextVar[str] = ContextVar("language", default="en")


def t(key: str, **values: object) -> str:
    """The text for a key, filled in. KeyError for a key that is not in the catalogue: our bug.

    >>> t("age.min", n=4)
    '4 min'
    """
    return _text(key, ENGLISH[key]).format(**values)


def word(group: str, name: object) -> str:
    """The word of a code that others may extend: a code that is not in the catalogue stands for itself.

    >>> word("kind", "high"), word("kind", "brand_new")
    ('too warm', 'brand new')
    """
    key = f"{group}.{name}"
    found = ENGLISH.get(key)
    return _text(key, found) if found is not None else str(name).replace("_", " ").replace("-", " ")


@dataclass(frozen=True, slots=True)
class Said:
    """A text that is put into words when somebody reads it, in their language. Empty `key`: nothing."""

    key: str
    values: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return t(self.key, **dict(self.values))

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Coded:
    """As `Said`, of a code that others may extend: `word`."""

    group: str
    name: str

    def __str__(self) -> str:
        return word(self.group, self.name)

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with a point and its unit, that is written as the reader's language writes it: `local`."""

    text: str

    def __str__(self) -> str:
        return local(self.text)

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts with something between them."""

    parts: tuple[Text, ...]
    between: str = ", "

    def __str__(self) -> str:
        return self.between.join(map(str, self.parts))

    def __bool__(self) -> bool:
        return bool(self.parts)


Text = str | Said | Coded | Joined


def said(key: str, **values: object) -> Said:
    """`t`, for later. KeyError for a key that is not in the catalogue."""
    assert key in ENGLISH, key
    return Said(key, tuple(sorted(values.items())))


def local(figure: str) -> str:
    """A number that was written with a point, as the language that speaks writes it.

    >>> with speaking("lo"):
    ...     local("−25.1 °C")
    '−25,1 °C'
    >>> local("−25.1 °C")
    '−25.1 °C'
    """
    return figure.replace(".", ",") if _language.get() in COMMA else figure


def preferred(accepted: str) -> str:
    """The first language of an Accept-Language header that we speak.

    >>> preferred("lo-LA,lo;q=0.9,en;q=0.5"), preferred("de, fr;q=0.8"), preferred("")
    ('lo', 'fr', 'en')
    """
    for part in accepted.split(",")[:20]:
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return "en"


def choose(language: str) -> None:
    """From here on, in this request, this language speaks."""
    _language.set(language if language in LANGUAGES else "en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Inside, this language speaks; afterwards the one that spoke before."""
    before = _language.set(language if language in LANGUAGES else "en")
    try:
        yield
    finally:
        _language.reset(before)


def language() -> str:
    """The language that speaks."""
    return _language.get()


@cache
def catalogue(code: str) -> gettext.NullTranslations:
    return gettext.translation("console", LOCALE, [code], fallback=True)


def _text(key: str, english: str) -> str:
    code = _language.get()
    return english if code == "en" else catalogue(code).pgettext(key, english)
