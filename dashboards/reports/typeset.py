# SPDX-License-Identifier: Apache-2.0
"""From a document to a PDF/A-2b, by Typst with the fonts that come along: no system font, no network.

The same document gives the same bytes: the file is dated by the record, not by a clock.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Literal

from coldchain.kernel.errors import ColdChainError
from dashboards.reports.document import Document

HERE = Path(str(files("dashboards.reports")))
STANDARD: Literal["a-2b"] = "a-2b"


class NoTypesetter(ColdChainError):
    """Typst is not installed: it is an extra, for its size."""

    exit_code = 69


def pdf_of(document: Document) -> bytes:
    """The report as PDF/A-2b. NoTypesetter without the extra `reports`."""
    return _compiled(document, "pdf")[0]


def pages_of(document: Document, *, ppi: float = 100.0) -> list[bytes]:
    """Each page as PNG, to look at."""
    return _compiled(document, "png", ppi)


def _compiled(document: Document, form: str, ppi: float | None = None) -> list[bytes]:
    try:
        import typst  # noqa: PLC0415  an extra of 80 MB: only reports need it
    except ImportError as bad:
        raise NoTypesetter("reports are set by Typst: pip install 'blood-cold-chain[reports]'") from bad
    compiler = typst.Compiler(
        HERE / "templates" / "report.typ",
        root=HERE,
        font_paths=[HERE / "fonts"],
        ignore_system_fonts=True,
        sys_inputs={"document": json.dumps(document.told, ensure_ascii=False, sort_keys=True)},
    )
    made = compiler.compile(
        format="png" if form == "png" else "pdf",
        ppi=ppi,
        pdf_standards=[STANDARD] if form == "pdf" else [],
        timestamp=document.made_ms // 1000,
    )
    if made is None:
        return []
    return made if isinstance(made, list) else [made]
