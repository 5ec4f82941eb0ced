# SPDX-License-Identifier: Apache-2.0
"""Which notifier the settings ask for."""

from __future__ import annotations

from pathlib import Path

from coldchain.kernel.errors import ConfigError
from coldchain.ports.notifier import Notifier
from coldchain.settings import Settings


def build_notifier(settings: Settings) -> Notifier | None:
    """The notifier, or None when nobody is to be told (`notify.kind = "none"`)."""
    notify = settings.notify
    if notify.kind == "none":
        return None
    from alerts.notifiers import FileNotifier, ModemNotifier, ModemOptions

    if notify.kind == "file":
        assert notify.file is not None, "the settings' check sees to it"
        return FileNotifier(notify.file)
    modem = notify.modem
    return ModemNotifier(
        ModemOptions(
            port=modem.device,
            baud=modem.baud,
            pin=_secret(modem.pin_file) if modem.pin_file else None,
            pin_guard=settings.data_dir / "sim-pin-refused",
            smsc=modem.smsc,
            answer_s=modem.send_timeout.total_seconds(),
        )
    )


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as bad:
        raise ConfigError(
            f"{path}: {bad.strerror}; put the secret into that file, readable only by us"
        ) from bad
