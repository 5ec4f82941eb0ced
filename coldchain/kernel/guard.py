# SPDX-License-Identifier: Apache-2.0
"""What a gateway's guard and the hub say to each other: JSON, each part with a checksum. Bytes only.

Up, in the gateway's status: `"guard": {"rules": DIGEST, "reports": [{"id", "body"}, ...]}`. Down, on the
topic `cmd`: which reports are kept, and the rules that the site is judged by. docs/wire-format.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from coldchain.kernel.audit import Anchors, read_head
from coldchain.kernel.errors import BadData, BatchError
from coldchain.kernel.link import MAX_PAYLOAD, name_of, number_of

REPORTS_BYTES = 40_000
"""So much of a status at most is reports; the rest come with the next."""
REPORT_BYTES = 16_000
RULES_MAX_BYTES = 8_000_000
"""What a rules message may unfold to."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the guard did about one alarm. `id` names the alarm and, by a checksum, the content."""

    id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GuardWord:
    """The guard's part of a status. `rules`: digest of the copy it judges by, empty without one."""

    rules: str
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """These reports are durable at the hub."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The copy to judge by: a registry's version, its JSON, and the site's own profiles as files."""

    version: int
    registry: str
    profiles: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The same contents, the same digest, whoever computes it."""
        told = json.dumps([self.version, self.registry, sorted(self.profiles.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def report_of(alarm: str, body: Mapping[str, Any]) -> Report:
    """A report under its name.

    >>> report_of("a:high:1", {"x": 1}).id
    'a:high:1~3beb595c'
    """
    return Report(f"{alarm}~{_crc(body):08x}", body)


def _crc(body: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def word_json(rules: str, reports: Iterable[Report]) -> dict[str, Any]:
    """The guard's part of a status, with as many reports as fit."""
    room, taken = REPORTS_BYTES, []
    for report in reports:
        room -= len(json.dumps(report.body)) + len(report.id) + 20
        if room < 0:
            break
        taken.append({"id": report.id, "body": report.body})
    return {"rules": rules, "reports": taken}


def read_word(found: object) -> GuardWord:
    """The inverse of `word_json`; ValueError, TypeError or KeyError when it is not one. A damaged report is
    left out: it comes again.
    """
    if not isinstance(found, dict):
        raise TypeError("guard is not an object")
    reports = []
    for one in found.get("reports", []):
        id_, body = one["id"], one["body"]
        if not isinstance(id_, str) or not isinstance(body, dict) or len(id_) > 200:
            raise TypeError("not a report")
        size = len(json.dumps(body))
        if size <= REPORT_BYTES and id_.rpartition("~")[2] == f"{_crc(body):08x}":
            reports.append(Report(id_, body))
    rules = found.get("rules", "")
    if not isinstance(rules, str):
        raise TypeError("rules is not a digest")
    return GuardWord(rules[:64], tuple(reports))


def encode_command(gateway: str, command: Kept | Rules | Anchors) -> bytes:
    """The payload for the topic `cmd`."""
    if isinstance(command, Kept):
        told: dict[str, Any] = {"cmd": "kept", "ids": list(command.ids)}
    elif isinstance(command, Anchors):
        heads = {chain: str(head) for chain, head in command.heads.items()}
        told = {"cmd": "anchor", "heads": heads, "hub_ms": command.hub_ms}
    else:
        inner = json.dumps([command.registry, dict(command.profiles)]).encode()
        body = base64.b64encode(zlib.compress(inner, 9)).decode()
        told = {"cmd": "rules", "version": command.version, "digest": command.digest, "body": body}
    told = {"v": 1, "gateway": gateway, **told}
    return json.dumps({**told, "crc": _crc(told)}, separators=(",", ":")).encode()


def decode_command(payload: bytes) -> tuple[str, Kept | Rules | Anchors]:
    """(gateway, command), or BatchError with the reason. Never anything else, whatever the bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise BatchError(f"oversize: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    try:
        told = json.loads(payload)
        crc = told.pop("crc")
        if told["v"] != 1 or crc != _crc(told):
            raise BatchError("malformed command: another version, or the checksum does not match")
        gateway = name_of(told["gateway"])
        if told["cmd"] == "kept":
            return gateway, Kept(tuple(str(id_) for id_ in told["ids"]))
        if told["cmd"] == "anchor":
            heads = {name_of(chain): read_head(text) for chain, text in told["heads"].items()}
            return gateway, Anchors(heads, number_of(told["hub_ms"]))
        if told["cmd"] == "rules":
            return gateway, _rules(told)
        raise BatchError(f"command {str(told['cmd'])[:40]!r} is not known")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error, BadData) as bad:
        raise BatchError(f"malformed command: {bad}") from bad


def _rules(told: Mapping[str, Any]) -> Rules:
    unzip = zlib.decompressobj()
    inner = unzip.decompress(base64.b64decode(told["body"], validate=True), RULES_MAX_BYTES)
    registry, profiles = json.loads(inner)
    if not isinstance(registry, str) or not all(isinstance(t, str) for t in profiles.values()):
        raise TypeError("not rules")
    rules = Rules(number_of(told["version"]), registry, profiles)
    if rules.digest != told["digest"]:
        raise ValueError("the digest does not match")
    return rules
