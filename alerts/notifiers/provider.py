# SPDX-License-Identifier: Apache-2.0
"""SMS by a provider over HTTP: a template that fits any gateway, and ready ones for three.

`{to}`, `{text}`, `{plain_to}` (without the plus) and `{secret}` are filled into URL, headers and body, quoted
as the place demands: in a URL and a form percent-encoded, in JSON escaped, in a header as they are.

Shapes after the providers' public references (2024): Twilio Messages, Vonage SMS, Africa's Talking messaging.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from coldchain.kernel.errors import ConfigError
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["READY", "HttpNotifier", "Provider", "delivered_by"]


@dataclass(frozen=True, slots=True)
class Provider:
    """How to ask, and how to read the answer.

    body        with `form` percent-encoded values, else JSON-escaped ones
    accepted    what the answer's body must contain (a regular expression); status 2xx is wanted anyway
    final       in the body: the number or the account is wrong, a retry cannot help
    named       in the answer's body: a group that is the carrier's own name of the message
    reported    in the parameters of a delivery callback: (parameter, what it says when it has arrived)
    failed      what that parameter says when it will not arrive (a regular expression)
    names       the callback's parameter that names the message
    asks        added to the body when there is a place for callbacks: `{callback}` is its address
    """

    url: str
    body: str
    form: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: str = ""
    final: str = r"(?!)"
    named: str = r"(?!)"
    reported: tuple[str, str] = ("status", "delivered")
    failed: str = "(?i)undelivered|failed|rejected|expired"
    names: str = "id"
    asks: str = ""
    basic: bool = False
    timeout_s: float = 20.0


NAME_MAX = 100

READY: Final = {
    "twilio": Provider(
        url="https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
        body="To={to}&From={sender}&Body={text}",
        accepted=r'"sid"\s*:\s*"(SM|MM)',
        final=r'"code"\s*:\s*(21211|21614|20003)',
        named=r'"sid"\s*:\s*"((?:SM|MM)[0-9a-fA-F]+)"',
        reported=("MessageStatus", "delivered"),
        names="MessageSid",
        asks="&StatusCallback={callback}",
        basic=True,
    ),
    "vonage": Provider(
        url="https://rest.nexmo.com/sms/json",
        body="api_key={account}&api_secret={secret}&to={plain_to}&from={sender}&text={text}&type=unicode",
        accepted=r'"status"\s*:\s*"0"',
        final=r'"status"\s*:\s*"(3|4|6|15)"',
        named=r'"message-id"\s*:\s*"([^"]+)"',
        names="messageId",
        asks="&callback={callback}&status-report-req=1",
    ),
    "africastalking": Provider(
        url="https://api.africastalking.com/version1/messaging",
        body="username={account}&to={to}&message={text}&from={sender}",
        headers={"apiKey": "{secret}", "Accept": "application/json"},
        accepted=r'"status"\s*:\s*"Success"',
        final=r'"status"\s*:\s*"(InvalidPhoneNumber|UserInBlacklist)"',
        named=r'"messageId"\s*:\s*"([^"]+)"',
        reported=("status", "Success"),
    ),
}


class HttpNotifier:
    """One provider. `secret` is never said; `account` and `sender` go where the template names them.

    callback  where the provider is to report deliveries; empty: it does not, and none is waited for
    """

    def __init__(
        self, provider: Provider, *, account: str = "", sender: str = "", secret: str = "", callback: str = ""
    ) -> None:
        self._provider, self._callback = provider, callback
        self._fixed = {"account": account, "sender": sender, "secret": secret, "callback": callback}
        if not re.match(r"https?://", provider.url):
            raise ConfigError(f"the provider's url must begin with https://, not {provider.url[:12]!r}")

    def send(self, to: str, text: str) -> Sent:
        import httpx  # noqa: PLC0415 -- only who uses a provider pays for it

        if not re.fullmatch(r"\+?[0-9]{3,20}", to):
            return Sent(Delivery.FAILED_FINAL, f"{to[:20]!a} is not a telephone number: correct it")
        # A lone surrogate is no character: U+FFFD shows that something was there.
        sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        p, values = self._provider, self._fixed | {"to": to, "plain_to": to.removeprefix("+"), "text": sound}
        kind = "application/x-www-form-urlencoded" if p.form else "application/json"
        headers = {"Content-Type": kind} | {name: _filled(v, values, str) for name, v in p.headers.items()}
        body = p.body + (p.asks if self._callback else "")
        auth = (self._fixed["account"], self._fixed["secret"]) if p.basic else None
        try:
            answer = httpx.post(
                _filled(p.url, values, _percent),
                content=_filled(body, values, _percent if p.form else _json).encode(),
                headers=headers,
                auth=auth,
                timeout=p.timeout_s,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            why = "the provider cannot be reached: check network and address"
            return Sent(Delivery.FAILED_RETRY, why, out=True)
        except httpx.HTTPError:
            return Sent(
                Delivery.UNKNOWN, "the provider gave no answer in time; the message may have gone out"
            )
        return self._read(answer.status_code, answer.text)

    def _read(self, status: int, body: str) -> Sent:
        said = self._safe(body)
        if status in (408, 429, 502, 503):
            return Sent(Delivery.FAILED_RETRY, f"the provider is busy (HTTP {status})")
        if status >= 500:
            return Sent(
                Delivery.UNKNOWN, f"the provider broke (HTTP {status}); the message may have gone out"
            )
        if status in (401, 403):
            return Sent(
                Delivery.FAILED_FINAL, f"the provider refuses our account (HTTP {status}): check the secret"
            )
        if re.search(self._provider.final, body):
            return Sent(Delivery.FAILED_FINAL, f"the provider refuses it: {said}")
        if status >= 400:
            return Sent(Delivery.FAILED_FINAL, f"the provider refuses it (HTTP {status}): {said}")
        if not re.search(self._provider.accepted, body):
            return Sent(Delivery.UNKNOWN, f"the provider's answer is not what it should be: {said}")
        named = re.search(self._provider.named, body) if self._callback else None
        return Sent(Delivery.ACCEPTED, "taken by the provider", carrier_id=named[1] if named else "")

    def _safe(self, body: str) -> str:
        for secret in (self._fixed["secret"], self._callback):
            body = body.replace(secret, "***") if secret else body
        return body[:120]


def delivered_by(provider: Provider, parameters: Mapping[str, str]) -> tuple[str, bool] | None:
    """What a delivery callback says: (the carrier's name of the message, has it arrived?). None: not yet.

    >>> delivered_by(READY["twilio"], {"MessageSid": "SM1", "MessageStatus": "delivered"})
    ('SM1', True)
    >>> delivered_by(READY["vonage"], {"messageId": "0A", "status": "accepted"}) is None
    True
    """
    parameter, arrived = provider.reported
    name, said = parameters.get(provider.names, ""), parameters.get(parameter, "")
    if not name or len(name) > NAME_MAX:
        return None
    if said == arrived:
        return name, True
    return (name, False) if re.fullmatch(provider.failed, said) else None


def _percent(value: str) -> str:
    return quote(value, safe="")


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _filled(template: str, values: Mapping[str, str], dress: object) -> str:
    assert callable(dress)
    return re.sub(r"\{(\w+)\}", lambda m: dress(values[m[1]]) if m[1] in values else m[0], template)
