# SPDX-License-Identifier: Apache-2.0
"""Which notifier the settings ask for."""

from __future__ import annotations

from coldchain.ports.notifier import Notifier
from coldchain.settings import Settings


def build_notifier(settings: Settings) -> Notifier | None:
    """The notifier, or None when nobody is to be told (`notify.kind = "none"`)."""
    notify = settings.notify
    if notify.kind == "none":
        return None
    from alerts.notifiers import NOTIFIERS

    return NOTIFIERS[notify.kind](notify)
