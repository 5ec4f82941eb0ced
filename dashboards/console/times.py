# SPDX-License-Identifier: Apache-2.0
"""Instants and spans as people read them, in one time zone. Pure: the zone and now are given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coldchain.kernel.instants import EPOCH
from dashboards.console.words import t

DAY_MS = 86_400_000
JUST_NOW_MS = 5_000


def zone_named(name: str) -> tzinfo:
    """The time zone, or UTC when this machine does not know it: a wall clock that is named is never wrong."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone(timedelta(0), "UTC")


def local(at_ms: int, zone: tzinfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def offset_text(at_ms: int, zone: tzinfo) -> str:
    """How far the zone is from UTC at that instant.

    >>> offset_text(0, zone_named("Asia/Vientiane"))
    'UTC+07:00'
    """
    text = local(at_ms, zone).strftime("%z")
    return f"UTC{text[:3]}:{text[3:5]}"


def clock(at_ms: int, now_ms: int, zone: tzinfo) -> str:
    """The time of day today, otherwise with its date.

    >>> clock(8_000_000, 9_000_000, UTC), clock(8_000_000, 9_000_000 + DAY_MS, UTC)
    ('02:13', '1 Jan 02:13')
    """
    at, now = local(at_ms, zone), local(now_ms, zone)
    if at.date() == now.date():
        return at.strftime("%H:%M")
    if at.year == now.year:
        return f"{day(at)} {at:%H:%M}"
    return f"{day(at)} {at:%Y %H:%M}"


def day(at: datetime) -> str:
    """Day and month in the reader's language, short."""
    return f"{at.day} {t(f'month.{at.month}')}"


def full(at_ms: int, zone: tzinfo) -> str:
    """Date and time to the second, for tables and print."""
    return local(at_ms, zone).strftime("%Y-%m-%d %H:%M:%S")


_UTC = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def zoned(text: str, zone: tzinfo) -> str:
    """A text of a program's, its instants in the zone and with its offset.

    >>> zoned("excursion 60, 2026-11-22T07:25:51.682Z", zone_named("Asia/Vientiane"))
    'excursion 60, 2026-11-22 14:25:51 +07:00'
    """

    def here(found: re.Match[str]) -> str:
        try:
            at = datetime.fromisoformat(found[0]).astimezone(zone)
        except (ValueError, OverflowError):
            return found[0]
        return f"{at:%Y-%m-%d %H:%M:%S} {offset_text(round(at.timestamp() * 1000), zone).removeprefix('UTC')}"

    return _UTC.sub(here, text)


def span(ms: int) -> str:
    """How long, in at most two units.

    >>> [span(s * 1000) for s in (0, 59, 60, 3_540, 3_600, 90_061, 700_000)]
    ['0 s', '59 s', '1 min', '59 min', '1 h 0 min', '1 d 1 h', '8 d 2 h']
    """
    seconds = max(0, ms) // 1000
    if seconds < 60:
        return t("age.s", n=seconds)
    minutes = seconds // 60
    if minutes < 60:
        return t("age.min", n=minutes)
    hours = minutes // 60
    if hours < 24:
        return t("age.h", h=hours, min=minutes % 60)
    return t("age.d", d=hours // 24, h=hours % 24)


def age(at_ms: int, now_ms: int) -> str:
    """How old an instant is; more than two minutes ahead of now is said so."""
    if at_ms - now_ms > 120_000:
        return t("age.from_ahead")
    if now_ms - at_ms < JUST_NOW_MS:
        return t("age.now")
    return t("age.ago", age=span(now_ms - at_ms))


def left(at_ms: int, now_ms: int) -> str:
    """How long until a limit is passed, at about that instant."""
    minutes = (at_ms - now_ms) // 60_000
    return t("age.left", span=span(minutes * 60_000)) if minutes > 0 else t("age.left_now")


__all__ = [
    "DAY_MS",
    "UTC",
    "age",
    "clock",
    "day",
    "full",
    "left",
    "local",
    "offset_text",
    "span",
    "zone_named",
    "zoned",
]
