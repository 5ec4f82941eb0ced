# SPDX-License-Identifier: Apache-2.0
"""`coldchain appliance ...`: taking an appliance out of service, and back through the gate."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from coldchain.cli.asking import answer, ask, known_person
from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData
from coldchain.settings import Settings

app = typer.Typer(help="Appliances: out of service and back.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The appliance's id, as the registry has it.")]
By = Annotated[str, typer.Option("--by", help="Who says so: a person's id.")]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that are back, too.")] = False,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Appliances that are out of service: since when, by whom, why."""
    from coldchain.kernel.instants import rfc3339
    from coldchain.records.alarms import AlarmsReader

    found = AlarmsReader(settings_of(config, directory).alarms_db).out_of_service(all_=everything)
    if json_:
        typer.echo(json.dumps([asdict(one) for one in found]))
        return
    for one in found:
        back = f"back {rfc3339(one.back_ms)} by {one.back_person}" if one.back_ms else "out"
        typer.echo("\t".join((one.appliance, back, rfc3339(one.from_ms), one.person, one.reason)))
    say("none is out of service" if not found else "back in: coldchain appliance back NAME --by PERSON")


@app.command("out")
def out(
    name: Name,
    by: By,
    why: Annotated[str, typer.Option("--why", help="What is wrong with it, or what is done to it.")],
    to: Annotated[
        str, typer.Option("--to", help="Where its blood is now: another appliance, or `empty`.")
    ] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Take it out of service: it is not for blood, and nobody is called for it. Everything is still recorded.

    One that carries blood goes out only with a word on where the blood is now.

        coldchain appliance out vte-br-03 --by contractor --why "compressor exchanged" --to vte-br-07
    """
    settings = settings_of(config, directory)
    _known(settings, name)
    known_person(settings, by)
    body: dict[str, object] = {"appliance": name, "reason": why, "to": to, "by": "cli"}
    answer(ask(settings, "out_of_service", by=by, alarm=None, body=body), json_=json_)


@app.command("back")
def back(
    name: Name,
    by: By,
    why: Annotated[str, typer.Option("--why", help="What was done.")] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Put it back into service, if it has shown that it works.

    Its probes must report, a profile must be assigned, somebody must be told about its site, and it must have
    held its range for as long as the profile demands. What is missing is said, with exit code 65.
    """
    settings = settings_of(config, directory)
    _known(settings, name)
    known_person(settings, by)
    body: dict[str, object] = {"appliance": name, "reason": why, "by": "cli"}
    answer(ask(settings, "return_to_service", by=by, alarm=None, body=body), json_=json_)


@app.command("hold-over")
def hold_over(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """How long each holds its range without power, as its own outages taught, beside its maker's figure.

    From the middle of its range, in a room of 25 °C. Far below the maker's: a seal, a door, another filling.
    """
    from coldchain.records.site import SiteReader

    found = SiteReader(settings_of(config, directory).alarms_db).held()
    if json_:
        typer.echo(json.dumps([{**asdict(one), "part_of_maker": one.part_of_maker} for one in found]))
        return
    for one in found:
        maker = f"maker {one.maker_min} min" if one.maker_min else "maker's not known"
        part = "" if one.part_of_maker is None else f"{100 * one.part_of_maker:.0f} %"
        typer.echo("\t".join((one.appliance, f"{one.minutes} min", maker, part, f"{one.outages} outages")))
    say("learnt from outages of half an hour and more" if found else "no outage has taught anything yet")


@app.command("leave")
def leave(
    name: Name,
    since: Annotated[str, typer.Option("--since", help="When the repair was done, RFC 3339.")] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """May I leave? Yes, not yet, or no because: its cycles since the repair against its own healthy days.

    Without --since it counts from when it was taken out of service, or an alarm of it was answered. A yes
    takes at least three cycles; after 90 minutes there is no "not yet" any more. Exit code 65 where it is
    not yes.
    """
    from coldchain.kernel.instants import parse_instant
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.leave import may_i_leave

    try:
        since_ms = parse_instant(since) if since else None
    except ValueError as bad:
        raise BadData(f"--since {since}: {bad}") from bad
    said = may_i_leave(settings_of(config, directory), name, since_ms, wall_ms())
    if json_:
        typer.echo(json.dumps(asdict(said)))
    else:
        typer.echo(f"{said.word}: {said.why}")
        say(f"{said.minutes} min since the repair, {said.counted} cycles")
    if said.word != "yes":
        raise typer.Exit(65)


def _known(settings: Settings, name: str) -> None:
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    if name not in reader.registry.appliance_by_id:
        known = ", ".join(list(reader.registry.appliance_by_id)[:12]) or "none yet"
        raise BadData(f"there is no appliance {name!r}; known: {known}")
