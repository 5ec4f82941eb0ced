# SPDX-License-Identifier: Apache-2.0
"""Instants are integers: milliseconds since 1970-01-01 UTC. Text is RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_ms: int) -> str:
    """To the millisecond where needed.

    >>> rfc3339(1_657_195_200_000), rfc3339(1_657_195_200_250)
    ('2022-07-07T12:00:00Z', '2022-07-07T12:00:00.250Z')
    """
    whole = EPOCH + timedelta(milliseconds=at_ms)
    text = whole.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{text}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{text}Z"


def parse_instant(text: str) -> int:
    """RFC 3339 or Unix seconds to milliseconds. A time without a zone is refused: whose time is it?

    >>> parse_instant("2022-07-07T14:00:00+02:00") == parse_instant("1657195200")
    True
    """
    text = text.strip()
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    at = datetime.fromisoformat(text.replace("z", "Z"))
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it as 2022-07-07T12:00:00Z or +07:00")
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + round(delta.microseconds / 1000)
