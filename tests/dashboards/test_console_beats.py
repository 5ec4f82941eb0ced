# SPDX-License-Identifier: Apache-2.0
"""What processes count and what the audit trail holds, as people read it."""

from console_seed import GATEWAY_FIGURES

from coldchain.records.audit import CHAINS
from dashboards.console.beats import figures_said
from dashboards.console.english import ENGLISH
from dashboards.console.words import speaking


def test_a_gateways_figures_are_words_and_its_lines_are_counted() -> None:
    told = dict(figures_said({"accepted": 5210, "brand_new": 0.25, **GATEWAY_FIGURES}))
    assert told["lines"] == "1 up, 1 down: ttyUSB1"
    assert told["size of the spool"] == "17.4 kB"
    assert told["brand new"] == "0.2", "what has no word yet stands for itself"
    assert not any(mark in text for text in told.values() for mark in "{[:'" if text != told["lines"])
    assert "c5c5" not in str(told), "check words are for programs"


def test_another_language_writes_its_own_words_and_comma() -> None:
    with speaking("fr"):
        told = dict(
            figures_said({"bytes": 17_408, "link_up": False, "influx": {"state": "down", "behind": 3}})
        )
    assert told == {
        "taille de la file": "17,4 kB",
        "liaison au centre": "non",
        "InfluxDB: état": "en panne",
        "InfluxDB: en retard": "3",
    }


def test_all_that_the_audit_trail_holds_has_a_word() -> None:
    held = {watched.table for chain in CHAINS.values() for watched in chain[0]}
    assert {table for table in held if f"audited.{table}" not in ENGLISH} == set()
