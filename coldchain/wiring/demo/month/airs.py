# SPDX-License-Identifier: Apache-2.0
"""What a month's air teaches: when appliances defrost, and what their cycles are like.

A month judges loads as time passes; the air beside them is recorded only, or it would take twice as long. At
its end the engine runs through that air once and learns, and its defrosts are written down. Warnings that air
would have brought are nobody's: nobody was called.
"""

from __future__ import annotations

from alerts.judgement.engine import step
from alerts.rules.flat import block_of
from alerts.service import AlertService
from coldchain.kernel.readings import Rows


def learn(service: AlertService, air: Rows, lateness_ms: int) -> int:
    """How many defrosts there were. air: of any sensors, all of it."""
    at, scene = service._at, service._scene  # noqa: SLF001 -- nobody else may have judged these
    did = step(at.state, block_of(air, lateness_ms), scene.rules, give=True)
    with service._store.transaction():  # noqa: SLF001
        service._revision.defrosted.enter(did.defrosts, scene)  # noqa: SLF001
        at.went(did.state, at.position, len(air))
        service._write_state()  # noqa: SLF001
    return len(did.defrosts)
