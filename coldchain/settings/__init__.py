# SPDX-License-Identifier: Apache-2.0
"""What an installation can set. `model` has the keys, `file` reads and checks the TOML."""

from __future__ import annotations

from coldchain.settings.file import Finding, check_text, load
from coldchain.settings.model import (
    AlertSettings,
    ConsoleSettings,
    GatewaySettings,
    InfluxSettings,
    IngestSettings,
    LineSettings,
    ModbusDevice,
    ModemSettings,
    MqttSettings,
    NotifySettings,
    RegisterSettings,
    Settings,
)

__all__ = [
    "AlertSettings",
    "ConsoleSettings",
    "Finding",
    "GatewaySettings",
    "InfluxSettings",
    "IngestSettings",
    "LineSettings",
    "ModbusDevice",
    "ModemSettings",
    "MqttSettings",
    "NotifySettings",
    "RegisterSettings",
    "Settings",
    "check_text",
    "load",
]
