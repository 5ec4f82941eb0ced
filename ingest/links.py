# SPDX-License-Identifier: Apache-2.0
"""Which link sequences of each gateway and epoch are accounted for.

Only what was told, recorded or dead, lies in table link: it stays a range or two. What of it is dead is in
the dead letters: kept here too, one sensor that is wired as another would fill megabytes in a month, written
with each commit.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field

from coldchain.kernel.link import Pairs
from coldchain.kernel.ranges import RangeSet


@dataclass(slots=True)
class Link:
    """One gateway's epoch. told: recorded or dead; dead: what of it is dead."""

    number: int
    told: RangeSet = field(default_factory=RangeSet)
    dead: RangeSet = field(default_factory=RangeSet)

    def account(self, recorded: Pairs, dead: Pairs) -> None:
        """These are recorded, those are dead."""
        for low, high in (*recorded, *dead):
            self.told.add(low, high)
        for low, high in dead:
            self.dead.add(low, high)


class Links:
    """Reads them on opening; `keep` within the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._links: dict[tuple[str, str], Link] = {}
        self._changed: dict[int, Link] = {}
        for number, gateway, epoch, recorded, dead in db.execute(
            "SELECT id, gateway, epoch, recorded, dead FROM link"
        ):
            before = RangeSet(map(tuple, json.loads(dead)))  # as older versions kept it
            told = RangeSet(map(tuple, json.loads(recorded))).union(before)
            self._links[gateway, epoch] = Link(number, told, before)
        for gateway, epoch, ranges in db.execute(
            "SELECT gateway, epoch, ranges FROM dead_letter WHERE epoch IS NOT NULL AND readings > 0"
        ):
            for low, high in json.loads(ranges):
                self._links[gateway, epoch].dead.add(low, high)

    def of(self, gateway: str, epoch: str) -> Link:
        """The link; a new one gets the next number at once. Its ranges are written by the next `keep`."""
        link = self._links.get((gateway, epoch))
        if link is None:
            link = self._links[gateway, epoch] = Link(len(self._links) + 1)
            self._db.execute(
                "INSERT INTO link (id, gateway, epoch) VALUES (?,?,?)", (link.number, gateway, epoch)
            )
        self._changed[link.number] = link
        return link

    def accounted(self, gateway: str, epoch: str) -> tuple[Pairs, Pairs]:
        """The link sequences recorded, and dead-lettered."""
        link = self._links.get((gateway, epoch))
        if link is None:
            return [], []
        recorded = RangeSet(link.told)
        for low, high in link.dead:
            recorded.remove(low, high)
        return recorded.pairs(), link.dead.pairs()

    def keep(self) -> None:
        """Write what changed."""
        for link in self._changed.values():
            self._db.execute(
                "UPDATE link SET recorded = ?, dead = '[]' WHERE id = ?",
                (json.dumps(link.told.pairs()), link.number),
            )
        self._changed.clear()
