# SPDX-License-Identifier: Apache-2.0
"""Asking alerts for a change: a command is written down, alerts applies it and says what came of it."""

from __future__ import annotations

import json
import time
import uuid

import typer

from coldchain.cli.common import say
from coldchain.kernel.errors import BadData
from coldchain.settings import Settings

APPLIED_WITHIN_S = 5.0
WAITS = "written down; alerts does not run now and applies it when it does: `coldchain doctor`"


def ask(settings: Settings, verb: str, *, by: str, alarm: int | None, body: dict[str, object]) -> str:
    """Append the command and wait a little for what comes of it. BadData for an alarm that is not there."""
    from coldchain.ports.clock import wall_ms
    from coldchain.records.alarms import AlarmsReader
    from coldchain.records.registry import Desk

    reader = AlarmsReader(settings.alarms_db)
    if alarm is not None and reader.alarm(alarm) is None:
        raise BadData(f"there is no alarm {alarm}; see `coldchain alarm list --all`")
    id_ = f"cli-{uuid.uuid4().hex}"
    desk = Desk(settings.desk_db, wall_ms)
    desk.command(id_, verb, person=by, alarm=None if alarm is None else str(alarm), body=body)
    desk.close()
    until_s = time.monotonic() + APPLIED_WITHIN_S
    while time.monotonic() < until_s:
        if outcome := reader.outcome(id_):
            return outcome
        time.sleep(0.1)
    return WAITS


def known_person(settings: Settings, name: str) -> str:
    """A person of the registry; BadData names those who are."""
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    known = sorted(person.id for person in reader.registry.people)
    if name not in known:
        raise BadData(f"nobody is called {name!r}; known: {', '.join(known) or 'nobody yet'}")
    return name


def answer(outcome: str, *, json_: bool) -> None:
    """Say what came of it; BadData (exit code 65) when it was refused."""
    word, _, rest = outcome.partition(": ")
    if json_:
        done = {"applied": word == "applied", "outcome": outcome}
        typer.echo(json.dumps(done))
    if word == "refused":
        raise BadData(rest)
    if not json_:
        say(outcome)
