# SPDX-License-Identifier: Apache-2.0
"""`coldchain readiness` and `coldchain drill`: would the phone ring tonight?"""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of

LEVELS = {"now": "NOW ", "soon": "soon", "note": "note"}


def readiness(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """What stands between us and a phone that rings tonight. Exit 1 if anything needs doing now."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.readiness import readiness as ready

    found = ready(settings_of(config, directory), wall_ms())
    if json_:
        print(json.dumps([finding.told for finding in found]))
    for finding in [] if json_ else found:
        print(f"{LEVELS[finding.level]}  {finding.what} {finding.subject}: {finding.says}")
        print(f"      -> {finding.do}")
    now = sum(finding.level == "now" for finding in found)
    if not json_:
        say(f"{now} now, {len(found) - now} later" if found else "ready: nothing to do")
    if now:
        raise typer.Exit(1)


def drill(
    appliance: Annotated[str | None, typer.Argument(help="The appliance whose alarm is tested.")] = None,
    by: Annotated[str | None, typer.Option(help="Who does it: a person of the registry.")] = None,
    minutes: Annotated[float, typer.Option(help="How long its readings count as a test.")] = 30,
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Test an appliance's alarm, guided: trip its limit, see who is told and how fast they answer.

    Without an appliance: which tests are due. Blood banks do it every quarter. While it runs, its readings
    are marked as a test: they are in no excursion and no statistic, and nothing else judges the appliance.
    """
    from coldchain.kernel.errors import BadData
    from coldchain.kernel.instants import rfc3339
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.drill import begin, due, follow

    settings = settings_of(config, directory)
    if appliance is None:
        rows = due(settings, wall_ms())
        if json_:
            print(json.dumps([{"appliance": a, "tested_ms": t, "due_ms": d} for a, t, d in rows]))
            return
        for name, tested, when in rows:
            print(f"{name}\t{'never tested' if tested is None else f'tested {rfc3339(tested)}'}", end="\t")
            print("due now" if when is None or when <= wall_ms() else f"due {rfc3339(when)}")
        return
    if by is None:
        raise BadData("say who does the test: --by PERSON, an id of the registry")
    begun = begin(settings, appliance, by, minutes, wall_ms())
    say(f"the test of {appliance} runs until {rfc3339(begun.until_ms)}; Ctrl-C leaves it running")

    def wait() -> int:
        time.sleep(1.0)
        return wall_ms()

    record = follow(settings, appliance, begun, say, wait)
    if json_:
        print(json.dumps(record.told))
