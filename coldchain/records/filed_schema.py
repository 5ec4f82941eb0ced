# SPDX-License-Identifier: Apache-2.0
"""Tables of `desk.db` for reports: which are mailed on a schedule, and what was made, filed and sent."""

from __future__ import annotations

from coldchain.records.audit_schema import Watched

_SCHEDULE = "kind subject language every at_clock who made_ms made_by ended_ms ended_by"
_FILED = "at_ms sha256 kind subject language as_of_ms record schedule due sent_to outcome"

FILED_WATCHED = (
    Watched(
        "schedule",
        "$id",
        "coalesce($ended_ms, $made_ms)",
        {name: f"${name}" for name in _SCHEDULE.split()},
    ),
    Watched("filed", "$id", "$at_ms", {name: f"${name}" for name in _FILED.split()}),
)

FILED = """
-- Reports that are mailed. every: day or month; at_clock: HH:MM by the installation's zone; who: JSON, addresses.
CREATE TABLE schedule (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, language TEXT NOT NULL,
    every TEXT NOT NULL, at_clock TEXT NOT NULL, who TEXT NOT NULL, made_ms INTEGER NOT NULL, made_by TEXT NOT NULL,
    ended_ms INTEGER, ended_by TEXT);
-- Reports that were made. sha256: of the file; record: the hash that it prints; due: the day or month that a schedule
-- wanted it of, so that each goes once; outcome: nothing (only made), `sent`, or why it was not.
CREATE TABLE filed (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, language TEXT NOT NULL, as_of_ms INTEGER NOT NULL, record TEXT NOT NULL, schedule INTEGER,
    due TEXT NOT NULL, sent_to TEXT NOT NULL, outcome TEXT NOT NULL);
CREATE INDEX filed_sha ON filed (sha256);
CREATE INDEX filed_schedule ON filed (schedule, due);
""" + "".join(watched.triggers() for watched in FILED_WATCHED)
