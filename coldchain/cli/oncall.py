# SPDX-License-Identifier: Apache-2.0
"""`coldchain oncall ...`: who is on call, now and next, and where nobody is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData

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
    from alerts.oncall.calendar import feed
    from alerts.oncall.rota import shifts
    from coldchain.ports.clock import wall_ms
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings_of(config, directory).desk_db)
    reader.refresh()
    found = {r.id: r for r in reader.registry.rotas}
    if rota not in found:
        raise BadData(f"there is no rota {rota!r}; known: {', '.join(sorted(found)) or 'none yet'}")
    at_ms = wall_ms()
    names = {p.id: p.name for p in reader.registry.people}
    typer.echo(feed(shifts(found[rota], at_ms, at_ms + days * DAY_MS), names, at_ms), nl=False)
