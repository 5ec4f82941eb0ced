# SPDX-License-Identifier: Apache-2.0
"""What the pages about blood are given from outside: judging of stays, and reports on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coldchain.kernel.stays import Leg, Stay
from coldchain.records.registry import Registry
from dashboards.console.problems import Problem

Legs = Callable[[Registry, Sequence[Stay], str, int], list[Leg]]
"""(registry, places in order, the profile of the blood, as known at [ms]) -> what each stay did to it."""
Paper = Callable[[str, Mapping[str, str], str, int], bytes]
"""(kind, what it is of, language, as known at [ms]) -> a PDF. BadData when there is no such thing."""


def _no_legs(_registry: Registry, _stays: Sequence[Stay], _carries: str, _as_of_ms: int) -> list[Leg]:
    raise Problem(503, "unavailable")


def _no_paper(_kind: str, _of: Mapping[str, str], _language: str, _as_of_ms: int) -> bytes:
    raise Problem(503, "unavailable")


@dataclass(frozen=True, slots=True)
class Tools:
    """For a console that was given none, what needs one is told to be unavailable."""

    legs: Legs = _no_legs
    paper: Paper = _no_paper
