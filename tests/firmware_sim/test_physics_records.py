# SPDX-License-Identifier: Apache-2.0
"""The numbers in `measured.py`, measured again on the records they come from, where those are at hand."""

import csv
import gzip
import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cycle_measures import cycles, reversals, rises, spells, undisturbed

from firmware_sim.physics.measured import BLOOD_REFRIGERATOR, FREEZER, HOUSEHOLD_REFRIGERATOR

RECORDS = Path(os.environ.get("COLDCHAIN_RECORDS", Path(__file__).parents[3] / "shared" / "data"))


def _rows(name):
    path = RECORDS / name
    if not path.exists():
        pytest.skip(f"the record {name} is not here; set COLDCHAIN_RECORDS to the folder that holds it")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _same(measured, ends, tolerance):
    low, high = ends
    assert measured.low == pytest.approx(low, abs=tolerance)
    assert measured.high == pytest.approx(high, abs=tolerance)


def test_the_blood_refrigerator_did_what_is_written_down():
    rows = _rows("blood-refrigerator-3-days/readings.csv.gz")
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "timestamp"}
    instants = [datetime.fromisoformat(row["timestamp"]).timestamp() for row in rows]
    t_s = np.array(instants) - instants[0]
    product = column["Product temperature base [°C]"] * 2.0188
    evaporator = column["Evaportator temperature base [°C]"] * 5.890
    running, defrost = column["Machine_cooling"], column["Machine_defrost"]
    starts = rises(defrost)
    quiet = undisturbed(t_s, t_s[starts], t_s[rises(column["Door_open"])])
    whole = cycles(t_s, running, quiet)
    m = BLOOD_REFRIGERATOR
    _same(m["period"], np.percentile([t_s[c.stop] - t_s[c.start] for c in whole], [25, 75]), 2)
    _same(m["share"], np.percentile([running[c].mean() for c in whole], [25, 75]), 0.02)
    assert m["share_all"].holds(running.mean())
    _same(m["product_swing"], np.percentile([np.ptp(product[c]) for c in whole], [5, 95]), 0.05)
    _same(m["evaporator_swing"], np.percentile([np.ptp(evaporator[c]) for c in whole], [5, 95]), 0.3)
    every_h = np.diff(t_s[starts]) / 3600
    _same(m["defrost_every"], (every_h.min(), every_h.max()), 0.03)
    heating = [(s.stop - s.start) * 34.1445 / 60 for s in spells(defrost > 0)]
    _same(m["defrost_heating"], (min(heating), max(heating)), 0.1)
    before = [slice(max(0, row - 105), row) for row in starts]
    rise = [
        product[row : row + 160].max() - np.median(product[b]) for row, b in zip(starts, before, strict=True)
    ]
    _same(m["defrost_product_rise"], (min(rise), max(rise)), 0.1)
    hot = [
        evaporator[r : r + 30].max() - np.median(evaporator[b]) for r, b in zip(starts, before, strict=True)
    ]
    _same(m["defrost_evaporator_rise"], (min(hot), max(hot)), 0.2)


def test_the_freezer_did_what_is_written_down():
    rows = _rows("celsi-freezer/CELSI-raw-data-reports.csv.gz")
    air = np.array([float(row["Temperature"]) for row in rows])
    assert air.mean() == pytest.approx(-19.1, abs=0.1)
    m = FREEZER
    spell = spells(air > -15.0)
    long = [s for s in spell if s.stop - s.start > 20]
    short = [s.stop - s.start for s in spell if s.stop - s.start <= 20]
    _same(m["defrost_warm"], (min(s.stop - s.start for s in long), max(s.stop - s.start for s in long)), 0.1)
    _same(m["opening_warm"], (min(short), max(short)), 0.1)
    every_h = np.diff([s.start for s in long]) / 60
    _same(m["defrost_every"], (every_h.min(), every_h.max()), 0.1)
    peaks = [air[s].max() + 19.5 for s in long]
    _same(m["defrost_peak"], (min(peaks), max(peaks)), 0.2)
    early, late = air[:7000], air[8000:20000]  # the setting was changed on the fifth day
    turns = [reversals(part, 0.7) for part in (early, late)]
    periods = np.concatenate([np.diff([row for sign, row in turn if sign < 0]) for turn in turns])
    _same(m["period"], np.percentile(periods, [25, 75]), 1.0)
    swings, shares = [], []
    for part, turn in zip((early, late), turns, strict=True):
        peak = np.median([part[row] for sign, row in turn if sign > 0])
        swings.append(peak - np.median([part[row] for sign, row in turn if sign < 0]))
        falls = [b - a for (sign, a), (_, b) in pairwise(turn) if sign > 0]
        shares.append(np.median(falls) / np.median(np.diff([row for sign, row in turn if sign < 0])))
    _same(m["swing"], (min(swings), max(swings)), 0.2)
    _same(m["share"], (min(shares), max(shares)), 0.05)


def test_the_household_refrigerator_did_what_is_written_down():
    rows = _rows("ruuvi-fridge-freezer/fridge.csv")
    at = np.array([datetime.fromisoformat(row["timestamp"]).timestamp() for row in rows])
    order = np.argsort(at, kind="stable")
    at, value = at[order], np.array([float(row["temperature"]) for row in rows])[order]
    troughs = [at[row] for sign, row in reversals(value, 0.3) if sign < 0]
    _same(HOUSEHOLD_REFRIGERATOR["period"], np.percentile(np.diff(troughs) / 60, [10, 50]), 1.0)
