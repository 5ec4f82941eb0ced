# SPDX-License-Identifier: Apache-2.0
"""`coldchain oncall ...`: who is on call, now and next, and where nobody is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData
from coldchain.settings import Settings

app = typer.Typer(help="On call: now, gaps, calendar.", no_args_is_help=True)

DAY_MS = 86_400_000
Site = Annotated[str | None, typer.Option(help="Only this site.")]
Days = Annotated[int, typer.Option(min=1, max=366, help="So many days ahead.")]


@app.command("now")
def now(site: Site = None, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Who is told first, second ... of an alarm that is raised now; and the next gap."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.duty import duty_now

    found = duty_now(settings_of(config, directory), site, wall_ms())
    if json_:
        typer.echo(json.dumps(found))
        return
    for row in found:
        who = ", ".join(f"{p['name']} {p['phone']}" for p in row["people"]) or "NOBODY"
        typer.echo(f"{row['site']}\t{row['level']}\t{who}\t{row['why']}")
    gaps = [f"{row['site']} level {row['level']} from {row['gap']}" for row in found if row["gap"]]
    say("no gaps within 7 days" if not gaps else "nobody on call: " + "; ".join(gaps))


@app.command("calendar")
def calendar(
    rota: Annotated[str, typer.Argument(help="The rota's name.")],
    days: Days = 60,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The rota's shifts as an iCalendar feed; gaps are in it."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.addresses import calendar_of

    settings = settings_of(config, directory)
    found = calendar_of(settings, rota, wall_ms(), days * DAY_MS)
    if found is None:
        raise BadData(f"there is no rota {rota!r}; known: {', '.join(_rotas(settings)) or 'none yet'}")
    typer.echo(found, nl=False)


def _rotas(settings: Settings) -> list[str]:
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    return sorted(rota.id for rota in reader.registry.rotas)


@app.command("link")
def link(
    kind: Annotated[str, typer.Argument(help="calendar or delivery.")],
    subject: Annotated[str, typer.Argument(help="The rota's name, or the provider's.")],
    base: Annotated[str, typer.Option(help="The console's address, as others reach it.")] = "",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """A secret address: a rota's calendar to subscribe to, or where a provider reports deliveries.

    Whoever has it needs no password. Made anew, the one before it no longer works.
    """
    from coldchain.wiring.addresses import new_address

    if kind not in ("calendar", "delivery"):
        raise BadData(f"{kind!r} is no kind of address; write calendar or delivery")
    settings = settings_of(config, directory)
    home = base or f"http://{settings.console.host}:{settings.console.port}"
    typer.echo(new_address(settings, "calendar" if kind == "calendar" else "delivery", subject, home))
    say("keep it secret; the one before it no longer works")


@app.command("pin")
def pin(
    person: Annotated[str, typer.Argument(help="The person's id.")],
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Set the PIN with which somebody signs on a shared telephone: `OK 483126 7391`. Asked for, not shown."""
    from coldchain.wiring.addresses import set_pin

    number = typer.prompt("PIN, four or five digits", hide_input=True, confirmation_prompt=True)
    version = set_pin(settings_of(config, directory), person, number)
    say(f"registry version {version}: {person} may sign with that PIN")
