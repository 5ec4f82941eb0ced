# SPDX-License-Identifier: Apache-2.0
"""A file that somebody brings, held against the record: a report, an audit export, a bundle."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from coldchain.kernel.audit import Altered
from coldchain.kernel.instants import rfc3339
from coldchain.records.audit_file import chain_of, compare_file
from coldchain.settings import Settings

STATES = ("matches", "altered", "record_changed", "unknown", "unmade")


@dataclass(frozen=True, slots=True)
class Held:
    """what: report, audit, carried or nothing; state: one of STATES.

    subject  which report or chain; where: at what it is altered, or why it cannot be told; filed: when it was
             made here, as the desk knows
    """

    what: str
    state: str
    subject: str = ""
    where: str = ""
    filed: tuple[str, ...] = ()


def held(settings: Settings, body: bytes) -> Held:
    """matches, or altered at the first thing that is not what the record says."""
    if body[:5] == b"%PDF-":
        from coldchain.wiring.report.again import compare

        found = compare(settings, body)
        wanted = found.wanted
        subject = f"{wanted.kind} {wanted.subject}, {rfc3339(wanted.as_of_ms)}" if wanted else ""
        made = tuple(f"{rfc3339(one.at_ms)} {' '.join(one.sent_to)}".strip() for one in found.filed)
        return Held("report", found.state, subject, found.where, made)
    if body[:3] == b"CCY":
        return _carried(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Held("", "unknown")
    chain = chain_of(text)
    if chain is None:
        return Held("", "unknown")
    found_, count = compare_file(text, settings.data_dir / f"{chain}.db")
    if isinstance(found_, Altered):
        return Held("audit", "altered", chain, f"entry {found_.number}: {found_.why}")
    return Held("audit", "matches", chain, f"{count} entries")


def _carried(body: bytes) -> Held:
    from coldchain.records.carry import BundleRefused, read_bundle

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(body)
        try:
            head = read_bundle(path).head
        except BundleRefused as bad:
            return Held("carried", "altered", "", str(bad).replace(str(path), "the bundle"))
    return Held("carried", "matches", f"{head.gateway}, {rfc3339(head.made_ms)}", f"{head.readings} readings")
