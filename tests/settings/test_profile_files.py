# SPDX-License-Identifier: Apache-2.0
"""Profiles: every number has a source, set-points lie inside limits, a site's own are signed off."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from coldchain.kernel.errors import ConfigError
from coldchain.kernel.limits import faults_of
from coldchain.settings import load
from coldchain.settings.profile_files import PROFILES, WRITTEN, of_site, read_profiles
from coldchain.wiring.profiles import markdown

ROOT = Path(__file__).parents[2]

OWN = """
component = "red cells"
signed_by = "Dr Phonesavanh"
signed_on = 2026-11-01
reason = "our door is slow"
[sources]
law = "Directive 2004/33/EC"
we = "our mapping study of 2026"
[[profile]]
name = "red-cells@vte"
version = 3
use = "storage"
low_c = [2.0, "law"]
high_c = [6.0, "law"]
critical_low_c = [2.2, "we"]
critical_high_c = [5.8, "we"]
critical_delay_s = [420, "we"]
deadband_k = [0.3, "we"]
expected_every_s = [300, "we"]
"""


def test_every_component_and_authority_is_there() -> None:
    there = {(p.component, p.authority) for p in PROFILES.values()}
    for component in ("red cells", "platelets", "plasma", "cryoprecipitate", "frozen red cells"):
        assert {(component, "eu"), (component, "us")} <= there
    assert {"thawed plasma", "reagents", "granulocytes", "whole blood, freshly collected"} <= {
        c for c, _ in there
    }
    assert {a for _, a in there} == {"eu", "us", "uk", "au"}


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.profile.name)
def test_what_is_built_in_is_sound_and_sourced(one) -> None:
    assert faults_of(one.profile) == []
    assert all(len(source) > 20 for _, source in one.numbers.values())
    assert one.profile.expected_every > timedelta(0)


@pytest.mark.parametrize("name", ["red-cells", "plasma"])
def test_transport_only_widens_storage(name: str) -> None:
    for authority in ("eu", "us", "uk"):
        stored = PROFILES.get(f"{name}@{authority}")
        shipped = PROFILES.get(f"{name}-transport@{authority}")
        if stored and shipped:
            highs = shipped.limits.high_c, stored.limits.high_c
            assert None not in highs
            assert highs == tuple(sorted(highs, key=lambda c: c or 0.0, reverse=True))
            if stored.limits.low_c is not None:
                assert shipped.limits.low_c is None or shipped.limits.low_c <= stored.limits.low_c


def test_the_page_is_printed_from_the_files() -> None:
    """`coldchain profile list --markdown > docs/profiles.md` after a change."""
    assert (ROOT / "docs" / "profiles.md").read_text() == markdown(WRITTEN)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('[5.8, "we"]', '[6.5, "we"]', "critical high 6.5 °C is above the limit 6 °C"),
        ('[2.2, "we"]', '[1.5, "we"]', "critical low 1.5 °C is below the limit 2 °C"),
        ('critical_low_c = [2.2, "we"]\n', "", "no critical low"),
        ('[5.8, "we"]', "5.8", "a number with its source"),
        ('[5.8, "we"]', '[5.8, "hearsay"]', "no 'hearsay'"),
        ("deadband_k", "dedband_k", "unknown key 'dedband_k'"),
        ('deadband_k = [0.3, "we"]', 'deadband_k = [2.0, "we"]', "nowhere to return to"),
        ('signed_by = "Dr Phonesavanh"\n', "", "signed_by"),
        ("version = 3", "version = 0", "whole number"),
        ('use = "storage"', 'use = "shelf"', "storage or transport"),
        ("[[profile]]", "[[profile", "not TOML"),
        ("red-cells@vte", "Red cells", "no name of a profile"),
    ],
)
def test_a_profile_that_must_not_judge_is_refused(old: str, new: str, words: str) -> None:
    assert read_profiles(OWN, "own.toml", own=True)
    assert old in OWN
    with pytest.raises(ConfigError, match=r"own\.toml") as refused:
        read_profiles(OWN.replace(old, new), "own.toml", own=True)
    assert words in str(refused.value)


def test_a_site_takes_up_its_own_with_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "red-cells@vte", PROFILES["red-cells@eu"])  # put back afterwards
    folder = tmp_path / "data" / "profiles"
    folder.mkdir(parents=True)
    (folder / "own.toml").write_text(OWN)
    (tmp_path / "coldchain.toml").write_text('data_dir = "data"\n')
    load(tmp_path / "coldchain.toml")
    own = PROFILES["red-cells@vte"]
    assert (own.high_c, own.limits.high_c, own.version) == (5.8, 6.0, 3)
    assert own.signed == "Dr Phonesavanh, 2026-11-01: our door is slow"
    (folder / "again.toml").write_text(OWN.replace("@vte", "@eu"))
    with pytest.raises(ConfigError, match="red-cells@eu is taken"):
        of_site(folder)


def test_the_command_lists_shows_and_refuses(tmp_path: Path) -> None:
    def coldchain(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "coldchain", "profile", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "plasma@au v1" in coldchain("list").stdout
    assert "21 CFR 610.53" in coldchain("show", "red-cells@us").stdout
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    assert "is sound" in coldchain("check", str(path)).stdout
    path.write_text(OWN.replace('[5.8, "we"]', '[7, "we"]'))
    refused = coldchain("check", str(path))
    assert refused.returncode == 78
    assert "above the limit" in refused.stderr
