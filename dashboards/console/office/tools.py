# SPDX-License-Identifier: Apache-2.0
"""What the pages of the office need from rooms that the console does not know: given by who wires it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from coldchain.files.sheets import Table
from coldchain.kernel.errors import BadData, ColdChainError, StoreUnavailable
from coldchain.records.alarms import AlarmsReader
from coldchain.records.duty import Rota
from coldchain.records.registry import Desk, Registry, RegistryReader
from dashboards.console.accounts.gate import visitor
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.source import Unavailable


class Shift(Protocol):
    """From start_ms until just before end_ms `person` has the rota; None: nobody has."""

    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def person(self) -> str | None: ...


class Held(Protocol):
    """What became of holding a file against the record."""

    @property
    def what(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def filed(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """shifts, gaps: of rotas, from, until [ms]; calendar: a rota's new secret path; compare: a file's
    contents, held against the record; adopt: a waiting channel becomes a sensor; pin, gateway: an entry of
    the registry; publish: a version (JSON), why, the version that it is made of, by whom: in force, or asked
    of a second person; profiles: (label, component and use, (number, source) ...); rehearse: a backup,
    brought back into a folder that is thrown away; table: its name, span [ms], appliance, chain, which sites;
    report: kind, subject, language: a PDF as known now, and filed; phones: only of a training.
    """

    shifts: Callable[[Rota, int, int], Sequence[Shift]]
    gaps: Callable[[Sequence[Rota], int, int], Sequence[tuple[int, int]]]
    calendar: Callable[[str], str]
    compare: Callable[[bytes], Held]
    adopt: Callable[[Mapping[str, str], str], int]
    pin: Callable[[str, str, str], int]
    gateway: Callable[[dict[str, Any], str], int]
    publish: Callable[[str, str, int, str], Published]
    profiles: Callable[[], Sequence[tuple[str, str, Sequence[str]]]]
    rehearse: Callable[[Path], None]
    table: Callable[[str, tuple[int, int], str, str, Callable[[str], bool]], Table]
    report: Callable[[str, str, str], bytes]
    phones: Phones | None = None


class Phones(Protocol):
    """The phones of a training."""

    @property
    def accounts(self) -> Sequence[tuple[str, str]]: ...

    def received(self) -> list[tuple[int, str, str]]: ...

    def reply(self, number: str, text: str) -> None: ...


class Published(Protocol):
    """version: in force; proposal: the number of what a second person is asked to decide."""

    @property
    def version(self) -> int | None: ...
    @property
    def proposal(self) -> int | None: ...


class Office:
    """One per application; `tools` come when it is wired."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.given: Tools | None = None

    @property
    def tools(self) -> Tools:
        if self.given is None:
            raise Problem(503, "unavailable")
        return self.given

    @contextmanager
    def alarms(self) -> Iterator[AlarmsReader]:
        """The alarms' file for a moment. Unavailable when it cannot be read."""
        reader = AlarmsReader(self.console.settings.alarms_db)
        try:
            yield reader
        except (sqlite3.Error, StoreUnavailable) as bad:
            raise Unavailable(str(bad)) from bad
        finally:
            reader.close()

    def publish(self, made: Registry, reason: str, base: int) -> Published:
        """In force now, or asked of a second person because something would alarm later or more seldom."""
        try:
            return self.tools.publish(made.model_dump_json(), reason, base, acting())
        except (ColdChainError, ValueError) as bad:
            raise Problem(422, "unsound", sentence(bad)) from bad

    def change(self, change: Callable[[Registry], Registry], reason: str) -> int:
        """Publish what `change` makes of the newest registry; returns its version. Problem: unsound."""
        reader = RegistryReader(self.console.settings.desk_db)
        reader.refresh()
        try:
            made = Registry.model_validate(change(reader.registry).model_dump())
            desk = Desk(self.console.settings.desk_db, self.console.wall_ms)
            try:
                return desk.publish(made, author=acting(), reason=reason, after=reader.version)
            finally:
                desk.close()
        except (BadData, ValueError) as bad:
            raise Problem(422, "unsound", sentence(bad)) from bad
        finally:
            reader.close()


def acting() -> str:
    """Who acts, as the record names them."""
    account = visitor().account
    return account.name if account is not None else "console"


def sentence(bad: Exception) -> str:
    """The first fault, in our own words where they are."""
    errors = getattr(bad, "errors", None)
    if errors is None:
        return str(bad)
    fault = errors()[0]
    context = fault.get("ctx", {}).get("error")
    place = ".".join(map(str, fault["loc"]))
    return str(context) if context is not None else f"{place}: {fault['msg']}"
