# SPDX-License-Identifier: Apache-2.0
"""What a site's people would answer in one breath: alarms of one kind that came together, as one entry. Pure.

A board that falls silent takes its eight appliances with it: eight alarms, each with a life of its own, and
one answer. What is beyond a product's limit stays alone: it asks for an action, appliance by appliance.
"""

from collections.abc import Container, Sequence

from coldchain.records.alarms import Alarm

WAITS = ("unacknowledged", "returned")
MOST = 100
"""So many are answered at once; a site has 46 appliances at the most in the reference fleet."""


def together(open_: Sequence[Alarm], asked: Container[str | None]) -> list[list[Alarm]]:
    """Alarms in their order, those in one list that one answer is for.

    asked  alarms that somebody has answered already: each of them stands alone
    """
    groups: dict[tuple[str, str, str, str], list[Alarm]] = {}
    for a in open_:
        alone = a.product or a.scope != "appliance" or a.state not in WAITS or a.id in asked
        key = ("", "", "", a.id) if alone else (a.site, a.kind, a.severity, a.state)
        group = groups.setdefault(key, [])
        if len(group) == MOST:
            groups[("", "", "", a.id)] = [a]
        else:
            group.append(a)
    return list(groups.values())
