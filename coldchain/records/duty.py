# SPDX-License-Identifier: Apache-2.0
"""Who is on duty, when, and in what order people are told: entries of the registry.

Turns, hand-overs and holidays are local days and times of the rota's zone; overrides are instants in ms UTC.
"""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
Channel = Literal["sms", "call", "email", "http"]
Severity = Literal["critical", "warning"]
Whom = Annotated[
    str,
    Field(pattern=r"^(duty:[1-9]|role:(technician|on-call|supervisor|manager)|everybody|person:[a-z0-9-]+)$"),
]
"""`duty:1` is who is on call first, `duty:2` second; a role's people of the site; everybody of it."""


class Entry(BaseModel):
    """A frozen entry; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quiet(Entry):
    """Hours, in the site's zone, in which only what is critical may ring. May pass midnight."""

    start: time
    end: time


class Pace(Entry):
    """Of a sensor: before until_ms [ms UTC] a reading was due this often [s]."""

    until_ms: int
    every_s: int = Field(gt=0)


class Before(Entry):
    """Of a sensor: until until_ms [ms UTC] another channel was wired to it."""

    node: Name
    channel: int = Field(ge=0, le=65535)
    until_ms: int


class Override(Entry):
    """Somebody else takes over for a while; a swap is two of them. Instants in ms UTC."""

    person: Name
    from_ms: int
    until_ms: int

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.until_ms <= self.from_ms:
            raise ValueError(f"override by {self.person}: until_ms must be later than from_ms")
        return self


class Holiday(Entry):
    """A local day, midnight to midnight, that its own person takes; None: nobody, which is a gap."""

    day: date
    person: Name | None = None


class Hours(Entry):
    """When a rota is manned: on those weekdays (0 is Monday), from start to end; an end at or before
    the start is on the day after.
    """

    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...] = (0, 1, 2, 3, 4, 5, 6)
    start: time = time(0, 0)
    end: time = time(0, 0)


class Rota(Entry):
    """People who take turns. Several rotas of one level share it (a day rota and a night rota).

    sites       empty: every site;  site_levels  empty: every level of site
    level       1 is told first
    starts      the local day on which the first person takes over, at `hand_over`
    turn_days   how long a turn lasts
    hours       empty: always manned
    """

    id: Name
    people: tuple[Name, ...] = Field(min_length=1)
    sites: tuple[Name, ...] = ()
    site_levels: tuple[Literal["central", "provincial", "district", "mobile"], ...] = ()
    level: int = Field(default=1, ge=1, le=9)
    zone: str = "Asia/Vientiane"
    starts: date = date(2024, 1, 1)
    hand_over: time = time(8, 0)
    turn_days: int = Field(default=7, ge=1, le=366)
    hours: tuple[Hours, ...] = ()
    overrides: tuple[Override, ...] = ()
    holidays: tuple[Holiday, ...] = ()

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError) as bad:
            raise ValueError(f"{zone!r} is no time zone; write it as Asia/Vientiane") from bad
        return zone


class Step(Entry):
    """Tell these people, so many seconds after the step before; by each of those channels at once."""

    after_s: int = Field(ge=0)
    tell: tuple[Whom, ...] = Field(min_length=1)
    by: tuple[Channel, ...] = ("sms",)


class Policy(Entry):
    """What happens while nobody answers.

    sites      empty: every site; a policy that names the site wins
    repeat_s   the last step again, at this pace; 0: never
    lapse_s    an acknowledgement lapses after so long where no temperature can bend
    receipt_s  a message without a delivery report by then did not arrive: next channel, next person
    """

    id: Name
    severity: Severity
    sites: tuple[Name, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_s: int = Field(default=1800, ge=0)
    lapse_s: int = Field(default=1800, gt=0)
    receipt_s: int = Field(default=180, gt=0)

    @model_validator(mode="after")
    def _wider_not_faster(self) -> Self:
        longest = max(step.after_s for step in self.steps)
        if self.repeat_s and self.repeat_s < longest:
            raise ValueError(
                f"policy {self.id}: repeat_s ({self.repeat_s}) must be at least the longest delay between "
                f"steps ({longest}): the end of a chain repeats wider, not faster"
            )
        return self


CRITICAL = Policy(
    id="critical",
    severity="critical",
    steps=(
        Step(after_s=0, tell=("duty:1",)),
        Step(after_s=180, tell=("duty:1",), by=("sms", "call")),
        Step(after_s=420, tell=("duty:1", "duty:2"), by=("sms", "call")),
        Step(after_s=600, tell=("duty:1", "duty:2", "role:supervisor"), by=("sms", "call")),
        Step(after_s=1500, tell=("everybody",), by=("sms", "call")),
    ),
    repeat_s=1800,
)
"""On call at 0 min and again at 3, second at 10, supervisor at 20, everybody at 45, then every 30 min:
the project's own proposal, to be signed off by each service; the same person is tried beside the next."""

WARNING = Policy(
    id="warning",
    severity="warning",
    steps=(
        Step(after_s=0, tell=("duty:1",)),
        Step(after_s=1800, tell=("duty:1",)),
        Step(after_s=5400, tell=("duty:1", "duty:2")),
        Step(after_s=14_400, tell=("duty:1", "duty:2", "role:supervisor")),
    ),
    repeat_s=28_800,
)
"""Nothing is warm yet: again after half an hour, second after 2 h, supervisor after 6 h, then every 8 h."""

DEFAULTS = (CRITICAL, WARNING)
