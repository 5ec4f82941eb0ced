# SPDX-License-Identifier: Apache-2.0
"""`coldchain grafana ...`: the dashboards as files, or to a server that runs already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import say
from coldchain.kernel.errors import BadData, ConfigError

FOLDER = "deploy/grafana/dashboards"
Zone = Annotated[str, typer.Option(help="The time zone of days on long ranges.")]
app = typer.Typer(help="Grafana's dashboards.", no_args_is_help=True)


@app.command("build")
def build(
    folder: Annotated[Path, typer.Argument(help="Where to write them, a folder a language.")] = Path(FOLDER),
    zone: Zone = "Asia/Vientiane",
) -> None:
    """Write every dashboard as JSON. Files that are not ours stay."""
    from dashboards.grafana.build import write

    say(f"{len(write(folder, zone))} dashboards written to {folder}")


@app.command("push")
def push(
    url: Annotated[str, typer.Argument(help="The server, such as https://grafana.example")],
    token_file: Annotated[Path, typer.Option(help="A file with a service account's token (role Editor).")],
    language: Annotated[
        list[str] | None, typer.Option(help="en or lo; may be repeated. Default: en.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="The uid of the server's InfluxQL data source.")
    ] = "coldchain-influxql",
    zone: Zone = "Asia/Vientiane",
) -> None:
    """Put the dashboards on a Grafana that runs already, in folders of their own. Again replaces them."""
    from dashboards.grafana.push import ApiGrafana
    from dashboards.grafana.push import push as push_all
    from dashboards.grafana.words import CATALOGUES

    languages = tuple(language or ("en",))
    for one in languages:
        if one not in CATALOGUES:
            raise BadData(f"no language {one!r}; there are: {', '.join(CATALOGUES)}")
    try:
        token = token_file.read_text().strip()
    except OSError as bad:
        raise ConfigError(f"{token_file} cannot be read: {bad.strerror}") from bad
    for uid, address in push_all(ApiGrafana(url, token), languages, zone, source).items():
        say(f"{uid}: {url.rstrip('/')}{address}")
