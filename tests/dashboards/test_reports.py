# SPDX-License-Identifier: Apache-2.0
"""Reports on paper: the arithmetic, what was known when, every language, and the bytes."""

import ast
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from babel.messages.pofile import read_po
from console_seed import HOUR, MINUTE, NOW_MS, Seed, Story, registry
from signed import sign
from typer.testing import CliRunner

import dashboards.reports
from coldchain.cli.app import app
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Offset
from coldchain.records.sql import open_writer, transaction
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.report import excursion as excursion_module
from coldchain.wiring.report import review as review_module
from coldchain.wiring.report.excursion import excursion_report
from coldchain.wiring.report.facts import bands_of, facts_of, offset_of
from coldchain.wiring.report.review import day_sheet, month_review
from dashboards.reports.document import Document, Pairs, Signatures, Table
from dashboards.reports.typeset import pdf_of
from dashboards.reports.words import LANGUAGES, LOCALE, Words

WARM = "vte-br-000"
NOW = NOW_MS + 1000
"""When the last reading has arrived."""
NEVER = NOW_MS + 100 * 24 * HOUR


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(6), Story(warm={WARM: 90}, failed={"skt-br-001"}))
    made.history(hours=6, batch_rows=600)
    made.opened = made.alarm(WARM, minutes=60)
    made.close()
    return made


def pairs_of(document: Document) -> dict[str, str]:
    return {
        name: value for block in document.blocks if isinstance(block, Pairs) for name, value in block.rows
    }


def test_time_out_is_what_a_plain_loop_finds(seed: Seed) -> None:
    """Crossing to crossing, the oracle walks from reading to reading."""
    reader = JournalReader(seed.settings.readings_db)
    sensor = seed.registry.sensor_by_id[f"{WARM}/load"]
    span = (NOW_MS - 3 * HOUR, NOW_MS + 1)
    facts = facts_of(reader, seed.registry, sensor, span, NEVER)
    rows = reader.readings(sensor.id, *span)
    at, value = rows["at_ms"].tolist(), rows["value"].tolist()
    out = 0.0
    for (t0, v0), (t1, v1) in zip(
        zip(at, value, strict=True), zip(at[1:], value[1:], strict=True), strict=False
    ):
        if v0 <= 6000 and v1 <= 6000:
            continue
        if v0 > 6000 and v1 > 6000:
            out += t1 - t0
        else:
            out += (t1 - t0) * (max(v0, v1) - 6000) / abs(v1 - v0)
    assert facts.high_ms == pytest.approx(out, abs=len(facts.outs) * 2)
    assert out > 20 * MINUTE, "the story is warm: or this test shows nothing"
    assert facts.known_ms + facts.unknown_ms == span[1] - span[0]
    assert max(o.peak for o in facts.outs) == max(value)


def test_what_came_later_is_not_known_then(seed: Seed) -> None:
    """Asked as of an hour ago, the report ends there, and asked twice it is the same to the byte."""
    then = NOW_MS - 30 * MINUTE
    early, again = (excursion_report(seed.settings, 1, "en", then) for _ in range(2))
    late = excursion_report(seed.settings, 1, "en", NOW)
    assert pdf_of(early) == pdf_of(again)
    assert pdf_of(early) != pdf_of(late)
    assert pairs_of(early)["Readings"] != pairs_of(late)["Readings"]
    assert pairs_of(early)["Back inside"] == "–"


def test_it_is_a_draft_until_two_people_have_signed(seed: Seed) -> None:
    assert excursion_report(seed.settings, 1, "en", NOW).draft == "DRAFT"
    for second, sealed, draft in (("", False, "DRAFT"), ("Dr Keo", False, "DRAFT"), ("Dr Keo", True, "")):
        if sealed:
            sign(
                seed.settings.desk_db,
                NOW_MS - MINUTE,
                seed.opened,
                "discard",
                "vte-on-call",
                second,
                "over 10 C",
            )
        db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
        with transaction(db):
            db.execute(
                "INSERT INTO disposition (alarm, appliance, what, person, second, reason, since_ms, until_ms,"
                " at_ms) VALUES (?,?,?,?,?,?,?,?,?)",
                (seed.opened, WARM, "discard", "vte-on-call", second, "over 10 C", 0, 1, NOW_MS - MINUTE),
            )
        db.close()
        signed = excursion_report(seed.settings, 1, "en", NOW)
        assert signed.draft == draft
        assert ("not signed" in str(signed.blocks)) is not sealed
    lines = next(b for b in signed.blocks if isinstance(b, Signatures)).lines
    assert [line[1] for line in lines] == [
        "On-call, Vientiane, 2023-11-15 05:12 +07:00: judged and decided",
        "Dr Keo, 2023-11-15 05:12 +07:00: checked and agreed",
    ]
    before = excursion_report(seed.settings, 1, "en", NOW_MS - 2 * MINUTE)
    assert before.draft == "DRAFT", "as known before they signed"
    assert any(isinstance(b, Table) and "discard" in str(b.rows) for b in signed.blocks)


