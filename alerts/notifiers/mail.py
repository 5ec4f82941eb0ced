# SPDX-License-Identifier: Apache-2.0
"""E-mail by SMTP."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage

from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["MailNotifier", "MailOptions"]


@dataclass(frozen=True, slots=True)
class MailOptions:
    """A mail server. `password` is never said."""

    host: str
    sender: str
    port: int = 587
    starttls: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 20.0


class MailNotifier:
    """One connection a message: they are rare."""

    def __init__(self, options: MailOptions) -> None:
        self._options = options
        self.moved_s = float("-inf")

    def _moved(self) -> None:
        self.moved_s = steady_s()

    def send(self, to: str, text: str, file: tuple[str, bytes] | None = None) -> Sent:
        """file: name and contents of a PDF that goes along."""
        message = EmailMessage()
        try:
            message["From"], message["To"], message["Subject"] = self._options.sender, to, _subject(text)
            message.set_content(text)
            if file is not None:
                message.add_attachment(file[1], maintype="application", subtype="pdf", filename=file[0])
        except ValueError:
            return Sent(Delivery.FAILED_FINAL, "that is no address a mail can be written to: correct it")
        handed_over = False
        try:
            with _Server(self._options, self._moved) as server:
                if self._options.starttls:
                    server.starttls()
                if self._options.username is not None:
                    server.login(self._options.username, self._options.password or "")
                handed_over = True
                server.send_message(message)
        except smtplib.SMTPAuthenticationError:
            return Sent(
                Delivery.FAILED_FINAL, "the mail server refuses our name or password: check the password file"
            )
        except smtplib.SMTPRecipientsRefused:
            return Sent(Delivery.FAILED_FINAL, "the mail server refuses the address: correct it")
        except smtplib.SMTPResponseException as bad:
            delivery = Delivery.FAILED_RETRY if 400 <= bad.smtp_code < 500 else Delivery.FAILED_FINAL
            return Sent(delivery, f"the mail server refused it (SMTP {bad.smtp_code})")
        except (OSError, smtplib.SMTPException) as bad:
            if handed_over:
                return Sent(Delivery.UNKNOWN, "the mail server fell silent; the mail may have gone out")
            why = f"the mail server cannot be used ({type(bad).__name__})"
            return Sent(Delivery.FAILED_RETRY, why, out=True)
        return Sent(Delivery.ACCEPTED, "taken by the mail server")


class _Server(smtplib.SMTP):
    """Says before each answer that it waits for that it has come so far: a slow server has ten to give."""

    def __init__(self, options: MailOptions, moved: Callable[[], None]) -> None:
        self._moved = moved
        super().__init__(options.host, options.port, timeout=options.timeout_s)

    def getreply(self) -> tuple[int, bytes]:
        self._moved()
        return super().getreply()


def _subject(text: str) -> str:
    return " ".join(text.split())[:78]
