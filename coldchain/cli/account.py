# SPDX-License-Identifier: Apache-2.0
"""`coldchain account`: who may sign in at the console."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from coldchain.cli.common import Config, Dir, Json, say, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from coldchain.records.accounts import Accounts

app = typer.Typer(no_args_is_help=True, help="Accounts of people at the console: add, list, password, close.")
Name = Annotated[str, typer.Argument(help="The account's name, as it is typed to sign in.")]


@contextmanager
def _accounts(config: Path | None, directory: Path | None) -> Iterator[Accounts]:
    from coldchain.ports.clock import wall_ms
    from coldchain.records.accounts import Accounts

    opened = Accounts(settings_of(config, directory).desk_db, wall_ms)
    try:
        yield opened
    finally:
        opened.close()


@app.command()
def add(
    name: Name,
    role: Annotated[
        str,
        typer.Option(help="technician, on-call, contractor, supervisor, manager, admin or auditor."),
    ],
    person: Annotated[str, typer.Option(help="How the record names them; else the account's name.")] = "",
    site: Annotated[
        list[str] | None,
        typer.Option(help="A site's id, or province:NAME; again for more. None: the nation."),
    ] = None,
    language: Annotated[str, typer.Option(help="lo, en, fr or vi.")] = "en",
    config: Config = None,
    directory: Dir = None,
) -> None:
    """Make an account. Its password is printed once, and must be changed at the first use."""
    from coldchain.records.accounts import password_of_ours

    word = password_of_ours()
    with _accounts(config, directory) as accounts:
        sites = tuple(site or ())
        accounts.add(name, word, role=role, person=person, sites=sites, language=language, by="command line")
    say(f"{name} may sign in with this password, told only now:")
    print(word)


@app.command("list")
def list_(config: Config = None, directory: Dir = None, json_: Json = False) -> None:
    """Everybody who may sign in, and who once could."""
    with _accounts(config, directory) as accounts:
        found = accounts.all()
    if json_:
        print(json.dumps([asdict(account) for account in found]))
        return
    for one in found:
        where = ", ".join(one.sites) or "the nation"
        state = ["closed"] if one.closed else []
        print("\t".join([one.name, one.role, one.person, where, *state]))
    if not found:
        say("no accounts: the console makes `admin` at its first start, or `coldchain account add`")


@app.command()
def password(name: Name, config: Config = None, directory: Dir = None) -> None:
    """Give an account a new password, printed once. All its sessions end."""
    from coldchain.records.accounts import password_of_ours

    word = password_of_ours()
    with _accounts(config, directory) as accounts:
        accounts.set_password(name, word, fresh=True)
    say(f"{name} may sign in with this password, told only now:")
    print(word)


@app.command()
def close(name: Name, config: Config = None, directory: Dir = None) -> None:
    """Nobody signs in with it any more. What it did keeps its name."""
    with _accounts(config, directory) as accounts:
        accounts.close_account(name)
    say(f"{name} is closed")
