# SPDX-License-Identifier: Apache-2.0
"""The ledger survives a killed writer, and is continued by the next."""

from pathlib import Path

from firmware_sim.firmware.frames import Reading, Report
from firmware_sim.firmware.ledger import ACKED, LOST, MEASURED, LedgerWriter, read_ledger
from firmware_sim.firmware.ring import Held

LONG = "n" * 48


def held(seq: int) -> Held:
    readings = (Reading(0, 1, 0, -19_300), Reading(1, 2, 5, 0))
    return Held(Report(2**32 - 1, seq, 5, 2, 1_700_000_000_000, readings), at_ms=1_699_999_999_000)


def test_what_is_noted_is_there_at_once(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "ledger.bin")  # never closed: as if it were killed
    writer.measured("a", held(0))
    writer.measured(LONG, held(7))
    writer.acked(LONG, [held(7)])
    writer.lost("a", [held(0)])
    ledger = read_ledger(tmp_path / "ledger.bin")
    assert ledger.names == ["a", LONG]
    assert ledger.acked_readings() == {
        (LONG, 2**32 - 1, 7, 0, 0, -19_300, 1_699_999_999_000),
        (LONG, 2**32 - 1, 7, 1, 5, 0, 1_699_999_999_000),
    }
    assert (len(ledger.of(MEASURED)), len(ledger.of(LOST))) == (4, 2)
    assert ledger.of(ACKED)["unix_ms"].tolist() == [1_700_000_000_000] * 2


def test_a_torn_entry_is_left_out_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.bin"
    with LedgerWriter(path) as writer:
        writer.measured("a", held(0))
    with path.open("ab") as file:
        file.write(b"\x02torn")
    assert len(read_ledger(path).entries) == 2
    with LedgerWriter(path) as writer:
        writer.acked("a", [held(0)])
        writer.measured("b", held(1))
    ledger = read_ledger(path)
    assert ledger.names == ["a", "b"]
    assert ledger.entries["kind"].tolist() == [MEASURED, MEASURED, ACKED, ACKED, MEASURED, MEASURED]
