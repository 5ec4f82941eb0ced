# SPDX-License-Identifier: Apache-2.0
"""The benchmark of alarm quality runs, finds what is planted, and its coarse physics is that of the nodes."""

import numpy as np

from alerts.rules.terms import Part
from benchmarks import quality_page, quality_score, quality_sim
from benchmarks.quality_engine import Judge, profile_of
from benchmarks.quality_plan import EVALUATION_SEEDS, TUNING_SEEDS, Planned, Rate, plan
from benchmarks.quality_truth import Truth
from firmware_sim.physics.designs import ApplianceType as Type

DAY_S = 86_400.0


def days_of(kind, count, days, planned, **more):
    return list(quality_sim.run(kind, count, days, 7, planned, outside=False, **more))


def test_a_lost_compressor_is_told_and_nothing_else():
    kind, start = Type.ULTRA_FREEZER, 4.1 * DAY_S
    planned = [Planned("compressor_lost", start, start + 20 * 3600, (1,), 0.0)]
    truth, judge = Truth(profile_of(kind), 3, planned), Judge.of(kind, 3, Part.LOAD)
    for chunk in days_of(kind, 3, 5, planned, grid_s=30):
        judge.feed(chunk.at_s, chunk.load)
        truth.feed(chunk)
    truth.close()
    worth = quality_score.messages_worth(truth, judge.messages())
    assert [row for row, _, _ in truth.excursions] == [1]
    assert (worth["missed"], worth["nuisance"]) == (0, 0)
    assert {m.row for m in judge.messages()} == {1}
    # Had nobody judged, it would have been missed: the score can fail.
    assert quality_score.messages_worth(truth, [])["missed"] == 1
    assert quality_score.add(worth, worth)["excursions"] == 2


def test_a_coarse_grid_gives_the_same_cabinet():
    """Running share and mean of a cabinet on the grid of the nodes, 5 s, and on that of the fleets."""
    kind = Type.BLOOD_REFRIGERATOR
    fine, coarse = (days_of(kind, 8, 1, [], grid_s=grid)[0] for grid in (5, quality_sim.GRID_S[kind]))
    for chunk in (fine, coarse):
        assert chunk.load.shape == (1440, 8)
    assert np.allclose(fine.truth_c.mean(axis=0), coarse.truth_c.mean(axis=0), atol=0.08)
    assert np.allclose(fine.compressor.mean(axis=0), coarse.compressor.mean(axis=0), atol=0.03)
    turns = [np.sum(chunk.compressor[1:] & ~chunk.compressor[:-1], axis=0) for chunk in (fine, coarse)]
    assert np.allclose(turns[0], turns[1], rtol=0.12)


def test_what_is_tuned_on_is_not_what_is_judged():
    assert not set(TUNING_SEEDS) & set(EVALUATION_SEEDS)
    planned = plan(Type.PASSIVE_BOX, 40, 60.0, 1, Rate(), wider=True)
    lasts = [p.end_s - p.start_s for p in planned if p.kind == "probe_open"]
    assert lasts
    assert min(p.start_s for p in planned) >= 4 * DAY_S


def test_a_page_says_when_there_is_nothing_to_say():
    assert "No run yet." in quality_page.page([], [], [])
