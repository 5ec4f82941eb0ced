# SPDX-License-Identifier: Apache-2.0
"""Documents name only what exists: links, files, make targets."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
MADE_LATER = ("deploy/secrets/",)


def dead_links(path: Path, text: str) -> Iterator[str]:
    """Relative links of Markdown whose targets are absent."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
            yield target


def absent_files(text: str) -> Iterator[str]:
    """Paths in backticks that begin with a folder of the repository and are not in it."""
    for name in re.findall(r"`([\w.*/-]+/[\w.*/-]*)`", text):
        if name.split("/")[0] in FOLDERS and not name.startswith(MADE_LATER) and not list(ROOT.glob(name)):
            yield name


def unknown_targets(text: str) -> set[str]:
    """`make` targets that the Makefile lacks."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    return set(re.findall(r"(?:`|^)make ([a-z]+)", text, flags=re.MULTILINE)) - known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_what_exists(path: Path) -> None:
    text = path.read_text()
    assert list(dead_links(path, text)) == []
    assert list(absent_files(text)) == []
    assert unknown_targets(text) == set()


def test_the_rules_see_faults() -> None:
    planted = "[a](docs/none.md) [b](README.md) `gateway/none.py` `gateway/` make sure\n`make nothing`"
    assert list(dead_links(ROOT / "x.md", planted)) == ["docs/none.md"]
    assert list(absent_files(planted)) == ["gateway/none.py"]
    assert unknown_targets(planted) == {"nothing"}
