# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- InfluxQL of our own names; nothing of it comes from outside
"""The queries, in the InfluxQL that InfluxDB 1.8, 2.x and 3 share; names only from the projection's. Pure.

A quarter of an hour has a score: the share of it that is unknown (0 to 1), plus OUTSIDE_WEIGHT times the
share that was outside the limits. So one second outside outweighs any silence: one number carries the state.
"""

from __future__ import annotations

from coldchain.kernel.words import Quantity
from coldchain.records import influx_names as names

WINDOW_S = names.ROLLUP_MS[names.ROLLUP_15M] // 1000
OUTSIDE_WEIGHT = 2000
SILENT_FROM, OUTSIDE_FROM = 0.5, 2.0
"""Scores at which a window is silent, and outside: OUTSIDE_WEIGHT / WINDOW_S > OUTSIDE_FROM."""
SILENT = 1
"""The score of a window that was never written: the share that is unknown is all of it."""

ALL = ".*"
TEMPERATURE = Quantity.TEMPERATURE.word

assert OUTSIDE_WEIGHT / WINDOW_S > OUTSIDE_FROM > SILENT > SILENT_FROM


def q(name: str) -> str:
    """A name, quoted."""
    assert name.replace("_", "").isalnum(), name
    return f'"{name}"'


def picked(*variables: str) -> str:
    """The conditions of the dashboard's variables, each named as the tag it picks."""
    return "".join(f" AND {q(tag)} =~ /^${{{tag}:regex}}$/" for tag in variables)


def of(quantity: str) -> str:
    return f"{q(names.QUANTITY)} = '{quantity}'"


def zone_clause(zone: str) -> str:
    assert zone.replace("/", "").replace("_", "").replace("-", "").isalnum(), zone
    return f" tz('{zone}')"


def extremes(quantity: str, zone: str, *tags: str, by: str = names.SENSOR) -> str:
    """Minimum of minima and maximum of maxima of each step; an empty step is null."""
    return (
        f"SELECT max({q(names.MAX)}) AS {q(names.MAX)}, min({q(names.MIN)}) AS {q(names.MIN)} "
        f"FROM {q(names.ROLLUP_15M)} WHERE {of(quantity)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time($__interval), {q(by)} fill(null){zone_clause(zone)}"
    )


def every_reading(quantity: str, zone: str, *tags: str) -> str:
    """The same of the readings themselves."""
    return (
        f"SELECT max({q(names.VALUE)}) AS {q(names.MAX)}, min({q(names.VALUE)}) AS {q(names.MIN)} "
        f"FROM {q(names.READING)} WHERE {of(quantity)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time($__interval), {q(names.SENSOR)} fill(null){zone_clause(zone)}"
    )


def switch(quantity: str, extreme: str, zone: str, *tags: str, by: str = names.APPLIANCE) -> str:
    """A door that was open (`max`), mains that were absent (`min`), at any time of a step."""
    assert extreme in (names.MIN, names.MAX)
    return (
        f"SELECT {extreme}({q(extreme)}) AS {q(names.VALUE)} FROM {q(names.ROLLUP_15M)} "
        f"WHERE {of(quantity)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time($__interval), {q(by)} fill(null){zone_clause(zone)}"
    )


def _scores(by: str, *tags: str) -> str:
    return (
        f"SELECT ({q(names.UNKNOWN_S)} + {OUTSIDE_WEIGHT} * ({q(names.ABOVE_S)} + {q(names.BELOW_S)})) "
        f'/ {WINDOW_S} AS "score" FROM {q(names.ROLLUP_15M)} WHERE {of(TEMPERATURE)}{picked(*tags)} '
        f"AND $timeFilter GROUP BY {q(by)}"
    )


def states(by: str, zone: str, *tags: str) -> str:
    """The worst score of each step; a step without any window is written out as silent.

    The range should begin at a whole quarter of an hour: the rest of a window that began before it is silent.
    """
    return (
        f'SELECT max("score") AS "state" FROM ({_scores(by, *tags)}) WHERE $timeFilter '
        f"GROUP BY time($__interval), {q(by)} fill({SILENT}){zone_clause(zone)}"
    )


