# SPDX-License-Identifier: Apache-2.0
"""One channel out of several ways: a second modem, a SIM of another operator, a provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from threading import get_ident
from typing import Any, cast

from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Delivery, Heard, Listener, Notifier, Sent

__all__ = ["Several"]


class Several:
    """Tries each in turn until one takes the message, or may have taken it: that is not doubled elsewhere."""

    def __init__(self, ways: Sequence[Notifier]) -> None:
        assert ways
        self._ways = list(ways)
        self._at_work: dict[int, tuple[Any, float]] = {}
        self._origin: dict[str, Listener] = {}

    def send(self, to: str, text: str) -> Sent:
        said: list[str] = []
        retry, out = False, True
        for way in self._ways:
            with self._by(way):
                sent = way.send(to, text)
            said.append(sent.detail)
            if sent.delivery in (Delivery.ACCEPTED, Delivery.UNKNOWN):
                return replace(sent, detail="; then ".join(said))
            retry |= sent.delivery is Delivery.FAILED_RETRY
            out &= sent.out or sent.delivery is Delivery.FAILED_FINAL
        delivery = Delivery.FAILED_RETRY if retry else Delivery.FAILED_FINAL
        return Sent(delivery, "; then ".join(said), out=out and retry)

    @property
    def moved_s(self) -> float:
        """Of the ways at work, the one that has not moved for longest: another does not excuse it."""
        at_work = list(self._at_work.values())
        return min((max(since_s, getattr(way, "moved_s", since_s)) for way, since_s in at_work), default=-inf)

    @contextmanager
    def _by(self, way: Any) -> Iterator[Any]:
        self._at_work[get_ident()] = way, steady_s()
        try:
            yield way
        finally:
            del self._at_work[get_ident()]

    def check(self) -> Sent:
        """The first that could send now; what the last says when none can."""
        found = Sent(Delivery.FAILED_RETRY, "none of them can be looked at")
        for way in self._ways:
            if hasattr(way, "check"):
                with self._by(way):
                    found = way.check()
                if found.delivery is Delivery.ACCEPTED:
                    break
        return found

    def hear(self, within_s: float) -> list[Heard]:
        listeners = [cast("Listener", way) for way in self._ways if hasattr(way, "hear")]
        found: list[Heard] = []
        for listener in listeners:
            with self._by(listener):
                heard = listener.hear(within_s / len(listeners))
            self._origin.update((one.id, listener) for one in heard)
            found += heard
        return found

    def forget(self, heard: list[Heard]) -> None:
        for one in heard:
            listener = self._origin.pop(one.id, None)
            if listener is not None:
                with self._by(listener):
                    listener.forget([one])
