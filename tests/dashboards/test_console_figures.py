# SPDX-License-Identifier: Apache-2.0
"""Decimal numbers on the pages: a comma where the reader's language writes one, a point for programs."""

import re
from pathlib import Path

import pytest
from console_client import browsing
from console_seed import NOW_MS, Seed, Story, registry

from dashboards.console.app import create_app
from dashboards.console.blood.by_hand import celsius_of
from dashboards.console.devices.fields import entry_fields
from dashboards.console.times import zone_named
from dashboards.console.values import celsius, decimal, figure, later_c, limits_text, number_c
from dashboards.console.words import COMMA, LANGUAGES, said, speaking
from dashboards.reports.words import COMMA as COMMA_ON_PAPER

POINT = re.compile(r"(?<![\w.])[−-]?\d+\.\d{1,3}(?=\s*°C)")


def test_screens_and_paper_agree_on_who_writes_a_comma() -> None:
    assert COMMA == COMMA_ON_PAPER
    assert set(LANGUAGES) - COMMA == {"en"}


@pytest.mark.parametrize("language", sorted(COMMA))
def test_figures_follow_the_reader(language: str) -> None:
    later = said("why.peak", peak=later_c(9_149))
    assert "9.1" in str(later)
    with speaking(language):
        assert "9,1" in str(later), "made for nobody, read by somebody"
        assert (decimal(-25_050, 1), number_c(6_004, high=6_000)) == ("−25,1", "6,004")
        assert (celsius(9_149), figure(-0.25, "+.2f")) == ("9,1\N{NO-BREAK SPACE}°C", "−0,25")
        assert "2,0" in limits_text(2_000, 6_000)
        assert celsius_of(decimal(4_200, 1)) == celsius_of("4.2") == 4_200
        zone = zone_named("Asia/Vientiane")
        for typed in ("-0,25", "-0.25", figure(-0.25, ".2f")):
            assert entry_fields("certificate", {"offset_k": typed}, zone, NOW_MS)["offset_k"] == -0.25


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_pages_write_them_and_programs_read_points(tmp_path: Path, language: str) -> None:
    reg = registry(6)
    warm = reg.appliances[0].id
    seed = Seed(tmp_path, reg, Story(warm={warm: 70}, silent={reg.appliances[1].id: 40}))
    seed.history(2)
    seed.alarm(warm, minutes=50, peak=8_000)
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        here = {"accept-language": language}
        for path in ("/", "/wall", f"/appliance/{warm}", "/site/vte", "/alarms", "/alarm/1"):
            text = client.get(path, headers=here).text
            points, commas = POINT.findall(text), re.findall(r"\d,\d(?=\s*°C)", text)
            assert bool(points) == (language == "en"), (path, points[:3])
            assert bool(commas) == (language != "en"), path
        fleet = client.get("/api/v1/appliances", headers=here).json()["appliances"]
        told = {one["id"]: one for one in fleet}
        assert isinstance(told[warm]["celsius"], float)
        table = client.get(f"/api/v1/appliances/{warm}/readings.csv", headers=here).text
        assert re.search(r"Z,\d+\.\d+\n", table)
    seed.close()
