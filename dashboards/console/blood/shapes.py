# SPDX-License-Identifier: Apache-2.0
"""What programs send and get about blood: the shapes of `programs`, and how they are filled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.exposure import Exposure, Proposal
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.stays import Leg
from coldchain.records.consignments import Trip
from coldchain.records.found import Quality

Verdict = Literal["true", "nuisance", "missed"]
Cause = Literal[
    "door", "mains_cut", "compressor", "refrigerant_loss", "defrost", "warm_load", "setting_change",
    "sensor_fault", "link", "people", "limits", "other", "unknown",
]  # fmt: skip
Fate = Literal["keep", "quarantine", "discard"]


class In(BaseModel):
    """`person`: who acts, only without an account."""

    model_config = ConfigDict(extra="forbid")
    person: Annotated[str, Field(max_length=60)] = ""

    def said(self) -> dict[str, str]:
        """As a form would say it."""
        found = {key: str(value) for key, value in self.model_dump(exclude_none=True).items()}
        return found | {"name": self.person}


class FindingIn(In):
    """cause: what was found, or nothing."""

    verdict: Verdict
    cause: Cause | None = None
    reason: Annotated[str, Field(max_length=300)] = ""


class FindingOut(BaseModel):
    verdict: str
    cause: str
    person: str
    reason: str
    at: str


class BagsIn(In):
    """donations: as scanned (`=` and flags) or typed with the check character. remove: off the list.

    `at_from`, `at_until`: when they were in there (RFC 3339), where that was not all the time.
    fate, reason: what somebody decides against the rule.
    """

    donations: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=200)]
    at_from: str | None = None
    at_until: str | None = None
    fate: Fate | None = None
    reason: Annotated[str, Field(max_length=300)] = ""
    remove: bool = False


class SignIn(In):
    """As at the console: one's own password; the second person's account and password likewise."""

    rule: str = ""
    password: Annotated[str, Field(max_length=1000)]
    signer: str = ""
    signer2: str = ""
    password2: Annotated[str, Field(max_length=1000)] = ""


class ExposureOut(BaseModel):
    """Spans in seconds. lowest_c, highest_c: null where nothing was read."""

    span_s: int
    out_s: int
    longest_s: int
    occasions: int
    unknown_s: int
    lowest_c: float | None
    highest_c: float | None


class GroundOut(BaseModel):
    """One line of the rule that was passed, in its own unit."""

    what: str
    found: float
    line: float


class BagOut(BaseModel):
    """fate: what is decided, or else proposed. `number` as printed, with its check character."""

    donation: str
    number: str
    at_from: str | None
    at_until: str | None
    exposure: ExposureOut
    proposed: str
    grounds: list[GroundOut]
    fate: str
    reason: str
    person: str


class BagsOut(BaseModel):
    """record: the digest of the readings that the figures come from; wrong: what was no donation number."""

    rule: str
    rules: list[str]
    exposure: ExposureOut
    proposed: str
    record: str
    bags: list[BagOut]
    wrong: list[str] = []


class SignedOut(BaseModel):
    id: str
    whole: bool
    digest: str


class LegOut(BaseModel):
    appliance: str
    start: str
    end: str
    profile: str
    low_c: float | None
    high_c: float | None
    out_s: int
    unknown_s: int
    lowest_c: float | None
    highest_c: float | None
    readings: int
    late: int


class TripOut(BaseModel):
    """`moved`: made of answers to alarms. late: readings that came long after they were read."""

    id: str
    carries: str
    started: str
    over: bool
    place: str
    moved: bool
    note: str


class OneTripOut(BaseModel):
    trip: TripOut
    legs: list[LegOut]
    exposure: ExposureOut
    allowed_s: int | None
    rule: str
    proposed: str
    late: int


class TripsOut(BaseModel):
    """Newest first. `next`: `before` of the next page, where there is one."""

    trips: list[TripOut]
    next: str | None = None


class TripIn(In):
    """at: when it was packed; since: since when it was in its source (default: a day before)."""

    source: str
    target: str
    at: str = ""
    since: str = ""
    carries: str = ""
    note: Annotated[str, Field(max_length=200)] = ""


class StepIn(In):
    """target: where it is now; nothing: the trip is over."""

    target: str = ""
    at: str = ""


class FindingsOut(BaseModel):
    """`next`: `before` of the next page."""

    findings: list[FindingOut]
    next: str | None = None


class HandIn(In):
    """celsius: as the thermometer shows; at: when it was read (RFC 3339), default now."""

    celsius: Annotated[float, Field(ge=-100, le=60)]
    at: str = ""


class HandOut(BaseModel):
    """Never judged: shown apart."""

    id: int
    appliance: str
    celsius: float
    at: str
    person: str
    how: str


class HandsOut(BaseModel):
    by_hand: list[HandOut]


class TakenOut(BaseModel):
    id: str
    state: Literal["asked"] = "asked"


class QualityOut(BaseModel):
    """precision: true / (true + nuisance); response: from raised to acknowledged, in seconds; null: none."""

    alarms: int
    true: int
    nuisance: int
    missed: int
    precision: float | None
    answered: int
    response_median_s: int | None
    response_p90_s: int | None


class SitesOut(BaseModel):
    start: str
    end: str
    all: QualityOut
    sites: dict[str, QualityOut]


class PlaceOut(BaseModel):
    name: str
    sites: int
    appliances: int
    counts: dict[str, int]
    quality: QualityOut


class BadOut(BaseModel):
    appliance: str
    site: str
    out_s: int
    excursions: int
    alarms: int


class WornOut(BaseModel):
    appliance: str
    site: str
    why: list[str]


class NationOut(BaseModel):
    start: str
    end: str
    counts: dict[str, int]
    quality: QualityOut
    provinces: list[PlaceOut]
    worst: list[BadOut]
    replace: list[WornOut]
    messages: dict[str, int]
    sms_cost: float
    currency: str


def quality_out(found: Quality) -> QualityOut:
    return QualityOut(
        alarms=found.alarms, true=found.true, nuisance=found.nuisance, missed=found.missed,
        precision=found.precision, answered=found.answered, response_median_s=_seconds(found.median_ms),
        response_p90_s=_seconds(found.p90_ms),
    )  # fmt: skip


def exposure_out(found: Exposure) -> ExposureOut:
    return ExposureOut(
        span_s=found.span_ms // 1000, out_s=found.out_ms // 1000, longest_s=found.longest_ms // 1000,
        occasions=found.occasions, unknown_s=found.unknown_ms // 1000, lowest_c=_degrees(found.low),
        highest_c=_degrees(found.high),
    )  # fmt: skip


def leg_out(leg: Leg) -> LegOut:
    return LegOut(
        appliance=leg.appliance, start=rfc3339(leg.start_ms), end=rfc3339(leg.end_ms), profile=leg.profile,
        low_c=leg.low_c, high_c=leg.high_c, out_s=leg.out_ms // 1000, unknown_s=leg.unknown_ms // 1000,
        lowest_c=_degrees(leg.low), highest_c=_degrees(leg.high), readings=leg.readings, late=leg.late,
    )  # fmt: skip


def trip_out(trip: Trip) -> TripOut:
    return TripOut(
        id=trip.id, carries=trip.carries, started=rfc3339(trip.at_ms), over=trip.over, place=trip.place,
        moved=trip.moved, note=trip.note,
    )  # fmt: skip


def grounds_out(proposal: Proposal) -> list[GroundOut]:
    return [GroundOut(what=g.what, found=g.found / 1000, line=g.line / 1000) for g in proposal.grounds]


def maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)


def _degrees(milli: int | None) -> float | None:
    return None if milli is None else milli / 1000


def _seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000
