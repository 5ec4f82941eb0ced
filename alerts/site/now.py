# SPDX-License-Identifier: Apache-2.0
"""What is known of every appliance at a moment, gathered from engine, contacts and silence. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from alerts.insight import cycles
from alerts.insight.scan import Floats, Table
from alerts.judgement.state import EngineState
from alerts.rules.flat import Bools, Ints
from alerts.rules.validity import UNKNOWN
from alerts.site.contacts import NONE, Contacts
from alerts.site.refuge import Place
from alerts.site.roster import Roster
from alerts.site.supply import STOPPED_PERIODS, Seen
from coldchain.kernel.limits import Profile
from coldchain.records.registry import Registry
from coldchain.settings.profile_files import PROFILES

FORESEEN_MS = 900_000
"""A forecast older than three of its slots says nothing of now."""
DRIFT_K = 0.5
"""A load that has moved so far in one direction is on its way somewhere."""
RUNS_LONG_MS, RESTS_LONG_MS = 3 * 3_600_000, 45 * 60_000
"""A compressor that has run or rested so long is no sign of health (where cycles are not known yet)."""
DUTY_UP, PULL_DOWN_LESS = 1.3, 0.75
"""Runs so much more, or pulls down by so much less, than its healthy self."""
DUTY_MOST = 0.75
"""Runs so much of the time that it has nothing left for what is brought to it."""


@dataclass(frozen=True, slots=True)
class Now:
    """A appliances, as in the roster; NaN where nothing is known.

    foreseen_at         when the limit is passed, by the engine's forecast [ms]; -1: none that is fresh
    value_c, value_at   newest load (or what stands for it) [°C], [ms]; before_c: before it began to move
    seen                for `supply.outages`
    profile             in force; None: none, empty or loading
    cooling             1 cools as it should, 0 does not, NaN unknown
    high_c, low_c       limits in force
    """

    foreseen_at: Ints
    value_c: Floats
    value_at: Ints
    before_c: Floats
    ambient_c: Floats
    seen: Seen
    profile: tuple[Profile | None, ...]
    high_c: Floats
    low_c: Floats
    cooling: Floats
    silent: Bools


@dataclass(frozen=True, slots=True)
class Terms:
    """What each of A appliances carries at a moment, and its limits: see `Now`."""

    profile: tuple[Profile | None, ...]
    high_c: Floats
    low_c: Floats


def terms_at(roster: Roster, now_ms: int) -> Terms:
    """A loop over appliances: keep what it gives for a minute."""
    profile = tuple(PROFILES.get(a.carries(now_ms) or "") for a in roster.appliances)
    sides = [(p.limits.high_c, p.limits.low_c) if p else (None, None) for p in profile]
    high = np.array([np.nan if high is None else high for high, _ in sides], np.float64)
    low = np.array([np.nan if low is None else low for _, low in sides], np.float64)
    return Terms(profile, high, low)


def gather(
    state: EngineState, roster: Roster, terms: Terms, contacts: Contacts, silent: Bools, now_ms: int
) -> Now:
    """silent (A,): nothing is heard of the appliance, or not of all of it."""
    sound = _pick(state.table, "sound", roster.load, UNKNOWN)
    plain = _pick(state.table, "plain", roster.load, UNKNOWN)  # before insight has seen anything
    value = np.where(sound == UNKNOWN, plain, sound)
    value_c = np.where(value == UNKNOWN, np.nan, value / 1000.0)
    at = _pick(state.table, "at", roster.load, NONE)
    value_at = np.where(sound == UNKNOWN, at, _pick(state.table, "sound_at", roster.load, NONE))
    air = np.where(roster.air >= 0, roster.air, roster.load)
    cycle = _rows(state.insight, air)["cycle"]
    load = _rows(state.insight, roster.load)["limit"]
    stalled = np.where(air >= 0, cycles.stalled(cycle, np.full(len(roster), now_ms)), np.nan)
    usual = cycles.usual(cycle)
    moved = (load["level"] - load["turn_c"]) * load["direction"]
    warming = (load["direction"] > 0) & (load["level"] > load["turn_c"])
    turned = np.nan_to_num(stalled * usual[:, cycles.PERIOD] * 1000.0).astype(np.int64)
    before = np.where(warming & (load["turn_c"] != 0.0), load["turn_c"], value_c)
    seen = _seen(roster, contacts, stalled, now_ms - turned, warming)
    cooling = _cooling(cycle, stalled, warming & (moved > DRIFT_K), roster, contacts, now_ms)
    ambient = contacts.of(roster.contact["ambient"])
    slot_at = 1000 * _pick(state.table, "slot_at", roster.load, NONE)
    fresh = now_ms - slot_at <= FORESEEN_MS
    return Now(
        np.where(fresh, _pick(state.table, "limit_at", roster.load, NONE), NONE),
        value_c,
        value_at,
        before,
        ambient,
        seen,
        terms.profile,
        terms.high_c,
        terms.low_c,
        cooling,
        silent,
    )


def _seen(roster: Roster, contacts: Contacts, stalled: Floats, turned: Ints, rising: Bools) -> Seen:
    mains, battery = roster.contact["mains"], roster.contact["battery"]
    since = contacts.since_of(mains)
    return Seen(
        supply=roster.supply,
        fixed=roster.fixed,
        mains=contacts.of(mains),
        mains_since=np.where(since >= 0, since, contacts.since_of(battery)),
        drains=contacts.falls(battery),
        stalled=stalled,
        turned_at=turned,
        rising=rising,
    )


def _cooling(
    cycle: Table, stalled: Floats, drifts: Bools, roster: Roster, contacts: Contacts, now_ms: int
) -> Floats:
    usual, healthy = cycles.usual(cycle), cycles.healthy(cycle)
    with np.errstate(divide="ignore", invalid="ignore"):
        weak = usual[:, cycles.DUTY] > np.minimum(DUTY_UP * healthy[:, cycles.DUTY], DUTY_MOST)
        weak |= usual[:, cycles.PULL_DOWN] / healthy[:, cycles.PULL_DOWN] < PULL_DOWN_LESS
    which = roster.contact["compressor"]
    runs, since = contacts.of(which), contacts.since_of(which)
    stood = np.where(since >= 0, now_ms - since, 0)
    lively = (runs > 0.5) & (stood <= RUNS_LONG_MS) | (runs < 0.5) & (stood <= RESTS_LONG_MS)
    by_contact = np.where(np.isnan(runs), np.nan, lively.astype(np.float64))
    by_cycles = np.where(np.isnan(stalled), np.nan, (stalled < STOPPED_PERIODS) & ~weak)
    said = np.where(np.isnan(by_cycles), by_contact, np.where(by_contact == 0.0, 0.0, by_cycles))
    return np.where(drifts, 0.0, said)


def _rows(table: Table, series: Ints) -> Table:
    """Records of those series; of -1 a blank one's stand-in is the last: mask it."""
    if not len(table):
        return np.zeros(len(series), table.dtype)
    return np.asarray(table[np.clip(series, 0, len(table) - 1)])


