# SPDX-License-Identifier: Apache-2.0
"""Every dashboard as a file, and the files as a folder that Grafana provisions."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.panels import SOURCE, Json
from dashboards.grafana.words import CATALOGUES, Tongue


def built(zone: str = "Asia/Vientiane", source: str = "") -> dict[str, Json]:
    """Relative path (`en/wall.json`) -> dashboard, of every language.

    `source`: the uid of a data source other than the provisioned one.
    """
    found = {
        f"{language}/{name}.json": make(Tongue(language, zone))
        for language in CATALOGUES
        for name, make in BOARDS.items()
    }
    if source in ("", SOURCE["uid"]):
        return found
    theirs: dict[str, Json] = json.loads(
        json.dumps(found).replace(json.dumps(SOURCE), json.dumps(SOURCE | {"uid": source}))
    )
    return theirs


def as_text(dashboard: Json) -> str:
    """The bytes that are committed: the same from the same code."""
    return json.dumps(dashboard, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write(folder: Path, zone: str = "Asia/Vientiane") -> list[Path]:
    """Write all; what lies there and is not ours stays."""
    paths = []
    for name, dashboard in built(zone).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(dashboard), encoding="utf-8")
        paths.append(path)
    return paths
