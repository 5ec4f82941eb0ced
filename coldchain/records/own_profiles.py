# SPDX-License-Identifier: Apache-2.0
"""A site's own profiles while a process runs: files that have changed take the place of what was read.

What is not sound never does, nor what makes an alarm later or rarer and was not agreed by two people through
`coldchain config apply`. Until then the old numbers stand, and `waits` says why; also over a new start, by a
copy of the files that are in force.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import structlog

from coldchain.kernel.errors import ConfigError, StoreUnavailable
from coldchain.kernel.limits import Profile
from coldchain.kernel.widening import Effect, of_profile, unsound_beside
from coldchain.records.carry import whole_or_not
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.proposals import sha256
from coldchain.records.sql import open_reader
from coldchain.settings.profile_files import PROFILES, WRITTEN, of_site, read_profiles

log = structlog.get_logger()

LOOK_EVERY_S = 10.0
IN_FORCE = "profiles-in-force.json"
"""Beside the folder: the files that alerts judges by, name -> text."""


def kept_texts(data_dir: Path) -> dict[str, str] | None:
    """The files that alerts judges by, or judged by when it last ran; None: nobody has written that down."""
    try:
        told = json.loads((data_dir / IN_FORCE).read_text(encoding="utf-8"))
        return {str(name): str(text) for name, text in told.items()}
    except (OSError, ValueError, AttributeError):
        return None


def stand_by_kept(data_dir: Path, in_force: dict[str, Profile] = PROFILES) -> None:
    """At the start of alerts: what was in force when it last ran is so again, until `look` has compared it
    with the files. A new start agrees to nothing.
    """
    try:
        for name, text in (kept_texts(data_dir) or {}).items():
            own = {one.profile.name: one.profile for one in read_profiles(text, name, own=True)}
            in_force.update(own)
    except ConfigError as bad:  # of an older release; the files are what there is
        log.exception("profiles.not_kept", why=str(bad))


class OwnProfiles:
    """For one thread. in_force: what this process judges by; changed in place.

    waits  why what the files say is not in force here, a sentence; empty: it is
    """

    def __init__(self, data_dir: Path, in_force: dict[str, Profile] = PROFILES) -> None:
        self._folder, self._desk, self._in_force = data_dir / "profiles", data_dir / "desk.db", in_force
        self._looked_s = float("-inf")
        self._seen: object = None
        self.waits = ""

    def look(self, now_s: float) -> bool:
        """Have other numbers come into force? Looks at most every LOOK_EVERY_S."""
        if now_s < self._looked_s + LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        try:
            seen = self._stamp()
            if seen == self._seen and not self.waits:
                return False
            fresh = self._fresh()
            why = "; ".join(self._against(fresh))
        except (ConfigError, OSError) as bad:
            seen, fresh, why = None, {}, str(bad)
        self._seen = seen
        if why != self.waits:
            self.waits = why
            if why:
                log.error("profiles.wait", why=why, hint="the old numbers stand")
        if not why:
            self._keep(seen)
        if why or not fresh:
            return False
        self._in_force.update(fresh)
        log.warning("profiles.taken_up", profiles=sorted(one.label for one in fresh.values()))
        return True

    def _stamp(self) -> object:
        stats = [(path.name, path.stat()) for path in sorted(self._folder.glob("*.toml"))]
        return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats]

    def _keep(self, seen: object) -> None:
        """Write down what is in force from now on. Without it a new start goes by the files."""
        try:
            told = {path.name: path.read_text(encoding="utf-8") for path in self._folder.glob("*.toml")}
            if self._stamp() != seen:
                self._seen = None  # changed meanwhile: the next look tells
                return
            if told != (kept_texts(self._folder.parent) or {}):
                with whole_or_not(self._folder.parent / IN_FORCE) as draft:
                    draft.write_text(json.dumps(told, sort_keys=True), encoding="utf-8")
        except (OSError, ValueError) as bad:
            log.exception("profiles.not_kept", why=str(bad))

    def _fresh(self) -> dict[str, Profile]:
        """Those of the files that are not what is in force. A profile that left its file stays until the
        process ends: something may carry it.
        """
        found = {one.profile.name: one.profile for one in of_site(self._folder)}
        return {name: one for name, one in found.items() if self._in_force.get(name) != one}

    def _against(self, fresh: Mapping[str, Profile]) -> Iterator[str]:
        built_in = [one.profile for one in WRITTEN]
        for name, profile in fresh.items():
            yield from unsound_beside(profile, built_in)
            before = self._in_force.get(name)
            if before is None:
                continue
            changes = of_profile(before, profile)
            if changes and profile.version <= before.version:
                yield f"{name}: its numbers change and its version stays {before.version}"
            widening = [str(change) for change in changes if change.effect is Effect.WIDENS]
            if widening and not self._agreed(name):
                yield f"{widening[0]}: this needs two people, through coldchain config apply"

    def _agreed(self, name: str) -> bool:
        """Did two people agree to the file that has this profile, as it is?"""
        for path in self._folder.glob("*.toml"):
            text = path.read_text(encoding="utf-8")
            if name in {one.profile.name for one in read_profiles(text, path.name, own=True)}:
                return self._was_applied(path.name, sha256(text))
        return False

    def _was_applied(self, name: str, digest: str) -> bool:
        try:
            with closing(open_reader(self._desk, len(DESK_MIGRATIONS))) as desk:
                row = desk.execute(
                    "SELECT 1 FROM proposal WHERE kind = 'profiles' AND state = 'applied' AND name = ?"
                    " AND digest = ?",
                    (name, digest),
                ).fetchone()
        except (StoreUnavailable, sqlite3.Error):
            return False
        return row is not None
