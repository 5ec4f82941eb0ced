# SPDX-License-Identifier: Apache-2.0
"""`coldchain carry`: readings brought to the hub by stick or telephone, where there is no link."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData

if TYPE_CHECKING:
    from coldchain.records.carry import Bundle

app = typer.Typer(
    help="Bring readings to the hub by hand, from a place without a link.", no_args_is_help=True
)
File = Annotated[Path, typer.Argument(help="The bundle.")]


@app.command("key")
def key(config: Config = None, directory: Dir = None) -> None:
    """Print this machine's public key, for the other side to trust."""
    from coldchain.wiring.carry import own_public

    typer.echo(own_public(settings_of(config, directory)))


@app.command("trust")
def trust(
    name: Annotated[str, typer.Argument(help="At the hub a gateway's name; at a gateway the word `hub`.")],
    public: Annotated[str, typer.Argument(metavar="KEY", help="What `coldchain carry key` printed there.")],
    author: Annotated[str, typer.Option("--as", help="Who says so.")] = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Take bundles (at the hub) or receipts (at a gateway) that are signed by this key."""
    from coldchain.wiring.carry import trust_key

    trust_key(settings_of(config, directory), name, public, person=author)
    say(f"what {name} signs with {public[:16]}... is taken here from now on")


@app.command("pack")
def pack(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, on the stick.")],
    gateway: Annotated[str | None, typer.Option(help="Its name, to be sure.")] = None,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """At the gateway: write what the hub has not receipted into one signed file. Nothing is forgotten."""
    from coldchain.cli.progress import progress
    from coldchain.wiring.carry import pack as make

    settings = settings_of(config, directory)
    with progress("packing") as step:
        bundle, rotten = make(settings, gateway, out, step)
    _describe(bundle, json_, f"{out}: signed with {bundle.head.key[:16]}...")
    if rotten:
        say(f"  {rotten} readings could not be read from the disk and are not in it: the gateway counts them")


@app.command("show")
def show(file: File, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Read a bundle through and say what is in it. Exit 65 when it is not as it was packed."""
    from coldchain.records.carry import read_bundle
    from coldchain.wiring.carry import standing

    settings = settings_of(config, directory) if config or directory else None
    bundle = read_bundle(file)
    _describe(
        bundle, json_, f"{file}: whole, signed with {bundle.head.key[:16]}..., {standing(settings, bundle)}"
    )


@app.command("merge")
def merge(
    file: File,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", help="Where to write the receipt (default: beside the bundle)."),
    ] = None,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """At the hub: take a bundle into the record. Twice is once; one that was changed is refused."""
    from coldchain.cli.progress import progress
    from coldchain.wiring.carry import merge as take
    from coldchain.wiring.logs import warnings_to_stderr

    warnings_to_stderr()
    with progress("merging") as step:
        text, done = take(settings_of(config, directory), file, step)
    out = receipt or file.with_name(f"{file.name}.receipt.json")
    out.write_text(text, encoding="utf-8")
    if json_:
        said = {"taken": done.taken, "held_before": done.held_before, "dead_lettered": done.dead}
        typer.echo(json.dumps({**said, "gateway": done.receipt.gateway, "receipt": str(out)}))
        return
    say(
        f"{done.receipt.gateway}: {done.taken} readings taken, {done.held_before} were here, "
        f"{done.dead} dead letters"
    )
    say(f"  receipt in {out}: at the gateway `coldchain carry receipt {out.name}`")


@app.command("receipt")
def receipt(
    file: Annotated[Path, typer.Argument(help="The receipt that `coldchain carry merge` wrote.")],
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """At the gateway: forget what the hub has, as its receipt says."""
    from coldchain.wiring.carry import hear_receipt

    try:
        text = file.read_bytes()
    except OSError as bad:
        raise BadData(f"{file}: {bad.strerror or bad}") from bad
    found = hear_receipt(settings_of(config, directory), text)
    if json_:
        typer.echo(json.dumps(asdict(found)))
        return
    if found.waits:
        say("laid down; the running gateway has not taken it up yet: `coldchain doctor`")
    say(f"{found.before} readings waited, {found.pending} wait now")


def _describe(bundle: Bundle, json_: bool, words: str) -> None:
    head = bundle.head
    if json_:
        typer.echo(json.dumps({**asdict(head), "digest": bundle.digest, "bytes": bundle.bytes}))
        return
    first, last, made = (
        datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
        for ms in (head.first_ms, head.last_ms, head.made_ms)
    )
    say(words)
    say(f"  gateway {head.gateway}, spool {head.epoch}, packed {made}")
    say(f"  {head.readings} readings in {head.frames} batches, {bundle.bytes} bytes, of {first} to {last}")
    numbers = [f"{low}-{high}" for low, high in head.ranges]
    say(f"  link numbers {', '.join(numbers[:8])}{' ...' if len(numbers) > 8 else ''}")
    if head.gaps:
        lost = sum(int(gap["readings"]) for gap in head.gaps)
        say(f"  {lost} readings that the gateway could not accept, in {len(head.gaps)} gaps")
    say(f"  digest {bundle.digest}")
