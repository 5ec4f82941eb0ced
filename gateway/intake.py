# SPDX-License-Identifier: Apache-2.0
"""What goes into the spool, and what is known after the commit."""

from __future__ import annotations

from typing import NamedTuple

from coldchain.kernel.readings import Rows
from gateway.codecs.frames import Lost, Pairs, Report
from gateway.route import Route


class Arrival(NamedTuple):
    """A numbered report, when it came [gateway's clock, ms since epoch], whom to answer (None: nobody)."""

    report: Report
    gateway_ms: int
    route: Route | None


class Loss(NamedTuple):
    """A node's word that reports are gone for good."""

    lost: Lost
    gateway_ms: int
    route: Route | None


class Stored(NamedTuple):
    """Readings low..high, just committed. `rows["node"]` points into `nodes`."""

    low: int
    high: int
    live: bool
    nodes: list[tuple[str, int]]
    rows: Rows


Answers = dict[Route, dict[tuple[str, int], Pairs]]
"""route -> (node, boot) -> ranges of report sequences."""


class Outcome(NamedTuple):
    """What came of one group of arrivals. Nothing of it may be told to anybody before the commit.

    routes      every route that something came by
    acks        reports that are on disk, resent ones included
    asks        reports to ask for again
    duplicates  reports that had been accepted before
    withheld    reports refused because the spool is full; their nodes keep them
    """

    stored: list[Stored]
    routes: set[Route]
    acks: Answers
    asks: Answers
    duplicates: int
    withheld: int
