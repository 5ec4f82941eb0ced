# SPDX-License-Identifier: Apache-2.0
"""What happened to an alarm, in the reader's words; months; what is to be mended."""

from __future__ import annotations

HAPPENED_WORDS: dict[str, str] = {
    "month.1": "Jan",
    "month.2": "Feb",
    "month.3": "Mar",
    "month.4": "Apr",
    "month.5": "May",
    "month.6": "Jun",
    "month.7": "Jul",
    "month.8": "Aug",
    "month.9": "Sep",
    "month.10": "Oct",
    "month.11": "Nov",
    "month.12": "Dec",
    "kind.drill": "test of the alarm",
    "line.empty": "it holds no blood",
    "line.not_empty": "it holds blood again",
    "line.expired": "its time was up",
    "line.exposed": "the blood would not have borne more",
    "line.chattered": "after it had come and gone three times in an hour",
    "line.gone": "no longer in the registry",
    "line.everybody": "everybody",
    "line.guard": "by the site's gateway {gateway}",
    "line.blood": "blood now in {place}",
    "line.blind": "nothing heard since {since}; if power is out, beyond {limit} from about {at}",
    "line.cool": "nothing heard since {since}; the room is too cool to pass {limit}",
    "line.lost": "{n} readings of {node}",
    "line.lowered": "{low} to {high} °C, in range at {at}",
}
