# SPDX-License-Identifier: Apache-2.0
"""The phones of a training, as its page shows them: what they received, what they answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import parse_instant
from coldchain.settings import Settings

SCENARIOS = ("power-cut", "door-open", "probe-fault", "slow-compressor")
PASSWORD = "training-training"  # noqa: S105 -- of a folder that reaches nobody; its page shows it
TRAINEE, SECOND = "trainee", "second"
REPLY_MAX = 160
SHOWN = 200


class Phones:
    """Two files in the training's folder: the simulated modem writes one and reads the other."""

    def __init__(self, settings: Settings) -> None:
        self._inbox = settings.data_dir / "phones.jsonl"
        self._replies = settings.data_dir / "replies.jsonl"
        self.scenario = settings.training or ""
        self.scenarios: Sequence[str] = SCENARIOS
        self.accounts = ((TRAINEE, PASSWORD), (SECOND, PASSWORD))

    def received(self) -> list[tuple[int, str, str]]:
        """(instant [ms], number, text), newest first."""
        if not self._inbox.exists():
            return []
        whole = self._inbox.read_text("utf-8").rpartition("\n")[0]
        found = [json.loads(line) for line in whole.splitlines()[-SHOWN:]]
        return [(parse_instant(m["instant"]), str(m["number"]), str(m["text"])) for m in reversed(found)]

    def reply(self, number: str, text: str) -> None:
        """BadData for what no phone sends, or from a phone that has received nothing."""
        said = " ".join(text.split())
        if not 1 <= len(said) <= REPLY_MAX:
            raise BadData(f"write 1 to {REPLY_MAX} letters")
        if number not in {to for _, to, _ in self.received()}:
            raise BadData("that phone has received nothing yet")
        with self._replies.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"number": number, "text": said}) + "\n")
