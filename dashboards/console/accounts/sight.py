# SPDX-License-Identifier: Apache-2.0
"""What of the fleet an account sees: all of it, or its own sites. Counts are of what is seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from dashboards.console.accounts.gate import visitor
from dashboards.console.source import Look


def scoped() -> bool:
    """Is whoever asks for some sites only?"""
    account = visitor().account
    return account is not None and bool(account.sites)


def seen(look: Look) -> Look:
    """The look, cut to what whoever asks may see."""
    if not scoped():
        return look
    sees, registry = visitor().sees, look.registry
    rows = tuple(row for row in look.fleet.rows if sees(row.site, registry))
    counts = Counter(row.state for row in rows)
    fleet = replace(look.fleet, rows=rows, counts={state: counts[state] for state in look.fleet.counts})
    return replace(look, fleet=fleet, alarms=tuple(a for a in look.alarms if sees(a.site, registry)))
