# SPDX-License-Identifier: Apache-2.0
"""`coldchain train`: an incident to practise on, which reaches nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli.common import say


def train(
    scenario: Annotated[
        str, typer.Argument(help="power-cut, door-open, probe-fault or slow-compressor.")
    ] = "door-open",
    directory: Annotated[
        Path | None,
        typer.Option("--dir", "-d", help="A folder of its own. Default: a new one in training-data/."),
    ] = None,
    for_: Annotated[float | None, typer.Option("--for", help="End after so many seconds.", min=1)] = None,
    port: Annotated[int, typer.Option(help="Port of the console, on loopback.", min=0, max=65535)] = 8090,
) -> None:
    """Practise an incident on six simulated appliances: messages, answers, what becomes of the blood.

    The page /training shows the phones, takes replies, and lists what has been done. Its folder is apart
    from any installation, and its settings are refused as soon as they name a channel that reaches somebody.
    """
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.demo.run import fresh_folder
    from coldchain.wiring.logs import set_up_logs
    from coldchain.wiring.train import train as run
    from coldchain.wiring.train import training_plan

    set_up_logs("train")
    folder = (directory or fresh_folder(Path("training-data"))).absolute()
    run(training_plan(scenario, folder, port), for_, say, wall_ms)
