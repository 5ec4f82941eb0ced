# SPDX-License-Identifier: Apache-2.0
"""`coldchain audit ...`: is the record of alarms and accounts still what was written?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of

app = typer.Typer(help="The audit chain: what happened, and that nobody changed it.", no_args_is_help=True)

Chain = Annotated[
    Literal["alarms", "desk"], typer.Option(help="alarms: of alarms.db; desk: accounts and registry.")
]


@app.command("verify")
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="NUMBER:HASH (of the chain desk: desk NUMBER:HASH), or a file of such lines."),
    ] = None,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Check both chains, and the rows that they speak of. Exit 1 when something was altered.

    By itself it finds edits, deletions and changes of order. That the end was cut off, or all of it written
    anew, only an anchor shows: gateways keep them (`coldchain audit anchors`, on the gateway's machine).

        coldchain audit verify --anchor anchors-vte-gw-1.txt
    """
    from coldchain.kernel.audit import Head
    from coldchain.records.audit import CHAINS, check, read_anchors

    settings = settings_of(config, directory)
    known = read_anchors([Path(a).read_text("utf-8") if Path(a).is_file() else a for a in anchor or []])
    told: list[dict[str, object]] = []
    for chain in CHAINS:
        anchors = known.get(chain, {})
        path = settings.data_dir / f"{chain}.db"
        if not path.exists() and not anchors:
            continue
        found = check(path, chain, anchors)
        sound = isinstance(found, Head)
        said = {"head": str(found)} if isinstance(found, Head) else {"entry": found.number, "why": found.why}
        told.append({"chain": chain, "matches": sound, "anchors": len(anchors), **said})
        if isinstance(found, Head):
            text = f"matches, {found.number} entries, {len(anchors)} anchors; head {found}"
        else:
            text = f"altered at entry {found.number}: {found.why}"
        if not json_:
            typer.echo(f"{chain}: {text}")
    if json_:
        typer.echo(json.dumps(told))
    elif not any(known.values()):
        say("without an anchor, a chain that was cut off or written anew passes: --anchor NUMBER:HASH")
    if not all(one["matches"] for one in told):
        raise typer.Exit(1)


@app.command("show")
def show(
    chain: Chain = "alarms",
    kind: Annotated[str | None, typer.Option(help="Only entries of that kind, such as disposition.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """The newest entries, oldest first: number, when, kind, what."""
    from coldchain.kernel.instants import rfc3339
    from coldchain.records.audit import entries

    settings = settings_of(config, directory)
    found = entries(settings.data_dir / f"{chain}.db", chain, limit, kind)[::-1]
    if json_:
        rows = [
            {"number": e.number, "at_ms": e.at_ms, "kind": e.kind, "body": json.loads(e.body)} for e in found
        ]
        typer.echo(json.dumps(rows))
        return
    for entry in found:
        typer.echo(f"{entry.number}\t{rfc3339(entry.at_ms)}\t{entry.kind}\t{entry.body}")


@app.command("export")
def export(
    chain: Chain = "alarms",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; else standard output.")] = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The whole chain as lines of JSON, to be kept elsewhere and held against the record later.

    coldchain audit export --chain desk -o desk-2026-11.jsonl
    """
    from coldchain.records.audit_file import lines

    path = settings_of(config, directory).data_dir / f"{chain}.db"
    if out is None:
        for line in lines(path, chain):
            typer.echo(line, nl=False)
        return
    with out.open("w", encoding="utf-8") as file:
        file.writelines(lines(path, chain))
    say(f"{out}: {out.stat().st_size:,} bytes")


@app.command("compare")
def compare(
    file: Annotated[Path, typer.Argument(help="A report (PDF), an audit export, or a bundle.", exists=True)],
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Is this file what the record says? Exit 1 when it is altered, or no file of ours.

    coldchain audit compare excursion-7-lo.pdf
    """
    from dataclasses import asdict

    from coldchain.wiring.held import held

    found = held(settings_of(config, directory), file.read_bytes())
    if json_:
        typer.echo(json.dumps(asdict(found)))
    else:
        about = f" ({found.what} {found.subject})" if found.subject else ""
        typer.echo(f"{found.state.replace('_', ' ')}{about}{f': {found.where}' if found.where else ''}")
    if found.state != "matches":
        raise typer.Exit(1)


@app.command("anchors")
def anchors(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """On a gateway's machine: the heads that the hub told, oldest first, for `audit verify --anchor FILE`."""
    from coldchain.kernel.instants import rfc3339
    from gateway.anchors import read_all
    from gateway.spool_file import MIGRATIONS

    rows = read_all(settings_of(config, directory).spool_db, len(MIGRATIONS))
    if json_:
        typer.echo(json.dumps([{"chain": chain, "head": head, "got_ms": ms} for chain, head, ms in rows]))
        return
    for chain, head, got_ms in rows:
        typer.echo(f"{chain} {head} {rfc3339(got_ms)}")
    say(f"{len(rows)} anchors")
