# SPDX-License-Identifier: Apache-2.0
"""What is known tonight, gathered for `records.readiness`."""

from __future__ import annotations

import json

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.health import beats
from coldchain.records.journal import JournalReader
from coldchain.records.readiness import AHEAD_MS, DAY_MS, Finding, Known, findings
from coldchain.records.registry import RegistryReader
from coldchain.records.site import SiteReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.certificate import certificate
from coldchain.wiring.report.due import unsent

UPKEEP_TOLD_MS = 2 * DAY_MS
"""What has ended meanwhile is still in the next two mornings' lists."""


def readiness(settings: Settings, now_ms: int) -> list[Finding]:
    """Everything that stands between us and a phone that rings tonight, the most urgent first."""
    return findings(known(settings, now_ms))


def to_mend(settings: Settings, now_ms: int) -> list[Finding]:
    """The same for the morning's message: on its first day an installation is being made: nobody is told."""
    told = known(settings, now_ms)
    return [] if now_ms - told.since_ms < DAY_MS else findings(told)


def known(settings: Settings, now_ms: int) -> Known:
    """Read the records; what is not there yet is left out."""
    from alerts.oncall.rota import gaps, rotas_of

    desk, alarms = RegistryReader(settings.desk_db), SiteReader(settings.alarms_db)
    desk.refresh()
    registry = desk.registry
    holes = [
        (site.id, *hole)
        for site in registry.sites
        if (rotas := rotas_of(registry, site.id, 1))
        for hole in gaps(rotas, now_ms, now_ms + AHEAD_MS)
    ]
    delivered, asked = alarms.reached()
    heard, backlogs = _heard(settings)
    figures = next((beat.figures for beat in beats(settings.data_dir) if beat.name == "alerts"), {})
    shown = certificate(settings.mqtt)
    drills: dict[str, int] = {}
    for row in alarms.drills():
        if row.trip_ms is not None:
            drills.setdefault(row.appliance, row.trip_ms)
    found = Known(
        now_ms=now_ms,
        registry=registry,
        profiles=PROFILES,
        since_ms=desk.first_ms(),
        alarms=alarms.open_alarms(),
        delivered=delivered,
        asked=asked,
        gaps=holes,
        heard=heard,
        backlogs=backlogs,
        drills=drills,
        upkeep=alarms.upkeep(now_ms - UPKEEP_TOLD_MS),
        gates=alarms.waiting(),
        out_of_service=frozenset(one.appliance for one in alarms.out_of_service()),
        credit=figures.get("credit"),
        reserve=settings.notify.modem.reserve or 0.0,
        signal_dbm=figures.get("signal_dbm"),
        certificate_until_ms=shown.until_ms if shown else None,
        certificate_refused=shown.refused if shown else "",
        profiles_wait=str(figures.get("profiles_wait") or ""),
        unsent=unsent(settings, now_ms),
        tells=settings.notify.kind != "none",
    )
    desk.close()
    alarms.close()
    return found


def _heard(settings: Settings) -> tuple[dict[str, int], dict[str, int]]:
    """sensor -> newest reading; gateway -> the oldest that waits there."""
    try:
        reader = JournalReader(settings.readings_db)
    except StoreUnavailable:
        return {}, {}
    heard = {sensor: newest.at_ms for sensor, newest in reader.latest().items()}
    backlogs = {}
    for gateway in reader.gateways():
        spool = json.loads(gateway.status).get("spool", {})
        if spool.get("pending") and spool.get("oldest_ms"):
            backlogs[gateway.gateway] = int(spool["oldest_ms"])
    reader.close()
    return heard, backlogs
