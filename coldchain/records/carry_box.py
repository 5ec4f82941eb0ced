# SPDX-License-Identifier: Apache-2.0
"""Where carried bundles lie at the hub: DIR/carry/in, taken by ingest; DIR/carry/out, what came of each.

A bundle is named by the first half of its digest, so the same one brought twice is one file. Its answer is a
receipt (`DIGEST.json`; `DIGEST.earlier.json` once it is brought again), a refusal (`DIGEST.refused.json`), or
how far ingest is (`DIGEST.progress.json`).
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coldchain.records.carry import read_bundle, whole_or_not

HUB_KEY = "carry.key"
"""In the data folder: the hub's secret key."""
KEPT = 500
"""Answers kept, the newest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """text: the receipt, or why it was refused. done, of: readings, while ingest is at it."""

    state: Literal["waits", "goes on", "merged", "refused", "unknown"]
    text: str = ""
    done: int = 0
    of: int = 0


class CarryBox:
    """The two folders."""

    def __init__(self, data_dir: Path) -> None:
        self._in, self._out = data_dir / "carry" / "in", data_dir / "carry" / "out"

    def put(self, source: Path) -> str:
        """Read the bundle through, lay a copy down for ingest; returns its name. BundleRefused."""
        name = read_bundle(source).digest[:32]
        (self._out / f"{name}.refused.json").unlink(missing_ok=True)  # of an earlier time: it is judged anew
        with suppress(FileNotFoundError):
            (self._out / f"{name}.json").replace(self._out / f"{name}.earlier.json")
        with whole_or_not(self._in / f"{name}.bundle") as draft:
            shutil.copyfile(source, draft)
        return name

    def waiting(self) -> list[Path]:
        """Bundles that ingest has yet to take, oldest first."""
        if not self._in.is_dir():
            return []
        return sorted(self._in.glob("[!.]*.bundle"), key=lambda path: path.stat().st_mtime_ns)

    def earlier(self, name: str) -> str | None:
        """The receipt of an earlier time that these very bytes were merged, if it is still kept."""
        return _text(self._out / f"{name}.json") or _text(self._out / f"{name}.earlier.json")

    def require_ours(self) -> None:
        """OSError where no answer can be written, or no bundle taken away: known before one is read."""
        self._out.mkdir(parents=True, exist_ok=True)
        for folder in (self._in, self._out):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(f"we may not write in {folder}")

    def tell(self, bundle: Path, done: int, of: int) -> None:
        """How far it is. No fsync: nobody relies on it."""
        self._out.mkdir(parents=True, exist_ok=True)
        path = self._out / f"{bundle.stem}.progress.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"done": done, "of": of}), encoding="utf-8")
        draft.replace(path)

    def refuse(self, bundle: Path, why: str) -> None:
        with whole_or_not(self._out / f"{bundle.stem}.refused.json") as draft:
            draft.write_text(json.dumps({"refused": why}), encoding="utf-8")
        self._clear(bundle)

    def finish(self, bundle: Path, receipt: bytes) -> None:
        with whole_or_not(self._out / f"{bundle.stem}.json") as draft:
            draft.write_bytes(receipt)
        self._clear(bundle)

    def _clear(self, bundle: Path) -> None:
        bundle.unlink(missing_ok=True)
        (self._out / f"{bundle.stem}.progress.json").unlink(missing_ok=True)
        answers = sorted(self._out.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for old in answers[:-KEPT]:
            old.unlink(missing_ok=True)

    def answers(self, limit: int) -> list[tuple[str, Answer]]:
        """Bundles that wait, then the newest answers, by name."""
        names = [path.stem for path in self.waiting()]
        if self._out.is_dir():
            files = sorted(self._out.glob("[!.]*.json"), key=lambda path: -path.stat().st_mtime_ns)
            names += [path.name.partition(".")[0] for path in files]
        found = [(name, self.answer(name)) for name in dict.fromkeys(names)]
        return [(name, answer) for name, answer in found if answer.state != "unknown"][:limit]

    def answer(self, name: str) -> Answer:
        """What came of the bundle of that name."""
        if (text := _text(self._out / f"{name}.json")) is not None:
            return Answer("merged", text)
        if (text := _text(self._out / f"{name}.refused.json")) is not None:
            return Answer("refused", str(json.loads(text)["refused"]))
        if (text := _text(self._out / f"{name}.progress.json")) is not None:
            far = json.loads(text)
            return Answer("goes on", "", int(far["done"]), int(far["of"]))
        return Answer("waits" if (self._in / f"{name}.bundle").exists() else "unknown")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
