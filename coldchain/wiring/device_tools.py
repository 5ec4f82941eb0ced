# SPDX-License-Identifier: Apache-2.0
"""What the console's pages of devices need from other rooms: figures from the record, packets on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldchain.kernel.clocks import WallClock
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.records.registry import Registry
from coldchain.settings import Settings
from dashboards.console.devices.known import Tools


def device_tools(settings: Settings, wall_ms: WallClock = system_wall_ms) -> Tools:
    """Insight always; a packet where Typst is installed, else the page says that it is unavailable."""
    from coldchain.wiring.insight import RecordInsight

    def packet(serial: str, language: str) -> bytes:
        from coldchain.wiring.report.again import Wanted, filed_pdf

        made, _ = filed_pdf(settings, Wanted("packet", serial, language, wall_ms()), wall_ms)
        return made

    def look(old: Registry, new: Registry) -> Mapping[str, Any]:
        from coldchain.wiring.changing import look_back_between

        return look_back_between(settings, old, new, wall_ms())

    return Tools(RecordInsight(settings, wall_ms), packet, look)
