# SPDX-License-Identifier: Apache-2.0
"""The five dashboards: nation, site, appliance, device history, system; general to specific. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coldchain.kernel.words import Quantity
from coldchain.records import influx_names as names
from dashboards.grafana import happenings as hp
from dashboards.grafana import influxql as ql
from dashboards.grafana.marks import DEFROST, annotation, beside
from dashboards.grafana.panels import (
    ALARM,
    BAND,
    COLUMNS,
    LOW,
    OK,
    SILENT,
    SOURCE,
    Json,
    bars,
    by_range,
    by_value,
    curves,
    laid_out,
    link,
    stat,
    table,
    target,
    timeline,
)
from dashboards.grafana.words import Tongue

SCHEMA = 39
"""Grafana 10 and later read it; newer ones upgrade it themselves."""
KEPT = "${__url_time_range}"
OPEN_FOR = "30d"
"""So far back an alarm may have begun that is open now."""


def dashboard(
    tongue: Tongue,
    board: str,
    rows: Sequence[tuple[int, Sequence[tuple[int, Json]]]],
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    *,
    hours: int = 24,
) -> Json:
    """One dashboard; `id` is left to the server. It begins at a whole hour, as the states want it."""
    others = [("wall", "to_wall"), ("device", "to_device"), ("system", "to_system")]
    return {
        "uid": tongue.uid(board),
        "title": tongue.t(board),
        "tags": ["coldchain", tongue.language],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "timezone": tongue.zone,
        "time": {"from": f"now-{hours}h/h", "to": "now"},
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "links": [
            {
                "title": tongue.t(word), "type": "link", "icon": "dashboard", "tooltip": "", "tags": [],
                "url": f"/d/{tongue.uid(other)}", "asDropdown": False, "targetBlank": False,
                "includeVars": False, "keepTime": True,
            }
            for other, word in others if other != board
        ],
        "panels": laid_out(rows),
    }  # fmt: skip


def variable(tongue: Tongue, tag: str, *, within: str = "", many: bool = False, last: bool = False) -> Json:
    """A variable named as the tag it picks. `last`: names go backwards, so that the last is the default."""
    query = ql.tag_values(tag, within=within)
    found: Json = {
        "name": tag, "label": tongue.t(f"var.{tag}"), "type": "query", "datasource": SOURCE, "query": query,
        "refresh": 2, "sort": 2 if last else 1, "hide": 0, "multi": many, "includeAll": many,
        "skipUrlSync": False,
    }  # fmt: skip
    return found | ({"allValue": ql.ALL, "current": {"text": "All", "value": "$__all"}} if many else {})


def state_words(tongue: Tongue) -> list[Json]:
    return [
        by_range(0, ql.SILENT_FROM - 0.0001, tongue.t("state.ok"), OK, 0),
        by_range(ql.SILENT_FROM, ql.OUTSIDE_FROM - 0.0001, tongue.t("state.silent"), SILENT, 1),
        by_range(ql.OUTSIDE_FROM, None, tongue.t("state.outside"), ALARM, 2),
    ]


def switch_words(off: tuple[str, str], on: tuple[str, str]) -> list[Json]:
    return [by_range(0, 0.5, *off, 0), by_range(0.5001, None, *on, 1)]


def to_site(tongue: Tongue, value: str) -> Json:
    return link(tongue.t("to_site"), f"/d/{tongue.uid('site')}?var-{names.SITE}={value}&{KEPT}")


def to_appliance(tongue: Tongue, value: str) -> Json:
    url = f"/d/{tongue.uid('appliance')}?var-{names.SITE}=$__all&var-{names.APPLIANCE}={value}&{KEPT}"
    return link(tongue.t("to_appliance"), url)


def outside_table(tongue: Tongue, *tags: str) -> Json:
    columns = (
        (names.SITE, tongue.t("var.site"), ""),
        (names.APPLIANCE, tongue.t("var.appliance"), ""),
        ("outside", tongue.t("col.outside"), "s"),
        ("unknown", tongue.t("col.unknown"), "s"),
        ("lowest", tongue.t("col.lowest"), "celsius"),
        ("highest", tongue.t("col.highest"), "celsius"),
    )
    field = "${__value.raw}"
    links = {names.SITE: to_site(tongue, field), names.APPLIANCE: to_appliance(tongue, field)}
    return table(
        tongue.t("worst"), ql.table_outside(*tags), columns, sort="outside", links=links,
        description=tongue.t("about.worst"),
    )  # fmt: skip


def open_alarms(tongue: Tongue) -> Json:
    """Alarms that are not over, however long ago they began."""
    columns = (
        (names.NUMBER, tongue.t("col.number"), ""), (names.SITE, tongue.t("var.site"), ""),
        (names.APPLIANCE, tongue.t("var.appliance"), ""), (names.KIND, tongue.t("col.kind"), ""),
        (names.TEXT, tongue.t("col.text"), ""),
    )  # fmt: skip
    links = {names.APPLIANCE: to_appliance(tongue, "${__value.raw}")}
    return table(
        tongue.t("open_alarms"), hp.open_alarms(), columns, sort="Time", links=links, hidden=["newest"],
        description=tongue.t("about.open"), timeFrom=OPEN_FOR,
    )  # fmt: skip


def states(tongue: Tongue, title: str, by: str, *tags: str) -> Json:
    name = "${__field.labels." + by + "}"
    go = to_site(tongue, name) if by == names.SITE else to_appliance(tongue, name)
    return timeline(
        tongue.t(title), ql.states(by, tongue.zone, *tags), f"$tag_{by}", state_words(tongue), links=[go],
        description=tongue.t("about.state"), timeShift="30m", hideTimeOverride=True,
    )  # fmt: skip


def alarm_words(tongue: Tongue) -> list[Json]:
    """What alarms say, each state with its word."""
    colors = {"ok": OK, "aside": LOW, "warning": "#e69f00", "silent": SILENT, "alarm": ALARM}
    return [
        by_value([(code, tongue.t(f"alarm.{name}"), colors[name]) for name, code in names.STATES.items()])
    ]


def alarm_states(tongue: Tongue, title: str, by: str, *tags: str, **values: Any) -> Json:
    name = "${__field.labels." + by + "}"
    go = to_site(tongue, name) if by == names.SITE else to_appliance(tongue, name)
    query = hp.alarm_states(by, tongue.zone, *tags)
    return timeline(
        tongue.t(title), query, f"$tag_{by}", alarm_words(tongue), links=[go],
        description=tongue.t("about.alarms"), timeShift="15m", hideTimeOverride=True, **values,
    )  # fmt: skip


def wall(tongue: Tongue) -> Json:
    """The nation on one screen."""
    t = tongue.t
    outside, silent = f">= {ql.OUTSIDE_FROM}", f'>= {ql.SILENT_FROM} AND "newest" < {ql.OUTSIDE_FROM}'
    stats = [
        stat(
            t("in_alarm"), hp.how_many_in("alarm"), none=t("none"), bad=ALARM, description=t("about.alarms")
        ),
        stat(
            t("unanswered"), hp.unanswered(), none=t("none"), bad=ALARM, description=t("about.unanswered"),
            last=OPEN_FOR,
        ),
        stat(t("outside"), ql.how_many(outside), none=t("none"), bad=ALARM, description=t("about.now")),
        stat(t("silent"), ql.how_many(silent), none=t("none"), bad=SILENT, description=t("about.now")),
        stat(t("dark"), ql.without_mains(), none=t("none"), bad="#7d5200", description=t("about.now")),
        stat(
            t("reporting"), ql.how_many(""), none=t("nothing"), bad=ALARM, description=t("about.now"),
            good_from=-1,
        ),
    ]  # fmt: skip
    assert len(stats) * 4 == COLUMNS
    rows: list[tuple[int, Sequence[tuple[int, Json]]]] = [
        (5, [(4, one) for one in stats]),
        (11, [(14, alarm_states(tongue, "alarms_by_site", names.SITE)), (10, open_alarms(tongue))]),
        (11, [(14, states(tongue, "by_site", names.SITE)), (10, outside_table(tongue))]),
    ]
    return dashboard(tongue, "wall", rows)


def doors_and_mains(tongue: Tongue, *tags: str) -> list[tuple[int, Json]]:
    t, alias = tongue.t, f"$tag_{names.APPLIANCE}"
    doors = ql.switch(Quantity.DOOR.word, names.MAX, tongue.zone, *tags)
    mains = ql.switch(Quantity.MAINS.word, names.MIN, tongue.zone, *tags)
    shut, cut = (
        switch_words((t("closed"), LOW), (t("open"), "#e69f00")),
        switch_words((t("absent"), ALARM), (t("present"), LOW)),
    )
    about = t("about.switch")
    return [
        (12, timeline(t("doors"), doors, alias, shut, description=about)),
        (12, timeline(t("mains"), mains, alias, cut, description=about)),
    ]


def site(tongue: Tongue) -> Json:
    """One site: a row an appliance, doors and mains beneath."""
    tag = names.SITE
    highest = ql.extremes(ql.TEMPERATURE, tongue.zone, tag, by=names.APPLIANCE)
    chart = curves(tongue.t("extremes"), highest, "celsius", description=tongue.t("about.extremes"))
    chart["targets"] = [target(highest, alias=f"$tag_{names.APPLIANCE} $col")]
    rows = [
        (9, [(24, alarm_states(tongue, "alarms_by_appliance", names.APPLIANCE, tag))]),
        (9, [(24, states(tongue, "by_appliance", names.APPLIANCE, tag))]),
        (9, [(14, chart), (10, outside_table(tongue, tag))]),
        (7, doors_and_mains(tongue, tag)),
    ]
    return dashboard(tongue, "site", rows, [variable(tongue, tag)], beside(tongue, tag, defrosts=False))


def appliance(tongue: Tongue) -> Json:
    """One appliance: the band, what was outside, doors and mains, and what stands around it."""
    t, zone, tag = tongue.t, tongue.zone, names.APPLIANCE
    colors = [
        (names.ABOVE_S, t("above"), ALARM), (names.BELOW_S, t("below"), BAND),
        (names.UNKNOWN_S, t("unknown"), SILENT),
    ]  # fmt: skip
    band = curves(
        t("extremes"), ql.extremes(ql.TEMPERATURE, zone, tag, names.SENSOR), "celsius", band=True,
        limits=hp.limits(zone, tag), description=t("about.extremes"),
    )  # fmt: skip
    outside = bars(t("seconds"), ql.seconds(zone, tag), "$col", "s", colors, description=t("about.seconds"))
    raw = ql.every_reading(ql.TEMPERATURE, zone, tag, names.SENSOR)
    around = (
        ("ambient", Quantity.AMBIENT, "celsius"), ("humidity", Quantity.HUMIDITY, "humidity"),
        ("battery", Quantity.BATTERY, "percent"),
    )  # fmt: skip
    about = t("about.extremes")
    beneath = [
        curves(t(word), ql.extremes(what.word, zone, tag, by=tag), unit, description=about)
        for word, what, unit in around
    ]
    every = curves(
        t("every"), raw, "celsius", band=True, interval="1m", timeFrom="6h", description=t("about.every")
    )
    rows: list[tuple[int, Sequence[tuple[int, Json]]]] = [
        (10, [(24, band)]),
        (3, [(24, alarm_states(tongue, "alarms_by_appliance", tag, tag))]),
        (6, [(12, states(tongue, "by_appliance", tag, tag)), (12, outside)]),
        (5, doors_and_mains(tongue, tag)),
        (8, [(24, every)]),
        (7, [(8, one) for one in beneath]),
    ]  # fmt: skip
    marks = annotation(tongue, "mark", ql.marks(tag), ALARM, text="outside")
    variables = [
        variable(tongue, names.SITE, many=True),
        variable(tongue, tag, within=names.SITE),
        # `load` comes after `air`
        variable(tongue, names.SENSOR, within=tag, last=True),
    ]
    return dashboard(tongue, "appliance", rows, variables, [marks, *beside(tongue, tag)], hours=168)


def device(tongue: Tongue) -> Json:
    """One appliance for whoever repairs it: a month of what it did, and of what was done to it."""
    t, zone, tag = tongue.t, tongue.zone, names.APPLIANCE
    colors = [
        (names.ABOVE_S, t("above"), ALARM), (names.BELOW_S, t("below"), BAND),
        (names.UNKNOWN_S, t("unknown"), SILENT),
    ]  # fmt: skip
    band = curves(
        t("extremes"), ql.extremes(ql.TEMPERATURE, zone, tag, names.SENSOR), "celsius", band=True,
        limits=hp.limits(zone, tag), description=t("about.extremes"),
    )  # fmt: skip
    days = bars(
        t("seconds_by_day"), hp.seconds_by_day(zone, tag), "$col", "s", colors, description=t("about.seconds")
    )
    doors = bars(
        t("openings"), hp.openings(zone, tag), "$col", "short", [("openings", t("openings"), LOW)],
        description=t("about.openings"),
    )  # fmt: skip
    defrosts = bars(
        t("defrosts"), hp.defrost_minutes(tag), "$col", "m", [("minutes", t("defrosts"), DEFROST)],
        description=t("about.defrosts"),
    )  # fmt: skip
    room = curves(
        t("ambient"), ql.extremes(Quantity.AMBIENT.word, zone, tag, by=tag), "celsius",
        description=t("about.extremes"),
    )  # fmt: skip
    words = (names.KIND, t("col.kind"), ""), (names.TEXT, t("col.text"), "")
    until = names.UNTIL_MS, t("col.until"), "dateTimeAsIso"
    happened = table(
        t("happened"), hp.told(tag), (*words, until), sort="Time", links={}, description=t("about.happened")
    )
    changes = table(
        t("alarm_changes"), hp.alarm_changes(tag), ((names.NUMBER, t("col.number"), ""), *words),
        sort="Time", links={}, description=t("about.changes"),
    )  # fmt: skip
    rows = [
        (3, [(24, alarm_states(tongue, "alarms_by_appliance", tag, tag))]),
        (10, [(24, band)]),
        (9, [(14, happened), (10, changes)]),
        (7, [(12, days), (12, defrosts)]),
        (7, [(12, doors), (12, room)]),
    ]
    variables = [
        variable(tongue, names.SITE, many=True),
        variable(tongue, tag, within=names.SITE),
        variable(tongue, names.SENSOR, within=tag, last=True),
    ]
    return dashboard(tongue, "device", rows, variables, beside(tongue, tag), hours=720)


def system(tongue: Tongue) -> Json:
    """Does data flow, and is it whole?"""
    t, zone = tongue.t, tongue.zone
    alias = f"$tag_{names.SITE}"
    readings = bars(
        t("readings"), ql.sums(names.COUNT, zone, by=names.SITE), alias, "short",
        description=t("about.readings"),
    )  # fmt: skip
    unknown = bars(
        t("unknown_by_site"), ql.sums(names.UNKNOWN_S, zone, by=names.SITE), alias, "s",
        description=t("about.seconds"),
    )  # fmt: skip
    failed = table(
        t("failed"), ql.failed(),
        (
            (names.SITE, t("var.site"), ""), (names.SENSOR, t("var.sensor"), ""),
            ("failed", t("col.failed"), "short"),
        ),
        sort="failed", links={names.SITE: to_site(tongue, "${__value.raw}")},
        description=t("about.failed"),
    )  # fmt: skip
    battery = table(
        t("newest"), ql.newest_battery(),
        (
            (names.SITE, t("var.site"), ""), (names.APPLIANCE, t("var.appliance"), ""),
            ("lowest", t("col.lowest"), "percent"),
        ),
        sort="lowest", links={names.APPLIANCE: to_appliance(tongue, "${__value.raw}")},
        description=t("about.newest"),
    )  # fmt: skip
    return dashboard(
        tongue, "system", [(9, [(12, readings), (12, unknown)]), (9, [(12, failed), (12, battery)])]
    )


BOARDS: dict[str, Callable[[Tongue], Json]] = {
    "wall": wall, "site": site, "appliance": appliance, "device": device, "system": system,
}  # fmt: skip
