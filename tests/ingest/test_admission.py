# SPDX-License-Identifier: Apache-2.0
"""Admission: a verdict for every reading, and none without one."""

import json
import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldchain.kernel.errors import BatchError
from coldchain.kernel.link import MAX_PAYLOAD, Batch, decode_batch, encode_batch
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.words import NO_VALUE, ClockQuality, Flag, Quantity, Status
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, Sensor
from ingest import journal as journal_module
from ingest.admission import INSTANT_MAX_MS, Bounds, Reason, Verdict, admit, why_refused
from ingest.inbox import Message
from ingest.journal import Refused, SqliteJournal
from ingest.known import Known, Wired
from ingest.service import read
from ingest.status import StatusWord, decode_status

NOW = 1_700_000_000_000
WIRING = {("n", 0): Wired("s/load", 1), ("n", 1): Wired("s/door", 2)}


def nothing_held(rows):
    """A `Recall` for what must not be asked."""
    n = len(rows)
    return np.zeros(n, np.bool_), np.zeros(n, np.int32), np.zeros(n, np.uint8)


def one(**fields) -> Batch:
    rows = np.zeros(1, SPOOLED)
    rows["quantity"], rows["clock"], rows["at_ms"], rows["value"] = 1, 2, NOW - 1_000, 4_000
    for name, value in fields.items():
        rows[name] = value
    return Batch("gw", "e", [(1, 1)], [("n", 1)], rows)


def judged(batch: Batch, known: Known | None = None, bounds: Bounds | None = None):
    return admit(batch, known or Known(WIRING), NOW, nothing_held, bounds or Bounds())


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, Flag.NONE),
        ({"value": 100_000}, Flag.NONE),
        ({"value": 100_001}, Flag.IMPLAUSIBLE),
        ({"value": -127_000}, Flag.IMPLAUSIBLE),
        ({"value": 85_000}, Flag.NONE),
        ({"status": Status.OPEN}, Flag.FAILED),
        ({"value": NO_VALUE}, Flag.FAILED),
        ({"at_ms": NOW + 120_000}, Flag.NONE),
        ({"at_ms": NOW + 120_001}, Flag.FUTURE),
        ({"at_ms": NOW - 600_000}, Flag.NONE),
        ({"at_ms": NOW - 600_001}, Flag.LATE),
        ({"at_ms": -INSTANT_MAX_MS}, Flag.LATE),
        ({"clock": ClockQuality.GATEWAY_DOUBT}, Flag.CLOCK_DOUBT),
        ({"clock": 9}, Flag.CLOCK_DOUBT),
        (
            {"status": Status.SHORT, "clock": 3, "at_ms": NOW + 10**9},
            Flag.FAILED | Flag.CLOCK_DOUBT | Flag.FUTURE,
        ),
    ],
)
def test_what_is_odd_is_recorded_with_a_flag(fields, flags) -> None:
    admitted = judged(one(**fields))
    assert admitted.verdict.tolist() == [Verdict.RECORDED]
    assert Flag(int(admitted.rows["flags"][0])) == flags
    if flags & Flag.FAILED:
        assert admitted.rows["value"][0] == NO_VALUE


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 0}, Reason.CODE),
        ({"quantity": 11}, Reason.CODE),
        ({"status": 6}, Reason.CODE),
        ({"quantity": Quantity.DOOR}, Reason.QUANTITY),
        ({"at_ms": INSTANT_MAX_MS + 1}, Reason.INSTANT),
        ({"at_ms": -(2**63)}, Reason.INSTANT),
    ],
)
def test_what_cannot_be_kept_is_dead_with_its_reason(fields, reason) -> None:
    admitted = judged(one(**fields))
    assert [r for r, _ in admitted.dead] == [reason]
    assert (admitted.recorded_ranges, admitted.dead_ranges) == ([], [(1, 1)])
    again = judged(one(**fields), bounds=Bounds(dead_before=RangeSet([(1, 1)])))
    assert again.verdict.tolist() == [Verdict.DUPLICATE], (
        "the same again is counted, never dead-lettered twice"
    )
    assert again.dead_ranges == [(1, 1)]


