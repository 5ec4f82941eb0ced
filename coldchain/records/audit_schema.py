# SPDX-License-Identifier: Apache-2.0
"""What the audit chain speaks of: rows of tables, and the triggers that write an entry with each change.

Triggers, for no code can forget them: whoever changes such a row, an entry stands in the same transaction.
`coldchain.records.sql.transaction` gives it its hash before it commits. An entry's body is what of the row is
watched, so a row that was changed otherwise differs from its newest entry. Append only, as all formats.
"""

from __future__ import annotations

from dataclasses import dataclass

TABLE = """
-- The audit chain (coldchain.kernel.audit). `body`: {"row": key, ...}, as the row is after the change; "gone": 1
-- when it is no more, or is no longer watched. `hash`: null until the transaction that wrote it ends.
CREATE TABLE audit (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    hash BLOB);
CREATE UNIQUE INDEX audit_loose ON audit (number) WHERE hash IS NULL;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit chain only grows'); END;
CREATE TRIGGER audit_holds BEFORE UPDATE ON audit WHEN OLD.hash IS NOT NULL
    OR NEW.number <> OLD.number OR NEW.at_ms <> OLD.at_ms OR NEW.kind <> OLD.kind OR NEW.body <> OLD.body
    BEGIN SELECT RAISE(ABORT, 'the audit chain only grows'); END;
INSERT INTO audit (at_ms, kind, body) VALUES (0, 'begun', json_object('chain', lower(hex(randomblob(16)))));
"""
LAST_MS = "coalesce((SELECT at_ms FROM audit ORDER BY number DESC LIMIT 1), 0)"
"""Of a row that is gone nobody says when: not before the last entry."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Rows of one table. Expressions in SQL, `$` before a column's name.

    key      names the row for ever
    at       when it became so [ms]
    facts    name -> what is watched of it
    when     only rows for which this is true
    replace  it is written by INSERT OR REPLACE
    """

    table: str
    key: str
    at: str
    facts: dict[str, str]
    when: str = "1"
    replace: bool = False

    def fact(self, row: str) -> str:
        """An expression: what is watched of `row` (NEW, OLD or a table's alias), or null."""
        pairs = ", ".join(f"'{name}', {sql}" for name, sql in self.facts.items())
        whole = f"CASE WHEN {self.when} THEN json_object('row', {self.key}, {pairs}) END"
        return whole.replace("$", f"{row}.")

    def _entry(self, row: str, fact: str, condition: str, at: str = "") -> str:
        key, own = (text.replace("$", f"{row}.") for text in (self.key, self.at))
        body = f"coalesce({fact}, json_object('row', {key}, 'gone', 1))"
        values = f"{at or own}, '{self.table}', {body}"
        return f"INSERT INTO audit (at_ms, kind, body) SELECT {values} WHERE {condition};"

    def triggers(self) -> str:
        """The script: triggers, and an entry for each row that is there already."""
        new, old, name = self.fact("NEW"), self.fact("OLD"), self.table
        same = f"{self.key.replace('$', 'was.')} = {self.key.replace('$', 'NEW.')}"
        before = f"(SELECT {self.fact('was')} FROM {name} was WHERE {same})"  # noqa: S608
        at_insert = ("BEFORE", f"{new} IS NOT {before}") if self.replace else ("AFTER", f"{new} IS NOT NULL")
        gone = self._entry("OLD", "NULL", f"{old} IS NOT NULL", LAST_MS)
        return f"""
CREATE TRIGGER audit_{name}_new {at_insert[0]} INSERT ON {name} BEGIN
    {self._entry("NEW", new, at_insert[1])} END;
CREATE TRIGGER audit_{name}_changed AFTER UPDATE ON {name} BEGIN
    {self._entry("NEW", new, f"{new} IS NOT {old}")} END;
CREATE TRIGGER audit_{name}_gone AFTER DELETE ON {name} BEGIN
    {gone} END;
INSERT INTO audit (at_ms, kind, body) SELECT {self.at.replace("$", "now.")}, '{name}', {self.fact("now")}
    FROM {name} now WHERE {self.fact("now")} IS NOT NULL;
"""  # noqa: S608


def _plain(names: str) -> dict[str, str]:
    return {name: f"${name}" for name in names.split()}


_FINAL = "$state IN ('sent', 'given_up', 'cancelled')"

