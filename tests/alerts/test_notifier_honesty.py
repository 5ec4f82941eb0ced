# SPDX-License-Identifier: Apache-2.0
"""Whatever a modem does, the driver's word agrees with the telephone."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from modems import NURSE, hasty, inbox_of, patient

from alerts.notifiers.modem import ModemNotifier
from coldchain.ports.notifier import Delivery
from firmware_sim.modem import (
    TAKEN,
    ModemSim,
    Outcome,
    false_ok,
    hangs,
    late,
    no_prompt,
    refused,
    unanswered,
    unplugged,
)

LIE = false_ok(reference=True)
FATES: list[Outcome] = [
    TAKEN,
    LIE,
    false_ok(reference=False),
    hangs(sent=True),
    hangs(sent=False),
    late(0.2),
    late(0.6),
    no_prompt(),
    refused(500),
    refused(1, early=True),
    unanswered(sent=True),
    unanswered(sent=False),
    unplugged(sent=True),
    unplugged(sent=False, prompt=False),
]
SOON = {"answer_s": 0.15, "prompt_s": 0.15, "command_s": 0.15, "network_s": 0.2}


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=4), long=st.booleans())
@example(fates=[late(0.6), TAKEN, LIE], long=True)
@example(fates=[hangs(sent=True), unplugged(sent=True)], long=False)
def test_the_word_agrees_with_the_telephone(fates: list[Outcome], long: bool) -> None:
    """Accepted: exactly once there. Failed: not there. Unknown: at most once. Then it mends."""
    with TemporaryDirectory() as folder, ModemSim(Path(folder) / "inbox", link=Path(folder) / "dev") as sim:
        notifier = ModemNotifier(hasty(sim.path, **SOON))
        words: dict[str, Delivery] = {}
        sim.control.next(*fates)
        for n in range(len(fates)):
            text = f"{n}: " + ("ຕູ້ເຢັນ " * 12 if long else "fridge 03")
            words[text] = notifier.send(NURSE, text).delivery
            sim.control.hung = False
            sim.replug()
        sim.control.outcomes.clear()
        notifier.close()
        mended = ModemNotifier(patient(sim.path))
        end = mended.send(NURSE, "end")
        mended.close()
        there = Counter(message["text"] for message in inbox_of(Path(folder) / "inbox"))

    assert end.delivery is Delivery.ACCEPTED, end
    for text, word in words.items():
        if word is Delivery.ACCEPTED and LIE not in fates:
            assert there[text] == 1
        elif word in (Delivery.FAILED_RETRY, Delivery.FAILED_FINAL):
            assert there[text] == 0
        assert there[text] <= 1
