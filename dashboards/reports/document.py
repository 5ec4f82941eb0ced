# SPDX-License-Identifier: Apache-2.0
"""What a report consists of: blocks, in order, already in words. Pure; `typeset` makes a PDF of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Facts with their names, in two columns."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """numbers: places of columns that are set flush right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing [SVG], and what it shows for those who do not see it."""

    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines to sign on: (what the signature means, who has signed, or empty)."""

    lines: tuple[tuple[str, str], ...]


Block = Heading | Pairs | Table | Picture | Note | Signatures


@dataclass(frozen=True, slots=True)
class Document:
    """One report.

    language  lo, en, fr or vi
    identity  by which the file can be made again and compared; it is among its keywords
    draft     a word across each page, as long as it is not signed; empty: it is
    footer    printed on each page beside its number
    made_ms   the instant that the file says it is of [ms since epoch]: the same record gives the same bytes
    """

    language: str
    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    footer: str
    made_ms: int
    draft: str = ""
    identity: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """As the template reads it."""
        blocks = [{"is": type(block).__name__.lower(), **asdict(block)} for block in self.blocks]
        return {
            "language": self.language,
            "title": self.title,
            "subtitle": self.subtitle,
            "footer": self.footer,
            "draft": self.draft,
            "identity": self.identity,
            "blocks": blocks,
        }
