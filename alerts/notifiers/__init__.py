# SPDX-License-Identifier: Apache-2.0
"""Channels to people, one class each, behind `coldchain.ports.notifier`."""

from typing import Final

from alerts.notifiers.file import FileNotifier
from alerts.notifiers.modem import ModemNotifier
from alerts.notifiers.options import ModemOptions

__all__ = ["NOTIFIERS", "FileNotifier", "ModemNotifier", "ModemOptions"]

NOTIFIERS: Final = {
    "file": FileNotifier,
    "modem": ModemNotifier,
}
"""By the settings' `notify.kind`: FileNotifier(Path), ModemNotifier(ModemOptions)."""
