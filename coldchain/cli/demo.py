# SPDX-License-Identifier: Apache-2.0
"""`coldchain demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import Json, say
from coldchain.cli.progress import progress


def demo(
    for_: Annotated[
        float | None, typer.Option("--for", help="End after so many seconds (default: until Ctrl-C).", min=1)
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            "-d",
            help="Folder for data and logs; a second run in it goes on. Default: a new one in demo-data/.",
        ),
    ] = None,
    appliances: Annotated[
        int, typer.Option(help="How many of the fleet; 0: only replayed files.", min=0)
    ] = 243,
    fleet: Annotated[
        Path | None, typer.Option(help="A fleet file (TOML) instead of the national one.", exists=True)
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="A scenario file (TOML): which faults strike when.", exists=True)
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option(
            help="A recorded CSV (sensor,time,celsius; CELSI; Ruuvi; may be gzipped) as a sensor.",
            exists=True,
        ),
    ] = None,
    until_replayed: Annotated[
        bool, typer.Option("--until-replayed", help="End when the last replayed reading is recorded.")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Judge replayed files by this profile (default: the component nearest to the file's median)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same run.")] = 1,
    port: Annotated[
        int,
        typer.Option(
            help="Port of the console, on loopback; another is taken when it is busy.", min=0, max=65535
        ),
    ] = 8080,
    influx_url: Annotated[str | None, typer.Option(help="Also stream to this InfluxDB.")] = None,
    history: Annotated[
        bool,
        typer.Option(help="A new folder begins with a simulated month: past excursions, repairs, a drill."),
    ] = True,
    json_: Json = False,
) -> None:
    """Run the whole chain on this machine, from simulated probes to a simulated phone. Nothing leaves it.

    Appliances on serial lines and MQTT, gateway, broker, record, alarms, a modem with phones, the console.
    No delay is shortened: the simulator starts 20 minutes in the past; the first SMS comes within a minute.
    """
    from coldchain.wiring.demo.plan import DemoPlan
    from coldchain.wiring.demo.run import fresh_folder, run_demo
    from coldchain.wiring.logs import set_up_logs

    set_up_logs("demo")
    plan = DemoPlan(
        directory=(directory or fresh_folder()).absolute(),
        appliances=appliances,
        seed=seed,
        fleet=fleet,
        scenario=scenario,
        replay=tuple(path.absolute() for path in replay or ()),
        until_replayed=until_replayed,
        profile=profile,
        console_port=port,
        influx_url=influx_url,
        history=history and appliances > 0 and not replay,
    )
    books = run_demo(plan, for_, say, progress)
    if json_:
        typer.echo(json.dumps(books.as_dict()))
    else:
        for name, value in books.as_dict().items():
            say(f"  {name.replace('_', ' '):24} {value}")
    if not books.balanced:
        say("the books do not balance: accepted is not recorded + dead-lettered + pending. Keep the folder.")
        raise typer.Exit(1)
