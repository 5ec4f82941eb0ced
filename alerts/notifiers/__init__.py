# SPDX-License-Identifier: Apache-2.0
"""Channels to people, one class each, behind `coldchain.ports.notifier`."""

from typing import Final

from alerts.notifiers.console import ConsoleNotifier, FileNotifier
from alerts.notifiers.modem import ModemNotifier
from alerts.notifiers.options import ModemOptions

__all__ = ["NOTIFIERS", "ConsoleNotifier", "FileNotifier", "ModemNotifier", "ModemOptions"]

NOTIFIERS: Final = {
    "modem": ModemNotifier,
    "file": FileNotifier,
    "console": ConsoleNotifier,
}
"""By the settings' `kind`: ModemNotifier(ModemOptions), FileNotifier(Path), ConsoleNotifier()."""
