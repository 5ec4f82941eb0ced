# SPDX-License-Identifier: Apache-2.0
"""The broker's certificate as our own clients would judge it: until when it serves, or why it does not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass

from coldchain.settings.model import MqttSettings

WITHIN_S = 2.0
KEPT_S = 600.0
"""Asked again no sooner: many look at the list, and a broker that is away costs WITHIN_S."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """until_ms: the end of its time [ms since epoch], where it is taken. refused: why it is not, or empty."""

    until_ms: int | None
    refused: str = ""


_kept: dict[tuple[str, int, str], tuple[float, Certificate | None]] = {}
_alone = threading.Lock()


def certificate(mqtt: MqttSettings) -> Certificate | None:
    """None without TLS, and while nobody answers there."""
    if not mqtt.tls:
        return None
    key = (mqtt.host, mqtt.port, str(mqtt.ca_file))
    with _alone:
        asked_s, known = _kept.get(key, (float("-inf"), None))
        if time.monotonic() - asked_s >= KEPT_S:
            known = look(mqtt)
            _kept[key] = (time.monotonic(), known)
        return known


def look(mqtt: MqttSettings) -> Certificate | None:
    """As `certificate`, asked now."""
    try:
        context = ssl.create_default_context(cafile=str(mqtt.ca_file) if mqtt.ca_file else None)
        with (
            socket.create_connection((mqtt.host, mqtt.port), WITHIN_S) as link,
            context.wrap_socket(link, server_hostname=mqtt.host) as safe,
        ):
            said = safe.getpeercert() or {}
    except ssl.SSLCertVerificationError as bad:
        return Certificate(None, bad.verify_message)
    except OSError:  # nobody there, or our own files: others tell of that
        return None
    return Certificate(round(ssl.cert_time_to_seconds(str(said["notAfter"])) * 1000))
