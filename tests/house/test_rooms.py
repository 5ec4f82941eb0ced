# SPDX-License-Identifier: Apache-2.0
"""Rules of the rooms that import-linter cannot see: purity, units in names, no dead module, own names."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUR_PACKAGES = ("coldchain", "gateway", "ingest", "alerts", "firmware_sim", "dashboards")
DISTRIBUTION = "blood-cold-chain"

PURE_ROOMS = (
    "coldchain/kernel",
    "gateway/codecs",
    "ingest/admission",
    "alerts/rules",
    "alerts/engine",
    "firmware_sim/physics",
)
IMPURE = re.compile(
    r"\.(now|utcnow|today)$|^(time|os|random|secrets|uuid)\.|^np\.random\.(?!Generator$|default_rng$)|^(open|print|input)$"
)
"""Calls that read a clock, draw randomness or touch the world. A seeded generator is welcome."""

UNIT = re.compile(
    r"_(c|k|s|ms|min|h|pct|v|a|w|j|kj|hz|m|mm|m2|m3|l|kg|bytes|ratio|factor"
    r"|kj_per_k|j_per_k|w_per_k|j_per_kg|j_per_kg_k|c_per_h|per_s|per_h)$|^(seconds|share|scale)$"
)

STARTED_BY_NAME = {"coldchain.cli", "coldchain.__main__", "coldchain.wiring.demo.world"}
"""Modules that no module of ours imports because something outside starts them."""

HELD_BY_TESTS = {
    "coldchain.ports.journal",  # the contract that the suite holds every journal to
    "firmware_sim.physics.measured",  # what real records showed, which tests hold the physics to
}


def room_files(room: str) -> list[Path]:
    """The files of a room, be it a folder or a module."""
    single = ROOT / f"{room}.py"
    return [single] if single.exists() else sorted((ROOT / room).rglob("*.py"))


PURE_FILES = [path for room in PURE_ROOMS for path in room_files(room)]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in OUR_PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def impure_calls(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and IMPURE.search(ast.unparse(node.func)):
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def unitless_floats(source: str) -> Iterator[str]:
    """Fields and arguments that are bare floats and whose names carry no unit."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign):
            name, annotation = ast.unparse(node.target), ast.unparse(node.annotation)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            name, annotation = node.arg, ast.unparse(node.annotation)
        else:
            continue
        if annotation.removesuffix(" | None") in ("float", "FloatArray") and not UNIT.search(name):
            yield f"line {node.lineno}: {name}"


def imported_by(module: str, source: str) -> set[str]:
    """Our modules that this source imports, names of packages resolved to the modules they may be."""
    package = module if MODULES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                ancestor = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*ancestor, *([base] if base else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return (found & MODULES.keys()) - {module}


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_rooms_read_no_clock_and_draw_no_randomness(path: Path) -> None:
    assert list(impure_calls(path.read_text())) == []


@pytest.mark.parametrize("path", room_files("coldchain/kernel"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_float_of_the_kernel_names_its_unit(path: Path) -> None:
    assert list(unitless_floats(path.read_text())) == []


def test_the_kernel_needs_the_standard_library_and_numpy_only() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "coldchain"}
    found = set()
    for path in room_files("coldchain/kernel"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    assert "numpy" in found
    assert found - allowed == set()


@pytest.mark.parametrize("name", OUR_PACKAGES)
def test_nobody_else_ships_our_package_names(name: str) -> None:
    owners = set(packages_distributions().get(name, []))
    assert owners <= {DISTRIBUTION}, f"{owners} also ship a top-level {name!r}"


def test_every_module_is_used() -> None:
    """A module that only tests import is dead, or a plan. A package lives when a part of it does."""
    used = STARTED_BY_NAME | HELD_BY_TESTS
    users = {**MODULES, **{f"benchmarks.{path.stem}": path for path in room_files("benchmarks")}}
    for module, path in users.items():
        for name in imported_by(module, path.read_text()):
            parts = name.split(".")
            used |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    assert sorted(MODULES.keys() - used) == []


def test_every_part_of_coldchain_has_a_floor() -> None:
    """A new part is added to the contract in pyproject.toml, or it may import anything."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = " ".join(next(c for c in contracts if c["id"] == "floors")["layers"])
    parts = {".".join(module.split(".")[:2]) for module in MODULES if module.startswith("coldchain.")}
    assert sorted(part for part in parts if not re.search(rf"\b{re.escape(part)}\b", floors)) == []


def test_the_purity_rule_sees_faults() -> None:
    planted = (
        "a = datetime.now(UTC)\nb = time.time()\nc = np.random.normal()\nd = open('x')\ne = random.random()"
    )
    assert len(list(impure_calls(planted))) == 5
    assert list(impure_calls("clock()\nrng.normal()\nnp.random.default_rng(seed)")) == []


def test_the_unit_rule_sees_faults() -> None:
    assert list(unitless_floats("high: float = 1.0\ndef f(low: float | None, at_s: float): ...")) == [
        "line 1: high",
        "line 2: low",
    ]


def test_the_import_rule_reads_relative_and_package_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "alerts.a", ROOT / "alerts/a.py")
    monkeypatch.setitem(MODULES, "alerts.b", ROOT / "alerts/b.py")
    assert imported_by("alerts.a", "from . import b") == {"alerts", "alerts.b"}
    assert imported_by("alerts.a", "from alerts.b import thing") == {"alerts.b"}
    assert imported_by("alerts", "from .b import thing") == {"alerts.b"}
