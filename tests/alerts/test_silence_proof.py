# SPDX-License-Identifier: Apache-2.0
"""What the record proves of the time before alerts began: only what arrived live, and without a pause."""

import numpy as np

from alerts.alarms.proof import Proof, unbroken
from coldchain.kernel.readings import JOURNALLED, Rows

MINUTE = 60_000
BEGAN = 1_000 * MINUTE


def rows(minutes_before: list[float], *, late: float = 0.0) -> Rows:
    """One for each, measured so long before the watch began and arrived `late` minutes after that."""
    found = np.zeros(len(minutes_before), JOURNALLED)
    found["at_ms"] = [BEGAN - round(m * MINUTE) for m in minutes_before]
    found["arrived_ms"] = found["at_ms"] + round(late * MINUTE)
    return found


def since(found: Rows) -> float:
    """Minutes before the watch began."""
    return (BEGAN - unbroken(found, MINUTE, BEGAN, 5 * MINUTE)) / MINUTE


def test_who_was_heard_every_minute_proves_all_of_it() -> None:
    assert since(rows([9, 8, 7, 6, 5, 4, 3, 2, 1])) == 9


def test_a_pause_ends_the_proof() -> None:
    assert since(rows([9, 8, 7, 3, 2, 1])) == 3
    assert since(rows([9, 8, 7, 5, 3, 1])) == 9, "two intervals are no pause"


def test_silence_up_to_the_beginning_proves_nothing() -> None:
    assert since(rows([9, 8, 7, 6, 5])) == 0
    assert since(rows([])) == 0


def test_a_backlog_that_came_in_one_go_proves_nothing() -> None:
    found = rows([20, 19, 18, 17, 16, 15, 14, 13])
    found["arrived_ms"] = BEGAN - MINUTE // 2
    assert since(found) == 0


def test_the_record_is_asked_once_for_each_witness() -> None:
    asked: list[str] = []

    def readings(sensor: str, start_ms: int, end_ms: int) -> Rows:
        asked.append(sensor)
        return rows([3, 2, 1])

    proof = Proof(readings, 5 * MINUTE)
    assert {proof.heard_since("a", MINUTE, BEGAN) for _ in range(3)} == {BEGAN - 3 * MINUTE}
    assert asked == ["a"]
