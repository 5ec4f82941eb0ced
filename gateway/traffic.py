# SPDX-License-Identifier: Apache-2.0
"""What the link costs: bytes as a SIM card's bill counts them. Pure."""

from __future__ import annotations

TCP_IP_BYTES = 40
"""Headers of one packet without options: IPv4 20 (RFC 791), TCP 20 (RFC 9293)."""
SEGMENT_BYTES = 1360
"""What a packet carries on a mobile network, whose MTU is about 1400."""
PUBACK_BYTES = 4  # MQTT 3.1.1, section 3.4
TLS_RECORD_BYTES = 22  # RFC 8446, section 5.2: header 5, type 1, tag 16
MONTH_S = 30.44 * 86_400


def publish_bytes(topic: str, payload_bytes: int, *, tls: bool) -> int:
    """One QoS 1 publication and its PUBACK, TCP acknowledgements included, in both directions."""
    remaining = 2 + len(topic) + 2 + payload_bytes
    length_bytes = 1 if remaining < 128 else 2 if remaining < 16_384 else 3
    out = 1 + length_bytes + remaining
    packets = -(-out // SEGMENT_BYTES)
    secured = 2 * TLS_RECORD_BYTES if tls else 0
    return out + PUBACK_BYTES + secured + (packets + 2) * TCP_IP_BYTES


def keepalive_bytes(elapsed_s: float, keepalive_s: float, *, tls: bool) -> int:
    """Pings and their answers, had the link been quiet."""
    return round(elapsed_s / keepalive_s * (4 + 4 * TCP_IP_BYTES + (2 * TLS_RECORD_BYTES if tls else 0)))


def mb_per_month(total_bytes: int, elapsed_s: float) -> float:
    """Extrapolated to a month of 30.44 days [10^6 bytes]."""
    return total_bytes / max(elapsed_s, 1.0) * MONTH_S / 1e6
