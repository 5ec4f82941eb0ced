# SPDX-License-Identifier: Apache-2.0
"""`coldchain profile list|show|check`: limits, set-points and where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, settings_of

app = typer.Typer(
    help="Profiles: what each component must be kept at, and where we alarm.", no_args_is_help=True
)


def _data_dir(config: Path | None, directory: Path | None) -> Path | None:
    """Of the installation that was named; without a name only the built-in profiles are meant."""
    return settings_of(config, directory).data_dir if config or directory else None


@app.command("list")
def list_(
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/profiles.md.")] = False,
) -> None:
    """All profiles, those of a site after those built in."""
    from coldchain.wiring import profiles

    written = profiles.all_profiles(_data_dir(config, directory))
    if json_:
        print(json.dumps({"profiles": [one.profile.name for one in written]}))
    elif markdown:
        print(profiles.markdown(written), end="")
    else:
        rows = profiles.table(written)
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        for row in rows:
            cells = zip(row, widths, strict=True)
            print("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


@app.command("show")
def show(name: str, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """One profile: each number with its source."""
    from coldchain.wiring import profiles

    one = profiles.named(name, _data_dir(config, directory))
    if json_:
        numbers = {key: {"value": value, "source": text} for key, (value, text) in one.numbers.items()}
        told = {"name": one.profile.name, "version": one.profile.version, "component": one.profile.component}
        print(json.dumps({**told, "use": one.profile.use, "signed": one.profile.signed, **numbers}))
        return
    print(f"{one.profile.label}: {one.profile.component}, {one.profile.use}")
    if one.profile.signed:
        print(f"signed off by {one.profile.signed}")
    for line in profiles.sources(one):
        print(f"  {line}")


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="A site's own profiles, as in its `profiles` folder.")],
) -> None:
    """Are these files of profiles sound? Refuses what is not, with the place and the fault."""
    from coldchain.wiring import profiles

    for path in files:
        for one in profiles.check(path):
            print(f"{path}: {one.profile.label} is sound, signed off by {one.profile.signed}")
