# SPDX-License-Identifier: Apache-2.0
"""`coldchain export` and `coldchain influx ...`: the record, out."""

from __future__ import annotations

import sys
from pathlib import Path
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
    format_: Annotated[str, typer.Option("--format", help="csv, or xlsx into the file --out.")] = "csv",
    from_: From = None,
    to: To = None,
    table: Annotated[
        str,
        typer.Option(
            help="temperatures, or: alarms, excursions, defrosts, messages, readings, findings, by-hand,"
            " bags, trips, devices, device-history, work-orders, maintenance, calibrations, sites,"
            " appliances, sensors, people, gateways, accounts, audit."
        ),
    ] = "temperatures",
    appliance: Annotated[str, typer.Option(help="Of the table readings: only this appliance.")] = "",
    chain: Annotated[str, typer.Option(help="Of the table audit: alarms or desk.")] = "alarms",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; of csv standard output.")] = None,
) -> None:
    """The record as tables. Without more words: temperatures as `sensor,time,celsius`, by sensor, then time.

    coldchain export --table alarms --from 2026-10-01 --format xlsx -o alarms.xlsx
    """
    from coldchain.wiring.export import export_csv

    if format_ not in ("csv", "xlsx"):
        raise BadData(f"no format {format_!r}; there are: csv, xlsx")
    settings = settings_of(config, directory)
    if format_ == "xlsx" or table != "temperatures" or out is not None:
        from coldchain.wiring.tables import Asked, write_table

        name = "readings" if table == "temperatures" else table
        asked = Asked(name, instant(from_, 0), instant(to, FOREVER_MS), appliance, tuple(sensor or ()), chain)
        target = out or (Path(f"{name}.xlsx") if format_ == "xlsx" else None)
        n = write_table(settings, asked, target, format_)
        say(f"{target or name}: {n} rows")
        return
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