def test_an_unknown_channel_waits() -> None:
    admitted = judged(one(channel=9))
    assert admitted.verdict.tolist() == [Verdict.WAITING]
    assert admitted.recorded_ranges == [(1, 1)]
    full = judged(one(channel=9), bounds=Bounds(waiting_room=0))
    assert [reason for reason, _ in full.dead] == [Reason.WAITING_FULL]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({}, None),
        ({"size": MAX_PAYLOAD}, None),
        ({"size": MAX_PAYLOAD + 1}, Reason.OVERSIZE),
        ({"retained": True}, Reason.RETAINED),
        ({"batch_gateway": "b"}, Reason.TOPIC),
    ],
)
def test_what_is_refused_whole(words, reason) -> None:
    asked = {"topic_gateway": "a", "batch_gateway": None, "size": 10, "retained": False, **words}
    assert why_refused(**asked) is reason


SEQS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40)), min_size=1, max_size=30)


@given(st.lists(SEQS, max_size=12), st.booleans())
def test_seen_equals_a_set(batches, restart) -> None:
    """Any order, holes, repetitions: the arrays and ranges of `Known` behave like a plain set."""
    known, held, kept = Known(), set(), {}
    for batch in batches:
        for source, _ in batch:
            known.learn_source(source, f"n{source}", 1)
        slots = known.slots(np.array([source for source, _ in batch]), np.zeros(len(batch), np.uint16))
        fresh, runs = known.unseen(slots, np.array([seq for _, seq in batch]))
        known.mark(runs)
        expected = []
        for name in batch:
            expected.append(name not in held)
            held.add(name)
        assert fresh.tolist() == expected
        if restart:
            kept.update({source: seen for seen, source in known.changed()})
            known = Known()
            for source in kept:
                known.learn_source(source, f"n{source}", 1)
            known.restore(kept.items())
    for source in {source for source, _ in held}:
        slot = int(known.slots(np.array([source]), np.zeros(1, np.uint16))[0])
        assert {n for low, high in known.seen(slot) for n in range(low, high + 1)} == {
            seq for s, seq in held if s == source
        }


REGISTRY = Registry(
    sensors=(Sensor(id="s/load", node="n", channel=0), Sensor(id="t/load", node="m", channel=0))
)
FIELDS = st.fixed_dictionaries(
    {
        "node": st.integers(0, 2),
        "channel": st.sampled_from([0, 0, 0, 1, 65_535]),
        "quantity": st.sampled_from([1, 1, 1, 1, 2, 0, 255]),
        "status": st.sampled_from([0, 0, 0, 1, 5, 6, 255]),
        "clock": st.integers(0, 255),
        "seq": st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1)),
        "at_ms": st.one_of(st.integers(NOW - 10**7, NOW + 10**7), st.integers(-(2**63), 2**63 - 1)),
        "gateway_ms": st.integers(-(2**63), 2**63 - 1),
        "device_ms": st.integers(-(2**63), 2**63 - 1),
        "uptime_ms": st.integers(-1, 2**62),
        "value": st.one_of(st.integers(0, 2), st.integers(-(2**31), 2**31 - 1)),
    }
)
NODES = [("n", 1), ("m", 1), ("stranger", 7)]


def batch_of(readings, first: int) -> Batch:
    rows = np.array([tuple(reading[name] for name in SPOOLED.fields or ()) for reading in readings], SPOOLED)
    return Batch("gw", "e", [(first, first + len(rows) - 1)] if len(rows) else [], NODES, rows)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(FIELDS, max_size=10), max_size=6), st.integers(0, 3), st.booleans())
