# SPDX-License-Identifier: Apache-2.0
"""All routes of the office."""

from __future__ import annotations

from fastapi import APIRouter

from dashboards.console.office import (
    audit_programs,
    duty,
    export_programs,
    exports,
    machine,
    machine_programs,
    people,
    probes,
    programs,
    register,
    schedules,
    trail,
    training,
)
from dashboards.console.office.tools import Office


def office_pages(office: Office) -> list[APIRouter]:
    """For people and for programs."""
    return [
        duty.router(office),
        trail.router(office),
        audit_programs.programs(office),
        trail.programs(office),
        register.router(office),
        people.router(office),
        probes.router(office),
        probes.programs(office),
        machine.router(office),
        exports.router(office),
        schedules.router(office),
        training.router(office),
        programs.programs(office),
        machine_programs.programs(office),
        export_programs.programs(office),
        training.programs(office),
    ]
