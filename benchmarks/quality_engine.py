# SPDX-License-Identifier: Apache-2.0
"""The product's own engine over simulated blocks: what it would have told, by its default settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from alerts.judgement.engine import EngineState, What, rules_digest, step
from alerts.rules import CONDITIONS
from alerts.rules.flat import Block
from alerts.rules.table import TAU_S
from alerts.rules.terms import Part, RuleTable, of_one_profile
from benchmarks.quality_sim import START_UTC_S, Floats, Ints
from coldchain.kernel.limits import Profile
from coldchain.settings.profile_files import PROFILES
from firmware_sim.physics.designs import ApplianceType as Type

PROFILE = {
    Type.BLOOD_REFRIGERATOR: "red-cells@eu",
    Type.PLASMA_FREEZER: "plasma@eu",
    Type.ULTRA_FREEZER: "frozen-red-cells@us",
    Type.PLATELET_INCUBATOR: "platelets@eu",
    Type.PASSIVE_BOX: "red-cells-transport@eu",
    Type.ACTIVE_BOX: "red-cells-transport@eu",
}
"""What each type is judged by: profiles as they come with the program."""

FAULT_AFTER_MS = 300_000
EVERY_MS = 60_000
ROWS_A_STEP = 24
"""Series judged in one step: what is carried and what is new then lie in the processor's own memory."""


@dataclass(frozen=True, slots=True)
class Message:
    """One alarm of one series: [s after the start]; returned is inf while it stands."""

    row: int
    name: str
    kind: str
    severity: str
    at_s: float
    since_s: float
    returned_s: float


def profile_of(kind: Type) -> Profile:
    return PROFILES[PROFILE[kind]]


@dataclass
class Judge:
    """One engine over N series of one kind, fed a day at a time."""

    rules: RuleTable
    state: EngineState = field(init=False)
    found: list[Message] = field(default_factory=list)
    standing: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = EngineState.fresh(len(self.rules))

    @classmethod
    def of(cls, kind: Type, count: int, part: Part) -> Judge:
        """Probes of that type, each in an appliance of its own, as the registry's table would have them."""
        return cls.under(profile_of(kind), count, part, TAU_S[str(kind)])

    @classmethod
    def under(cls, profile: Profile, count: int, part: Part, tau_s: float) -> Judge:
        return cls(
            of_one_profile(count, profile, EVERY_MS, FAULT_AFTER_MS, part=part, insight=True, tau_s=tau_s)
        )

    @property
    def digest(self) -> str:
        return rules_digest(self.rules)

    def feed(self, at_s: Floats, milli: Ints) -> None:
        """milli (T, N) thousandths; a value of a broken probe is a value, as it comes off the wire."""
        times, count = milli.shape
        at = np.rint((at_s + START_UTC_S) * 1000).astype(np.int64)
        for first in range(0, count, ROWS_A_STEP):
            rows = np.arange(first, min(first + ROWS_A_STEP, count))
            n = times * len(rows)
            yes, no = np.ones(n, np.bool_), np.zeros(n, np.bool_)
            values = np.ascontiguousarray(milli[:, rows].T).ravel()
            self.judge(Block(np.repeat(rows, times), np.tile(at, len(rows)), values, yes, yes, no))

    def judge(self, block: Block) -> None:
        """A block of any readings."""
        told = step(self.state, block, self.rules, give=True)
        self.state = told.state
        for at, series, kind, what, since in told.events[["at", "series", "kind", "what", "since"]].tolist():
            self._note(at, series, kind, what, since)

    def _note(self, at: int, series: int, kind: int, what: int, since: int) -> None:
        key = (series, kind)
        if what == What.RAISED:
            condition = CONDITIONS[kind]
            self.standing[key] = len(self.found)
            self.found.append(
                Message(series, condition.name, condition.kind, condition.severity,
                        at / 1000 - START_UTC_S, since / 1000 - START_UTC_S, np.inf)
            )  # fmt: skip
        elif what == What.RETURNED and key in self.standing:
            place = self.standing.pop(key)
            was = self.found[place]
            self.found[place] = Message(
                was.row, was.name, was.kind, was.severity, was.at_s, was.since_s, at / 1000 - START_UTC_S
            )

    def messages(self, of: Ints | None = None) -> list[Message]:
        """All so far. of: the appliance of each series, where they are not numbered alike."""
        if of is None:
            return self.found
        return [replace(m, row=int(of[m.row])) for m in self.found]