def _pick(table: Table, name: str, series: Ints, none: int) -> Ints:
    if not len(table):
        return np.full(len(series), none, np.int64)
    return np.where((series >= 0) & (series < len(table)), _rows(table, series)[name], none).astype(np.int64)


def places(
    now: Now,
    roster: Roster,
    registry: Registry,
    *,
    alarmed: Collection[str],
    out: Collection[str],
    dark: Collection[int],
) -> list[Place]:
    """Every appliance as a refuge. alarmed: with an open alarm; out: of service; dark: supplies (and what
    hangs on them) without power, by number.
    """
    found = []
    for n, appliance in enumerate(roster.appliances):
        site = registry.site_by_id.get(appliance.site)
        profile = now.profile[n]
        mains, cooling, value = now.seen.mains[n], now.cooling[n], now.value_c[n]
        lit = int(roster.supply[n]) not in dark
        found.append(
            Place(
                appliance=appliance.id,
                site=appliance.site,
                latitude=site.latitude if site else None,
                longitude=site.longitude if site else None,
                component=profile.component if profile else "",
                storage=profile is not None and profile.use == "storage" and bool(roster.fixed[n]),
                low_c=profile.limits.low_c if profile else None,
                high_c=profile.limits.high_c if profile else None,
                value_c=None if np.isnan(value) else float(value),
                powered=lit and (mains > 0.5 or (bool(np.isnan(mains)) and cooling == 1.0)),
                reporting=not bool(now.silent[n]) and now.value_at[n] >= 0,
                cooling=None if np.isnan(cooling) else bool(cooling),
                alarmed=appliance.id in alarmed,
                in_service=lit and appliance.service == "in" and appliance.id not in out,
                free_bags=appliance.free_bags,
            )
        )
    return found
