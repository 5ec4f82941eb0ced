# SPDX-License-Identifier: Apache-2.0
"""A test message: by our own hand, or by alerts while it has the modem."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator

from coldchain.kernel.errors import BadData, ColdChainError, ConfigError
from coldchain.kernel.instants import rfc3339
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import Delivery, Kind, Notifier
from coldchain.records.alarms import AlarmsReader
from coldchain.records.health import STALE_AFTER_S, beats
from coldchain.records.registry import Desk
from coldchain.settings import Settings

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
REPORT_S = 45.0
TEXT = "Coldchain test message. No alarm."


class NotSent(ColdChainError):
    """The message did not go out; the message says what to do."""

    exit_code = 69


def send_test(settings: Settings, number: str) -> Iterator[str]:
    """Lines for people as it proceeds. NotSent, ConfigError, BadData say what to do."""
    if not NUMBER.fullmatch(number):
        raise BadData(f"{number!r} is no telephone number; write + and the country code: +8562055512345")
    if settings.notify.kind == "none":
        raise ConfigError('nobody is told of alarms: set kind = "modem" and its device under [notify]')
    if _alerts_runs(settings):
        yield from _by_alerts(settings, number)
        return
    from coldchain.wiring.notify import build_notifier

    notifier = build_notifier(settings)
    assert notifier is not None, "its kind is not none"
    sent = notifier.send(number, f"{TEXT} {rfc3339(wall_ms())}")
    if sent.delivery is not Delivery.ACCEPTED:
        raise NotSent(f"not sent ({sent.delivery.value}): {sent.detail}")
    yield f"taken: {sent.detail}"
    yield _report(notifier, sent.references)


def _report(notifier: Notifier, references: tuple[int, ...]) -> str:
    hear = getattr(notifier, "hear", None)
    if hear is None or not references:
        return "this channel gives no delivery report: look at the telephone"
    until_s = time.monotonic() + REPORT_S
    while time.monotonic() < until_s:
        for heard in hear(0.5):
            if heard.kind is Kind.REPORT and heard.reference in references:
                if heard.delivered:
                    return "delivered: the telephone has it"
                raise NotSent("the operator could not deliver it: is the telephone on, and the number right?")
    return f"no delivery report in {REPORT_S:.0f} s: the telephone may be off; the operator goes on trying"


def _alerts_runs(settings: Settings) -> bool:
    newest = max((beat.at_ms for beat in beats(settings.data_dir) if beat.name == "alerts"), default=0)
    return wall_ms() - newest < STALE_AFTER_S * 1000


def _by_alerts(settings: Settings, number: str) -> Iterator[str]:
    """Alerts has the modem: ask it, and watch its outbox."""
    id_ = f"cli-{uuid.uuid4().hex}"
    desk = Desk(settings.desk_db, wall_ms)
    desk.command(id_, "test_sms", person="command line", alarm=None, body={"number": number})
    desk.close()
    reader = AlarmsReader(settings.alarms_db)
    yield "alerts runs and has the modem: it sends the message"
    until_s = time.monotonic() + 2 * REPORT_S
    said = ""
    while time.monotonic() < until_s:
        for notice in reader.notices(1, alarm=f"test:{id_}"):
            if notice.state in ("failed", "given_up", "unknown"):
                raise NotSent(f"not sent ({notice.state}): {notice.detail}")
            if reader.delivered(notice.alarm):
                yield "delivered: the telephone has it"
                return
            if notice.state == "sent" and not said:
                said = f"taken: {notice.detail}"
                yield said
        time.sleep(0.25)
    if not said:
        raise NotSent("alerts did not send it: see `coldchain doctor`")
    yield "no delivery report yet: the telephone may be off, or the channel gives none"
