# SPDX-License-Identifier: Apache-2.0
"""`coldchain sensor ...` and `coldchain registry ...`: what is known, and what waits to be known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import BadData
from coldchain.ports.clock import wall_ms

app = typer.Typer(help="Sensors: which are known, which wait to be adopted.", no_args_is_help=True)
registry_app = typer.Typer(help="Sites, appliances, people: show, import, change.", no_args_is_help=True)

Author = Annotated[str, typer.Option(help="Who makes the change; it is kept with the version.")]


@app.command("waiting")
def waiting(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Channels that report and are not known, and how much they have sent. Nothing of it is lost."""
    from coldchain.wiring.adopt import waiting_channels

    found = waiting_channels(settings_of(config, directory))
    if json_:
        typer.echo(json.dumps([channel.as_dict() for channel in found]))
        return
    for channel in found:
        typer.echo(f"{channel.node}/{channel.channel}\t{channel.quantity}\t{channel.readings} readings")
    say("none" if not found else "adopt one: coldchain sensor adopt NODE/CHANNEL --as APPLIANCE/PROBE")


@app.command("list")
def list_(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """The sensors of the registry."""
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings_of(config, directory).desk_db)
    reader.refresh()
    for sensor in reader.registry.sensors:
        row = sensor.model_dump()
        typer.echo(
            json.dumps(row) if json_ else f"{sensor.id}\t{sensor.quantity}\t{sensor.node}/{sensor.channel}"
        )


@app.command("adopt")
def adopt(
    channel: Annotated[str, typer.Argument(help="NODE/CHANNEL, as `coldchain sensor waiting` prints it.")],
    as_: Annotated[
        str, typer.Option("--as", help="The sensor's name: APPLIANCE/PROBE, e.g. vte-br-03/load.")
    ],
    quantity: Annotated[
        str | None, typer.Option(help="What it measures (default: what the channel says).")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Site of the appliance, if the appliance is new.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="What the appliance carries, if it is new: e.g. red-cells@eu.")
    ] = None,
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Give a waiting channel its name. What it sent so far is taken into the record and judged."""
    from coldchain.wiring.adopt import Adoption, adopt_channel

    node, slash, number = channel.rpartition("/")
    if not slash or not number.isdigit():
        raise BadData(f"{channel!r} is not NODE/CHANNEL, e.g. board-7/2; see `coldchain sensor waiting`")
    settings = settings_of(config, directory)
    wish = Adoption(node, int(number), as_, quantity, site, profile)
    version = adopt_channel(settings, wish, author=author, wall_ms=wall_ms)
    say(f"{channel} is now {as_} (registry version {version}); ingest takes it up within seconds")


@registry_app.command("show")
def show(config: Config = None, directory: Dir = None) -> None:
    """The newest version, as JSON."""
    from coldchain.records.registry import RegistryReader

    reader = RegistryReader(settings_of(config, directory).desk_db)
    reader.refresh()
    typer.echo(reader.registry.model_dump_json(indent=2))


@registry_app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A JSON file as `registry show` prints it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")] = "imported",
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Make a file the new version. Nothing of the old one is lost. What widens needs `config apply`."""
    from coldchain.records.registry import Desk, read_registry_file
    from coldchain.wiring.changing import alone_may

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as bad:
        raise BadData(f"{path}: cannot be read as text: {getattr(bad, 'strerror', None) or bad}") from bad
    registry = read_registry_file(text)
    settings = settings_of(config, directory)
    after = alone_may(settings, path.name, text, wall_ms())
    version = Desk(settings.desk_db, wall_ms).publish(registry, author=author, reason=reason, after=after)
    say(f"version {version}: {len(registry.appliances)} appliances, {len(registry.sensors)} sensors")


@registry_app.command("assign")
def assign(
    appliance: Annotated[str, typer.Argument(help="Which appliance.")],
    profile: Annotated[
        str, typer.Argument(help="What it carries from now: e.g. red-cells@eu, loading, empty.")
    ],
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """From now on this appliance carries that component."""
    from coldchain.wiring.adopt import assign_profile

    version = assign_profile(
        settings_of(config, directory), appliance, profile, author=author, wall_ms=wall_ms
    )
    say(f"{appliance} carries {profile} from now (registry version {version})")


@registry_app.command("person")
def person(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Short name: a-z 0-9 -.")],
    name: Annotated[str, typer.Argument(help="Full name.")],
    phone: Annotated[str, typer.Argument(help="+ and country code, e.g. +85620xxxxxxxx.")],
    role: Annotated[
        str, typer.Option(help="technician, on-call, contractor, supervisor, manager.")
    ] = "on-call",
    language: Annotated[str, typer.Option(help="lo, en, fr, vi.")] = "en",
    site: Annotated[list[str] | None, typer.Option(help="Only for this site; may be repeated.")] = None,
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Add somebody who is told of alarms, or change their entry."""
    from coldchain.wiring.adopt import put_person

    entry = {
        "id": id_,
        "name": name,
        "phone": phone,
        "role": role,
        "language": language,
        "sites": tuple(site or ()),
    }
    version = put_person(settings_of(config, directory), entry, author=author, wall_ms=wall_ms)
    say(f"{name} will be told (registry version {version})")


@registry_app.command("gateway")
def gateway(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As in the gateway's own settings.")],
    site: Annotated[str | None, typer.Option(help="Where it stands.")] = None,
    phone: Annotated[str | None, typer.Option(help="The number of its guard's SIM, +...")] = None,
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Say where a gateway stands, and which number its guard's modem has."""
    from coldchain.wiring.adopt import put_gateway

    entry = {"id": id_, "site": site, "phone": phone}
    version = put_gateway(settings_of(config, directory), entry, author=author, wall_ms=wall_ms)
    say(f"{id_} stands at {site or 'no site of its own'} (registry version {version})")


@registry_app.command("canary")
def canary(
    gateway_id: Annotated[str, typer.Argument(metavar="GATEWAY", help="As in the gateway's own settings.")],
    author: Author = "command line",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Expect a gateway's daily canary, which proves the way from a driver to the telephone and back."""
    from coldchain.wiring.adopt import put_canary

    settings = settings_of(config, directory)
    version = put_canary(settings, gateway_id, author=author, wall_ms=wall_ms)
    at = f"{settings.notify.canary_at:%H:%M} {settings.zone}"
    say(f"a reading of canary-{gateway_id} is expected at {at} each day (registry version {version})")
    if settings.notify.modem.own_number is None:
        say("no [notify.modem] own_number: the way is proven as far as the engine, not to a telephone")