def test_whatever_comes_every_link_number_is_accounted_for(tmp_path_factory, groups, room, reopen) -> None:
    """accepted == journalled + waiting + dead-lettered + duplicates; receipts name each number once."""
    path = tmp_path_factory.mktemp("fuzz") / "readings.db"
    journal = SqliteJournal(path, waiting_max=room)
    journal.rewire(REGISTRY)
    first = 1
    for readings in groups:
        batch = decode_batch(encode_batch(batch_of(readings, first)))
        first += len(readings)
        (receipt,) = journal.record([batch], NOW)
        assert receipt is not None
        told = [n for low, high in (*receipt.recorded, *receipt.dead) for n in range(low, high + 1)]
        assert sorted(told) == [n for low, high in batch.ranges for n in range(low, high + 1)]
        if reopen:
            journal.db.close()
            journal = SqliteJournal(path, waiting_max=room)
            journal.rewire(REGISTRY)
    counts = journal.counters
    ended = [counts.get(name, 0) for name in ("journalled", "waiting", "dead_lettered", "duplicates")]
    assert sum(ended) == first - 1
    assert counts.get("waiting", 0) <= room
    for table, column, name in (("log", "n", "journalled"), ("dead_letter", "readings", "dead_lettered")):
        (stored,) = journal.db.execute(f"SELECT coalesce(sum({column}), 0) FROM {table}").fetchone()
        assert stored == counts.get(name, 0)
    assert not journal.db.execute("SELECT 1 FROM dead_letter WHERE reason = 'broken'").fetchall()
    recorded, dead = journal.accounted("gw", "e")
    numbers = [n for low, high in (*recorded, *dead) for n in range(low, high + 1)]
    assert sorted(numbers) == list(range(1, first))
    journal.close()


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes_are_read_or_refused(data, how) -> None:
    """decode_batch and decode_status: a result, or BatchError. `read` never fails."""
    sound = encode_batch(batch_of([], 1))
    body = zlib.compress(data)
    payloads = [
        data,
        b"CCB1" + data,
        sound[: len(data)] + data,
        _framed(data, 0),
        _framed(body, 1),
        _framed(body[:-3], 1),
    ]
    payload = payloads[how]
    for decode in (decode_batch, decode_status):
        try:
            decode(payload)
        except BatchError:
            continue
    for what in ("batch", "status"):
        assert isinstance(
            read(Message(f"coldchain/v1/gw/g/{what}", payload, False, 1, 1, 1)), Refused | Batch | StatusWord
        )


def _framed(body: bytes, flags: int) -> bytes:
    crc = zlib.crc32(body, zlib.crc32(bytes((flags, 0, 0, 0))))
    return b"CCB1" + bytes((flags, 0, 0, 0)) + crc.to_bytes(4, "little") + body


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_batch_is_refused_whole(seed) -> None:
    rng = random.Random(seed)
    payload = bytearray(encode_batch(one()))
    place = rng.randrange(len(payload))
    payload[place] ^= 1 << rng.randrange(8)
    arrival = read(Message("coldchain/v1/gw/gw/batch", bytes(payload), False, 1, 1, 1))
    assert isinstance(arrival, Refused)
    assert arrival.payload == bytes(payload)


