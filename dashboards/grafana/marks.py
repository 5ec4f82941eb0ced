# SPDX-License-Identifier: Apache-2.0
"""Marks beside the curves of a board: what happened, from the record's own events. Pure."""

from __future__ import annotations

from coldchain.records import influx_names as names
from dashboards.grafana import happenings as hp
from dashboards.grafana.panels import ALARM, BAND, SILENT, SOURCE, Json, target
from dashboards.grafana.words import Tongue

DEFROST = "#b0447e"


def annotation(
    tongue: Tongue, word: str, query: str, color: str, *, text: str, end: str = "", on: bool = True
) -> Json:
    """Marks on every chart of a board. `text`, `end`: the query's columns. on: without asking for them."""
    found = target(query, ref="Anno") | {
        "fromAnnotations": True, "queryType": "tags", "textColumn": text,
        "tagsColumn": names.KIND if end else names.SENSOR,
    }  # fmt: skip
    return {
        "name": tongue.t(word), "enable": on, "hide": False, "iconColor": color, "datasource": SOURCE,
        "target": found | ({"timeEndColumn": end} if end else {}),
    }  # fmt: skip


def beside(tongue: Tongue, *tags: str, defrosts: bool = True) -> list[Json]:
    """Alarms, what was absent, work and words about it, open doors, defrosts.

    defrosts  shown without asking for them: those of a whole site would hide everything else
    """
    kinds = (
        ("mark.alarm", ("alarm",), ALARM), ("mark.absent", ("power", "silence"), SILENT),
        ("mark.work", ("maintenance", "calibration", "assignment", "drill"), BAND),
    )  # fmt: skip
    found = [
        annotation(tongue, word, hp.events(some, *tags), color, text=names.TEXT, end=names.UNTIL_MS)
        for word, some, color in kinds
    ]
    found.append(annotation(tongue, "doors", hp.doors_opened(*tags), "#e69f00", text=names.SENSOR))
    marks = annotation(
        tongue, "mark.defrost", hp.defrosts(*tags), DEFROST, text=names.TEXT, end=names.UNTIL_MS, on=defrosts
    )
    return [*found, marks]
