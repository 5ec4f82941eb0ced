# SPDX-License-Identifier: Apache-2.0
"""An offset that moves what is judged takes two people, is looked at before, and counts only then."""

import sqlite3

import pytest
from console_client import Client
from console_seed import HOUR, NOW_MS, Seed
from devices_kit import DAY, PAGE, SERIAL, WARM, client, record, seed, signed_in, words
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.audit import Head
from coldchain.records.audit import check
from coldchain.records.calibration import ALONE_K, BACKDATED_MS, Span, judged_otherwise
from coldchain.records.deeds import Deeds, NeedsTwo
from coldchain.records.registry import Offset, RegistryReader, Sensor

__all__ = ["client", "record", "seed"]
LOAD = f"{WARM}/load"


def offsets(seed: Seed) -> list[float]:
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    reader.close()
    return [o.offset_k for o in reader.registry.sensor_by_id[LOAD].offsets]


def said(offset: float, from_ms: int = NOW_MS - HOUR) -> dict[str, object]:
    return {"sensor": LOAD, "offset_k": offset, "from_ms": from_ms, "expires_ms": NOW_MS + 300 * DAY}


def test_a_large_offset_waits_for_another_person_with_what_it_would_have_changed(
    client: Client, seed: Seed
) -> None:
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    entered = {"serial": SERIAL, "sensor": LOAD, "offset_k": "-9", "from": "2023-11-15",
               "expires": "2024-11-15", "form": form, "command": "c" * 32}  # fmt: skip
    for _ in range(2):
        answer = client.post("/device-entry/certificate", data=entered, headers=boss, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#calibration")
    assert offsets(seed) == [], "readings are judged as before"
    page = words(client, PAGE, boss)
    assert "Waits for a second person: vte-on-call asked for it" in page
    assert "+0 K → -9 K" in page
    (change,) = client.get("/api/v1/changes", headers=boss).json()["changes"]
    assert (change["kind"], change["name"], change["state"]) == ("calibration", SERIAL, "open")
    preview = change["preview"]
    assert (preview["days"], preview["sensors"]) == (7, 1)
    assert preview["lost"] + preview["gained"] + preview["later"] > 0, "the alarm of the seed would not be"
    own = client.post("/changes/1/agree", data={"form": form}, headers=boss)
    assert own.status_code == 409
    other, their_form = signed_in(seed, client, "manager", "skt-on-call")
    assert "sensor vte-br-000/load: offset from" in words(client, "/changes", other)
    agreed = client.post("/changes/1/agree", data={"form": their_form}, headers=other, follow_redirects=False)
    assert agreed.status_code == 303
    assert offsets(seed) == [-9.0]
    page = words(client, PAGE, boss)
    assert "Waits for a second person" not in page
    assert "−9.00 K" in page
    again = client.post("/device-entry/certificate", data=entered, headers=boss, follow_redirects=False)
    assert again.status_code == 303, "sent again it changes nothing"
    assert offsets(seed) == [-9.0]
    db = sqlite3.connect(seed.settings.desk_db)
    (author,) = db.execute("SELECT author FROM registry ORDER BY version DESC LIMIT 1").fetchone()
    db.close()
    assert author == "vte-on-call, skt-on-call"
    assert isinstance(check(seed.settings.desk_db, "desk"), Head)


def test_a_program_is_told_that_it_waits(client: Client, seed: Seed) -> None:
    boss, _ = signed_in(seed, client, "supervisor", "vte-on-call")
    body = {"serial": SERIAL, "kind": "certificate", "said": said(2.0)}
    key = {"Idempotency-Key": "program-1:0001"}
    answer = client.post("/api/v1/devices", json=body, headers=boss | key)
    assert (answer.status_code, answer.json()) == (202, {"id": None, "proposal": 1})
    small = client.post(
        "/api/v1/devices",
        json=body | {"said": said(0.5)},
        headers=boss | {"Idempotency-Key": "program-1:0002"},
    )
    assert (small.status_code, offsets(seed)) == (201, [0.5])
    other, form = signed_in(seed, client, "manager", "skt-on-call")
    late = client.post("/changes/1/agree", data={"form": form}, headers=other)
    assert late.status_code == 409, "it was worked out against another offset"
    assert offsets(seed) == [0.5]


@pytest.mark.parametrize(
    ("first", "then", "alone"),
    [
        (None, said(ALONE_K), True),
        (None, said(-ALONE_K), True),
        (None, said(ALONE_K + 0.01), False),
        (None, said(0.2, NOW_MS - BACKDATED_MS), True),
        (None, said(0.2, NOW_MS - BACKDATED_MS - 1), False),
        (None, said(0.0, 0), True),
        (said(0.4), said(-0.2, NOW_MS), False),
        (said(0.4), said(0.4, NOW_MS), True),
        (said(0.4), said(0.6, NOW_MS), False),
    ],
)
def test_what_one_person_may_enter(
    seed: Seed, first: dict[str, object] | None, then: dict[str, object], alone: bool
) -> None:
    deeds = Deeds(seed.settings.desk_db, lambda: NOW_MS)
    if first is not None:
        deeds.enter("k0", SERIAL, "certificate", first, person="noy")
    if alone:
        assert deeds.enter("k1", SERIAL, "certificate", then, person="noy")
    else:
        with pytest.raises(NeedsTwo):
            deeds.enter("k1", SERIAL, "certificate", then, person="noy")


def test_a_certificate_is_not_withdrawn_by_one_person_once_its_days_are_gone(seed: Seed) -> None:
    now = [NOW_MS]
    deeds = Deeds(seed.settings.desk_db, lambda: now[0])
    entry = deeds.enter("k0", SERIAL, "certificate", said(0.4), person="noy")
    now[0] += 30 * DAY
    with pytest.raises(NeedsTwo):
        deeds.enter("k1", SERIAL, "certificate", None, person="noy", corrects=entry)


turns = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([0.0, 0.2, 0.5, -2.0])),
    max_size=4,
    unique_by=lambda t: t[0],
)


@given(turns, turns)
def test_spans_are_exactly_where_two_sensors_are_corrected_otherwise(
    one: list[tuple[int, float]], other: list[tuple[int, float]]
) -> None:
    before, after = (
        Sensor(
            id="f/load", appliance="f", node="n", channel=0,
            offsets=tuple(Offset(from_ms=at, offset_k=k) for at, k in sorted(told)),
        )
        for told in (one, other)
    )  # fmt: skip

    def at(told: list[tuple[int, float]], ms: int) -> float:
        return max((t for t in told if t[0] <= ms), default=(0, 0.0))[1]

    def span_at(spans: list[Span], ms: int) -> Span | None:
        return next(
            (s for s in spans if (s.from_ms or 0) <= ms and (s.until_ms is None or ms < s.until_ms)), None
        )

    spans = judged_otherwise(before, after)
    for ms in range(22):
        found = span_at(spans, ms)
        assert (found is not None) == (at(one, ms) != at(other, ms))
        if found is not None:
            assert (found.before_k, found.after_k) == (at(one, ms), at(other, ms))


@pytest.mark.parametrize("corrects", ["9" * 16, "9" * 5_000, "x"])
@pytest.mark.parametrize("path", ["/device-entry/certificate", "/maintenance/plan"])
def test_a_number_that_no_entry_can_have_is_refused(
    client: Client, seed: Seed, path: str, corrects: str
) -> None:
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    said = {"serial": SERIAL, "withdraw": "1", "corrects": corrects, "form": form}
    assert client.post(path, data=said, headers=boss, follow_redirects=False).status_code == 422
