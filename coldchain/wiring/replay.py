# SPDX-License-Identifier: Apache-2.0
"""Recordings to verdicts: files in, lines out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from coldchain.files import read_columns
from coldchain.kernel.errors import BadData

Told = dict[str, Any]


def replay_limits_of(
    files: Sequence[Path],
    high_c: float | None,
    low_c: float | None,
    on_delay_s: float,
    deadband_k: float,
    interval_s: float | None,
) -> list[Told]:
    """The lines of `replay --rules limits`."""
    from alerts.judgement.recording import recording_of
    from alerts.judgement.replay import PlainLimits, replay_limits

    if high_c is None and low_c is None:
        raise BadData("limits of what? give --high, --low or both")
    if high_c is not None and low_c is not None and low_c >= high_c:
        raise BadData(f"--low {low_c:g} is not below --high {high_c:g}")
    recordings = [read_columns(path, as_written=True) for path in files]
    limits = PlainLimits(high_c, low_c, on_delay_s, deadband_k)
    return replay_limits(recording_of(recordings, by_value=False), limits, interval_s)


def replay_profile_of(
    files: Sequence[Path],
    profile: str,
    ambient: Path | None,
    interval_s: float | None,
    probe: str | None = None,
) -> list[Told]:
    """The lines of `replay --profile`. probe: load, air, or nobody says."""
    from alerts.judgement.recording import recording_of
    from alerts.judgement.verdicts import judge_profile
    from alerts.rules.terms import Part
    from coldchain.settings.profile_files import PROFILES

    parts = {None: Part.PROBE, "load": Part.LOAD, "air": Part.AIR_ALONE}
    if probe not in parts:
        raise BadData(f"no probe {probe!r}; there are: load, air")
    if profile not in PROFILES:
        raise BadData(f"no profile {profile!r}; there are: {', '.join(sorted(PROFILES))}")
    recordings = [read_columns(path, as_written=True) for path in files]
    room = None
    if ambient is not None:
        beside = read_columns(ambient, as_written=True)
        sound = np.flatnonzero(np.isfinite(beside.celsius))
        order = sound[np.argsort(beside.at_ms[sound], kind="stable")]
        room = (beside.at_ms[order], beside.celsius[order])
    recording = recording_of(recordings, by_value=True)
    return judge_profile(recording, PROFILES[profile], interval_s, room=room, part=parts[probe])


def print_told(told: Iterable[Told], out: TextIO, *, words: bool) -> None:
    """One line each."""
    if words:
        out.writelines(f"{sentence(one)}\n" for one in told)
    else:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode
        out.writelines(f"{encode(one)}\n" for one in told)


def sentence(told: Told) -> str:
    """A line for people.

    >>> sentence({"event": "silence", "at": "2022-07-07T12:00:00Z", "sensor": "a", "end": None})
    '2022-07-07T12:00:00Z  a  silence  end -'
    """
    rest = [
        f"{key} {'-' if value is None else value}"
        for key, value in told.items()
        if key not in {"event", "at", "sensor", "start", "rule", "profile"}
    ]
    return "  ".join([told["at"], told["sensor"], told["event"], ", ".join(rest)])
