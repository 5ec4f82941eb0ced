# SPDX-License-Identifier: Apache-2.0
"""After a hiccup of the link every sensor's readings may come out of order: those that may alarm go first."""

from __future__ import annotations

from alerts.bookkeeping.late import Waiting
from alerts.judgement.engine import blank


def test_what_may_raise_an_alarm_is_judged_again_first() -> None:
    table = blank(6)
    table["late_from"][[0, 1, 2, 4]] = 1_000
    table["rough"][[1, 4]] = True
    table["since"][4, 0] = 500  # already beyond the limit, its on-delay runs

    queue = Waiting()
    assert queue.look(table, 0.0)
    waiting = queue.urgent_last(table, 0.0)

    assert sorted(waiting) == [0, 1, 2, 4], "3 and 5 do not wait"
    assert waiting[-1] == 4
    assert waiting[-2] == 1
