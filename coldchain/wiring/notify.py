# SPDX-License-Identifier: Apache-2.0
"""Which channels the settings ask for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coldchain.kernel.errors import ConfigError
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import Notifier
from coldchain.settings import Settings
from coldchain.settings.model import MailSettings, ModemSettings, ProviderSettings, reaches_out
from coldchain.wiring.answer_links import AnswerLinks, Linked

if TYPE_CHECKING:
    from alerts.notifiers import ModemNotifier
    from alerts.notifiers.mail import MailOptions
    from alerts.notifiers.provider import Provider

ReadDelivery = Callable[[Mapping[str, str]], tuple[str, bool] | None]
"""(parameters of a callback) -> (the carrier's name of the message, has it arrived?); None: nothing final."""

RESET_WITHIN_S = 30.0


def build_notifier(settings: Settings) -> Notifier | None:
    """The channel for SMS, or None when nobody is to be told (`notify.kind = "none"`)."""
    return build_channels(settings).get("sms")


def build_channels(settings: Settings) -> dict[str, Notifier]:
    """Channels by name: sms, call, email. Empty when nobody is to be told."""
    notify = settings.notify
    if settings.training is not None:
        _only_simulated(settings)
    if notify.kind == "none":
        return {}
    from alerts.notifiers import CallNotifier, FileNotifier, Several

    channels: dict[str, Notifier] = {}
    ways: list[Notifier] = []
    if notify.kind == "file":
        assert notify.file is not None, "the settings' check sees to it"
        ways.append(FileNotifier(notify.file))
    if notify.kind == "modem":
        first = _modem(notify.modem, settings.data_dir / "sim-pin-refused")
        ways.append(first)
        if notify.second is not None:
            ways.append(_modem(notify.second, settings.data_dir / "second-sim-pin-refused"))
        if notify.calls:
            channels["call"] = CallNotifier(first)
    if notify.http is not None:
        ways.append(_provider(notify.http))
    channels["sms"] = ways[0] if len(ways) == 1 else Several(ways)
    if notify.mail is not None:
        channels["email"] = Linked(_mail(notify.mail), AnswerLinks(settings, wall_ms))
    return channels


def _only_simulated(settings: Settings) -> None:
    """ConfigError for a training that could reach somebody: the last look before a channel is built."""
    why = reaches_out(settings)
    device = Path(settings.notify.modem.device) if settings.notify.modem.device else None
    if not why and device is not None and device.exists() and device.resolve().parent != Path("/dev/pts"):
        why = f"{device} is no pseudo-terminal of the simulator"
    if why:
        raise ConfigError(f"training must reach nobody, and {why}")


def build_credit(settings: Settings, channels: dict[str, Notifier]) -> Callable[[], float | None] | None:
    """How to ask what is left on the first modem's SIM, if the settings say how."""
    code, caller = settings.notify.modem.ussd, channels.get("call")
    modem = getattr(caller, "modem", None) or channels.get("sms")
    ask = getattr(modem, "credit", None)
    return (lambda: ask(code)) if code and callable(ask) else None


def build_signal(channels: dict[str, Notifier]) -> Callable[[], int | None] | None:
    """How to ask how strong the first modem's network is [dBm]; None without a modem."""
    caller = channels.get("call")
    check = getattr(getattr(caller, "modem", None) or channels.get("sms"), "check", None)
    return (lambda: dbm_in(check().detail)) if callable(check) else None


def dbm_in(detail: str) -> int | None:
    """Of a modem's own figure, 0..31 in steps of 2 dB from -113 dBm (3GPP TS 27.007, +CSQ).

    >>> dbm_in("modem ready at /dev/ttyUSB0, signal 19 of 31"), dbm_in("no answer")
    (-75, None)
    """
    found = re.search(r"signal (\d+) of 31", detail)
    return 2 * int(found[1]) - 113 if found else None


def _modem(modem: ModemSettings, pin_guard: Path) -> ModemNotifier:
    from alerts.notifiers import ModemNotifier, ModemOptions

    options = ModemOptions(
        port=modem.device,
        baud=modem.baud,
        pin=_secret(modem.pin_file) if modem.pin_file else None,
        pin_guard=pin_guard,
        smsc=modem.smsc,
        answer_s=modem.send_timeout.total_seconds(),
    )
    return ModemNotifier(options, reset=_reset(modem.reset) if modem.reset else None)


def _reset(command: tuple[str, ...]) -> Callable[[], None]:
    def reset() -> None:
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=RESET_WITHIN_S)
        except (OSError, subprocess.TimeoutExpired):
            return  # the next try says that the modem does not answer

    return reset


def _provider(settings: ProviderSettings) -> Notifier:
    from alerts.notifiers.provider import HttpNotifier

    return HttpNotifier(
        _template(settings),
        account=settings.account,
        sender=settings.sender,
        secret=_secret(settings.secret_file) if settings.secret_file else "",
        callback=_secret(settings.callback_file) if settings.callback_file else "",
    )


def _template(settings: ProviderSettings) -> Provider:
    from dataclasses import replace

    from alerts.notifiers.provider import READY, Provider

    if settings.ready is not None:
        ready = READY[settings.ready]
        return replace(ready, url=ready.url.replace("{account}", settings.account))
    assert settings.url is not None, "the settings' check sees to it"
    return Provider(
        settings.url,
        settings.body,
        settings.form,
        settings.headers,
        settings.accepted,
        named=settings.named,
        reported=(settings.report_status, settings.report_delivered),
        names=settings.report_id,
    )


def provider_name(settings: Settings) -> str | None:
    """What the provider is called in addresses; None: there is none."""
    http = settings.notify.http
    return None if http is None else (http.ready or "own")


def build_delivery_reader(settings: Settings) -> ReadDelivery | None:
    """How to read a delivery callback of the provider; None without one."""
    from alerts.notifiers.provider import delivered_by

    if settings.notify.http is None:
        return None
    template = _template(settings.notify.http)
    return lambda parameters: delivered_by(template, parameters)


def _mail(settings: MailSettings) -> Notifier:
    from alerts.notifiers.mail import MailNotifier

    return MailNotifier(mail_options(settings))


def mail_options(settings: MailSettings) -> MailOptions:
    """The server, and the password out of its file."""
    from alerts.notifiers.mail import MailOptions

    return MailOptions(
        host=settings.host,
        sender=settings.sender,
        port=settings.port,
        starttls=settings.starttls,
        username=settings.username,
        password=_secret(settings.password_file) if settings.password_file else None,
    )


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as bad:
        raise ConfigError(
            f"{path}: {bad.strerror}; put the secret into that file, readable only by us"
        ) from bad
