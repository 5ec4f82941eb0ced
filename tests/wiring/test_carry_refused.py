# SPDX-License-Identifier: Apache-2.0
"""What was carried and is not as it was packed is refused whole, with a clear word; so is a false receipt."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from district import GATEWAY, District, no_step
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from coldchain.kernel.errors import BadData, SchemaTooNew
from coldchain.kernel.link import encode_batch
from coldchain.ports.clock import wall_ms
from coldchain.records import carry
from coldchain.records.audit import entries
from coldchain.records.carry import BundleRefused, CarryTooNew
from coldchain.records.carry_box import CarryBox
from coldchain.records.carry_keys import trust
from coldchain.records.registry import Desk
from coldchain.settings import Settings
from coldchain.wiring.carry import hear_receipt, merge, own_public, pack
from ingest.carried import AGAIN_MS, CarryDesk


@pytest.fixture
def district(tmp_path: Path) -> District:
    return District(tmp_path)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[District, bytes]:
    district = District(tmp_path_factory.mktemp("packed"))
    district.measure(30)
    return district, district.pack().read_bytes()


@effort(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_bundle_that_was_touched_anywhere_is_refused_whole(
    packed: tuple[District, bytes], data: st.DataObject
) -> None:
    district, whole = packed
    touch = data.draw(st.sampled_from(["flip", "cut", "add", "swap"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    other = bytearray(whole)
    if touch == "flip":
        other[at] ^= 1 << data.draw(st.integers(0, 7))
    elif touch == "cut":
        del other[at:]
    elif touch == "add":
        other[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    else:
        end = data.draw(st.integers(0, len(whole) - 1))
        other[at], other[end] = other[end], other[at]
    if bytes(other) == whole:
        return
    path = district.folder / "touched"
    path.write_bytes(other)
    with pytest.raises(BundleRefused, match=r"nothing was taken|not a bundle|newer version|signature"):
        carry.read_bundle(path)


def test_a_refused_bundle_leaves_no_trace_in_the_record(district: District) -> None:
    district.measure(20)
    stick = district.pack()
    _, _ = merge(district.hub, stick, no_step)
    before = district.record(), dict(district.journal().counters)
    district.measure(20)
    stick = district.pack("b.bundle")
    raw = bytearray(stick.read_bytes())
    raw[len(raw) // 2] ^= 4
    stick.write_bytes(raw)
    with pytest.raises(BundleRefused, match=r"checksum does not match.*nothing was taken"):
        merge(district.hub, stick, no_step)
    assert (district.record(), dict(district.journal().counters)) == before
    # and when it is laid down past the first look, ingest itself refuses it
    box = CarryBox(district.hub.data_dir)
    (district.hub.data_dir / "carry" / "in").mkdir(parents=True, exist_ok=True)
    (district.hub.data_dir / "carry" / "in" / "x.bundle").write_bytes(raw)
    journal = district.journal()
    desk = CarryDesk(district.hub.data_dir, lambda _: own_public(district.gw), journal, wall_ms)
    while desk.step():
        pass
    journal.close()
    assert box.answer("x").state == "refused"
    assert "checksum does not match" in box.answer("x").text
    assert district.record() == before[0]


def test_a_folder_that_is_not_ours_stops_no_link(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    """`carry merge` by another user than the service's: ingest goes on with what is live."""
    district.measure(20)
    box = CarryBox(district.hub.data_dir)
    box.put(district.pack())
    (district.hub.data_dir / "carry" / "out").write_text("no folder: nothing can be written in it")
    journal = district.journal()
    desk = CarryDesk(district.hub.data_dir, lambda _: own_public(district.gw), journal, wall_ms)
    for _ in range(50):
        if not desk.step():
            break
    else:
        pytest.fail("it goes on for ever")
    assert len(box.waiting()) == 1, "it lies there"
    monkeypatch.setattr(CarryBox, "waiting", lambda _: (_ for _ in ()).throw(PermissionError("closed")))
    fresh = CarryDesk(district.hub.data_dir, lambda _: own_public(district.gw), journal, wall_ms)
    assert not fresh.step()
    journal.close()


def finish(desk: CarryDesk) -> None:
    for _ in range(50):
        if not desk.step():
            return
    pytest.fail("it goes on for ever")


@pytest.mark.parametrize("wrong", ["unreadable", "no answers"])
def test_what_we_may_not_read_or_answer_is_taken_once_its_rights_are_in_order(
    district: District, wrong: str
) -> None:
    """Without a restart of ingest; and it is not thrown away meanwhile."""
    district.measure(20)
    box = CarryBox(district.hub.data_dir)
    folder = district.hub.data_dir / "carry"
    name = box.put(district.pack())
    bundle, aside = folder / "in" / f"{name}.bundle", folder / "aside"
    if wrong == "unreadable":
        bundle.rename(aside)
        bundle.mkdir()
    else:
        (folder / "out").write_text("no folder: nothing can be written in it")
    now = [wall_ms()]
    journal = district.journal()
    desk = CarryDesk(district.hub.data_dir, lambda _: own_public(district.gw), journal, lambda: now[0])
    finish(desk)
    assert box.waiting() == [bundle]
    if wrong == "unreadable":
        bundle.rmdir()
        aside.rename(bundle)
    else:
        (folder / "out").unlink()
    now[0] += AGAIN_MS - 1
    finish(desk)
    assert box.waiting() == [bundle]
    now[0] += 1_001
    finish(desk)
    journal.close()
    assert box.answer(name).state == "merged"
    assert len(district.record()) == 60


