# SPDX-License-Identifier: Apache-2.0
"""A recording becomes reports, and arrives whole."""

import time
from pathlib import Path

import pytest
from listener import Listener

from firmware_sim.firmware.frames import SentReport
from firmware_sim.firmware.ledger import ACKED, read_ledger
from firmware_sim.replay import Recording, Replay

START_MS = 1_657_195_200_000


def test_readings_of_one_instant_share_a_report_and_a_channel_never_doubles() -> None:
    recording = Recording(
        [("b", 2_000, 1.0), ("a", 1_000, -19.3), ("b", 1_000, None), ("a", 2_000, 4.0), ("a", 2_000, 4.5)]
    )
    assert recording.sensors == {"b": 0, "a": 1}
    assert [
        (at_ms, [(r.channel, r.status, r.value) for r in readings]) for at_ms, readings in recording.reports()
    ] == [
        (1_000, [(1, 0, -19_300), (0, 5, 0)]),
        (2_000, [(0, 0, 1_000), (1, 0, 4_000)]),
        (2_000, [(1, 0, 4_500)]),
    ]


@pytest.mark.parametrize(
    ("celsius", "coded"),
    [
        (-19.3, (-19_300, 0)),
        (float("nan"), (0, 5)),
        (float("inf"), (0, 4)),
        (3e6, (0, 4)),
        (2147483.647, (2**31 - 1, 0)),
    ],
)
def test_values_as_the_wire_has_them(celsius: float, coded: tuple[int, int]) -> None:
    ((_, (reading,)),) = Recording([("a", 1, celsius)]).reports()
    assert (reading.value, reading.status) == coded


def test_a_recording_arrives_whole_through_a_lossy_reader(tmp_path: Path) -> None:
    """Every third report is ignored the first time."""
    readings = [(f"s{n % 3}", START_MS + n // 3 * 60_000, n / 8) for n in range(3_000)]
    seen: set[int] = set()

    def keeps(one: SentReport) -> bool:
        again = one.report.seq in seen
        seen.add(one.report.seq)
        return again or one.report.seq % 331 != 0

    told: list[tuple[int, int]] = []
    replay = Replay(readings, folder=tmp_path, boot=9, progress=lambda *now: told.append(now))
    replay.start()
    ear = Listener(replay.line_path, keeps=keeps)
    assert replay.done.wait(20)
    replay.stop()
    ear.close()

    heard = {(one.report.unix_ms, r.channel, r.value) for one in ear.reports for r in one.report.readings}
    assert heard == {(at_ms, replay.sensors[name], round(c * 1000)) for name, at_ms, c in readings}
    assert all(one.report.clock == 2 for one in ear.reports)
    assert told[-1] == (3_000, 3_000)
    assert len(read_ledger(replay.ledger_path).of(ACKED)) == 3_000


def test_three_thousand_reports_a_second(tmp_path: Path) -> None:
    """Printed, not judged: with a reader that answers at once."""
    count = 12_000
    replay = Replay([("s", START_MS + n * 1000, 4.0) for n in range(count)], folder=tmp_path, boot=1)
    replay.start()
    began_s = time.monotonic()
    ear = Listener(replay.line_path)
    assert replay.done.wait(30)
    print(f"{count / (time.monotonic() - began_s):.0f} reports/s")
    replay.stop()
    ear.close()
    assert len({one.report.seq for one in ear.reports}) == count
