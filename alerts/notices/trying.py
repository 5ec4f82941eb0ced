# SPDX-License-Identifier: Apache-2.0
"""Test messages that people ask for: to one person, by one channel, through the outbox like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.notices.chains import Draft
from alerts.oncall.policy import routes
from alerts.words.texts import answer, clock

if TYPE_CHECKING:
    from alerts.alarms.entries import Scene
    from alerts.notices.telling import Teller

RECEIPT_S = 0
"""Nobody else is told in their place: who asked looks at what came of it."""


def try_person(teller: Teller, name: str, said: dict[str, str], scene: Scene) -> str:
    """said: `to`, a person's id, and `channel`. name: of the notice that comes of it."""
    person, channel = scene.registry.person_by_id.get(said.get("to", "")), said.get("channel", "sms")
    if person is None:
        return f"refused: nobody of the registry is called {said.get('to', '')!r}"
    if channel not in teller.channels:
        known = ", ".join(sorted(teller.channels)) or "none"
        return f"refused: there is no channel {channel}; there are: {known}"
    address = next((one for by, one in routes(person, (channel,)) if by == channel), None)
    if address is None:
        return f"refused: {person.id} cannot be reached by {channel}"
    zone = scene.registry.sites[0].zone if scene.registry.sites else "UTC"
    text = answer(person.language, "test", clock=clock(scene.now_ms, zone))
    draft = Draft(name, "test", 0, person.id, channel, 0, address, text, "", 1, RECEIPT_S)
    teller.chains.add(draft, scene.now_ms)
    return f"applied: a test message to {person.id} by {channel} is due"
