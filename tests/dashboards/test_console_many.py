# SPDX-License-Identifier: Apache-2.0
"""The fleet's sparklines read the record once: the same extremes as asking for each sensor alone."""

from pathlib import Path

import numpy as np
import pytest
from console_seed import HOUR, MINUTE, NOW_MS, Seed, Story, registry

from coldchain.records.journal import JournalReader
from ingest.sealing import Sealer, Windows

REG = registry(9)
ODD = REG.appliances[3].id


@pytest.mark.parametrize("sealed", ["nothing", "some", "all, and the log is gone"])
def test_many_at_once_see_what_each_sees_alone(tmp_path: Path, sealed: str) -> None:
    seed = Seed(tmp_path, REG, Story(failed={ODD}, silent={REG.appliances[1].id: 90}))
    seed.history(3)
    journal = seed._journal
    if sealed != "nothing":
        sealer = Sealer(journal, Windows(HOUR, MINUTE))
        for _ in sealer.steps(NOW_MS + 2 * HOUR):
            pass
        assert sealer.sealed() == journal.position
        if sealed.startswith("all"):
            for _ in sealer.remove(journal.position):
                pass
        else:
            seed.report(f"{ODD}/load", 3_000, NOW_MS + 30_000)
    reader = JournalReader(seed.settings.readings_db)
    start, end, steps = NOW_MS - 4 * HOUR, NOW_MS + HOUR, 60
    ids = [s.id for s in REG.sensors] + ["never/heard-of"]
    many = reader.min_max_many(ids, start, end, steps)
    assert set(many) == {s.id for s in REG.sensors}
    for sensor in REG.sensors:
        alone, together = reader.min_max(sensor.id, start, end, steps), many[sensor.id]
        assert alone[3].any()
        for column in range(3):
            assert np.array_equal(alone[column], together[column]), (sensor.id, column)
        assert np.array_equal(alone[3] > 0, together[3] > 0), "n tells whether there was a reading"
    reader.close()
    seed.close()
