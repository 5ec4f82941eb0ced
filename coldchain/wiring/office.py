# SPDX-License-Identifier: Apache-2.0
"""What the console's office pages need from other rooms: duty from alerts, reports, the record's files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coldchain.files.sheets import Table
from coldchain.kernel.audit import Altered
from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import BadData
from coldchain.records.audit import CHAINS, check
from coldchain.records.backup import BackupUnsound, restore
from coldchain.settings import Settings
from coldchain.wiring.addresses import new_address, set_pin
from coldchain.wiring.adopt import Adoption, adopt_channel, one_may, put_gateway
from coldchain.wiring.changing import Done
from coldchain.wiring.held import held
from coldchain.wiring.phones import Phones

if TYPE_CHECKING:
    from fastapi import FastAPI


def add_office(app: FastAPI, settings: Settings, wall_ms: WallClock) -> None:
    """Give the office its tools."""
    from alerts.oncall.rota import gaps, shifts
    from dashboards.console.office.tools import Tools

    def calendar(rota: str) -> str:
        return urlsplit(new_address(settings, "calendar", rota, "http://console")).path

    def gateway(entry: dict[str, Any], author: str) -> int:
        return put_gateway(settings, entry, author=author, wall_ms=wall_ms)

    app.state.office.given = Tools(
        shifts=shifts,
        gaps=gaps,
        calendar=calendar,
        compare=partial(held, settings),
        adopt=partial(_adopt, settings, wall_ms),
        pin=partial(set_pin, settings),
        gateway=gateway,
        publish=partial(_publish, settings, wall_ms),
        profiles=partial(_profiles, settings),
        rehearse=partial(_rehearse, settings),
        table=partial(_table, settings),
        report=partial(_report, settings, wall_ms),
        phones=Phones(settings) if settings.training is not None else None,
    )


def _adopt(settings: Settings, wall_ms: WallClock, wish: Mapping[str, str], author: str) -> int:
    made = Adoption(
        wish["node"], int(wish["channel"]), wish["sensor"], wish["quantity"] or None,
        wish["site"] or None, wish["profile"] or None,
        wish["name"] or None, wish["kind"] or None, wish["site_name"] or None,
    )  # fmt: skip
    return adopt_channel(settings, made, author=author, wall_ms=wall_ms, may=one_may(settings, wall_ms()))


def _publish(settings: Settings, wall_ms: WallClock, text: str, reason: str, base: int, author: str) -> Done:
    """The last week is judged under both only where a second person is to decide."""
    from coldchain.kernel.widening import Effect
    from coldchain.wiring.changing import apply, candidate, look_back
    from coldchain.wiring.preview import Preview

    one = candidate(settings, "registry.json", text, wall_ms())
    if one.base != str(base):
        raise BadData("the registry changed meanwhile; look at it again")
    wide = one.effect is Effect.WIDENS and not one.faults
    seen = look_back(settings, one, wall_ms()) if wide else Preview(0, 0, 0, 0)
    return apply(settings, one, seen, person=author, reason=reason, wall_ms=wall_ms)


def _profiles(settings: Settings) -> Sequence[tuple[str, str, Sequence[str]]]:
    from coldchain.wiring.profiles import all_profiles, sources

    return [
        (one.profile.label, f"{one.profile.component}, {one.profile.use}", sources(one))
        for one in all_profiles(settings.data_dir)
    ]


def _table(
    settings: Settings,
    name: str,
    span: tuple[int, int],
    appliance: str,
    chain: str,
    sees: Callable[[str], bool],
) -> Table:
    from coldchain.wiring.tables import Asked, table_of

    return table_of(settings, Asked(name, *span, appliance=appliance, chain=chain, sees=sees))


def _report(settings: Settings, wall_ms: WallClock, kind: str, subject: str, language: str) -> bytes:
    from coldchain.wiring.report.again import Wanted, filed_pdf

    return filed_pdf(settings, Wanted(kind, subject, language, wall_ms()), wall_ms)[0]


def _rehearse(settings: Settings, source: Path) -> None:
    """BackupUnsound says what is wrong with it."""
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".rehearsal-") as folder:
        target = Path(folder) / "data"
        restore(source, target)
        for chain in CHAINS:
            path = target / f"{chain}.db"
            if path.exists() and isinstance(found := check(path, chain), Altered):
                raise BackupUnsound(f"{chain}.db: altered at entry {found.number}: {found.why}")
