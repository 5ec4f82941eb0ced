# SPDX-License-Identifier: Apache-2.0
"""`coldchain test ...`: prove a channel before it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

from coldchain.cli.common import Config, Dir, say, settings_of

app = typer.Typer(help="Prove that a message arrives.", no_args_is_help=True)


@app.command("sms")
def sms(
    number: Annotated[str, typer.Argument(help="+ and country code, e.g. +85620xxxxxxxx.")],
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Send one test SMS by the way alarms go, and wait for its delivery report."""
    from coldchain.wiring.trial import send_test

    for line in send_test(settings_of(config, directory), number):
        say(line)
