# SPDX-License-Identifier: Apache-2.0
"""The contractor's packet, calibration register and drill record: what they say, and as known when."""

import ast
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from console_seed import HOUR, NOW_MS, Seed, Story, registry
from typer.testing import CliRunner

from coldchain.cli.app import app
from coldchain.kernel.errors import BadData
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.deeds import Deeds
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.report import packet as packet_module
from coldchain.wiring.report import registers as registers_module
from coldchain.wiring.report.again import Wanted, compare, filed_pdf
from coldchain.wiring.report.packet import packet
from coldchain.wiring.report.registers import calibration_register, drill_record
from dashboards.reports.document import Document, Pairs, Picture, Table
from dashboards.reports.words import LANGUAGES, LOCALE

DAY = 24 * HOUR
WARM = "vte-br-000"
NOW = NOW_MS + 1000


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    plain = registry(6)
    appliances = tuple(a.model_copy(update={"serial": f"SN-{i}"}) for i, a in enumerate(plain.appliances))
    made = Seed(
        tmp_path_factory.mktemp("r"),
        plain.model_copy(update={"appliances": appliances}),
        Story(warm={WARM: 90}),
    )
    made.history(hours=30)
    made.alarm(WARM, minutes=80)
    made.close()
    then = [NOW_MS - 2 * DAY]
    deeds = Deeds(made.settings.desk_db, lambda: then[0])
    said = {
        "sensor": f"{WARM}/load",
        "offset_k": 0.25,
        "from_ms": NOW_MS - 3 * DAY,
        "expires_ms": NOW_MS + DAY,
    }
    deeds.enter("c1", "SN-0", "certificate", said, person="vte-on-call")
    old = said | {"sensor": "skt-br-001/load", "expires_ms": NOW_MS - DAY}
    deeds.enter("c2", "SN-1", "certificate", old, person="vte-on-call")
    number = deeds.raise_("o1", WARM, "Door seal", person="vte-on-call", contractor="vte-on-call")
    then[0] = NOW_MS - 20 * HOUR
    deeds.step("o2", number, "started", person="vte-on-call", body={"to": "empty"})
    deeds.step("o3", number, "finished", person="vte-on-call", body={"findings": "Seal replaced"})
    begun = NOW_MS - 5 * HOUR
    db = open_writer(made.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(
            "INSERT INTO drill VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (WARM, begun, begun + HOUR, "vte-on-call", None, begun + 60_000, 6_200, 6_000, "high",
             begun + 72_000, begun + HOUR),
        )  # fmt: skip
    db.close()
    return made


def texts(document: Document) -> str:
    found = [document.title, document.subtitle]
    for block in document.blocks:
        if isinstance(block, Pairs):
            found += [cell for row in block.rows for cell in row]
        elif isinstance(block, Table):
            found += [*block.head, *(cell for row in block.rows for cell in row)]
        elif not isinstance(block, Picture):
            found.append(str(block))
    return "\n".join(found)


def sums_of(document: Document) -> dict[str, str]:
    first = document.blocks[0]
    assert isinstance(first, Pairs)
    return dict(first.rows)


def test_the_packet_tells_the_device_with_a_trace_before_its_fault(seed: Seed) -> None:
    document = packet(seed.settings, "SN-0", "en", NOW)
    text = texts(document)
    parts = [
        "SN-0", "Door seal", "Seal replaced", "The hours before alarm 1", "9.1 °C", "0.25 K", "Starts a day",
        "Blood refrigerator 0", "National Blood Centre",
    ]  # fmt: skip
    assert [part for part in parts if part not in text] == []
    (picture,) = [block for block in document.blocks if isinstance(block, Picture)]
    assert "polygon" in picture.svg
    with pytest.raises(BadData, match="nothing is known of a device 'SN-99'"):
        packet(seed.settings, "SN-99", "en", NOW)


def test_a_packet_of_then_knows_nothing_of_later(seed: Seed) -> None:
    before = texts(packet(seed.settings, "SN-0", "en", NOW_MS - 30 * HOUR))
    assert "Door seal" in before
    assert "Seal replaced" not in before
    assert "open" in before
    assert "The hours before alarm 1" not in before


def test_the_register_counts_what_is_valid_ends_or_is_missing(seed: Seed) -> None:
    document = calibration_register(seed.settings, None, "en", NOW)
    assert sums_of(document) == {
        "Sensors": "6", "Valid": "0", "End within 90 days": "1", "Expired": "1", "Without a certificate": "4",
    }  # fmt: skip
    here = calibration_register(seed.settings, "vte", "en", NOW)
    assert sums_of(here)["Sensors"] == "2"
    early = calibration_register(seed.settings, None, "en", NOW_MS - 3 * DAY)
    assert "0.25 K" not in texts(early), "entered later"
    with pytest.raises(BadData, match="there is no site"):
        calibration_register(seed.settings, "nowhere", "en", NOW)


def test_the_drill_record_tells_where_it_tripped_and_who_is_late(seed: Seed) -> None:
    text = texts(drill_record(seed.settings, None, "en", NOW))
    for part in (
        "6.20 °C",
        "6.0 °C",
        "12 s",
        "On-call, Vientiane",
        "Not tested for a quarter\n5",
        "skt-br-001",
    ):
        assert part in text, part


@pytest.mark.parametrize(("kind", "subject"), [("packet", "SN-0"), ("calibration", "all"), ("drill", "vte")])
def test_each_is_the_same_file_again_in_every_language(seed: Seed, kind: str, subject: str) -> None:
    for language in LANGUAGES:
        pdf, _ = filed_pdf(seed.settings, Wanted(kind, subject, language, NOW), lambda: NOW)
        assert pdf.startswith(b"%PDF")
        assert compare(seed.settings, pdf).state == "matches"


def test_the_commands_write_files(seed: Seed, tmp_path: Path) -> None:
    run, config = CliRunner().invoke, seed.settings.data_dir / "coldchain.toml"
    config.write_text(f'data_dir = "{seed.settings.data_dir}"\n')
    where = ["--dir", str(seed.settings.data_dir), "--language", "lo"]
    for words in (["packet", "SN-0"], ["calibration", "--site", "vte"], ["drill"]):
        out = tmp_path / f"{words[0]}.pdf"
        done = run(app, ["report", *words, "--out", str(out), *where])
        assert done.exit_code == 0, done.output
        assert out.read_bytes().startswith(b"%PDF")
    refused = run(app, ["report", "packet", "nobody", "--out", str(tmp_path / "x"), *where])
    assert refused.exit_code != 0
    assert "nothing is known of a device 'nobody'" in str(refused.exception)


def _said(module: object) -> set[str]:
    """Every literal that is handed to `say` or stands in a tuple of heads: it begins with a capital."""
    found = set()
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
            found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
        if isinstance(node, ast.Tuple):
            plain = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            found |= {text for text in plain if text[:1].isupper()}
    return found


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_word_of_them_is_translated(language: str) -> None:
    with (LOCALE / language / "LC_MESSAGES" / "reports.po").open("rb") as file:
        told = {str(m.id) for m in read_po(file) if m.id}
    wanted = _said(packet_module) | _said(registers_module)
    assert len(wanted) > 70
    assert sorted(wanted - told) == []
