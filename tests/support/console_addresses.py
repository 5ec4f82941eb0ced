# SPDX-License-Identifier: Apache-2.0
"""Addresses of the console's table, filled in with ids that `console_seed` has; which of them are pages."""

import re

from dashboards.console.accounts.roles import ENDPOINTS

WARM = "vte-br-000"
KNOWN = {
    "appliance_id": WARM, "site_id": "vte", "number": "1", "digest": "0", "name": "x.css", "provider": "p",
    "secret": "s", "verb": "acknowledge", "sha": "0", "province": "Savannakhet",
    "serial": WARM, "paper": "test-paper", "chain": "desk", "form": "csv", "table": "alarms",
}  # fmt: skip
"""Whoever adds an address with another name in braces adds an id that `console_seed` knows."""
NO_PAGE = re.compile(
    r"/api/|/static/|/events$|/whoami$|/paper/|/packet/|/export/|/download/"
    r"|\.(svg|ics|csv|xlsx|pdf|js|jsonl|json|png|zip|tar|webmanifest)$"
)
"""Streams, files and what is downloaded."""


def address(template: str) -> str:
    """Every name in braces becomes its id; an unknown one becomes 1."""
    template = template.replace("/problems/{name}", "/problems/unknown-page")
    return re.sub(r"{(\w+)(?::path)?}", lambda found: KNOWN.get(found[1], "1"), template)


def pages() -> list[str]:
    """Templates of all that a browser shows."""
    return sorted(path for method, path in ENDPOINTS if method == "GET" and not NO_PAGE.search(path))