def test_a_batch_on_which_admission_fails_is_set_aside_and_receipted(tmp_path, monkeypatch) -> None:
    """Our own bug must not stop all other gateways for ever."""
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(REGISTRY)
    monkeypatch.setattr(journal_module, "admit", lambda *_: 1 // 0)
    (receipt,) = journal.record([one()], NOW)
    assert receipt is not None
    assert receipt.dead == [(1, 1)]
    (data,) = journal.db.execute("SELECT bytes FROM dead_letter WHERE reason = 'broken'").fetchone()
    assert decode_batch(data).rows.tolist() == one().rows.tolist()
    journal.close()


def test_what_waited_as_another_quantity_is_dead_lettered_when_adopted(tmp_path) -> None:
    """Adopted as a temperature, but some of what waited said it was a door."""
    path = tmp_path / "readings.db"
    journal = SqliteJournal(path)
    for number, quantity in enumerate((1, 2, 1), start=1):
        came = one(quantity=quantity, seq=number)
        journal.record([Batch("gw", "e", [(number, number)], came.nodes, came.rows)], NOW)
    assert journal.counters["waiting"] == 3
    assert journal.readmit(NOW).readings == 0, "nobody has adopted it yet"
    journal.rewire(REGISTRY)
    done = journal.readmit(NOW + 5)
    assert (done.readings, done.more) == (2, False)
    counts = [journal.counters[name] for name in ("waiting", "journalled", "readmitted", "dead_lettered")]
    assert counts == [0, 2, 2, 1]
    rows = JournalReader(path).readings("s/load", 0, 2**60)
    assert rows["seq"].tolist() == [1, 3]
    assert all(Flag(flags) & Flag.READMITTED for flags in rows["flags"].tolist())
    assert set(rows["arrived_ms"].tolist()) == {NOW}, "its own arrival, not that of its adoption"
    again = one(seq=3)
    (receipt,) = journal.record([Batch("gw", "e", [(3, 3)], again.nodes, again.rows)], NOW)
    assert receipt is not None
    assert (receipt.recorded, journal.counters["duplicates"]) == ([(3, 3)], 1)
    journal.close()


def test_refused_payloads_are_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(journal_module, "REFUSED_KEPT_MAX", 5)
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.record([Refused("gw", Reason.MALFORMED, "x", bytes(100_000))] * 9, NOW)
    assert journal.counters["refused_payloads"] == 9
    kept = journal.db.execute("SELECT length(bytes) FROM dead_letter").fetchall()
    assert kept == [(65_536,)] * 5
    journal.close()


@pytest.mark.parametrize(
    "word",
    [
        {"v": "\ud800"},
        {"gaps": [{"id": 3, "readings": 5, "reason": "torn \ud800", "from_ms": 1, "until_ms": 2}]},
        {"gateway": "\ud800"},
    ],
)
def test_half_a_character_in_a_status_stops_nothing(tmp_path, word) -> None:
    """JSON may spell what no file can hold; the broker would deliver the same status again after each end."""
    payload = json.dumps({"v": 1, "gateway": "gw", "epoch": "e"} | word).encode()
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.record([read(Message("coldchain/v1/gw/gw/status", payload, False, 1, 1, 1))], NOW)
    kept = journal.db.execute("SELECT reason FROM gap UNION SELECT detail FROM dead_letter").fetchall()
    assert len(kept) == 1
    assert "ud800" in kept[0][0]
    journal.close()


def test_what_is_kept_of_a_link_stays_short_however_many_are_dead(tmp_path) -> None:
    """A sensor wired as another: one dead reading in each batch for ever. Once 1.7 MB a commit in a month."""
    path = tmp_path / "readings.db"
    journal = SqliteJournal(path)
    journal.rewire(REGISTRY)
    came = one()
    rows = np.repeat(came.rows, 3)
    for k in range(50):
        rows["seq"], rows["quantity"] = 3 * k + np.arange(3), [1, 2, 1]
        journal.record([Batch("gw", "e", [(3 * k + 1, 3 * k + 3)], came.nodes, rows)], NOW)
    (kept,) = journal.db.execute("SELECT recorded || dead FROM link").fetchone()
    assert kept == "[[1, 150]][]"
    accounted = journal.accounted("gw", "e")
    assert accounted[1] == [(3 * k + 2, 3 * k + 2) for k in range(50)]
    assert sum(high - low + 1 for low, high in accounted[0]) == 100
    journal.db.close()  # killed
    journal = SqliteJournal(path)
    journal.rewire(REGISTRY)
    assert journal.accounted("gw", "e") == accounted
    journal.record([Batch("gw", "e", [(148, 150)], came.nodes, rows)], NOW)
    assert (journal.counters["dead_lettered"], journal.counters["duplicates"]) == (50, 3)
    journal.close()
