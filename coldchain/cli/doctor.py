# SPDX-License-Identifier: Apache-2.0
"""`coldchain doctor` and `coldchain health`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.ports.clock import wall_ms

MARK = {"ok": "ok     ", "warning": "warning", "bad": "BAD    "}


def doctor(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Examine the installation: each line says cause and remedy. Exit 1 if anything is bad."""
    from coldchain.wiring.checkup import examine

    settings = settings_of(config, directory)
    found = []
    for line in examine(settings, wall_ms):
        found.append(line)
        if not json_:
            typer.echo(
                f"{MARK[line.state]}  {line.what}: {line.cause}"
                + (f"\n         -> {line.remedy}" if line.remedy else "")
            )
    bad = [line for line in found if line.state == "bad"]
    if json_:
        typer.echo(json.dumps({"ok": not bad, "lines": [line.as_dict() for line in found]}))
    else:
        say(f"{len(bad)} bad, {sum(line.state == 'warning' for line in found)} to look at")
    if bad:
        raise typer.Exit(1)


def health(
    name: Annotated[str, typer.Argument(help="gateway, ingest, alerts or console.")],
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Has that process made progress in the last 30 s? Exit 0 if so, else 1. For health checks."""
    from coldchain.records.health import beats

    settings = settings_of(config, directory)
    beat = next((beat for beat in beats(settings.data_dir) if beat.name == name), None)
    age_s = None if beat is None else (wall_ms() - beat.at_ms) / 1000
    alive = beat is not None and not beat.stale(wall_ms())
    if json_:
        typer.echo(
            json.dumps(
                {"name": name, "alive": alive, "age_s": age_s, "figures": beat.figures if beat else {}}
            )
        )
    else:
        typer.echo(f"{name}: " + ("never ran here" if age_s is None else f"last progress {age_s:.1f} s ago"))
    if not alive:
        raise typer.Exit(1)
