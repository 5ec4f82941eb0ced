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

ALARM = "alarm"
"""What happened to alarms: a point at each change. Tags appliance, site, kind."""
KIND = "kind"
STATE = "state"
"""integer: of ALARM, 2 somebody is called, 1 somebody has it or it is put aside, 0 it wants nobody any more;
of STATE_15M one of STATES"""
NUMBER = "number"
"""integer: the alarm's number, that people reply; of a defrost its minutes: 1 of a missing one, 0 of one
that was taken back"""
TEXT = "text"
"""string: in English, for a tooltip"""
ALARM_FIELDS = (STATE, NUMBER, TEXT)

STATE_15M = "state_15m"
"""The worst that alarms said of an appliance within each window: every appliance, every window, also when in
order. Tags appliance, site."""
STATES = {"ok": 0, "aside": 1, "warning": 2, "silent": 3, "alarm": 4}
"""aside: out of service, or put aside by people. The larger counts."""

LIMITS = "limits"
"""The limits in force then, once an hour and at each change. Tags appliance, site."""
LOW = "low"
HIGH = "high"
"""floats [°C]; absent where there is no limit on that side"""
PROFILE = "profile"
"""string: what the appliance carried"""
LIMITS_FIELDS = (LOW, HIGH, PROFILE)

EVENT = "event"
"""What belongs beside a curve, at its beginning. Tags appliance, site, kind (EVENT_KINDS)."""
UNTIL_MS = "until_ms"
"""integer [ms since epoch]: its end; its beginning where it has none"""
EVENT_FIELDS = (UNTIL_MS, TEXT, NUMBER)
EVENT_KINDS = ("alarm", "power", "silence", "maintenance", "drill", "calibration", "assignment", "defrost")
"""Doors are readings; `maintenance` is also a work order; `defrost` one that has ended, or is missing."""
