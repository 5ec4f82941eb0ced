# SPDX-License-Identifier: Apache-2.0
"""Reports as JSON, version 1: what nodes publish by MQTT, and the answer to them."""

from __future__ import annotations

import json
from typing import Any

from coldchain.kernel.errors import FrameError
from coldchain.kernel.words import QUANTITY_OF_WORD
from gateway.codecs.ascii import STATUS_OF_WORD, VALUE_MAX
from gateway.codecs.frames import MAX_MS, MAX_SEQ, Channel, Event, Lost, Pairs, Report, is_name

VERSION = 1
MAX_PAYLOAD = 64 * 1024


def parse_reports(payload: bytes, topic_node: str) -> list[Event]:
    """Every report and LOST of one message; FrameError with the reason when any part of it is not sound.

    A message is one object or an array of them. The name in the topic and in each object must agree.
    """
    if len(payload) > MAX_PAYLOAD:
        raise FrameError(f"oversize: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    try:
        whole = json.loads(payload)
        parts = whole if isinstance(whole, list) else [whole]
        return [event for part in parts for event in _events(part, topic_node)]
    except (ValueError, KeyError, TypeError, RecursionError) as bad:
        raise FrameError(f"malformed: {type(bad).__name__}: {str(bad)[:120]}") from bad


def _events(part: Any, topic_node: str) -> list[Event]:
    if not isinstance(part, dict):
        raise TypeError("not an object")
    if part["v"] != VERSION:
        raise ValueError(f"version {part['v']}, not {VERSION}")
    node = part["node"]
    if not isinstance(node, str) or not is_name(node):
        raise ValueError(f"not a node's name: {str(node)[:60]!r}")
    if node != topic_node:
        raise ValueError(f"the topic says {topic_node!r}, the object {node!r}")
    boot = _number(part["boot"], MAX_SEQ)
    events: list[Event] = []
    for low, high in part.get("lost", ()):
        if _number(low, MAX_SEQ) > _number(high, MAX_SEQ):
            raise ValueError(f"range {low}..{high} runs backwards")
        events.append(Lost(node, boot, low, high))
    if "readings" in part:
        clock = _number(part.get("clock", 0), 2)
        events.append(
            Report(
                node,
                boot,
                _number(part["seq"], MAX_SEQ),
                _number(part["uptime_ms"], MAX_MS) if "uptime_ms" in part else -1,
                _number(part.get("age_ms", 0), MAX_SEQ),
                clock,
                _number(part["unix_ms"], MAX_MS) if clock else 0,
                tuple(_reading(reading) for reading in part["readings"]),
            )
        )
    if not events:
        raise ValueError("neither readings nor lost")
    return events


def _number(value: object, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise ValueError(f"not a whole number of 0..{largest}: {str(value)[:40]!r}")
    return value


def _reading(part: Any) -> Channel:
    channel = _number(part["ch"], 65535)
    quantity = QUANTITY_OF_WORD[part["q"]]
    if "fault" in part:
        return channel, quantity, STATUS_OF_WORD[part["fault"]], 0
    value = part["m"]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > VALUE_MAX:
        raise ValueError(f"not thousandths: {str(value)[:40]!r}")
    return channel, quantity, 0, value


def encode_answer(node: str, boot: int, *, ack: Pairs = (), resend: Pairs = ()) -> bytes:  # type: ignore[assignment]
    """What the node may forget, and what it is asked to send again."""
    answer: dict[str, Any] = {"v": VERSION, "node": node, "boot": boot}
    if ack:
        answer["ack"] = ack
    if resend:
        answer["resend"] = resend
    return json.dumps(answer, separators=(",", ":")).encode()
