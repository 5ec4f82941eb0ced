# SPDX-License-Identifier: Apache-2.0
"""`coldchain report`: excursions, bags, trips, monthly reviews, day sheets, as PDF/A in four languages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldchain.cli.common import Config, Dir, say, settings_of
from coldchain.cli.progress import progress

if TYPE_CHECKING:
    from coldchain.settings import Settings
    from dashboards.reports.document import Document

app = typer.Typer(no_args_is_help=True, help="Reports on paper (PDF/A), in Lao, English, French, Vietnamese.")


class Language(StrEnum):
    """Of the report."""

    LO = "lo"
    EN = "en"
    FR = "fr"
    VI = "vi"


Out = Annotated[Path | None, typer.Option("--out", "-o", help="The file to write; else a name that tells.")]
In = Annotated[Language, typer.Option("--language", "-l", help="The report's language.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="As known at that instant (RFC 3339): what came later is left out. The same instant gives the "
        "same file, byte for byte, as long as the record is the same. Default: now.",
    ),
]


@app.command()
def excursion(
    alarm: Annotated[int, typer.Argument(help="The alarm's number, as `coldchain alarm list` prints it.")],
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """One excursion: chart, minutes out, who did what, disposition. A draft until two people have signed."""
    wanted = ("excursion", str(alarm), language.value)
    _file(
        settings_of(config, directory), wanted, as_of, out or Path(f"excursion-{alarm}-{language.value}.pdf")
    )


@app.command()
def bags(
    alarm: Annotated[int, typer.Argument(help="The alarm's number, as `coldchain alarm list` prints it.")],
    out: Out = None,
    rule: Annotated[str, typer.Option(help="Another rule for the same blood, by its name.")] = "",
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The bags that one alarm concerns: exposure, proposed and decided fate. A draft until two signed."""
    from coldchain.wiring.report.blood import bag_sheet

    settings = settings_of(config, directory)
    document = bag_sheet(settings, alarm, language.value, _instant(as_of), rule)
    _write(document, out or Path(f"bags-{alarm}-{language.value}.pdf"))


@app.command()
def trip(
    name: Annotated[str, typer.Argument(metavar="TRIP", help="As its page at the console is called.")],
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """One trip of blood: its legs, one exposure clock over them, its bags."""
    from coldchain.wiring.report.blood import trip_sheet

    settings = settings_of(config, directory)
    document = trip_sheet(settings, name, language.value, _instant(as_of))
    _write(document, out or Path(f"trip-{name}-{language.value}.pdf"))


@app.command()
def month(
    month_: Annotated[str, typer.Argument(metavar="MONTH", help="As 2026-10, by the site's clock.")],
    site: Annotated[str | None, typer.Option(help="One site; else all of them.")] = None,
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The monthly review: time out and unknown, excursions, alarms and how fast they were answered."""
    wanted = ("month", f"{month_}/{site}" if site else month_, language.value)
    named = Path(f"review-{site or 'all'}-{month_}-{language.value}.pdf")
    _file(settings_of(config, directory), wanted, as_of, out or named)


@app.command()
def day(
    site: Annotated[str, typer.Argument(help="The site's id.")],
    day_: Annotated[str, typer.Argument(metavar="DAY", help="As 2026-10-03, by the site's clock.")],
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """A day's sheet: each appliance's course, with room for a reading taken by hand."""
    wanted = ("day", f"{day_}/{site}", language.value)
    named = Path(f"day-{site}-{day_}-{language.value}.pdf")
    _file(settings_of(config, directory), wanted, as_of, out or named)


@app.command()
def packet(
    serial: Annotated[str, typer.Argument(help="The serial number; of an appliance without one, its id.")],
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The contractor's packet: one device's history, to be read where there is no network."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in serial)
    wanted = ("packet", serial, language.value)
    named = Path(f"packet-{name}-{language.value}.pdf")
    _file(settings_of(config, directory), wanted, as_of, out or named)


OneSite = Annotated[str | None, typer.Option("--site", help="One site; else all of them.")]


@app.command()
def calibration(
    site: OneSite = None,
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The calibration register: every temperature sensor, its certificates, what ends and what is missing."""
    wanted = ("calibration", site or "all", language.value)
    named = Path(f"calibration-{site or 'all'}-{language.value}.pdf")
    _file(settings_of(config, directory), wanted, as_of, out or named)


@app.command()
def drill(
    site: OneSite = None,
    out: Out = None,
    language: In = Language.EN,
    as_of: AsOf = None,
    config: Config = None,
    directory: Dir = None,
) -> None:
    """The drill record: every test of an alarm, where it tripped, how fast people were told."""
    wanted = ("drill", site or "all", language.value)
    named = Path(f"drill-{site or 'all'}-{language.value}.pdf")
    _file(settings_of(config, directory), wanted, as_of, out or named)


@app.command()
def card(out: Out = None, language: In = Language.EN) -> None:
    """The on-call card: what to answer to a message, on one page, to be hung beside the telephone."""
    from coldchain.wiring.report.card import on_call_card

    _write(on_call_card(language.value), out or Path(f"on-call-card-{language.value}.pdf"))


def _instant(text: str | None) -> int:
    from coldchain.kernel.instants import parse_instant
    from coldchain.ports.clock import wall_ms

    return wall_ms() if text is None else parse_instant(text)


def _file(settings: Settings, wanted: tuple[str, str, str], as_of: str | None, out: Path) -> None:
    """Make it, and note its hash in the desk: a file that is brought back can be held against the record."""
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.report.again import Wanted, document_of, filed_document

    asked = Wanted(*wanted, _instant(as_of))
    with progress("reading") as step:
        document = document_of(settings, asked, step)
    made = filed_document(settings, asked, document, wall_ms)
    out.write_bytes(made)
    say(f"{out}: {len(made):,} bytes{', a draft: not signed by two people' if document.draft else ''}")


def _write(document: Document, out: Path) -> None:
    from dashboards.reports.typeset import pdf_of

    made = pdf_of(document)
    out.write_bytes(made)
    say(f"{out}: {len(made):,} bytes{', a draft: not signed by two people' if document.draft else ''}")
