# SPDX-License-Identifier: Apache-2.0
"""The tables of `desk.db` about devices: what is known of each serial number, work orders, links for contractors.

Nothing is deleted and nothing is changed: an entry stands until another corrects it. Append only, as all formats.
"""

from __future__ import annotations

from coldchain.records.audit_schema import Watched

_GROWS = "".join(
    f"CREATE TRIGGER {table}_{name} BEFORE {deed} ON {table} BEGIN"
    f" SELECT RAISE(ABORT, 'the history of devices only grows'); END;\n"
    for table in ("device_entry", "work_order", "work_step", "pass_use")
    for name, deed in (("stays", "DELETE"), ("holds", "UPDATE"))
)

TABLES = """
-- What is known of a device by its serial number. `kind` and `body`: coldchain.records.devices; a body of `null`
-- withdraws what it corrects. `key`: the asker's, the same one twice is one entry.
CREATE TABLE device_entry (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, serial TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    person TEXT NOT NULL, at_ms INTEGER NOT NULL, corrects INTEGER REFERENCES device_entry (id));
CREATE INDEX device_entry_serial ON device_entry (serial, kind);
CREATE INDEX device_entry_kind ON device_entry (kind);
CREATE UNIQUE INDEX device_entry_corrects ON device_entry (corrects) WHERE corrects IS NOT NULL;
-- Work to be done on a device. `alarm`: the number of the alarm it was raised from, or null.
CREATE TABLE work_order (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, serial TEXT NOT NULL, appliance TEXT NOT NULL,
    site TEXT NOT NULL, alarm INTEGER, what TEXT NOT NULL, contractor TEXT NOT NULL, person TEXT NOT NULL,
    at_ms INTEGER NOT NULL);
CREATE INDEX work_order_serial ON work_order (serial);
CREATE INDEX work_order_appliance ON work_order (appliance);
-- What became of it, in order. `state`: sent, started, finished, cancelled, noted (the state stays as it is).
CREATE TABLE work_step (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, number INTEGER NOT NULL REFERENCES work_order (number),
    state TEXT NOT NULL, body TEXT NOT NULL, person TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX work_step_number ON work_step (number);
-- Links for contractors: whoever knows the secret (kept is its SHA-256) reads about one device until `until_ms`, and
-- with a `number` may start and finish that work order in the name of `person`.
CREATE TABLE pass (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, serial TEXT NOT NULL, number INTEGER, person TEXT NOT NULL,
    made_by TEXT NOT NULL, made_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, revoked_ms INTEGER,
    revoked_by TEXT NOT NULL DEFAULT '');
-- Each use of such a link: what was asked, from where.
CREATE TABLE pass_use (
    id INTEGER PRIMARY KEY, pass INTEGER NOT NULL REFERENCES pass (id), at_ms INTEGER NOT NULL, what TEXT NOT NULL,
    address TEXT NOT NULL);
CREATE INDEX pass_use_pass ON pass_use (pass);
"""


def _plain(names: str) -> dict[str, str]:
    return {name: f"${name}" for name in names.split()}


DEVICES_WATCHED = (
    Watched("device_entry", "$id", "$at_ms", _plain("key serial kind body person at_ms corrects")),
    Watched(
        "work_order",
        "$number",
        "$at_ms",
        _plain("key serial appliance site alarm what contractor person at_ms"),
    ),
    Watched("work_step", "$id", "$at_ms", _plain("key number state body person at_ms")),
    Watched(
        "pass",
        "$id",
        "coalesce($revoked_ms, $made_ms)",
        {
            **_plain("serial number person made_by made_ms until_ms revoked_ms revoked_by"),
            "word": "hex(substr($hash, 1, 4))",
        },
    ),
    Watched("pass_use", "$id", "$at_ms", _plain("pass at_ms what address")),
)
"""Their triggers come with their own migration."""

DEVICES = TABLES + _GROWS + "".join(watched.triggers() for watched in DEVICES_WATCHED)
