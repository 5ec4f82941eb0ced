# SPDX-License-Identifier: Apache-2.0
"""Reports that are mailed on a schedule: which is due, made, sent, and what became of it in the desk.

A report of a day leaves on the day after, one of a month on the first of the next. Each goes once; what was
not sent is tried again every hour and stands in the readiness list meanwhile. The one before last is not sent
any more: after a long outage people get the newest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from coldchain.kernel.errors import ColdChainError
from coldchain.records.filed import SENT, Filed, FiledReader, Schedule
from coldchain.settings import Settings
from coldchain.wiring.report.again import Wanted, made_pdf, put
from coldchain.wiring.report.due import due

log = structlog.get_logger()
RETRY_MS = 3_600_000
LOOK_S = 30.0

Send = Callable[[str, str, str, bytes], str]
"""(address, text, the file's name, its contents) -> nothing, or why it was not taken."""


def wanted(one: Schedule, of: str, now_ms: int) -> Wanted:
    return Wanted(one.kind, f"{of}/{one.subject}" if one.subject else of, one.language, now_ms)


def look(settings: Settings, send: Send, now_ms: int, wall_ms: Callable[[], int]) -> list[Filed]:
    """Send what is due; what became of each."""
    reader = FiledReader(settings.desk_db)
    done = []
    for one in reader.schedules():
        of = due(one, now_ms, settings.zone)
        before = reader.of_schedule(one.id, of) if of else []
        if not of or any(f.outcome == SENT for f in before):
            continue
        if before and now_ms - before[0].at_ms < RETRY_MS:
            continue
        done.append(_mail(settings, one, of, send, now_ms, wall_ms))
    return done


def _mail(
    settings: Settings, one: Schedule, of: str, send: Send, now_ms: int, wall_ms: Callable[[], int]
) -> Filed:
    asked = wanted(one, of, now_ms)
    try:
        pdf, filed = made_pdf(settings, asked, now_ms)
    except ColdChainError as bad:
        filed = Filed(now_ms, "", asked.kind, asked.subject, asked.language, now_ms, "")
        filed = replace(filed, schedule=one.id, due=of, outcome=f"not made: {bad}")
        put(settings, filed, wall_ms)
        return filed
    name = f"{one.kind}-{asked.subject.replace('/', '-')}-{one.language}.pdf"
    text = f"Coldchain: {one.kind} {asked.subject}\n\nSHA-256 {filed.sha256}\n"
    failures = [f"{who}: {why}" for who in one.who if (why := send(who, text, name, pdf))]
    outcome = "; ".join(failures)[:500] or SENT
    filed = replace(filed, schedule=one.id, due=of, sent_to=one.who, outcome=outcome)
    put(settings, filed, wall_ms)
    log.info("report.mailed", kind=one.kind, subject=asked.subject, sent=not failures)
    return filed


def mailer(settings: Settings) -> Send:
    """By the mail server of the settings; without one, every report says that there is none."""
    mail = settings.notify.mail
    if mail is None:
        return lambda *_said: "no mail server: set [notify.mail]"
    from alerts.notifiers.mail import MailNotifier
    from coldchain.ports.notifier import Delivery
    from coldchain.wiring.notify import mail_options

    notifier = MailNotifier(mail_options(mail))

    def send(to: str, text: str, name: str, body: bytes) -> str:
        sent = notifier.send(to, text, (name, body))
        return "" if sent.delivery is Delivery.ACCEPTED else sent.detail

    return send


class Mailing:
    """Looks every half minute, in a thread of its own; a failure is written down and ends nothing."""

    def __init__(self, settings: Settings, wall_ms: Callable[[], int], send: Send | None = None) -> None:
        self._settings, self._wall_ms, self._send = settings, wall_ms, send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            self.once()

    def once(self) -> Sequence[Filed]:
        try:
            send = self._send or mailer(self._settings)
            return look(self._settings, send, self._wall_ms(), self._wall_ms)
        except (ColdChainError, OSError, ValueError) as bad:
            log.warning("report.mailing_failed", why=str(bad))
            return []
