# SPDX-License-Identifier: Apache-2.0
"""What several commands share: where the installation is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldchain.kernel.errors import ConfigError
from coldchain.settings import Settings, load

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="COLDCHAIN_CONFIG", help="The settings file (default: ./coldchain.toml)."
    ),
]
Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir", "-d", help="A folder with a coldchain.toml in it, such as the one `demo --dir` made."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for programs.")]

DEFAULT = Path("coldchain.toml")


def settings_path(config: Path | None, directory: Path | None = None) -> Path:
    """The file that was meant; ConfigError when there is none."""
    path = config or (directory / DEFAULT if directory else DEFAULT)
    if not path.exists():
        raise ConfigError(
            f"{path} is not there; `coldchain init` writes one, or name it with --config or --dir"
        )
    return path


def settings_of(config: Path | None, directory: Path | None = None) -> Settings:
    return load(settings_path(config, directory))


def say(text: str) -> None:
    """Talk: to standard error."""
    typer.echo(text, err=True)
