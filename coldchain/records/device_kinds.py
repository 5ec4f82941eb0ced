# SPDX-License-Identifier: Apache-2.0
"""What an entry about a device may say: its kinds and their fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DAY_MS = 86_400_000
Short = Annotated[str, Field(max_length=120)]
Long = Annotated[str, Field(max_length=1000)]
Hash = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
LATEST_MS = 7_400_000_000_000
"""In the year 2204: what is due some years later still has a date."""
Instant = Annotated[int, Field(ge=0, lt=LATEST_MS)]
Celsius = Annotated[float, Field(ge=-120, le=80, allow_inf_nan=False)]


class Said(BaseModel):
    """What an entry says; an unknown key is an error. Instants in ms since epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(Said):
    """The device itself. `reason`: why its status is what it is."""

    maker: Short = ""
    model: Short = ""
    warranty_until_ms: Instant | None = None
    status: Literal["in_use", "spare", "in_repair", "retired", "lost"] = "in_use"
    reason: Long = ""


class Installed(Said):
    """It stood there as that appliance; until_ms None: it still does."""

    appliance: Annotated[str, Field(min_length=1, max_length=48)]
    site: Short = ""
    from_ms: Instant
    until_ms: Instant | None = None
    note: Long = ""


class Plan(Said):
    """Preventive maintenance: a task, how often, and when it is due for the first time."""

    task: Annotated[str, Field(min_length=1, max_length=120)]
    every_days: Annotated[int, Field(ge=1, le=3660)]
    first_ms: Instant
    note: Long = ""


class ModelPlan(Plan):
    """A plan for every device of that model, wherever it stands; kept under `of_model(model)`."""

    model: Annotated[str, Field(min_length=1, max_length=60)]


class PlanOther(Said):
    """Of one device: another interval or first time than its model's plan has (the id of that plan's first
    entry), or, `off`, not at all.
    """

    plan: int
    off: bool = False
    every_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    first_ms: Instant | None = None
    note: Long = ""


class Done(Said):
    """A task of a plan (the id of its first entry) was done then."""

    plan: int
    done_ms: Instant
    note: Long = ""
    order: int | None = None


class PartUsed(Said):
    """A part that was put in: its number, its name, how many."""

    number: Annotated[str, Field(min_length=1, max_length=60)]
    name: Short = ""
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    used_ms: Instant
    order: int | None = None


class Paper(Said):
    """A document or photo, kept under the hash of its contents beside the desk."""

    title: Annotated[str, Field(min_length=1, max_length=120)]
    sort: Literal["photo", "manual", "certificate", "report", "other"] = "other"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media: Short
    size: Annotated[int, Field(ge=0)]
    order: int | None = None


class Certificate(Said):
    """A calibration: from from_ms on, offset_k is added to what the sensor says [K], until it expires."""

    sensor: Annotated[str, Field(min_length=1, max_length=96)]
    offset_k: Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]
    from_ms: Instant
    expires_ms: Instant
    laboratory: Short = ""
    number: Short = ""
    paper: Hash = ""


class Mapped(Said):
    """Temperatures measured at many points inside, empty or loaded; hold_min: how long without power."""

    mapped_ms: Instant
    load: Literal["empty", "loaded"] = "empty"
    points: Annotated[int, Field(ge=1, le=200)]
    coldest_c: Celsius
    warmest_c: Celsius
    hold_min: Annotated[int, Field(ge=0, le=100_000)] | None = None
    by: Short = ""
    note: Long = ""
    paper: Hash = ""


KINDS: dict[str, type[Said]] = {
    "facts": Facts, "installed": Installed, "plan": Plan, "done": Done, "part": PartUsed, "paper": Paper,
    "certificate": Certificate, "mapping": Mapped, "model_plan": ModelPlan, "plan_other": PlanOther,
}  # fmt: skip

MODEL = "model:"
"""Before a model's name it stands where entries have a serial number: no device is called so."""


def of_model(model: str) -> str:
    """Under what its plans are kept: however it is written.

    >>> of_model(" MB  3000"), of_model("mb 3000")
    ('model:mb 3000', 'model:mb 3000')
    """
    return MODEL + " ".join(model.casefold().split())
