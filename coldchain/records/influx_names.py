# SPDX-License-Identifier: Apache-2.0
"""The names in InfluxDB. Dashboards and the projection take them from here; a name once used never changes
type.

Tags of every measurement: sensor, quantity, and where the registry knows them appliance and site, as they
were when the point was written. A roll-up's time is the start of its window.
"""

from __future__ import annotations

READING = "reading"
ROLLUP_15M = "reading_15m"
ROLLUP_1H = "reading_1h"

ROLLUP_MS = {ROLLUP_15M: 15 * 60_000, ROLLUP_1H: 60 * 60_000}
"""Measurement -> length of its windows [ms]."""

SENSOR = "sensor"
APPLIANCE = "appliance"
SITE = "site"
QUANTITY = "quantity"
TAGS = (APPLIANCE, QUANTITY, SENSOR, SITE)
"""Sorted, as InfluxDB likes them."""

VALUE = "value"
"""float, in the quantity's unit; absent when the reading failed."""
STATUS = "status"
FLAGS = "flags"
SEQ = "seq"
BOOT = "boot"
"""integers: kernel.words.Status, kernel.words.Flag, the node's sequence and boot"""
READING_FIELDS = (VALUE, STATUS, FLAGS, SEQ, BOOT)

MIN = "min"
MAX = "max"
MEAN = "mean"
"""floats, in the quantity's unit; absent when no reading of the window has a value"""
COUNT = "count"
"""integer: readings that have a value"""
BELOW_S = "below_s"
ABOVE_S = "above_s"
UNKNOWN_S = "unknown_s"
"""floats [s]: outside the limits of the profile in force, and without a reading to go by"""
ROLLUP_FIELDS = (MIN, MAX, MEAN, COUNT, BELOW_S, ABOVE_S, UNKNOWN_S)
