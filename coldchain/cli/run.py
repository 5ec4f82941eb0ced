# SPDX-License-Identifier: Apache-2.0
"""`coldchain run` and the single processes."""

from __future__ import annotations

from collections.abc import Callable

import typer

from coldchain.cli.common import Config, Dir, settings_of, settings_path

WHAT = {
    "gateway": "Read the sensors, keep what they say, and send it to the hub.",
    "ingest": "Receive batches, keep the record, stream it to InfluxDB.",
    "alerts": "Judge the record, raise alarms, send notices.",
    "console": "Serve the web console.",
}


def run(config: Config = None, directory: Dir = None) -> None:
    """Run gateway, ingest, alerts and console (and the broker, if embedded) on this machine, until Ctrl-C."""
    from coldchain.wiring.run import run_all

    raise typer.Exit(run_all(settings_path(config, directory)))


def single(name: str) -> Callable[..., None]:
    """The command that runs one process."""

    def command(config: Config = None, directory: Dir = None) -> None:
        from coldchain.wiring.logs import set_up_logs
        from coldchain.wiring.process import run_process

        settings = settings_of(config, directory)
        set_up_logs(name)
        run_process(name, settings)

    command.__doc__ = WHAT[name]
    return command