def test_a_calibration_counts_from_its_day_and_its_end_is_told(seed: Seed) -> None:
    sensor = seed.registry.sensor_by_id[f"{WARM}/load"]
    moved = sensor.model_copy(update={"offsets": (Offset(from_ms=NOW_MS - HOUR, offset_k=-0.5),)})
    at = np.array([NOW_MS - HOUR - 1, NOW_MS - HOUR])
    assert offset_of(moved, at).tolist() == [0, -500]
    reader = JournalReader(seed.settings.readings_db)
    span = (NOW_MS - 2 * HOUR, NOW_MS)
    plain, shifted = (facts_of(reader, seed.registry, s, span, NEVER) for s in (sensor, moved))
    assert shifted.high_ms < plain.high_ms
    assert shifted.digest == plain.digest, "raw values stay raw"


def test_a_three_minute_peak_is_in_the_picture_of_a_long_span(seed: Seed) -> None:
    reader = JournalReader(seed.settings.readings_db)
    sensor = seed.registry.sensor_by_id[f"{WARM}/load"]
    facts = facts_of(reader, seed.registry, sensor, (NOW_MS - 6 * HOUR, NOW_MS), NEVER)
    assert max(band.most for band in bands_of(facts, 10)) == facts.milli.max() / 1000
    assert min(band.least for band in bands_of(facts, 10)) == facts.milli.min() / 1000


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_report_in_every_language_is_a_pdf_for_the_archive(seed: Seed, language: str) -> None:
    made = [
        excursion_report(seed.settings, 1, language, NOW),
        month_review(seed.settings, "2023-11", None, language, NOW, lambda _done, _whole: None),
        day_sheet(seed.settings, "vte", "2023-11-15", language, NOW, lambda _done, _whole: None),
    ]
    for document in made:
        pdf = pdf_of(document)
        assert pdf.startswith(b"%PDF-1.7")
        assert b"<pdfaid:part>2</pdfaid:part>" in pdf
        pages = pypdfium2.PdfDocument(pdf)
        text = "".join(page.get_textpage().get_text_range() for page in pages)
        assert Words(language, "UTC").say(document.title).split()[0][:6] in text
        assert "\ufffd" not in text
        assert (b"NotoSerifLao" in pdf) == (language == "lo")
        for page in pages:  # nothing runs out of the paper
            picture = np.asarray(page.render(scale=0.5).to_pil().convert("L"))
            assert picture[:, :12].min() > 200
            assert picture[:, -12:].min() > 200


def _said(module: object) -> set[str]:
    """Every literal that the module hands to `say`, and the heads of its tables."""
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))  # type: ignore[attr-defined]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
            found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            if names == ["head"]:
                found |= {str(e.value) for e in node.value.elts if isinstance(e, ast.Constant)}
    return found


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_catalogue_is_whole_and_says_who_has_read_it(language: str) -> None:
    path = LOCALE / language / "LC_MESSAGES" / "reports.po"
    with path.open("rb") as file:
        told = {str(m.id): str(m.string) for m in read_po(file) if m.id}
    wanted = _said(excursion_module) | _said(review_module) | {p.component for p in PROFILES.values()}
    assert len(wanted) > 60
    assert not wanted - told.keys()
    words = Words(language, "UTC")
    assert all(words.say(text) == told[text] for text in told), "compile it: pybabel compile -D reports"
    assert "NOT YET READ BY A NATIVE SPEAKER" in path.read_text("utf-8")


def test_the_command_writes_the_file_and_refuses_with_what_to_do(seed: Seed, tmp_path: Path) -> None:
    run = CliRunner().invoke
    where = ["--dir", str(seed.settings.data_dir)]
    (tmp_path / "coldchain.toml").write_text(f'data_dir = "{seed.settings.data_dir}"\n')
    out = tmp_path / "x.pdf"
    done = run(app, ["report", "excursion", "1", "--out", str(out), "--language", "lo", *where])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"%PDF")
    for words, told in (
        (["excursion", "99"], "there is no alarm 99"),
        (["month", "2023-13"], "write it as 2026-10"),
        (["day", "nowhere", "2023-11-15"], "there is no site"),
    ):
        refused = run(app, ["report", *words, "--out", str(out), *where])
        assert refused.exit_code != 0
        assert told in str(refused.exception)


def test_the_fonts_come_with_their_licence() -> None:
    folder = Path(dashboards.reports.__file__).parent / "fonts"
    assert {p.name for p in folder.glob("*.ttf")} == {"NotoSerifLao-Regular.ttf", "NotoSerifLao-Bold.ttf"}
    assert "SIL Open Font License" in (folder / "NotoSerifLao.LICENSE").read_text()
