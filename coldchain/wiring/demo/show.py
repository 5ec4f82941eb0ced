# SPDX-License-Identifier: Apache-2.0
"""What a person sees while the demo runs: each message as a phone receives it, and a line of figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from coldchain.kernel.instants import rfc3339
from coldchain.records.health import beats

FIGURES_EVERY_S = 15.0


class Inbox:
    """Reads what was appended to the phones' file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, path.stat().st_size if path.exists() else 0

    def new(self) -> Iterator[dict[str, object]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # still being written
                self._offset += len(line)
                yield json.loads(line)


class Show:
    """Call `look` a few times a second."""

    def __init__(self, directory: Path, inbox: Path, say: Callable[[str], None]) -> None:
        self._directory, self._inbox, self._say = directory, Inbox(inbox), say
        self._figures_due_s = FIGURES_EVERY_S

    def look(self, elapsed_s: float) -> None:
        for message in self._inbox.new():
            self._say(f"\n  [SMS to {message.get('number', '?')}]  {message.get('text', '')}\n")
        if elapsed_s >= self._figures_due_s:
            self._figures_due_s = elapsed_s + FIGURES_EVERY_S
            self._say(self._line(elapsed_s))

    def _line(self, elapsed_s: float) -> str:
        figures = {beat.name: beat.figures for beat in beats(self._directory)}
        gateway, ingest, alerts = (figures.get(name, {}) for name in ("gateway", "ingest", "alerts"))
        return (
            f"{elapsed_s:5.0f} s  accepted {gateway.get('accepted', 0)}, "
            f"in the spool {gateway.get('pending', 0)}, "
            f"recorded {ingest.get('recorded', 0)}, alarms open {alerts.get('alarms_open', 0)}, "
            f"messages sent {alerts.get('notices_sent', 0)}"
        )


def greeting(
    directory: Path, console: str, gateway_page: str, start_ms: int, appliances: int, password: str | None
) -> str:
    """The first thing a person reads. `password` of `admin`, told only when the folder is new."""
    sign_in = f"  sign in as     admin, password {password} (told only now)\n" if password else ""
    return (
        f"Coldchain demo: {appliances} appliances, simulated from {rfc3339(start_ms)} on; "
        "nothing leaves this machine.\n"
        f"  console        {console}\n"
        f"{sign_in}"
        f"  gateway page   {gateway_page}\n"
        f"  data and logs  {directory}\n"
        f"  look closer    coldchain doctor --dir {directory}   |   coldchain export --dir {directory}\n"
        "The first message to a phone comes within a minute. Ctrl-C ends it.\n"
    )
