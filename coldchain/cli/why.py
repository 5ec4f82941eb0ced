# SPDX-License-Identifier: Apache-2.0
"""`coldchain why` and `coldchain what-if`: verdicts that can be repeated, and compared."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of


def why(
    alarm: Annotated[int, typer.Argument(help="The alarm's number, as `coldchain alarm list` prints it.")],
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Why an alarm rang: its readings, the rule and its version, the arithmetic, a hash that repeats."""
    from coldchain.kernel.instants import rfc3339
    from coldchain.wiring.why import why as why_of

    found = why_of(settings_of(config, directory), alarm)
    if json_:
        print(json.dumps(found.told))
        return
    profile = found.profile or "no profile"
    print(f"alarm {alarm}: rule {found.rule}, {profile}, registry version {found.registry_version}")
    for line in found.arithmetic:
        print(f"  {line}")
    for at_ms, value in found.readings:
        print(f"  {rfc3339(at_ms)}  {'failed' if value is None else f'{value / 1000:.3f} °C'}")
    print(f"hash {found.hash}")


def what_if(
    profile: Annotated[str, typer.Option(help="The profile as it is.")],
    against: Annotated[str, typer.Option(help="The profile to compare it with.")],
    days: Annotated[float, typer.Option(help="So many days of the record.", min=0.01)] = 90,
    files: Annotated[list[Path] | None, typer.Argument(help="Recordings instead of the record.")] = None,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Which alarms another profile would have gained or lost, or rung earlier or later."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.why import what_if as compare

    settings = None if files and not (config or directory) else settings_of(config, directory)
    found = compare(settings, files or [], profile, against, days, wall_ms())
    counts = Counter(one.change for one in found)
    if json_:
        names = ("same", "earlier", "later", "gained", "lost")
        print(json.dumps({**{n: counts[n] for n in names}, "changes": [asdict(one) for one in found]}))
        return
    for one in found:
        minutes = "" if one.minutes is None else f"{one.minutes:+g} min"
        print(f"{one.at}\t{one.sensor}\t{one.kind}\t{one.change}\t{minutes}".rstrip())
    say(", ".join(f"{n} {word}" for word, n in sorted(counts.items())) or "no alarms under either")
