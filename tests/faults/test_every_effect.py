# SPDX-License-Identifier: Apache-2.0
"""A small story ended at some of its effects, failed at some calls of the disk; `make simulate` does all."""

from __future__ import annotations

import pytest
from sim.exhaustive import Came, Cut, cuts, play

from alerts.notices.outbox import Outbox
from gateway.writer import SpoolWriter

STEP = 199


@pytest.fixture(scope="module")
def quiet() -> Came:
    return play(Cut("killed", 0))


def test_the_story_has_every_kind_of_effect(quiet: Came) -> None:
    assert quiet.wrong == {}
    names = {name.partition(" by ")[0].partition(" ")[2] for name in quiet.effects}
    files = {"commit spool.db", "commit readings.db", "commit alarms.db"}
    assert names == {"publish", "receipt", "ack", "answer", "message", *files}
    assert quiet.calls > 500


def test_cut_at_some_effects_and_calls_it_comes_to_the_same(quiet: Came) -> None:
    came = [play(cut) for cut in cuts(len(quiet.effects), quiet.calls, STEP)]
    assert [one for one in came if one.wrong] == []
    assert {one.cut.how for one in came} == {"killed", "power", "failed"}
    assert all(one.at for one in came), "each cut struck"


def numbers(quiet: Came, name: str) -> list[int]:
    return [n for n, effect in enumerate(quiet.effects, 1) if effect.startswith(name)]


def test_an_answer_before_the_commit_is_caught(quiet: Came, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway tells its nodes first and writes then."""
    true = SpoolWriter._transact

    def transact(self: SpoolWriter, spool, work):
        for arrival in work.arrivals:
            seq = arrival.report.seq
            arrival.route.acknowledge(arrival.report.node, arrival.report.boot, [(seq, seq)])
        return true(self, spool, work)

    monkeypatch.setattr(SpoolWriter, "_transact", transact)
    came = [play(Cut("killed", n)) for n in numbers(quiet, "after answer")[:3]]
    assert {name for one in came for name in one.wrong} >= {"lost"}


def test_a_message_marked_as_sent_before_it_is_sent_is_caught(
    quiet: Came, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Outbox._try

    def marked(self: Outbox, due):
        self._db.execute("UPDATE notice SET state = 'sent', sent_ms = 1 WHERE id = ?", (due.id,))
        return true(self, due)

    monkeypatch.setattr(Outbox, "_try", marked)
    came = [play(Cut("killed", n)) for n in numbers(quiet, "before message")]
    assert any(one.wrong for one in came)
