# SPDX-License-Identifier: Apache-2.0
"""What every answer carries, and which peers are this very machine."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No foreign host, no inline script or style, no frame around us."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: a browser then calls the origin of our own forms `null`, and the gate refuses them.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class SafeHeaders:
    """Adds HEADERS to every answer, errors and event streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_safe)


def host_name(netloc: str) -> str:
    """The name without its port.

    >>> host_name("127.0.0.1:8080"), host_name("[::1]:8080"), host_name("evil.example")
    ('127.0.0.1', '::1', 'evil.example')
    """
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:  # no name at all
        return ""


def trusted_peer(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Is it this very machine, or an address of one of the networks that the settings name?"""
    if host in LOOPBACK:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)
