# SPDX-License-Identifier: Apache-2.0
"""The carrier and the telephones: parts are joined, messages written to an inbox file."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firmware_sim.modem.tpdu import Place, Submitted


@dataclass(frozen=True, slots=True)
class Message:
    """A whole text as a telephone shows it. `instant_ms` is UTC [ms since epoch]."""

    number: str
    text: str
    parts: int
    instant_ms: int

    def line(self) -> str:
        """One JSON object: number, text, parts, instant (RFC 3339)."""
        instant = datetime.fromtimestamp(self.instant_ms / 1000, UTC)
        stamp = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"number": self.number, "text": self.text, "parts": self.parts, "instant": stamp}
        return json.dumps(record, ensure_ascii=False)


class Phone:
    """A telephone in somebody's pocket."""

    def __init__(self, number: str, say: Callable[[str, str], None], ring: Callable[[str], None]) -> None:
        self.number = number
        self.calls = 0
        self._say, self._ring = say, ring
        self._received: list[Message] = []
        self._news = threading.Condition()

    @property
    def received(self) -> list[Message]:
        with self._news:
            return list(self._received)

    def reply(self, text: str) -> None:
        """Send `text` to the modem."""
        self._say(self.number, text)

    def ring(self) -> None:
        """Call the modem, let it ring once, hang up."""
        self._ring(self.number)

    def wait_for(self, count: int, *, within_s: float) -> list[Message]:
        """The messages received, as soon as there are `count`, or after `within_s` anyway."""
        with self._news:
            self._news.wait_for(lambda: len(self._received) >= count, timeout=within_s)
            return list(self._received)

    def take(self, message: Message) -> None:
        with self._news:
            self._received.append(message)
            self._news.notify_all()


class Network:
    """Carries parts to telephones. A message exists when its last part has arrived."""

    def __init__(
        self,
        inbox: Path | None,
        *,
        on_message: Callable[[Message], None] | None,
        say: Callable[[str, str], None],
        ring: Callable[[str], None],
    ) -> None:
        self.submitted: list[Submitted] = []
        self._inbox, self._on_message, self._say, self._ring = inbox, on_message, say, ring
        self._phones: dict[str, Phone] = {}
        self._joining: dict[tuple[str, int, int], dict[int, str]] = {}
        self._alone = threading.Lock()

    def phone(self, number: str) -> Phone:
        with self._alone:
            return self._phones.setdefault(number, Phone(number, self._say, self._ring))

    @property
    def half_arrived(self) -> int:
        """Messages some part of which is missing."""
        return len(self._joining)

    def carry(self, part: Submitted) -> None:
        self.submitted.append(part)
        texts = self._join(part, part.place)
        if texts is None:
            return
        message = Message(part.number, "".join(texts), len(texts), time.time_ns() // 1_000_000)
        if self._inbox is not None:
            _append(self._inbox, message.line() + "\n")
        self.phone(part.number).take(message)
        if self._on_message is not None:
            self._on_message(message)

    def _join(self, part: Submitted, place: Place | None) -> list[str] | None:
        if place is None:
            return [part.text]
        key = (part.number, place.reference, place.total)
        texts = self._joining.setdefault(key, {})
        texts[place.part] = part.text
        if len(texts) < place.total:
            return None
        del self._joining[key]
        return [texts[n] for n in sorted(texts)]


def _append(path: Path, line: str) -> None:
    with path.open("ab") as inbox:
        inbox.write(line.encode("utf-8"))
        inbox.flush()
        os.fsync(inbox.fileno())
