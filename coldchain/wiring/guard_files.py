# SPDX-License-Identifier: Apache-2.0
"""The guard's copy of the rules on disk, and its copy of readings: those of sensors that the copy knows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from coldchain.kernel.errors import ConfigError
from coldchain.kernel.guard import Rules
from coldchain.kernel.link import Batch
from coldchain.ports.guard import Accepted
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.registry import Registry
from coldchain.records.sql import open_writer, transaction
from coldchain.settings.profile_files import take_up

log = structlog.get_logger()

EPOCH = "guard"


class RulesFile:
    """`digest` is empty while there is no copy. A copy that is not sound never replaces one that is."""

    def __init__(self, folder: Path, wall_ms: Callable[[], int]) -> None:
        self._folder, self._wall_ms = folder, wall_ms
        self.version, self.digest, self.refused = 0, "", ""

    def take_up(self) -> None:
        """What is there from before; a copy whose profiles cannot be read any more is none."""
        try:
            told = json.loads((self._folder / "rules.json").read_text(encoding="utf-8"))
            take_up(self._folder)
            self.version, self.digest = int(told["version"]), str(told["digest"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, ConfigError) as bad:
            self.refused = f"the copy of the rules cannot be read: {bad}"[:200]

    def take(self, rules: Rules) -> bool:
        """Put a new copy in place of the old one. False: it is the same, or not sound."""
        if rules.digest == self.digest:
            return False
        try:
            profiles = self._draft_profiles(rules)
            Registry.model_validate_json(rules.registry)
        except (ValueError, ConfigError) as bad:
            self.refused = f"version {rules.version} of the rules is refused: {bad}"[:200]
            log.warning("guard.rules_refused", version=rules.version, why=str(bad)[:300])
            return False
        shutil.rmtree(self._folder / "profiles", ignore_errors=True)
        profiles.replace(self._folder / "profiles")
        db = open_writer(self._folder / "desk.db", DESK_MIGRATIONS)
        with transaction(db):
            db.execute("DELETE FROM registry")
            db.execute(
                "INSERT INTO registry (version, at_ms, author, reason, digest, body) VALUES (?,?,?,?,?,?)",
                (rules.version, self._wall_ms(), "hub", "copy for the guard", rules.digest, rules.registry),
            )
        db.close()
        draft = self._folder / "rules.new"
        draft.write_text(json.dumps({"version": rules.version, "digest": rules.digest}), encoding="utf-8")
        draft.replace(self._folder / "rules.json")
        self.version, self.digest, self.refused = rules.version, rules.digest, ""
        log.info("guard.rules_taken", version=rules.version)
        return True

    def _draft_profiles(self, rules: Rules) -> Path:
        """Beside those in use, and read: a copy that is refused leaves the files as they were."""
        draft = self._folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "profiles").mkdir(parents=True)
        for name, text in rules.profiles.items():
            if Path(name).name != name or not name.endswith(".toml"):
                raise ValueError(f"{name!r} is no name of a profile file")
            (draft / "profiles" / name).write_text(text, encoding="utf-8")
        take_up(draft)
        return draft / "profiles"


def copied_rows(part: Accepted, registry: Registry, gateway: str, before: int) -> Batch | None:
    """The readings of known sensors, as a batch for the guard's own journal; None when there is none.

    before  how many readings have gone into it since the start: numbers of its own follow
    """
    known = registry.by_channel
    pairs = (part.rows["node"].astype(np.int64) << 16) | part.rows["channel"]
    wanted = [
        pair for pair in np.unique(pairs).tolist() if (part.nodes[pair >> 16][0], pair & 0xFFFF) in known
    ]
    chosen = part.rows[np.isin(pairs, wanted)]
    if not len(chosen):
        return None
    ranges = [(before + 1, before + len(chosen))]
    return Batch(gateway, EPOCH, ranges, list(part.nodes), chosen)
