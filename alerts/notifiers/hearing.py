# SPDX-License-Identifier: Apache-2.0
"""What a modem hears between sends: answers, delivery reports, rings.

Incoming messages lie in the SIM until they are deleted; they are listed when one is announced, and at times
in case an announcement was lost. A message is named by its contents: reading it twice is reading it once.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.notifiers.at import Unsolicited
from alerts.notifiers.dialogue import Dialogue
from alerts.notifiers.incoming import Deliver, Fate, StatusReport, decode
from alerts.notifiers.pdu import PduError
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.notifier import Heard, Kind

__all__ = ["LIST_EVERY_S", "Ear"]

LIST_EVERY_S = 60.0
PART_PATIENCE_S = 3600.0
"""A message whose other parts do not come is handed up as it is after so long."""
SAME_CALL_S = 20.0
"""A call says RING every few seconds; what comes sooner after the last is the same call."""

_CLIP = re.compile(r'\+CLIP: *"([^"]*)"')
_HEAD = re.compile(r"(\d+) *,")


@dataclass(slots=True)
class _Joining:
    """Parts of one message, by their number: (place in the SIM, text)."""

    since_s: float
    parts: dict[int, tuple[int, str]] = field(default_factory=dict)


class Ear:
    """For one modem. Not for two threads at once."""

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._list_at_s = clock()
        self._joining: dict[tuple[str, int, int], _Joining] = {}
        self._rang_s: dict[str, float] = {}
        self.unreadable = 0

    def look_soon(self) -> None:
        """The modem was away: something may lie in the SIM."""
        self._list_at_s = self._clock()

    def take(self, dialogue: Dialogue, lines: Iterable[Unsolicited], *, within_s: float) -> list[Heard]:
        """Make sense of unsolicited lines, and list the SIM when it is time. Raises Silent, LineLost."""
        found: list[Heard] = []
        announced = False
        for line in lines:
            if line.text.startswith(("+CMTI:", "+CDSI:")):
                announced = True
            elif line.body:
                found += self._message(line.body, None)
            elif clip := _CLIP.match(line.text):
                found += self._ring(clip[1])
        if any(one.kind is Kind.RING for one in found):
            dialogue.do("ATH", within_s=within_s)  # seen: the line is free, and the call costs nothing
        if announced or self._clock() >= self._list_at_s:
            found += self._listed(dialogue, within_s)
            self._list_at_s = self._clock() + LIST_EVERY_S
        return found

    def forget(self, dialogue: Dialogue, heard: Iterable[Heard], *, within_s: float) -> None:
        """Delete what is safe elsewhere. What cannot be deleted is read again, and known by its name."""
        for one in heard:
            for place in one.places:
                dialogue.do(f"AT+CMGD={place}", within_s=within_s)

    def _listed(self, dialogue: Dialogue, within_s: float) -> list[Heard]:
        answer = dialogue.do("AT+CMGL=4", within_s=within_s, bare=True)
        found: list[Heard] = []
        place: int | None = None
        for line in answer.lines:
            if head := _HEAD.match(line):
                place = int(head[1])
            elif place is not None:
                found += self._message(line, place)
                place = None
        return found + self._overdue()

    def _message(self, pdu: str, place: int | None) -> list[Heard]:
        places = (place,) if place is not None else ()
        try:
            message = decode(pdu)
        except PduError:
            self.unreadable += 1
            return [Heard(_name("?", pdu), Kind.SMS, "?", pdu[:400], places)]
        if isinstance(message, StatusReport):
            if message.fate is Fate.TRYING:
                return []
            delivered = message.fate is Fate.DELIVERED
            id_ = _name("report", pdu)
            return [Heard(id_, Kind.REPORT, message.recipient, "", places, message.reference, delivered)]
        return self._joined(message, place)

    def _joined(self, message: Deliver, place: int | None) -> list[Heard]:
        stamp = str(message.at_ms)
        if message.joined is None:
            id_ = _name(message.sender, stamp, message.text)
            return [Heard(id_, Kind.SMS, message.sender, message.text, () if place is None else (place,))]
        key = (message.sender, message.joined.reference, message.joined.total)
        joining = self._joining.setdefault(key, _Joining(self._clock()))
        joining.parts[message.joined.part] = (-1 if place is None else place, message.text)
        if len(joining.parts) < message.joined.total:
            return []
        return [self._whole(key)]

    def _overdue(self) -> list[Heard]:
        late_s = self._clock() - PART_PATIENCE_S
        return [self._whole(key) for key, one in list(self._joining.items()) if one.since_s <= late_s]

    def _whole(self, key: tuple[str, int, int]) -> Heard:
        parts = self._joining.pop(key).parts
        text = "".join(parts[number][1] for number in sorted(parts))
        places = tuple(place for place, _ in parts.values() if place >= 0)
        return Heard(_name(key[0], str(key[1]), text), Kind.SMS, key[0], text, places)

    def _ring(self, number: str) -> list[Heard]:
        now_s = self._clock()
        before_s, self._rang_s[number] = self._rang_s.get(number), now_s
        if len(self._rang_s) > 64:
            del self._rang_s[next(iter(self._rang_s))]
        if before_s is not None and now_s - before_s < SAME_CALL_S:
            return []
        return [Heard(f"ring-{uuid.uuid4().hex}", Kind.RING, number)]


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:24]
