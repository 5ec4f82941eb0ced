# SPDX-License-Identifier: Apache-2.0
"""`coldchain export` and `coldchain influx ...`: the record, out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, say, settings_of
from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import parse_instant

influx_app = typer.Typer(help="The InfluxDB projection.", no_args_is_help=True)

From = Annotated[str | None, typer.Option("--from", help="From this instant on (RFC 3339 or Unix seconds).")]
To = Annotated[str | None, typer.Option("--to", help="Up to this instant.")]


def instant(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return parse_instant(text)
    except ValueError as bad:
        raise BadData(str(bad)) from bad


FOREVER_MS = 2**62


def export(
    config: Config = None,
    directory: Dir = None,
    sensor: Annotated[list[str] | None, typer.Option(help="Only this sensor; may be repeated.")] = None,
    format_: Annotated[str, typer.Option("--format", help="csv.")] = "csv",
    from_: From = None,
    to: To = None,
) -> None:
    """Print temperatures as `sensor,time,celsius`, by sensor, then time; failed readings have no number."""
    from coldchain.wiring.export import export_csv

    if format_ != "csv":
        raise BadData(f"no format {format_!r}; there is: csv")
    settings = settings_of(config, directory)
    n = export_csv(
        settings,
        sys.stdout,
        sensors=sensor,
        start_ms=instant(from_, -FOREVER_MS),
        end_ms=instant(to, FOREVER_MS),
    )
    say(f"{n} readings")


@influx_app.command("resync")
def resync(
    from_: Annotated[str, typer.Option("--from", help="From this instant on.")],
    to: To = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Write the readings and roll-ups of a span to InfluxDB again. Writing twice changes nothing."""
    from coldchain.wiring.export import resync_influx

    settings = settings_of(config, directory)
    n = resync_influx(settings, instant(from_, 0), instant(to, FOREVER_MS), say)
    say(f"{n} points written")
