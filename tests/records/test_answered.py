# SPDX-License-Identifier: Apache-2.0
"""What programs asked for and were told: once, over restarts and two processes, sealed and within bounds."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldchain.records import answered
from coldchain.records.answered import AGE_MS, Answers, Found, State, question

TOKEN, ADDRESS, KEY = "a token that nobody else has", "POST /api/v1/people?", "program:1"


class Clock:
    ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(tmp_path: Path, clock: Clock) -> Iterator[Answers]:
    made = Answers(tmp_path / "desk.db", clock)
    yield made
    made.close()


def asked(body: bytes = b"{}", key: str = KEY, account: str = "boss", token: str = TOKEN):
    return question(account, token, ADDRESS, key, body)


def test_what_was_told_is_told_again_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    first = Answers(tmp_path / "desk.db", clock)
    assert first.claim(asked()) == Found(State.OURS)
    assert first.claim(asked()) == Found(State.BUSY)
    first.keep(asked(), b"told")
    first.close()
    again = Answers(tmp_path / "desk.db", clock)
    assert again.claim(asked()) == Found(State.DONE, b"told")
    assert again.claim(asked(b'{"other": 1}')) == Found(State.OTHER)
    assert again.claim(asked(key="program:2")) == Found(State.OURS), "another key is another question"
    assert again.claim(asked(account="noy")) == Found(State.OURS), "a key is its account's"
    again.close()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    one=st.tuples(*[st.text("ab\0 ", max_size=3)] * 4, st.binary(max_size=3)),
    two=st.tuples(*[st.text("ab\0 ", max_size=3)] * 4, st.binary(max_size=3)),
)
def test_only_the_same_question_has_the_same_mark(one, two) -> None:
    """Account and key hold no NUL: names are checked at the gate, keys by their pattern."""
    clean = [(*(p.replace("\0", "") for p in words), body) for *words, body in (one, two)]
    made = [question(a, w + "x", address, k, body) for a, w, address, k, body in clean]
    assert (made[0] == made[1]) == (clean[0] == clean[1])


def test_the_file_tells_nobody_what_was_asked_or_told(tmp_path: Path, answers: Answers) -> None:
    answers.claim(asked(b"my pin is 7391"))
    answers.keep(asked(b"my pin is 7391"), b"the password is banana")
    assert answers.claim(asked(b"my pin is 7391", token="another of the same")) == Found(State.OTHER)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("desk.db*"))
    assert b"boss" in held, "the file was looked at"
    for secret in (b"7391", b"banana", TOKEN.encode(), KEY.encode()):
        assert secret not in held


def test_a_question_without_a_token_is_slow_to_guess() -> None:
    made = question("", "", ADDRESS, KEY, b"pin 7391")
    fast = question("", "x", ADDRESS, KEY, b"pin 7391")
    assert made.place == fast.place
    assert made.mark != fast.mark
    assert answered.SCRYPT["n"] >= 2**14, "RFC 7914 names it for interactive use"


def test_sent_at_once_it_is_ours_for_one_only(answers: Answers) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [one.state for one in pool.map(lambda _: answers.claim(asked()), range(24))]
    assert (found.count(State.OURS), found.count(State.BUSY)) == (1, 23)


def test_a_refusal_frees_the_key_and_202_holds_it(answers: Answers) -> None:
    answers.claim(asked())
    answers.release(asked(), taken=False)
    assert answers.claim(asked(b"mended")) == Found(State.OURS)
    answers.release(asked(b"mended"), taken=True)
    assert answers.claim(asked()) == Found(State.OTHER)
    assert answers.claim(asked(b"mended")) == Found(State.OURS), "asked how it stands"


def test_an_answer_too_long_to_keep_was_given(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answered, "BYTES_MAX", 200)
    answers.claim(asked())
    answers.keep(asked(), bytes(range(256)) * 8)
    assert answers.claim(asked()) == Found(State.DONE, None)


def test_keys_end_by_age_by_number_and_by_size(
    answers: Answers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answered, "KEPT", 3)

    def done(key: str, account: str = "boss", body: bytes = b"x") -> None:
        clock.ms += 1
        assert answers.claim(asked(key=key, account=account)).state is State.OURS
        answers.keep(asked(key=key, account=account), body)

    done("of-noy-1", "noy")
    for number in range(5):
        done(f"program:{number}")
    known = [answers.claim(asked(key=f"program:{n}")).state for n in (4, 3)]
    assert known == [State.DONE, State.DONE]
    assert answers.claim(asked(key="program:0")).state is State.OURS, "the oldest went"
    assert answers.claim(asked(key="of-noy-1", account="noy")).state is State.DONE, "not for another's sake"
    monkeypatch.setattr(answered, "BYTES_KEPT", 100)
    done("program:9", "noy")
    assert answers.claim(asked(key="of-noy-1", account="noy")).state is State.OURS
    clock.ms += AGE_MS + 1
    assert answers.claim(asked(key="program:9", account="noy")).state is State.OURS


HOLD = """
import sys
from pathlib import Path
from coldchain.records.answered import Answers, question
answers = Answers(Path(sys.argv[1]), lambda: 1_800_000_000_000)
print(answers.claim(question("boss", sys.argv[2], sys.argv[3], sys.argv[4], b"{}")).state.name, flush=True)
sys.stdin.read()
"""


def test_another_process_is_waited_for_while_it_lives_and_no_longer(tmp_path: Path, clock: Clock) -> None:
    desk = tmp_path / "desk.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(desk), TOKEN, ADDRESS, KEY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "OURS"
        here = Answers(desk, clock)
        assert here.claim(asked()) == Found(State.BUSY)
        other.kill()
        other.wait()
        assert here.claim(asked()) == Found(State.OURS), "it died over it: who asks again does it"
        here.close()
    assert list((tmp_path / "health").glob("answers-*.lock")) == []


def test_what_dead_processes_left_is_cleared_away(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "answers-dead.lock").touch()
    one, two = Answers(tmp_path / "desk.db", clock), Answers(tmp_path / "desk.db", clock)
    assert len(list((tmp_path / "health").glob("answers-*.lock"))) == 2
    one.close()
    two.close()


def test_the_table_is_not_part_of_the_audit(tmp_path: Path, answers: Answers) -> None:
    """It is forgotten after a while: a chain over it would be broken by that."""
    db = sqlite3.connect(tmp_path / "desk.db")
    before = db.execute("SELECT COUNT(*) FROM audit").fetchone()
    answers.claim(asked())
    answers.keep(asked(), b"told")
    assert db.execute("SELECT COUNT(*) FROM audit").fetchone() == before
    db.close()
