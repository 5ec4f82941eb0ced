# SPDX-License-Identifier: Apache-2.0
"""Words, numbers and instants on paper, in four languages. English is the message ids themselves."""

from __future__ import annotations

import gettext
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("lo", "en", "fr", "vi")
COMMA = frozenset({"lo", "fr", "vi"})
"""These write a decimal comma."""


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("reports", LOCALE, [language], fallback=True)


class Words:
    """One reader's language and one site's clock."""

    def __init__(self, language: str, zone: str) -> None:
        assert language in LANGUAGES, language
        self.language, self._zone = language, ZoneInfo(zone)

    def say(self, text: str, **fields: str | int) -> str:
        """The sentence, translated, with its fields filled in."""
        told = _catalogue(self.language).gettext(text)
        return told.format_map(fields) if fields else told

    def number(self, value: float | None, digits: int = 1) -> str:
        """With the language's decimal sign; a dash where there is none."""
        if value is None:
            return "–"
        text = f"{value:.{digits}f}".replace("-", "\u2212")
        return text.replace(".", ",") if self.language in COMMA else text

    def celsius(self, milli: float | None, digits: int = 1) -> str:
        """Thousandths of a degree, as degrees."""
        return "–" if milli is None else f"{self.number(milli / 1000, digits)} °C"

    def minutes(self, ms: int | None) -> str:
        """A span in minutes; in hours and minutes from two hours on."""
        if ms is None:
            return "–"
        whole = round(ms / 60_000)
        if whole < 120:
            return self.say("{n} min", n=whole)
        return self.say("{h} h {n} min", h=whole // 60, n=whole % 60)

    def instant(self, at_ms: int | None) -> str:
        """With the site's offset from UTC: 2026-11-22 03:41 +07:00."""
        if at_ms is None:
            return "–"
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone)
        offset = local.strftime("%z")
        return f"{local:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:]}"

    def clock(self, at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).strftime("%H:%M")

    def day(self, at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).strftime("%Y-%m-%d")
