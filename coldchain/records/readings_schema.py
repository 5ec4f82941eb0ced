# SPDX-License-Identifier: Apache-2.0
"""The tables of `readings.db`. Ingest writes them, all others read. Formats are numbered: append."""

from __future__ import annotations

LOG = """
-- One row per series: a sensor of the registry, and what it measures. Its rows of the log up to
-- position `sealed`
-- lie in its chunks; the later ones are still read from the log.
CREATE TABLE series (id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, quantity INTEGER NOT NULL,
                     sealed INTEGER NOT NULL DEFAULT 0, UNIQUE (sensor, quantity));
-- One row per run of a node: its sequence numbers start anew with each boot. `seen` (ranges per
-- channel) is true
-- up to the position of cursor 'state'; the log and the waiting list behind it tell the rest.
CREATE TABLE source (id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot INTEGER NOT NULL,
                     seen BLOB NOT NULL, UNIQUE (node, boot));
-- One row per gateway and epoch: `recorded` are the link sequences accounted for, as JSON ranges: recorded or
-- dead-lettered. (`dead` is of older versions; the dead letters tell which.)
CREATE TABLE link (id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, epoch TEXT NOT NULL,
                   recorded TEXT NOT NULL DEFAULT '[]', dead TEXT NOT NULL DEFAULT '[]',
                   last_ms INTEGER NOT NULL DEFAULT 0,
                   UNIQUE (gateway, epoch));
-- The journal: batches in the order of their commit, positions without holes (counter 'position' is the
-- last).
-- first_ms, last_ms: the span of the rows' instants. A batch leaves when it is sealed and every
-- consumer has passed it.
CREATE TABLE log (position INTEGER PRIMARY KEY, arrived_ms INTEGER NOT NULL, link INTEGER NOT NULL,
    n INTEGER NOT NULL,
                  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, rows BLOB NOT NULL);
-- The newest reading of each series, in event time, true up to the position of cursor 'state'.
CREATE TABLE latest (series INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, value INTEGER NOT NULL,
    status INTEGER NOT NULL,
                     flags INTEGER NOT NULL, arrived_ms INTEGER NOT NULL);
-- Sealed readings, one row per series and window (window start, UTC ms). `data` is versioned
-- (records.chunks).
-- Rows lie in the order of sealing: pages fill up, and one sealing touches few of them.
CREATE TABLE chunk (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, start_ms INTEGER NOT NULL,
    n INTEGER NOT NULL, valid INTEGER NOT NULL,
                    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, vmin INTEGER, vmax INTEGER,
                    vsum INTEGER, data BLOB NOT NULL);
CREATE UNIQUE INDEX chunk_series ON chunk (series, start_ms);
-- What remains of readings whose time is up: one row per series and hour. Values in thousandths;
-- seconds below,
-- above and unknown by the profile that was in force.
CREATE TABLE hourly (series INTEGER NOT NULL, start_ms INTEGER NOT NULL, n INTEGER NOT NULL,
    vmin INTEGER, vmax INTEGER, vsum INTEGER NOT NULL,
                     below_s INTEGER NOT NULL, above_s INTEGER NOT NULL, unknown_s INTEGER NOT NULL,
                     PRIMARY KEY (series, start_ms)) WITHOUT ROWID;
-- What could not be recorded, with the reason and the bytes.
CREATE TABLE dead_letter (id INTEGER PRIMARY KEY, arrived_ms INTEGER NOT NULL, gateway TEXT, epoch TEXT,
    ranges TEXT NOT NULL,
                          readings INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
                          bytes BLOB NOT NULL);
-- Readings of channels the registry does not know, waiting to be adopted.
CREATE TABLE waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL,
    channel INTEGER NOT NULL, quantity INTEGER NOT NULL,
                      arrived_ms INTEGER NOT NULL, link INTEGER NOT NULL, n INTEGER NOT NULL,
                      rows BLOB NOT NULL);
CREATE INDEX waiting_channel ON waiting (node, channel);
-- What gateways could not accept: counted, ranged, told.
CREATE TABLE gap (gateway TEXT NOT NULL, epoch TEXT NOT NULL, id INTEGER NOT NULL, node TEXT,
    boot INTEGER, low INTEGER, high INTEGER,
                  readings INTEGER NOT NULL, reason TEXT NOT NULL, from_ms INTEGER NOT NULL,
                  until_ms INTEGER NOT NULL,
                  arrived_ms INTEGER NOT NULL, PRIMARY KEY (gateway, epoch, id)) WITHOUT ROWID;
-- The last word of each gateway about itself (JSON as received), and when it came.
CREATE TABLE gateway_status (gateway TEXT PRIMARY KEY, arrived_ms INTEGER NOT NULL,
    status TEXT NOT NULL) WITHOUT ROWID;
-- How far each duty inside ingest has come: 'state' (source.seen, latest), 'sealed', 'influx'.
-- Alerts keeps its own position in alarms.db.
CREATE TABLE cursor (consumer TEXT PRIMARY KEY, position INTEGER NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
-- Points that InfluxDB's retention would refuse: kept, not retried.
CREATE TABLE parked (id INTEGER PRIMARY KEY, parked_ms INTEGER NOT NULL, points INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
                     last_ms INTEGER NOT NULL, reason TEXT NOT NULL, lines BLOB NOT NULL);
-- Counters committed with what they count: position, journalled, waiting, readmitted, dead_lettered,
-- duplicates, refused_payloads.
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

GUARD = """
-- What guards did at their sites while the hub was out of reach, one row for each report (JSON as it came); alerts
-- applies each once. `report` names alarm and content.
CREATE TABLE guard_report (id INTEGER PRIMARY KEY AUTOINCREMENT, report TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL,
                           arrived_ms INTEGER NOT NULL, body TEXT NOT NULL);
"""

READINGS_MIGRATIONS = (LOG, GUARD)
