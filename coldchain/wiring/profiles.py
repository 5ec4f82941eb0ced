# SPDX-License-Identifier: Apache-2.0
"""Profiles as text: the table of the documents, and each number with its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coldchain.kernel.errors import BadData
from coldchain.settings.profile_files import WRITTEN, Written, of_site, read_profiles

HEAD = """# Profiles

Limits are what a regulation permits; set-points are where we alarm, inside them. Every number comes from the
files in `coldchain/settings/profiles/`, where each has its source; `coldchain profile list --markdown` prints
this page from them. The numbers are starting points: a site's medical director confirms them and the editions
in force. A site's own profiles go beside its data, as `*.toml` in the folder `profiles` of its data folder,
with `signed_by`, `signed_on` and `reason`.

"""

COLUMNS = (
    ("low", "low_c", "°C"),
    ("high", "high_c", "°C"),
    ("critical", ("critical_low_c", "critical_high_c"), "°C"),
    ("after", "critical_delay_s", "min"),
    ("warning", ("warning_low_c", "warning_high_c"), "°C"),
    ("after", "warning_delay_s", "min"),
    ("deadband", "deadband_k", "K"),
    ("budget", "budget_s", "min a day"),
    ("longest", "longest_s", "h"),
    ("rate", "rate_k_min", "K/min"),
    ("air", "air_delay_s", "min"),
    ("people", "people_s", "min"),
    ("agitator", "stopped_s", "min"),
    ("every", "expected_every_s", "s"),
)
_PER = {"min": 60.0, "min a day": 60.0, "h": 3600.0}


def all_profiles(data_dir: Path | None) -> list[Written]:
    """Those built in and, with a data folder, the site's own."""
    return [*WRITTEN, *(of_site(data_dir / "profiles") if data_dir else [])]


def table(written: Sequence[Written]) -> list[list[str]]:
    """Rows of text, the first one the head."""
    rows = [["profile", *(f"{name} [{unit}]" for name, _, unit in COLUMNS)]]
    for one in written:
        row = [one.profile.label]
        for _, key, unit in COLUMNS:
            keys = (key,) if isinstance(key, str) else key
            told = [f"{one.numbers[k][0] / _PER.get(unit, 1.0):g}" for k in keys if k in one.numbers]
            row.append(", ".join(told))
        rows.append(row)
    return rows


def markdown(written: Sequence[Written]) -> str:
    """The page of the documents: the table, then every number's source."""
    rows = table(written)
    rows.insert(1, ["---"] * len(rows[0]))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "## Sources", ""]
    for one in written:
        lines += [f"### {one.profile.label}", "", f"{one.profile.component}, {one.profile.use}", ""]
        lines += [f"* {line}" for line in sources(one)]
        lines.append("")
    return HEAD + "\n".join(lines)


def sources(one: Written) -> list[str]:
    """`key value: source`, line by line."""
    return [f"`{key}` {value:g}: {source}" for key, (value, source) in one.numbers.items()]


def named(name: str, data_dir: Path | None) -> Written:
    """That profile; BadData with those there are."""
    written = {one.profile.name: one for one in all_profiles(data_dir)}
    if name not in written:
        raise BadData(f"no profile {name!r}; there are: {', '.join(sorted(written))}")
    return written[name]


def check(path: Path) -> list[Written]:
    """A site's file, read as the processes read it. ConfigError says why it is refused."""
    try:
        return read_profiles(path.read_text(encoding="utf-8"), str(path), own=True)
    except (OSError, UnicodeDecodeError) as bad:
        raise BadData(f"{path}: cannot be read: {bad}") from bad
