# SPDX-License-Identifier: Apache-2.0
"""The tables of `alarms.db`. Alerts writes them; all others read. Formats are numbered: append, never edit."""

from __future__ import annotations

FIRST = """
-- Engine state, journal position and registry version: one row, committed with everything it caused.
CREATE TABLE engine (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, format INTEGER NOT NULL,
                     rules_digest TEXT NOT NULL, registry_version INTEGER NOT NULL, state BLOB NOT NULL, updated_ms INTEGER NOT NULL);
-- At which journal position each registry version took effect.
CREATE TABLE registry_effect (version INTEGER PRIMARY KEY, position INTEGER NOT NULL, at_ms INTEGER NOT NULL);
-- The fact: the load was outside the limits. `ended_ms` null while it lasts.
CREATE TABLE excursion (id TEXT PRIMARY KEY, sensor TEXT NOT NULL, appliance TEXT NOT NULL, kind TEXT NOT NULL,
                        started_ms INTEGER NOT NULL, ended_ms INTEGER, peak INTEGER NOT NULL, limit_value INTEGER NOT NULL,
                        profile TEXT NOT NULL, registry_version INTEGER NOT NULL, retrospective INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
-- The fact that people must act. `state` as in ISA-18.2: unacknowledged, acknowledged, returned, closed.
CREATE TABLE alarm (id TEXT PRIMARY KEY, appliance TEXT NOT NULL, sensor TEXT NOT NULL, site TEXT NOT NULL, kind TEXT NOT NULL,
                    severity TEXT NOT NULL, state TEXT NOT NULL, since_ms INTEGER NOT NULL, raised_ms INTEGER NOT NULL,
                    returned_ms INTEGER, value INTEGER, limit_value INTEGER, peak INTEGER, rule TEXT NOT NULL, profile TEXT,
                    registry_version INTEGER NOT NULL, position INTEGER NOT NULL, decided_ms INTEGER NOT NULL);
CREATE INDEX alarm_state ON alarm (state);
CREATE INDEX alarm_appliance ON alarm (appliance);
-- What happened to alarms, in order.
CREATE TABLE alarm_event (id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL);
-- One message to one person by one channel. `state`: due, sending, sent, failed, given_up.
CREATE TABLE notice (id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, step INTEGER NOT NULL, person TEXT NOT NULL, channel TEXT NOT NULL,
                     attempt INTEGER NOT NULL, address TEXT NOT NULL, text TEXT NOT NULL, created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
                     state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER, detail TEXT NOT NULL DEFAULT '',
                     UNIQUE (alarm, step, person, channel, attempt));
CREATE INDEX notice_state ON notice (state, due_ms);
"""

ALARMS_MIGRATIONS = (FIRST,)
