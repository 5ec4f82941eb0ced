# SPDX-License-Identifier: Apache-2.0
"""What gateways' guards bring, and what they are sent: reports are kept, rules brought up to date.

Nothing is remembered of what was sent: a guard says with each status what it has, and gets what it lacks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import structlog

from coldchain.kernel.guard import GuardWord, Kept, Rules, encode_command
from coldchain.kernel.link import MAX_PAYLOAD
from coldchain.records.own_profiles import IN_FORCE, kept_texts
from coldchain.records.registry import RegistryReader
from coldchain.records.site_copy import copy_for

log = structlog.get_logger()

KEPT_MS = 90 * 86_400_000
"""Reports are applied within seconds; they stay this long for people to look into."""


def keep_reports(db: sqlite3.Connection, gateway: str, word: GuardWord, arrived_ms: int) -> None:
    """Each once, by its id, within the caller's transaction."""
    db.execute("DELETE FROM guard_report WHERE arrived_ms < ?", (arrived_ms - KEPT_MS,))
    db.executemany(
        "INSERT OR IGNORE INTO guard_report (report, gateway, arrived_ms, body) VALUES (?,?,?,?)",
        [(report.id, gateway, arrived_ms, json.dumps(report.body)) for report in word.reports],
    )


class GuardDesk:
    """What each gateway's guard is to be sent. For one thread."""

    def __init__(self, registry: RegistryReader, data_dir: Path) -> None:
        self._registry, self._data_dir = registry, data_dir
        self._made: dict[str, tuple[object, Rules | None]] = {}

    def commands(self, gateway: str, word: GuardWord) -> Iterator[bytes]:
        """What to publish to the gateway, after the commit of its status."""
        if word.reports:
            yield encode_command(gateway, Kept(tuple(report.id for report in word.reports)))
        rules = self._rules_for(gateway)
        if rules is None or rules.digest == word.rules:
            return
        payload = encode_command(gateway, rules)
        if len(payload) > MAX_PAYLOAD:
            log.error("guard.rules_too_long", gateway=gateway, size=len(payload), hint="give it a site")
            return
        log.info("guard.rules_sent", gateway=gateway, version=rules.version)
        yield payload

    def _rules_for(self, gateway: str) -> Rules | None:
        """What that guard is to judge by, made anew with each version and with other profiles; None while
        there is nothing for it.
        """
        version = self._registry.version, self._in_force()
        if self._made.get(gateway, (None, None))[0] != version:
            self._made[gateway] = version, self._rules(gateway) if self._registry.version else None
        return self._made[gateway][1]

    def _in_force(self) -> tuple[int, int] | None:
        try:
            stat = (self._data_dir / IN_FORCE).stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _profiles(self) -> dict[str, str]:
        """Those that alerts judges by: a file that two people have yet to agree to is nobody's rule here."""
        if (kept := kept_texts(self._data_dir)) is not None:
            return kept
        own = sorted((self._data_dir / "profiles").glob("*.toml"))
        return {path.name: path.read_text(encoding="utf-8") for path in own}

    def _rules(self, gateway: str) -> Rules | None:
        try:
            copy, profiles = copy_for(self._registry.registry, gateway), self._profiles()
        except (OSError, ValueError):
            log.exception("guard.no_copy", gateway=gateway)
            return None
        if copy is None:
            return None
        # What says nothing new is left out: a gateway of an older release refuses words it does not know.
        return Rules(self._registry.version, copy.model_dump_json(exclude_defaults=True), profiles)
