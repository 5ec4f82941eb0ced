# SPDX-License-Identifier: Apache-2.0
"""A simulated modem and the driver on it, with little patience."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alerts.notifiers.options import ModemOptions

NURSE = "+8562055512345"


def patient(port: str, **changes: Any) -> ModemOptions:
    """Options for a modem that answers: a busy machine is no reason to fail a test."""
    return ModemOptions(port, **({"network_s": 0.5} | changes))


def hasty(port: str, **changes: Any) -> ModemOptions:
    """Options that give up within a second, so that tests of silence are short."""
    patience = {"answer_s": 0.8, "prompt_s": 0.5, "command_s": 0.5, "network_s": 0.5}
    return ModemOptions(port, **(patience | changes))


def inbox_of(path: Path) -> list[dict[str, Any]]:
    """What the telephones received, from the file: the far end of everything."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def eventually(true: Callable[[], bool], *, within_s: float = 3.0) -> bool:
    """Does it come true in time?"""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
