# SPDX-License-Identifier: Apache-2.0
"""`coldchain init` and `coldchain config ...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from coldchain.cli import changes
from coldchain.cli.common import Config, Dir, Json, say, settings_of
from coldchain.kernel.errors import ConfigError
from coldchain.settings import Settings, check_text
from coldchain.settings.template import Answers, render

app = typer.Typer(help="Look at the settings file; change rules, soundly.", no_args_is_help=True)
RulesFile = Annotated[Path, typer.Argument(help="A registry (JSON) or profiles of your own (TOML).")]
Number = Annotated[int, typer.Argument(help="The proposal's number.")]
Who = Annotated[
    str, typer.Option("--as", help="A supervisor or manager: of the registry, or with an account.")
]


@app.command("check")
def check(
    path: Annotated[
        Path, typer.Argument(help="The settings file; or a registry (JSON), or profiles (TOML).")
    ] = Path("coldchain.toml"),
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Say what is wrong with a file: file, line, key, nearest valid key. Exit 78 if anything is.

    A registry or profiles are compared with what is in force where --config or --dir says.
    """
    text = _text(path)
    from coldchain.wiring.changing import kind_of

    if kind_of(path, text) is not None:
        changes.check(path, text, settings_of(config, directory), json_=json_)
        return
    _, findings = check_text(text, str(path), base=path.parent)
    if json_:
        rows = [
            {"file": f.file, "line": f.line, "key": f.key, "problem": f.problem, "nearest": f.nearest}
            for f in findings
        ]
        typer.echo(json.dumps({"ok": not findings, "findings": rows}))
    else:
        for finding in findings:
            typer.echo(str(finding))
        say(f"{path}: {len(findings)} to mend" if findings else f"{path}: sound")
    if findings:
        raise typer.Exit(78)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as bad:
        raise ConfigError(f"{path}: {bad.strerror}; `coldchain init` writes one") from bad
    except UnicodeDecodeError as bad:
        raise ConfigError(f"{path}: not UTF-8 text (byte {bad.start}); save it as UTF-8") from bad


@app.command("preview")
def preview(path: RulesFile, config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """What a registry or profiles would change, and which alarms of the last 7 days would be others."""
    changes.preview(path, _text(path), settings_of(config, directory), json_=json_)


@app.command("apply")
def apply(
    path: RulesFile,
    author: Annotated[str, typer.Option("--as", help="Who: a person of the registry, or an account.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Bring a registry or profiles into force; what widens a rule waits for another person's word.

    What is unsound is refused (exit 78), and what is in force stays.
    """
    settings = settings_of(config, directory)
    changes.apply(path, _text(path), settings, person=author, reason=reason, json_=json_)


@app.command("proposals")
def proposals(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Changes that wait for another person's word, and those that were decided."""
    changes.proposals(settings_of(config, directory), json_=json_)


@app.command("confirm")
def confirm(
    number: Number, author: Who, config: Config = None, directory: Dir = None, json_: Json = False
) -> None:
    """Agree to a proposal: it comes into force. Not by who asked for it."""
    changes.decide(settings_of(config, directory), number, author, agree=True, note="", json_=json_)


@app.command("refuse")
def refuse(
    number: Number,
    author: Who,
    note: Annotated[str, typer.Option(help="Why not.")] = "",
    config: Config = None,
    directory: Dir = None,
    json_: Json = False,
) -> None:
    """Refuse a proposal, or withdraw one's own: it never comes into force."""
    changes.decide(settings_of(config, directory), number, author, agree=False, note=note, json_=json_)


@app.command("schema")
def schema() -> None:
    """Every key with its type, default and meaning, as JSON Schema."""
    typer.echo(json.dumps(Settings.model_json_schema(), indent=2))


@app.command("openapi")
def openapi() -> None:
    """The console's interface for programs, as OpenAPI: docs/openapi.json is this."""
    from coldchain.wiring.process import described

    typer.echo(json.dumps(described(), indent=1, ensure_ascii=False, sort_keys=True))


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("coldchain.toml"),
    gateway: Annotated[str | None, typer.Option(help="The gateway's name: a-z 0-9 -.")] = None,
    zone: Annotated[str | None, typer.Option(help="The time zone people read.")] = None,
    broker: Annotated[
        str | None, typer.Option(help="Host of the MQTT broker; empty: our own, on this machine.")
    ] = None,
    broker_port: Annotated[int, typer.Option(help="Port of the MQTT broker.")] = 1883,
    device: Annotated[str | None, typer.Option(help="Serial lines: a device or a pattern.")] = None,
    modem: Annotated[
        str | None, typer.Option(help="Device of the GSM modem; empty: messages go to a file.")
    ] = None,
    influx_url: Annotated[str | None, typer.Option(help="Address of InfluxDB; empty: none.")] = None,
    console_port: Annotated[int, typer.Option(help="Port of the web console, on loopback.")] = 8080,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented settings file. On a terminal it asks for what no option said."""
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; choose another name, or say --force to overwrite it")
    default = Answers()

    def ask(given: str | None, question: str, otherwise: str) -> str:
        if given is not None:
            return given
        if not sys.stdin.isatty():
            return otherwise
        return str(typer.prompt(question, default=otherwise, err=True, show_default=bool(otherwise)))

    answers = Answers(
        gateway=ask(gateway, "Name of this gateway", default.gateway),
        zone=ask(zone, "Time zone", default.zone),
        broker_host=ask(broker, "Host of the MQTT broker (empty: our own)", default.broker_host),
        broker_port=broker_port,
        device=ask(device, "Serial lines, a device or a pattern", default.device),
        modem=ask(modem, "Device of the GSM modem (empty: none yet)", default.modem),
        influx_url=ask(influx_url, "Address of InfluxDB (empty: none)", default.influx_url),
        console_port=console_port,
    )
    text = render(answers)
    _, findings = check_text(text, str(path), base=path.parent)
    if findings:
        raise ConfigError("\n".join(str(finding) for finding in findings))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path}\nnext: coldchain doctor --config {path}\n      coldchain run --config {path}")
