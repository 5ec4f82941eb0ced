# SPDX-License-Identifier: Apache-2.0
"""Text in cells of CSV files. What a spreadsheet would take for a formula gets an apostrophe in front; who
reads such a file of ours takes it off again. Pure.

A formula in a name would run on the machine of whoever opens the file (OWASP, "CSV Injection").
"""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins one; the wide forms of East Asia, too, which some programs take for the same."""
SIGNS = ("+", "-")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula; numbers and telephones stay as they are.

    >>> harmless("=1+1"), harmless("+8562055501002"), harmless("-3.5"), harmless("door open"), harmless("=1")
    ("'=1+1", '+8562055501002', '-3.5', 'door open', "'=1")
    """
    bare = text.lstrip("'")
    if not bare.startswith(FORMULA):
        return text
    if bare == text and text.startswith(SIGNS) and _number(text[1:]):
        return text
    return f"'{text}"


def plain(cell: str) -> str:
    """What `harmless` was given.

    >>> plain("'=1+1"), plain("+8562055501002"), plain("'tis")
    ('=1+1', '+8562055501002', "'tis")
    """
    bare = cell.lstrip("'")
    return cell[1:] if bare != cell and bare.startswith(FORMULA) else cell


def _number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdecimal()
