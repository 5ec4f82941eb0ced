# SPDX-License-Identifier: Apache-2.0
"""`coldchain alarm ...`: what is wrong, who has been told, and answering it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from coldchain.cli.asking import answer, ask, known_person
from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData

app = typer.Typer(help="Alarms: list, answer, put aside, explain.", no_args_is_help=True)

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


@app.command("mark")
def mark(
    number: Number,
    by: By,
    verdict: Annotated[str, typer.Option(help="true, nuisance or missed.")],
    cause: Annotated[str, typer.Option(help="What was found, as the alarm's page offers it.")] = "",
    reason: Annotated[str, typer.Option(help="In a few words.")] = "",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """What an alarm turned out to be, once it is over. A later mark counts instead; both stay."""
    settings = settings_of(config, directory)
    known_person(settings, by)
    body: dict[str, object] = {"verdict": verdict, "cause": cause, "reason": reason, "by": "cli"}
    answer(ask(settings, "finding", by=by, alarm=number, body=body), json_=False)


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
    settings = settings_of(config, directory)
    known_person(settings, by)
    body: dict[str, object] = {"action": action, "target": to, "by": "cli"}
    say(ask(settings, "acknowledge", by=by, alarm=number, body=body))


@app.command("pass")
def pass_(number: Number, by: By, config: Config = None, directory: Dir = None) -> None:
    """Not me: call the next one now."""
    say(ask(settings_of(config, directory), "pass", by=by, alarm=number, body={"by": "cli"}))


@app.command("shelve")
def shelve(
    number: Number,
    by: By,
    minutes: Annotated[int, typer.Option("--for", min=1, help="Minutes; what the blood bears comes first.")],
    why: Annotated[str, typer.Option("--why", help="What is being done, for who reads it at night.")],
    second: Annotated[str, typer.Option("--with", help="A second person: needed beyond an hour a day.")] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Put an alarm aside for a while: nobody is called for it, everything is still recorded.

    It ends by itself: when the time is up, when nothing is left of what the blood bears beyond its
    limits, or when it gets worse. If it is still true then, it rings again.

        coldchain alarm shelve 7 --by technician --for 30 --why "restocking, door open"
    """
    settings = settings_of(config, directory)
    known_person(settings, by)
    body: dict[str, object] = {"minutes": str(minutes), "reason": why, "second": second, "by": "cli"}
    answer(ask(settings, "shelve", by=by, alarm=number, body=body), json_=json_)


@app.command("unshelve")
def unshelve(
    number: Number, by: By, config: Config = None, directory: Dir = None, json_: Json = False
) -> None:
    """Take a shelved alarm up again now: if it still stands, it rings."""
    settings = settings_of(config, directory)
    known_person(settings, by)
    answer(ask(settings, "unshelve", by=by, alarm=number, body={"by": "cli"}), json_=json_)


@app.command("dispose")
def dispose(
    number: Number,
    what: Annotated[str, typer.Argument(help="keep, quarantine or discard.")],
    by: By,
    why: Annotated[str, typer.Option("--why", help="On what grounds.")] = "",
    second: Annotated[str, typer.Option("--with", help="A second person who agrees.")] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Record what became of the blood that was beyond a limit: only then is such an alarm closed.

    The condition must be over (or the appliance out of service): what still stands, nobody can clear.

        coldchain alarm dispose 7 quarantine --by supervisor --why "8.1 °C for 20 min" --with technician
    """
    settings = settings_of(config, directory)
    known_person(settings, by)
    body: dict[str, object] = {"what": what, "reason": why, "second": second, "by": "cli"}
    answer(ask(settings, "dispose", by=by, alarm=number, body=body), json_=json_)
    say("recorded without signatures: its report stays a draft; two people sign at the console instead")


@app.command("states")
def states() -> None:
    """The lifecycle of an alarm: every state, every event, and what comes of it (docs/alarm-lifecycle.md)."""
    from alerts.alarms.lifecycle_page import page

    typer.echo(page(), nl=False)


@app.command("moved")
def moved(
    everything: Annotated[bool, typer.Option("--all", help="Clocks that have ended, too.")] = False,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Blood that was moved, and how long it has been out of its limits: one clock over its places."""
    from coldchain.records.alarms import AlarmsReader
    from coldchain.wiring.explain import told_of

    found = AlarmsReader(settings_of(config, directory).alarms_db).moved(running=not everything)
    if json_:
        typer.echo(json.dumps([asdict(one) for one in found]))
        return
    for one in found:
        typer.echo(told_of(one))
    say("" if found else "no exposure clock runs")


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