ALARMS_WATCHED = (
    Watched("alarm_event", "$id", "$at_ms", _plain("alarm at_ms event detail")),
    Watched("command_applied", "$id", "$at_ms", _plain("at_ms outcome")),
    Watched(
        "disposition",
        "$id",
        "$at_ms",
        _plain("alarm appliance what person second reason since_ms until_ms at_ms"),
    ),
    Watched(
        "shelf",
        "$id",
        "coalesce($ended_ms, $from_ms)",
        _plain("alarm person second reason from_ms until_ms ended_ms how"),
    ),
    Watched(
        "out_of_service",
        "$id",
        "coalesce($back_ms, $from_ms)",
        _plain("appliance person reason from_ms back_ms back_person back_reason"),
    ),
    Watched(
        "notice",
        "$id",
        "coalesce($sent_ms, $due_ms)",
        _plain("alarm about step person channel attempt address text state sent_ms"),
        when=_FINAL,
    ),
    Watched(
        "delivery",
        "$notice",
        "coalesce($delivered_ms, $receipt_due_ms, 0)",
        _plain("delivered_ms fate"),
        when="($delivered_ms IS NOT NULL OR $fate <> '')",
    ),
    Watched(
        "excursion",
        "$id",
        "$updated_ms",
        {
            **_plain("sensor appliance kind started_ms raised_ms ended_ms limit_value profile"),
            **_plain("registry_version retrospective alarm"),
            "peak": "CASE WHEN $ended_ms IS NOT NULL THEN $peak END",
        },
        replace=True,
    ),
    Watched(
        "alarm",
        "$number",
        "max($decided_ms, coalesce($acknowledged_ms, 0), coalesce($returned_ms, 0))",
        {
            **_plain("id scope appliance sensor site kind severity state since_ms raised_ms returned_ms"),
            **_plain(
                "acknowledged_ms acknowledged_by limit_value rule profile registry_version parent product"
            ),
            "peak": "CASE WHEN $returned_ms IS NOT NULL THEN $peak END",
        },
    ),
)
DESK_WATCHED = (
    Watched("registry", "$version", "$at_ms", _plain("at_ms author reason digest")),
    Watched("command", "$id", "$at_ms", _plain("at_ms person verb alarm body")),
    Watched(
        "link", "substr($hash, 1, 12)", "coalesce($revoked_ms, $made_ms)", _plain("kind subject revoked_ms")
    ),
    Watched(
        "account",
        "$name",
        "coalesce($closed_ms, $made_ms)",
        # of the password's hash its end alone, without the salt: a change shows, and it is of no other use
        {**_plain("person role sites fresh made_by closed_ms"), "word": "substr($password, -8)"},
    ),
    Watched(
        "api_token",
        "$id",
        "coalesce($revoked_ms, $made_ms)",
        {**_plain("account label until_ms revoked_ms"), "word": "hex(substr($hash, 1, 4))"},
    ),
    Watched(
        "sign_in", "json_array($at_ms, $name, $address, $right)", "$at_ms", _plain("at_ms name address right")
    ),
)

SIGNED_WATCHED = (
    Watched("paper", "$id", "$at_ms", _plain("at_ms kind subject site body second")),
    Watched(
        "signature",
        "json_array($paper, $place)",
        "$at_ms",
        _plain("at_ms account person role meaning digest how"),
    ),
)
"""Added after the first tables of the desk: their triggers come with their own migration."""

FOUND_WATCHED = (
    Watched("finding", "$id", "$at_ms", _plain("alarm verdict cause person reason at_ms")),
    Watched("by_hand", "$id", "$written_ms", _plain("appliance at_ms value person how written_ms withdrawn")),
)
BLOOD_WATCHED = (
    Watched(
        "bag", "$id", "$at_ms", _plain("subject donation from_ms until_ms fate reason person at_ms gone")
    ),
    Watched("trip", "$id", "$at_ms", _plain("carries from_ms note person at_ms")),
    Watched("trip_step", "$id", "$written_ms", _plain("trip at_ms appliance person how written_ms")),
)
"""What an alarm turned out to be, readings by hand; bags and trips: each with a migration of its own."""

FOUND_AUDIT = "".join(watched.triggers() for watched in FOUND_WATCHED)
BLOOD_AUDIT = "".join(watched.triggers() for watched in BLOOD_WATCHED)
ALARMS_AUDIT = TABLE + "".join(watched.triggers() for watched in ALARMS_WATCHED)
DESK_AUDIT = TABLE + "".join(watched.triggers() for watched in DESK_WATCHED)

CARRY_WATCHED = (Watched("carry_key", "$gateway", "$at_ms", _plain("key person at_ms")),)
"""Keys of gateways that may bring bundles by hand."""
CARRY_AUDIT = "".join(watched.triggers() for watched in CARRY_WATCHED)

PROPOSAL_WATCHED = (
    Watched(
        "proposal",
        "$id",
        "coalesce($decided_ms, $at_ms)",
        _plain(
            "at_ms until_ms kind name base digest reason person changes state second decided_ms note version"
        ),
    ),
)
"""Changes of rules that two people answer for."""
PROPOSAL_AUDIT = "".join(watched.triggers() for watched in PROPOSAL_WATCHED)

GIVEN_WATCHED = (Watched("password_given", "$id", "$at_ms", _plain("account at_ms given_by how")),)
"""Whose password somebody else chose."""
GIVEN_AUDIT = "".join(watched.triggers() for watched in GIVEN_WATCHED)

HOLD_WATCHED = (
    Watched(
        "out_hold",
        "$id",
        "coalesce($ended_ms, $from_ms)",
        _plain("out holder person reason from_ms ended_ms ended_by"),
    ),
)
"""Each reason for which an appliance is out of service."""
HOLD_AUDIT = "".join(watched.triggers() for watched in HOLD_WATCHED)
