# SPDX-License-Identifier: Apache-2.0
"""Reports by name: made, filed, and made again from what a file says of itself, to compare the two.

Each PDF carries a line of keywords: kind, subject, language and the instant as known at. The same record
gives the same bytes; so a file either is what the record says, or its first difference can be named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from coldchain.kernel.errors import BadData, ColdChainError
from coldchain.records.filed import Filed, FiledDesk, FiledReader
from coldchain.settings import Settings
from coldchain.wiring.report import blood
from coldchain.wiring.report.excursion import excursion_report
from coldchain.wiring.report.packet import packet
from coldchain.wiring.report.registers import calibration_register, drill_record
from coldchain.wiring.report.review import day_sheet, month_review
from dashboards.reports.document import Document
from dashboards.reports.words import LANGUAGES

Step = Callable[[int, int], None]
IDENTITY = re.compile(rb"coldchain-report;([a-z-]{1,20});([A-Za-z0-9 ._/:@-]{0,80});([a-z]{2});([0-9]{1,15})")
PDF_MAX = 8_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which: `excursion` 12, `month` 2026-10 or 2026-10/vte, `day` 2026-10-03/vte, `packet` SERIAL,
    `calibration` or `drill` of a site or `all`; as known at [ms].
    """

    kind: str
    subject: str
    language: str
    as_of_ms: int

    @property
    def identity(self) -> str:
        return f"coldchain-report;{self.kind};{self.subject};{self.language};{self.as_of_ms}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """state: matches, altered, record_changed (it is as filed, the record is not), unknown, unmade.

    where  of what is altered: page and words; of what could not be made again: why
    """

    state: str
    wanted: Wanted | None = None
    where: str = ""
    filed: tuple[Filed, ...] = ()


def _silent(_done: int, _of: int) -> None:
    """Nobody waits."""


def document_of(settings: Settings, wanted: Wanted, step: Step = _silent) -> Document:
    """The document, with its identity. BadData when there is no such report."""
    if wanted.language not in LANGUAGES:
        raise BadData(f"there is no language {wanted.language!r}")
    first, _, site = wanted.subject.partition("/")
    if wanted.kind == "excursion" and first.isdecimal():
        made = excursion_report(settings, int(first), wanted.language, wanted.as_of_ms)
    elif wanted.kind == "month":
        made = month_review(settings, first, site or None, wanted.language, wanted.as_of_ms, step)
    elif wanted.kind == "day" and site:
        made = day_sheet(settings, site, first, wanted.language, wanted.as_of_ms, step)
    elif wanted.kind == "packet":
        made = packet(settings, wanted.subject, wanted.language, wanted.as_of_ms)
    elif wanted.kind in ("calibration", "drill"):
        register = calibration_register if wanted.kind == "calibration" else drill_record
        place = None if wanted.subject == "all" else wanted.subject
        made = register(settings, place, wanted.language, wanted.as_of_ms)
    elif wanted.kind == "bags" and first.isdecimal():
        made = blood.bag_sheet(settings, int(first), wanted.language, wanted.as_of_ms, site)
    elif wanted.kind == "trip" and first:
        made = blood.trip_sheet(settings, wanted.subject, wanted.language, wanted.as_of_ms)
    else:
        raise BadData(f"there is no report {wanted.kind} {wanted.subject}")
    return replace(made, identity=wanted.identity)


def filed_pdf(
    settings: Settings, wanted: Wanted, wall_ms: Callable[[], int], step: Step = _silent
) -> tuple[bytes, Filed]:
    """The PDF; that it was made, and its hash, stand in the desk."""
    pdf, filed = made_pdf(settings, wanted, wall_ms(), step)
    put(settings, filed, wall_ms)
    return pdf, filed


def filed_document(
    settings: Settings, wanted: Wanted, document: Document, wall_ms: Callable[[], int]
) -> bytes:
    """As `filed_pdf`, of a document that is there."""
    pdf, filed = _set(document, wanted, wall_ms())
    put(settings, filed, wall_ms)
    return pdf


def made_pdf(settings: Settings, wanted: Wanted, now_ms: int, step: Step = _silent) -> tuple[bytes, Filed]:
    """The PDF and what is to be filed of it."""
    return _set(document_of(settings, wanted, step), wanted, now_ms)


def _set(document: Document, wanted: Wanted, now_ms: int) -> tuple[bytes, Filed]:
    from dashboards.reports.typeset import pdf_of

    pdf = pdf_of(document)
    record = re.findall(r"[0-9a-f]{16}", document.footer)
    return pdf, Filed(
        now_ms, hashlib.sha256(pdf).hexdigest(), wanted.kind, wanted.subject, wanted.language,
        wanted.as_of_ms, record[-1] if record else "",
    )  # fmt: skip


def put(settings: Settings, filed: Filed, wall_ms: Callable[[], int]) -> None:
    desk = FiledDesk(settings.desk_db, wall_ms)
    try:
        desk.file(filed)
    finally:
        desk.close()


def identity_of(pdf: bytes) -> Wanted | None:
    """What a file says that it is; None: no report of ours."""
    found = IDENTITY.search(pdf)
    if found is None:
        return None
    kind, subject, language, as_of = (part.decode() for part in found.groups())
    return Wanted(kind, subject, language, int(as_of))


def compare(settings: Settings, pdf: bytes) -> Verdict:
    """Is that file what the record says?"""
    filed = tuple(FiledReader(settings.desk_db).of_sha(hashlib.sha256(pdf).hexdigest()))
    wanted = identity_of(pdf)
    if wanted is None:
        return Verdict("unknown", filed=filed)
    try:
        again, _ = made_pdf(settings, wanted, wanted.as_of_ms)
    except ColdChainError as bad:
        return Verdict("unmade", wanted, str(bad), filed)
    if again == pdf:
        return Verdict("matches", wanted, filed=filed)
    state = "record_changed" if filed else "altered"
    return Verdict(state, wanted, difference(pdf, again), filed)


def difference(ours: bytes, again: bytes) -> str:
    """The first words at which a file differs from the one that the record gives."""
    left, right = _texts(ours), _texts(again)
    if left is None or right is None:
        at = next((n for n, pair in enumerate(zip(ours, again, strict=False)) if pair[0] != pair[1]), 0)
        return f"byte {at}"
    if len(left) != len(right):
        return f"{len(left)} pages, the record gives {len(right)}"
    for page, (mine, theirs) in enumerate(zip(left, right, strict=True), 1):
        for one, other in zip([*mine, ""], [*theirs, ""], strict=False):
            if one != other:
                return f"page {page}: {one[:80]!r}, the record gives {other[:80]!r}"
    return "nothing that is read: the file was written anew"


def _texts(pdf: bytes) -> list[list[str]] | None:
    """Lines of each page; None when the file is none, or cannot be read here."""
    try:
        import pypdfium2

        document = pypdfium2.PdfDocument(pdf)  # type: ignore[no-untyped-call]
        return [page.get_textpage().get_text_range().splitlines() for page in document]
    except Exception:  # noqa: BLE001  a stranger's file may break any reader
        return None
