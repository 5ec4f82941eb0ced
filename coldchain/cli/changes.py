# SPDX-License-Identifier: Apache-2.0
"""What `coldchain config check|preview|apply|confirm|refuse` do with a registry or profiles."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from coldchain.cli.common import say
from coldchain.settings import Settings

if TYPE_CHECKING:
    from coldchain.records.proposals import Proposal
    from coldchain.wiring.changing import Candidate
    from coldchain.wiring.preview import Preview


def check(path: Path, text: str, settings: Settings, *, json_: bool) -> None:
    """Exit 78 with a line for each fault."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.changing import candidate

    one = candidate(settings, path.name, text, wall_ms())
    if json_:
        typer.echo(json.dumps({"ok": not one.faults, "findings": one.faults, "effect": str(one.effect)}))
    else:
        for fault in one.faults:
            typer.echo(f"{path}: {fault}")
        said = (
            f"sound; compared with what is in force it {one.effect}"
            if not one.faults
            else "does not come into force"
        )
        say(f"{path}: {said}")
    if one.faults:
        raise typer.Exit(78)


def preview(path: Path, text: str, settings: Settings, *, json_: bool) -> None:
    from coldchain.wiring.changing import told

    one, seen = _looked(path, text, settings)
    if json_:
        typer.echo(json.dumps(told(one, seen)))
    else:
        _print(one, seen)
    if one.faults:
        raise typer.Exit(78)


def apply(path: Path, text: str, settings: Settings, *, person: str, reason: str, json_: bool) -> None:
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.changing import apply as bring
    from coldchain.wiring.changing import told

    one, seen = _looked(path, text, settings)
    if not json_:
        _print(one, seen)
    done = bring(settings, one, seen, person=person, reason=reason, wall_ms=wall_ms)
    if json_:
        file = str(done.file) if done.file else None
        typer.echo(
            json.dumps({**told(one, seen), "version": done.version, "proposal": done.proposal, "file": file})
        )
    elif done.proposal is not None:
        say(
            f"proposal {done.proposal}: it widens, so another supervisor or manager has to agree within "
            f"72 hours: `coldchain config confirm {done.proposal} --as NAME`, or at the console. Until then "
            "nothing changes"
        )
    elif done.file is not None:
        say(f"wrote {done.file}; it is in force when the processes start anew")
    else:
        say(f"in force: version {done.version}")


def proposals(settings: Settings, *, json_: bool) -> None:
    from coldchain.ports.clock import wall_ms
    from coldchain.records.proposals import Proposals

    found = Proposals(settings.data_dir, wall_ms).newest()
    if json_:
        typer.echo(json.dumps({"proposals": [one.as_dict() for one in found]}))
        return
    for one in found:
        typer.echo(f"{one.id}\t{one.state}\t{one.kind} {one.name}\t{one.person}\t{one.reason}")
        if one.state == "open":
            for change in one.changes:
                typer.echo(f"\t{change['subject']}: {change['what']} {change['before']} -> {change['after']}")
            say(f"  {_counts(one.preview)}; until {_day(one.until_ms)}")
    if not found:
        say("nothing waits for anybody's word")


def decide(settings: Settings, number: int, person: str, *, agree: bool, note: str, json_: bool) -> None:
    from coldchain.ports.clock import wall_ms
    from coldchain.records.proposals import Proposals
    from coldchain.wiring.changing import decider

    who = decider(settings, person)
    one: Proposal = Proposals(settings.data_dir, wall_ms).decide(number, who, agree=agree, note=note)
    if json_:
        typer.echo(json.dumps(one.as_dict()))
    elif one.version is not None:
        say(f"in force: version {one.version}")
    elif one.state == "applied":
        say(f"{one.name} is written; it is in force when the processes start anew")
    else:
        say(f"proposal {number} is {one.state}; what is in force stays")


def _looked(path: Path, text: str, settings: Settings) -> tuple[Candidate, Preview]:
    from coldchain.cli.progress import progress
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.changing import candidate, look_back

    now_ms = wall_ms()
    one = candidate(settings, path.name, text, now_ms)
    with progress("judging the last week twice") as step:
        return one, look_back(settings, one, now_ms, step)


def _print(one: Candidate, seen: Preview) -> None:
    for fault in one.faults:
        typer.echo(f"unsound\t{fault}")
    for change in one.changes:
        typer.echo(f"{change.effect}\t{change.subject}: {change.what}\t{change.before} -> {change.after}")
    for alarm in seen.moved:
        minutes = "" if alarm.minutes is None else f"{alarm.minutes:+g} min"
        typer.echo(f"{alarm.change}\t{alarm.at}\t{alarm.sensor}\t{alarm.kind}\t{minutes}".rstrip())
    if not one.changes and not one.faults:
        say("nothing changes")
    say(_counts(seen.as_dict()))


def _counts(seen: dict[str, Any]) -> str:
    if not seen.get("days"):
        return "no record yet to look back on"
    moved = ", ".join(f"{seen[name]} {name}" for name in ("gained", "lost", "earlier", "later"))
    looked = f"{seen['sensors']} sensors, {seen['readings']} readings"
    return f"alarms of the last {seen['days']} days: {moved}, {seen['same']} the same ({looked})"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="minutes")
