# SPDX-License-Identifier: Apache-2.0
"""The path of the data as a strip of short facts: processes, gateways, spools, losses, InfluxDB. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coldchain.records.health import Beat
from dashboards.console.followed import Gateway
from dashboards.console.source import Look
from dashboards.console.times import age, span
from dashboards.console.words import t

GATEWAY_STALE_MS = 120_000
"""A gateway speaks every 30 s; four words missed mean that it is not heard."""
SPOOL_OLD_MS = 300_000
EXPECTED = ("gateway", "ingest", "alerts")
THIN = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the strip. `state`: ok, warning, or unknown (a plain fact that is neither)."""

    label: str
    text: str
    state: str = "ok"
    note: str = ""


def count(n: int) -> str:
    """A number with its thousands apart."""
    return f"{n:,}".replace(",", THIN)


def alive(beat: Beat, now_ms: int) -> bool:
    return not beat.stale(now_ms)


def heard(gateway: Gateway, now_ms: int) -> bool:
    return now_ms - gateway.arrived_ms <= GATEWAY_STALE_MS


def facts(look: Look, now_ms: int) -> list[Fact]:
    """What the strip shows, in the order in which data flows."""
    beats = {beat.name: beat for beat in look.beats}
    return [
        _newest(look, now_ms),
        _gateways(look.gateways, now_ms),
        _spools(look.gateways, now_ms),
        _losses(look.gateways),
        _recorded(look.counters),
        _processes(look.beats, now_ms),
        influx(beats.get("ingest"), now_ms),
    ]


def _newest(look: Look, now_ms: int) -> Fact:
    newest = look.fleet.newest_ms
    if newest is None:
        return Fact(t("strip.newest"), t("why.never"), "unknown")
    old = now_ms - newest > SPOOL_OLD_MS
    return Fact(t("strip.newest"), age(newest, now_ms), "warning" if old else "ok")


def _gateways(gateways: Sequence[Gateway], now_ms: int) -> Fact:
    there = sum(heard(gateway, now_ms) for gateway in gateways)
    text = t("strip.gateways_text", alive=there, all=len(gateways))
    missing = ", ".join(gateway.id for gateway in gateways if not heard(gateway, now_ms))
    state = "unknown" if not gateways else "warning" if missing else "ok"
    return Fact(t("strip.gateways"), text, state, missing)


def _spools(gateways: Sequence[Gateway], now_ms: int) -> Fact:
    pending = sum(gateway.pending for gateway in gateways)
    oldest = [gateway.oldest_ms for gateway in gateways if gateway.pending and gateway.oldest_ms]
    text = t("strip.spool_text", n=count(pending))
    if not oldest:
        return Fact(t("strip.spool"), text, "ok" if gateways else "unknown")
    old_ms = now_ms - min(oldest)
    note = t("strip.oldest", age=span(old_ms))
    return Fact(t("strip.spool"), text, "warning" if old_ms > SPOOL_OLD_MS else "ok", note)


def _losses(gateways: Sequence[Gateway]) -> Fact:
    lost = sum(gateway.lost for gateway in gateways)
    state = "warning" if lost else "ok" if gateways else "unknown"
    return Fact(t("strip.lost"), t("strip.lost_text", n=count(lost)), state)


def _recorded(counters: dict[str, int]) -> Fact:
    """Both kinds of durable: in the journal, or kept until its sensor has a name."""
    recorded = counters.get("journalled", 0) + counters.get("waiting", 0)
    dead = counters.get("dead_lettered", 0)
    note = f"{t('strip.dead')}: {count(dead)}" if dead else ""
    text = t("strip.recorded_text", n=count(recorded))
    return Fact(t("strip.recorded"), text, "warning" if dead else "ok" if counters else "unknown", note)


def _processes(beats: Sequence[Beat], now_ms: int) -> Fact:
    known = sorted({*EXPECTED, *(beat.name for beat in beats)} - {"console"})
    living = {beat.name for beat in beats if alive(beat, now_ms)}
    stuck = [name for name in known if name not in living]
    text = t("strip.process_text", alive=len(known) - len(stuck), all=len(known))
    note = t("strip.stuck", names=", ".join(stuck)) if stuck else ""
    return Fact(t("strip.process"), text, "warning" if stuck else "ok", note)


def influx(ingest: Beat | None, now_ms: int) -> Fact:
    """As ingest says; a word of a process that no longer beats is unknown."""
    figures = ingest.figures.get("influx") if ingest is not None and alive(ingest, now_ms) else None
    if not isinstance(figures, dict):
        return Fact(t("strip.influx"), t("strip.influx.unknown"), "unknown")
    state = figures.get("state")
    if state not in ("absent", "up", "down"):
        return Fact(t("strip.influx"), t("strip.influx.unknown"), "unknown")
    behind = int(figures.get("behind") or 0)
    note = t("strip.influx_behind", n=count(behind)) if behind and state != "absent" else ""
    worth = {"absent": "unknown", "up": "ok", "down": "warning"}[state]
    return Fact(t("strip.influx"), t(f"strip.influx.{state}"), worth, note)
