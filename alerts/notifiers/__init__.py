# SPDX-License-Identifier: Apache-2.0
"""Channels to people, one class each, behind `coldchain.ports.notifier`."""

from typing import Final

from alerts.notifiers.file import FileNotifier
from alerts.notifiers.modem import CallNotifier, ModemNotifier
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.provider import HttpNotifier
from alerts.notifiers.several import Several

__all__ = [
    "NOTIFIERS",
    "CallNotifier",
    "FileNotifier",
    "HttpNotifier",
    "ModemNotifier",
    "ModemOptions",
    "Several",
]

NOTIFIERS: Final = {
    "file": FileNotifier,
    "http": HttpNotifier,
    "modem": ModemNotifier,
}
"""By the settings' `notify.kind`: FileNotifier(Path), HttpNotifier(Provider), ModemNotifier(ModemOptions)."""
