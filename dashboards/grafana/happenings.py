# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- InfluxQL of our own names; nothing of it comes from outside
"""Queries about what alarms said, which limits were in force, and what happened beside the readings. Pure.

As in `influxql`: only what InfluxDB 1.8, 2.x and 3 share, only names that the projection writes.
"""

from __future__ import annotations

from coldchain.kernel.words import Quantity
from coldchain.records import influx_names as names
from dashboards.grafana.influxql import TEMPERATURE, of, picked, q, zone_clause

CALLED = 2
"""State of an alarm for which somebody is called: see `names.STATE`."""
UNWRITTEN = names.STATES["silent"]
"""A window in which nobody wrote a state is silent: whoever writes it is down."""


def alarm_states(by: str, zone: str, *tags: str) -> str:
    """The worst state of each step, by appliance or site; a step without one is silent."""
    return (
        f"SELECT max({q(names.STATE)}) AS {q(names.STATE)} FROM {q(names.STATE_15M)} "
        f"WHERE $timeFilter{picked(*tags)} "
        f"GROUP BY time($__interval), {q(by)} fill({UNWRITTEN}){zone_clause(zone)}"
    )


def how_many_in(state: str) -> str:
    """Appliances whose newest window has that state."""
    newest = (
        f'SELECT last({q(names.STATE)}) AS "newest" FROM {q(names.STATE_15M)} '
        f"WHERE $timeFilter GROUP BY {q(names.APPLIANCE)}"
    )
    return f'SELECT count("newest") FROM ({newest}) WHERE "newest" = {names.STATES[state]}'


def limits(zone: str, *tags: str) -> str:
    """The limits in force in each step: the narrower, where they changed within it."""
    return (
        f'SELECT min({q(names.HIGH)}) AS "limit_high", max({q(names.LOW)}) AS "limit_low" '
        f"FROM {q(names.LIMITS)} WHERE $timeFilter{picked(*tags)} "
        f"GROUP BY time($__interval) fill(null){zone_clause(zone)}"
    )


def events(kinds: tuple[str, ...], *tags: str) -> str:
    """For annotations: each with its words and its end."""
    assert set(kinds) <= set(names.EVENT_KINDS), kinds
    any_of = " OR ".join(f"{q(names.KIND)} = '{kind}'" for kind in kinds)
    return (
        f"SELECT {q(names.TEXT)}, {q(names.UNTIL_MS)}, {q(names.KIND)} FROM {q(names.EVENT)} "
        f"WHERE ({any_of}){picked(*tags)} AND $timeFilter"
    )


def defrosts(*tags: str) -> str:
    """For annotations: those that ended, and those that did not come when they were due."""
    return (
        f"SELECT {q(names.TEXT)}, {q(names.UNTIL_MS)}, {q(names.KIND)} FROM {q(names.EVENT)} "
        f"WHERE {_defrost()}{picked(*tags)} AND $timeFilter"
    )


def _defrost() -> str:
    """One that was taken back has no minutes."""
    return f"{q(names.KIND)} = 'defrost' AND {q(names.NUMBER)} > 0"


def defrost_minutes(*tags: str) -> str:
    """A bar for each: how long it lasted."""
    return (
        f'SELECT {q(names.NUMBER)} AS "minutes" FROM {q(names.EVENT)} '
        f"WHERE {_defrost()}{picked(*tags)} AND $timeFilter"
    )


def doors_opened(*tags: str) -> str:
    """For annotations: readings that say that the door stands open."""
    return (
        f"SELECT {q(names.VALUE)}, {q(names.SENSOR)} FROM {q(names.READING)} "
        f"WHERE {of(Quantity.DOOR.word)} AND {q(names.VALUE)} > 0{picked(*tags)} AND $timeFilter"
    )


def told(*tags: str) -> str:
    """Everything that happened, as a table; defrosts would fill it, and have a panel of their own."""
    return (
        f"SELECT {q(names.KIND)}, {q(names.TEXT)}, {q(names.UNTIL_MS)} FROM {q(names.EVENT)} "
        f"WHERE {q(names.KIND)} != 'defrost'{picked(*tags)} AND $timeFilter"
    )


def _newest_of_alarms() -> str:
    """Of each appliance and kind, what happened to its alarm last."""
    return (
        f'SELECT last({q(names.STATE)}) AS "newest", {q(names.NUMBER)}, {q(names.TEXT)} '
        f"FROM {q(names.ALARM)} WHERE $timeFilter "
        f"GROUP BY {q(names.SITE)}, {q(names.APPLIANCE)}, {q(names.KIND)}"
    )


def unanswered() -> str:
    """Alarms for which people are being called."""
    return f'SELECT count("newest") FROM ({_newest_of_alarms()}) WHERE "newest" = {CALLED}'


def open_alarms() -> str:
    """One row for each alarm that wants somebody, or that somebody has."""
    columns = ", ".join(map(q, (names.NUMBER, names.SITE, names.APPLIANCE, names.KIND, names.TEXT)))
    return f'SELECT {columns}, "newest" FROM ({_newest_of_alarms()}) WHERE "newest" > 0'


def alarm_changes(*tags: str) -> str:
    """What happened to alarms, as a table."""
    return (
        f"SELECT {q(names.NUMBER)}, {q(names.KIND)}, {q(names.TEXT)} FROM {q(names.ALARM)} "
        f"WHERE $timeFilter{picked(*tags)}"
    )


def openings(zone: str, *tags: str) -> str:
    """Readings of an open door, by day."""
    return (
        f'SELECT count({q(names.VALUE)}) AS "openings" FROM {q(names.READING)} '
        f"WHERE {of(Quantity.DOOR.word)} AND {q(names.VALUE)} > 0{picked(*tags)} AND $timeFilter "
        f"GROUP BY time(1d) fill(null){zone_clause(zone)}"
    )


def seconds_by_day(zone: str, *tags: str) -> str:
    """Seconds above, below and unknown of each day."""
    parts = ", ".join(f"sum({q(f)}) AS {q(f)}" for f in (names.ABOVE_S, names.BELOW_S, names.UNKNOWN_S))
    return (
        f"SELECT {parts} FROM {q(names.ROLLUP_1H)} WHERE {of(TEMPERATURE)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time(1d) fill(null){zone_clause(zone)}"
    )
