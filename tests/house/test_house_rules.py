# SPDX-License-Identifier: Apache-2.0
"""House rules: what a reader may rely on in every file. Each rule is also shown to see a planted fault."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 60

MARKED = {".py", ".sh", ".toml", ".yml", ".yaml", ".conf", ".css", ".js", ".c", ".h"}
"""File types that carry the licence's name; so do scripts without a suffix, Makefile and Dockerfile."""

THEIRS = ("dashboards/console/static/vendor/",)
"""Code of others, with their licences beside it."""

FOREIGN = re.compile(
    r"(?<![\w.])/(?:root|work|tmp/cc)/"  # folders of one machine
    r"|/home/[a-z]\w*/"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs|index\.crates\.io|deb\.debian\.org"  # package indexes
    r"|--(?:extra-)?index-url[ =]\S|--find-links[ =]\S"
)


def ours() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted({name for name in listed.stdout.split("\0") if name and not name.startswith(THEIRS)})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


OURS = ours()
PYTHON = [path for path in OURS if path.suffix == ".py"]


def text_of(path: Path) -> str:
    """The text, or nothing for binary files."""
    raw = path.read_bytes()
    return "" if b"\0" in raw[:8192] else raw.decode("utf-8", errors="replace")


def long_functions(source: str) -> Iterator[str]:
    """Functions whose bodies, docstring aside, are too long. (The options of a command are its signature.)"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            if not body:
                continue
            assert node.end_lineno is not None
            lines = node.end_lineno - body[0].lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} at line {node.lineno} has {lines} lines"


def foreign_lines(text: str) -> list[str]:
    """Lines that name a folder of one machine or the host of a package index."""
    return [line.strip()[:120] for line in text.splitlines() if FOREIGN.search(line)]


def wears_its_licence(path: Path, text: str) -> bool:
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    return bool(lines) and "SPDX-License-Identifier: Apache-2.0" in lines[0]


def needs_licence(path: Path, text: str) -> bool:
    bare = path.suffix == "" and (text.startswith("#!") or path.name in {"Makefile", "Dockerfile"})
    return (path.suffix in MARKED or bare) and "tests/data/" not in name_of(path)


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_file_fits_in_a_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    assert list(long_functions(path.read_text())) == []


def test_every_source_file_names_its_licence() -> None:
    files = [(path, text_of(path)) for path in OURS]
    assert [
        name_of(path)
        for path, text in files
        if needs_licence(path, text) and not wears_its_licence(path, text)
    ] == []


def test_no_file_names_this_machine_or_a_package_index() -> None:
    """Also the lock file: whoever installs from it uses the index that they have set up."""
    found = {name_of(path): lines for path in OURS if (lines := foreign_lines(text_of(path)))}
    assert found == {}


def test_the_lock_is_pinned_and_hashed() -> None:
    """pip takes nothing from it that is not exactly what was resolved."""
    lock = (ROOT / "requirements.lock").read_text()
    blocks = [block for block in re.split(r"\n(?=[a-z0-9])", lock.strip()) if not block.startswith("#")]
    assert len(blocks) > 20
    assert [
        block.splitlines()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block
    ] == []


def test_decisions_say_what_is_and_what_is_not() -> None:
    decisions = [
        path for path in OURS if name_of(path).startswith("docs/decisions/") and path.name != "README.md"
    ]
    bad = [name_of(p) for p in decisions if not {"## Is", "## Is not"} <= set(p.read_text().splitlines())]
    assert decisions
    assert bad == []


def test_the_long_function_rule_sees_one() -> None:
    body = "\n".join(f"    x = {n}" for n in range(FUNCTION_LINES + 1))
    docstring = '    """' + "\n" * 70 + '    """\n'
    assert list(long_functions(f"def f():\n{body}\n")) == ["f at line 1 has 61 lines"]
    assert list(long_functions(f"def f():\n{docstring}{body}\n")) == ["f at line 1 has 61 lines"]
    assert list(long_functions(f"def f():\n{docstring}    return 1\n")) == []


def test_the_foreign_rule_sees_them() -> None:
    planted = [
        "/" + "work/main/coldchain",
        "open('/" + "root/x')",
        "https://" + "pypi." + "org/simple",
        "--index" + "-url=https://x",
        "--find" + "-links /opt",
        "/" + "home/anna/x",
    ]
    assert foreign_lines("\n".join(planted)) == planted
    assert foreign_lines("/etc/coldchain/coldchain.toml\ncoldchain/v1/node/x\nframework/work/x") == []


def test_the_licence_rule_sees_its_absence() -> None:
    path = ROOT / "coldchain/x.py"
    assert not wears_its_licence(path, '"""Words."""\n')
    assert wears_its_licence(path, "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
    assert needs_licence(ROOT / "tools/x", "#!/bin/sh\n")
    assert not needs_licence(ROOT / "tests/data/x/frames.toml", "")
