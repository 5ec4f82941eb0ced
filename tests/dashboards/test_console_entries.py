# SPDX-License-Identifier: Apache-2.0
"""Entries of a device, and orders of alarms, are read in the reader's language, not as field names."""

import pytest

from coldchain.records.device_kinds import Certificate, Facts, Plan
from coldchain.records.devices import KINDS
from dashboards.console.devices.saying import LABELS, UNTOLD, entry_words, work_said
from dashboards.console.english import ENGLISH
from dashboards.console.words import LANGUAGES, speaking, t

DAY = "2026-10-05"


def day_of(_at_ms: int) -> str:
    return DAY


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_field_of_every_entry_has_a_word(kind: str) -> None:
    fields = set(KINDS[kind].model_fields) - set(UNTOLD) - {"order", "number"}
    assert fields <= LABELS.keys()
    assert {LABELS[name] for name in fields} <= ENGLISH.keys()


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_entries_read_as_their_forms(language: str) -> None:
    plan = Plan(task="clean the condenser", every_days=90, first_ms=1_760_000_000_000)
    facts = Facts(maker="Example", warranty_until_ms=1_900_000_000_000, status="in_use")
    paper = Certificate(sensor="br-3/load", offset_k=0.0, from_ms=1, expires_ms=2, number="C-7")
    with speaking(language):
        told = entry_words(plan, day_of)
        assert (
            told
            == f"{t('care.task')}: clean the condenser, {t('care.every_days')}: 90, {t('care.first')}: {DAY}"
        )
        assert t("device_status.in_use") in entry_words(facts, day_of)
        assert f"{t('cal.number')}: C-7" in entry_words(paper, day_of)
        assert f"{t('cal.offset')}: 0" in entry_words(paper, day_of), "an offset of nothing is an offset"
        for said in (plan, facts, paper):
            assert "_" not in entry_words(said, day_of)
    assert entry_words(None, day_of) == ""


@pytest.mark.parametrize("language", list(LANGUAGES))
@pytest.mark.parametrize("writer", list(LANGUAGES))
def test_an_order_of_an_alarm_speaks_the_readers_language(language: str, writer: str) -> None:
    with speaking(writer):
        what = t("work.from_alarm", n=67, kind=t("kind.sensor_fault"))
    with speaking(language):
        assert work_said(what, 67) == t("work.from_alarm", n=67, kind=t("kind.sensor_fault"))
        assert work_said("the seal is torn", 67) == "the seal is torn", "what was typed stands"
        assert work_said(what, None) == what