def how_many(condition: str) -> str:
    """Appliances whose newest window is so; '' counts all that have one."""
    worst = (
        f'SELECT max("score") AS "worst" FROM ({_scores(names.APPLIANCE)}) WHERE $timeFilter '
        f"GROUP BY time({WINDOW_S}s), {q(names.APPLIANCE)} fill(none)"
    )
    newest = (
        f'SELECT last("worst") AS "newest" FROM ({worst}) WHERE $timeFilter GROUP BY {q(names.APPLIANCE)}'
    )
    where = f' WHERE "newest" {condition}' if condition else ""
    return f'SELECT count("newest") FROM ({newest}){where}'


def without_mains() -> str:
    """Appliances whose newest window saw the mains absent."""
    newest = (
        f'SELECT last({q(names.MIN)}) AS "newest" FROM {q(names.ROLLUP_15M)} '
        f"WHERE {of(Quantity.MAINS.word)} AND $timeFilter GROUP BY {q(names.APPLIANCE)}"
    )
    return f'SELECT count("newest") FROM ({newest}) WHERE "newest" < 1'


def table_outside(*tags: str) -> str:
    """One row an appliance: seconds outside and unknown, lowest and highest."""
    return (
        f'SELECT sum({q(names.ABOVE_S)}) + sum({q(names.BELOW_S)}) AS "outside", '
        f'sum({q(names.UNKNOWN_S)}) AS "unknown", min({q(names.MIN)}) AS "lowest", '
        f'max({q(names.MAX)}) AS "highest" FROM {q(names.ROLLUP_15M)} WHERE {of(TEMPERATURE)}{picked(*tags)} '
        f"AND $timeFilter GROUP BY {q(names.SITE)}, {q(names.APPLIANCE)}"
    )


def sums(field: str, zone: str, *tags: str, by: str, quantity: str = TEMPERATURE) -> str:
    return (
        f"SELECT sum({q(field)}) AS {q(field)} FROM {q(names.ROLLUP_15M)} "
        f"WHERE {of(quantity)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time($__interval), {q(by)} fill(null){zone_clause(zone)}"
    )


def seconds(zone: str, *tags: str) -> str:
    """Seconds above, below and unknown of each step."""
    parts = ", ".join(f"sum({q(f)}) AS {q(f)}" for f in (names.ABOVE_S, names.BELOW_S, names.UNKNOWN_S))
    return (
        f"SELECT {parts} FROM {q(names.ROLLUP_15M)} WHERE {of(TEMPERATURE)}{picked(*tags)} AND $timeFilter "
        f"GROUP BY time($__interval) fill(null){zone_clause(zone)}"
    )


def failed() -> str:
    return (
        f'SELECT count({q(names.STATUS)}) AS "failed" FROM {q(names.READING)} '
        f"WHERE {q(names.STATUS)} > 0 AND $timeFilter GROUP BY {q(names.SITE)}, {q(names.SENSOR)}"
    )


def newest_battery() -> str:
    return (
        f'SELECT last({q(names.MIN)}) AS "lowest" FROM {q(names.ROLLUP_15M)} '
        f"WHERE {of(Quantity.BATTERY.word)} AND $timeFilter GROUP BY {q(names.SITE)}, {q(names.APPLIANCE)}"
    )


def marks(*tags: str) -> str:
    """For annotations: quarters of an hour in which the load was too warm or too cold."""
    return (
        f'SELECT {q(names.ABOVE_S)} + {q(names.BELOW_S)} AS "outside", {q(names.SENSOR)} '
        f"FROM {q(names.ROLLUP_15M)} "
        f"WHERE ({q(names.ABOVE_S)} > 0 OR {q(names.BELOW_S)} > 0){picked(*tags)} AND $timeFilter"
    )


def tag_values(tag: str, *, within: str = "") -> str:
    """For a variable. `within`: a tag that another variable picks."""
    where = f"{of(TEMPERATURE)}{picked(within) if within else ''}"
    return f"SHOW TAG VALUES FROM {q(names.ROLLUP_15M)} WITH KEY = {q(tag)} WHERE {where}"


def roll_ups_written() -> str:
    """For the dead-man: how many roll-ups there are of the time asked for."""
    return f"SELECT count({q(names.COUNT)}) FROM {q(names.ROLLUP_15M)} WHERE $timeFilter"
