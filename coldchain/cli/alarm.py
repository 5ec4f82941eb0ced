# SPDX-License-Identifier: Apache-2.0
"""`coldchain alarm ...`: what is wrong, who has been told, and answering it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData
from coldchain.settings import Settings

app = typer.Typer(help="Alarms: list, answer, explain.", no_args_is_help=True)

APPLIED_WITHIN_S = 5.0
Number = Annotated[int, typer.Argument(help="The alarm's number, as `coldchain alarm list` prints it.")]
By = Annotated[str, typer.Option("--by", help="Who answers: a person's id.")]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Alarms that want somebody, newest first."""
    from coldchain.kernel.instants import rfc3339
    from coldchain.records.alarms import AlarmsReader

    reader = AlarmsReader(settings_of(config, directory).alarms_db)
    found = reader.alarms(1000) if everything else reader.open_alarms()
    if json_:
        typer.echo(json.dumps([asdict(alarm) for alarm in found]))
        return
    for a in found:
        value = "" if a.value is None else f"{a.value / 1000:.2f} °C"
        limit = "" if a.limit_value is None else f"limit {a.limit_value / 1000:.2f} °C"
        fields = (str(a.number), a.state, a.severity, a.appliance, a.kind, value, limit, rfc3339(a.since_ms))
        typer.echo("\t".join(fields))
    say("no alarms" if not found else "answer one: coldchain alarm ack NUMBER --by PERSON --action door")


@app.command("ack")
def ack(
    number: Number,
    by: By,
    action: Annotated[str, typer.Option(help="What is done: door, power, moved, coming, work.")] = "",
    to: Annotated[str, typer.Option(help="With --action moved: the appliance the blood is in now.")] = "",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Answer an alarm: nobody is called for it until the answer lapses."""
    from coldchain.records.registry import RegistryReader

    settings = settings_of(config, directory)
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    known = sorted(person.id for person in reader.registry.people)
    if by not in known:
        raise BadData(f"nobody is called {by!r}; known: {', '.join(known) or 'nobody yet'}")
    say(_ask(settings, "acknowledge", number, by, {"action": action, "target": to, "by": "cli"}))


@app.command("pass")
def pass_(number: Number, by: By, config: Config = None, directory: Dir = None) -> None:
    """Not me: call the next one now."""
    say(_ask(settings_of(config, directory), "pass", number, by, {"by": "cli"}))


def _ask(settings: Settings, verb: str, number: int, by: str, body: dict[str, object]) -> str:
    """Append the command and wait a little for what comes of it."""
    from coldchain.ports.clock import wall_ms
    from coldchain.records.alarms import AlarmsReader
    from coldchain.records.registry import Desk

    reader = AlarmsReader(settings.alarms_db)
    if reader.alarm(number) is None:
        raise BadData(f"there is no alarm {number}; see `coldchain alarm list --all`")
    id_ = f"cli-{uuid.uuid4().hex}"
    desk = Desk(settings.desk_db, wall_ms)
    desk.command(id_, verb, person=by, alarm=str(number), body=body)
    desk.close()
    until_s = time.monotonic() + APPLIED_WITHIN_S
    while time.monotonic() < until_s:
        if outcome := reader.outcome(id_):
            return outcome
        time.sleep(0.1)
    return "written down; alerts does not run now and applies it when it does: `coldchain doctor`"


@app.command("explain")
def explain(number: Number, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Why it was raised, what has happened since, who was told and who is next."""
    from coldchain.records.alarms import AlarmsReader

    settings = settings_of(config, directory)
    reader = AlarmsReader(settings.alarms_db)
    alarm = reader.alarm(number)
    if alarm is None:
        raise BadData(f"there is no alarm {number}; see `coldchain alarm list --all`")
    if json_:
        standing = reader.standing(alarm.id)
        typer.echo(
            json.dumps(
                {
                    "alarm": asdict(alarm),
                    "events": [asdict(event) for event in reader.events(alarm.id)],
                    "notices": [asdict(notice) for notice in reversed(reader.notices(500, alarm=alarm.id))],
                    "delivered": reader.delivered(alarm.id),
                    "escalation": asdict(standing) if standing else None,
                }
            )
        )
        return
    from coldchain.wiring.explain import explained

    for line in explained(settings, reader, alarm):
        typer.echo(line)
