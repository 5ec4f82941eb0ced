# SPDX-License-Identifier: Apache-2.0
"""`coldchain backup`, `verify`, `restore`: the record, copied while it is written, and brought back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of

Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]


def backup(to: Folder, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Copy the record into a new folder, while everything runs."""
    from coldchain.ports.clock import wall_ms
    from coldchain.records.backup import backup as make

    _tell(make(settings_of(config, directory).data_dir, to, wall_ms()), json_, f"backup in {to}")


def verify(source: Folder, json_: Json = False) -> None:
    """Read a backup through and compare it with what its manifest says."""
    from coldchain.records.backup import verify as read

    _tell(read(source), json_, f"{source} is sound")


def restore(source: Folder, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Bring a backup back into the installation's empty data folder; nothing may run in it."""
    from contextlib import ExitStack

    from coldchain.records.backup import restore as bring
    from coldchain.wiring.process import PROCESSES, alone

    data_dir = settings_of(config, directory).data_dir
    with ExitStack() as places:
        for name in PROCESSES:
            places.enter_context(alone(name, data_dir))
        manifest = bring(source, data_dir)
    _tell(manifest, json_, f"restored into {data_dir}; start it with `coldchain run`")


def _tell(manifest: dict[str, Any], json_: bool, words: str) -> None:
    if json_:
        typer.echo(json.dumps(manifest))
        return
    made = datetime.fromtimestamp(manifest["made_ms"] / 1000, UTC).isoformat(timespec="seconds")
    say(f"{words}, made {made}")
    for name, said in manifest["files"].items():
        counts = ", ".join(f"{what} {n}" for what, n in said.items() if what not in ("sha256", "bytes"))
        say(f"  {name}: {said['bytes']} bytes, {counts}")
