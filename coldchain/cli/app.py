# SPDX-License-Identifier: Apache-2.0
"""The tree of commands. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from coldchain.cli import (
    account,
    alarm,
    appliance,
    audit,
    backup,
    carry,
    config,
    data,
    demo,
    doctor,
    grafana,
    oncall,
    profile,
    ready,
    replay,
    report,
    run,
    sensor,
    train,
    trial,
    why,
)

app = typer.Typer(
    help="A monitor for the blood cold chain: from a probe on a serial line to a phone that rings.",
    epilog="First time here? `coldchain demo` runs the whole chain on simulated appliances.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("init")(config.init)
app.command("run")(run.run)
for name in ("gateway", "ingest", "alerts", "console"):
    app.command(name)(run.single(name))
app.command("doctor")(doctor.doctor)
app.command("health")(doctor.health)
app.command("readiness")(ready.readiness)
app.command("drill")(ready.drill)
app.command("export")(data.export)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("verify")(backup.verify)
app.command("replay")(replay.replay)
app.command("why")(why.why)
app.command("what-if")(why.what_if)
app.add_typer(config.app, name="config")
app.add_typer(profile.app, name="profile")
app.add_typer(sensor.app, name="sensor")
app.add_typer(sensor.registry_app, name="registry")
app.add_typer(data.influx_app, name="influx")
app.add_typer(grafana.app, name="grafana")
app.add_typer(alarm.app, name="alarm")
app.add_typer(appliance.app, name="appliance")
app.add_typer(oncall.app, name="oncall")
app.add_typer(trial.app, name="test")
app.add_typer(report.app, name="report")
app.add_typer(account.app, name="account")
app.add_typer(audit.app, name="audit")
app.add_typer(carry.app, name="carry")


@app.command("version")
def version(json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Which version this is."""
    import json
    from importlib.metadata import version as version_of

    number = version_of("blood-cold-chain")
    typer.echo(json.dumps({"version": number}) if json_ else f"coldchain {number}")
