# SPDX-License-Identifier: Apache-2.0
"""`coldchain replay`: would it have rung?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from coldchain.kernel.errors import BadData

Span = Annotated[float | None, typer.Option("--interval", help="A reading is due this often [s].", min=0.001)]


def replay(
    files: Annotated[list[Path], typer.Argument(help="CSV with `sensor,time,celsius`, gzipped or not.")],
    profile: Annotated[
        str | None, typer.Option(help="Such as red-cells@eu; see `coldchain profile`.")
    ] = None,
    rules: Annotated[str | None, typer.Option(help="`limits`: plain limits and nothing else.")] = None,
    high: Annotated[float | None, typer.Option(help="With --rules limits [°C].")] = None,
    low: Annotated[float | None, typer.Option(help="With --rules limits [°C].")] = None,
    on_delay: Annotated[
        float, typer.Option(help="With --rules limits: it must last so long [s].", min=0)
    ] = 0,
    deadband: Annotated[
        float, typer.Option(help="With --rules limits: it is over so far inside [K].", min=0)
    ] = 0,
    ambient: Annotated[Path | None, typer.Option(help="CSV of the room's temperature.")] = None,
    interval: Span = None,
    probe: Annotated[str | None, typer.Option(help="What was measured: load or air, if it is known.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> None:
    """Judge recordings with the code of the live engine: alarms, excursions, faults, and sums by sensor.

    One JSON object a line, by instant, sensor, event, the summaries last; words on a terminal, unless --json.
    """
    from coldchain.wiring.replay import print_told, replay_limits_of, replay_profile_of

    if rules not in {None, "limits"}:
        raise BadData(f"no rules {rules!r}; there are: limits")
    if rules is None and profile is None:
        raise BadData("judge by what? give --profile red-cells@eu, or --rules limits with --high or --low")
    if rules is not None and profile is not None:
        raise BadData("--rules limits takes its numbers from --high and --low: leave --profile out")
    if rules is not None:
        told = replay_limits_of(files, high, low, on_delay, deadband, interval)
    else:
        if (high, low) != (None, None) or on_delay or deadband:
            raise BadData("--high, --low, --on-delay and --deadband go with --rules limits")
        told = replay_profile_of(files, profile or "", ambient, interval, probe)
    print_told(told, sys.stdout, words=sys.stdout.isatty() and not json_)