def test_a_stranger_and_a_thief_are_refused(district: District, tmp_path: Path) -> None:
    """Another installation's gateway; and another key that speaks in our gateway's name."""
    district.measure(5)
    stranger = District(tmp_path / "elsewhere")
    stranger.measure(7)
    foreign = stranger.pack()  # the same gateway name, another key
    with pytest.raises(BundleRefused, match="signed by another key than the one of far-gw-1"):
        merge(district.hub, foreign, no_step)
    unknown = Settings(data_dir=tmp_path / "u" / "hub")
    Desk(unknown.desk_db, wall_ms).close()
    with pytest.raises(BundleRefused, match="nobody has told this hub the key of far-gw-1"):
        merge(unknown, foreign, no_step)
    assert district.record() == []


def test_a_bundle_signed_anew_by_a_stranger_is_another_key(district: District) -> None:
    """Whoever changes it can mend checksum and signature only with a key of their own."""
    district.measure(5)
    stick = district.pack()
    bundle = carry.read_bundle(stick)
    frames = _raw_frames(stick)
    thief = carry.own_key(district.folder / "thief.key")
    carry.write_bundle(stick, replace(bundle.head, key=carry.public_of(thief)), frames, thief)
    assert carry.read_bundle(stick).head.key != bundle.head.key
    with pytest.raises(BundleRefused, match="another key"):
        merge(district.hub, stick, no_step)


def _raw_frames(path: Path) -> list[bytes]:
    return [encode_batch(batch) for batch in carry.batches(path)]


def test_a_head_that_claims_what_is_not_in_it_is_refused(district: District) -> None:
    district.measure(5)
    stick = district.pack()
    head, secret = carry.read_bundle(stick).head, carry.own_key(district.gw.data_dir / "carry.key")
    frames = _raw_frames(stick)
    for wrong in ({"readings": 14}, {"ranges": [(1, 16)]}, {"gateway": "far-gw-2"}):
        carry.write_bundle(stick, replace(head, **wrong), frames, secret)
        with pytest.raises(BundleRefused, match=r"it holds 15 readings|frame 1 is of far-gw-1"):
            carry.read_bundle(stick)


def test_what_a_newer_version_wrote_is_refused_with_a_clear_word(district: District) -> None:
    district.measure(5)
    stick = district.pack()
    text, _ = merge(district.hub, stick, no_step)
    raw = stick.read_bytes()
    stick.write_bytes(b"CCY2" + raw[4:])
    with pytest.raises(CarryTooNew, match="newer version; bring this machine up to date"):
        carry.read_bundle(stick)
    newer = text.replace('"v": 1', '"v": 2')
    with pytest.raises(CarryTooNew, match="newer version"):
        hear_receipt(district.gw, newer.encode())
    with sqlite3.connect(district.gw.spool_db) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SchemaTooNew, match="format 99, this version reads up to"):
        pack(district.gw, None, stick, no_step)


def test_only_our_hubs_receipt_makes_a_gateway_forget(district: District) -> None:
    district.measure(10)
    text, done = merge(district.hub, district.pack(), no_step)
    said = json.loads(text)
    tries: list[tuple[str, str]] = [
        (json.dumps({**said, "recorded": [[1, 99]]}), "changed on the way"),
        (text[:-20], "not a receipt"),
        (json.dumps({"coldchain": "carry-receipt", "v": 1}), "not a receipt"),
        ("[]", "not a receipt"),
    ]
    other = carry.own_key(district.folder / "other.key")
    forged = replace(done, key=carry.public_of(other))
    tries.append((carry.encode_carry_receipt(forged, other).decode(), "another hub"))
    hub = carry.own_key(district.hub.data_dir / "carry.key")
    for receipt, word in (
        (replace(done.receipt, gateway="far-gw-2"), "the receipt is for far-gw-2"),
        (replace(done.receipt, epoch="e0"), "a spool that is no more"),
    ):
        tries.append((carry.encode_carry_receipt(replace(done, receipt=receipt), hub).decode(), word))
    for wrong, word in tries:
        with pytest.raises(BundleRefused, match=word):
            hear_receipt(district.gw, wrong.encode())
    assert district.pending() == 30
    hear_receipt(district.gw, text.encode())
    assert district.pending() == 0


def test_keys_are_kept_secret_and_their_change_is_audited(district: District) -> None:
    path = district.gw.data_dir / "carry.key"
    assert path.stat().st_mode & 0o077 == 0
    assert carry.own_key(path) == carry.own_key(path)
    with pytest.raises(BadData, match="not a key of 64"):
        trust(district.hub.desk_db, GATEWAY, "abc", person="x", at_ms=1)
    path.write_text("nonsense")
    with pytest.raises(BadData, match="holds no key"):
        own_public(district.gw)
    (entry, *_) = entries(district.hub.desk_db, "desk", kind="carry_key")
    assert json.loads(entry.body)["person"] == "supervisor"


def test_a_checksum_that_was_mended_does_not_mend_the_signature(district: District) -> None:
    district.measure(5)
    stick = district.pack()
    raw = bytearray(stick.read_bytes())
    raw[len(raw) // 2] ^= 1
    raw[-96:-64] = hashlib.sha256(raw[:-96]).digest()
    stick.write_bytes(raw)
    with pytest.raises(BundleRefused, match="signature is not far-gw-1's"):
        merge(district.hub, stick, no_step)
    assert not district.hub.readings_db.exists()
