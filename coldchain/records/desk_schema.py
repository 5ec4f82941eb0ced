# SPDX-License-Identifier: Apache-2.0
"""The tables of `desk.db`, which console and command line write. Formats are numbered: append only."""

from __future__ import annotations

from coldchain.records.audit_schema import (
    BLOOD_AUDIT,
    CARRY_AUDIT,
    DESK_AUDIT,
    GIVEN_AUDIT,
    PROPOSAL_AUDIT,
    SIGNED_WATCHED,
)
from coldchain.records.devices_schema import DEVICES
from coldchain.records.filed_schema import FILED

ACCOUNTS = """
-- People who sign in at the console. sites: JSON, ids of sites or `province:NAME`; [] is the nation.
-- password: Argon2id. fresh: made by somebody else, to be changed at the first use.
CREATE TABLE account (name TEXT PRIMARY KEY, person TEXT NOT NULL, role TEXT NOT NULL, sites TEXT NOT NULL,
    language TEXT NOT NULL, password TEXT NOT NULL, fresh INTEGER NOT NULL, made_ms INTEGER NOT NULL,
    made_by TEXT NOT NULL, closed_ms INTEGER);
-- Browsers that are signed in; `hash` is the SHA-256 of what the browser holds.
CREATE TABLE session (hash BLOB PRIMARY KEY, account TEXT NOT NULL, made_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL, form TEXT NOT NULL);
-- Programs.
CREATE TABLE api_token (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, account TEXT NOT NULL, label TEXT NOT NULL,
    made_ms INTEGER NOT NULL, until_ms INTEGER, revoked_ms INTEGER);
-- Who tried to sign in, from where, and whether it was right.
CREATE TABLE sign_in (at_ms INTEGER NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, right INTEGER NOT NULL);
CREATE INDEX sign_in_at ON sign_in (at_ms);
"""

SIGNATURES = """
-- What people sign (coldchain.records.signatures). id: as the command that comes of it, where one does; kind and
-- subject: what it is about; body: JSON, what is signed; second: who is asked to be the second, or nobody.
CREATE TABLE paper (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    site TEXT NOT NULL, body TEXT NOT NULL, second TEXT NOT NULL);
CREATE INDEX paper_about ON paper (kind, subject);
-- place: 1 is who decides, 2 the second person. digest: of what was signed. how: password.
CREATE TABLE signature (paper TEXT NOT NULL, place INTEGER NOT NULL, at_ms INTEGER NOT NULL, account TEXT NOT NULL,
    person TEXT NOT NULL, role TEXT NOT NULL, meaning TEXT NOT NULL, digest TEXT NOT NULL, how TEXT NOT NULL,
    PRIMARY KEY (paper, place)) WITHOUT ROWID;
CREATE TRIGGER paper_holds BEFORE UPDATE ON paper BEGIN SELECT RAISE(ABORT, 'what is signed stays'); END;
CREATE TRIGGER signature_holds BEFORE UPDATE ON signature BEGIN SELECT RAISE(ABORT, 'a signature stays'); END;
""" + "".join(watched.triggers() for watched in SIGNED_WATCHED)

BLOOD = """
-- Bags that an alarm or a trip concerns, by their donation numbers, without any word about a donor. `subject`:
-- alarm:ID or trip:ID. From `from_ms` to `until_ms` it was in there (null: all the time). `fate`: keep, quarantine or
-- discard, against what the rule proposes, for that `reason`; empty: as proposed. The newest row of a subject and
-- donation counts, and is off the list if `gone`; the older ones stay.
CREATE TABLE bag (
    id INTEGER PRIMARY KEY, subject TEXT NOT NULL, donation TEXT NOT NULL, from_ms INTEGER, until_ms INTEGER,
    fate TEXT NOT NULL, reason TEXT NOT NULL, person TEXT NOT NULL, at_ms INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE INDEX bag_subject ON bag (subject);
CREATE INDEX bag_donation ON bag (donation);
-- Blood that travels. `carries`: the storage profile it is judged by where a place has none for it; `from_ms`: since
-- when it has been in the place where it begins.
CREATE TABLE trip (
    id TEXT PRIMARY KEY, carries TEXT NOT NULL, from_ms INTEGER NOT NULL, note TEXT NOT NULL, person TEXT NOT NULL,
    at_ms INTEGER NOT NULL);
-- Where it was from `at_ms` on; an empty `appliance` ends the trip. `how`: console, api. Append only.
CREATE TABLE trip_step (
    id INTEGER PRIMARY KEY, trip TEXT NOT NULL, at_ms INTEGER NOT NULL, appliance TEXT NOT NULL,
    person TEXT NOT NULL, how TEXT NOT NULL, written_ms INTEGER NOT NULL);
CREATE INDEX trip_step_trip ON trip_step (trip, at_ms);
"""

CARRY = """
-- The public key (Ed25519, hexadecimal) by which a gateway signs what is carried here by hand; `person` said so.
CREATE TABLE carry_key (gateway TEXT PRIMARY KEY, key TEXT NOT NULL, person TEXT NOT NULL, at_ms INTEGER NOT NULL);
"""

PROPOSALS = """
-- Changes of rules that widen: asked for by `person`, decided by another one (`second`). kind: registry, profiles.
-- base: the version of the registry, or the SHA-256 of the file, that it is to replace. changes, preview: JSON.
-- state: open, applied, refused, withdrawn. An open one that is older than until_ms is over.
CREATE TABLE proposal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, base TEXT NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
    person TEXT NOT NULL, changes TEXT NOT NULL, preview TEXT NOT NULL, state TEXT NOT NULL, second TEXT,
    decided_ms INTEGER, note TEXT NOT NULL DEFAULT '', version INTEGER);
"""

ANSWERED = """
-- What programs asked for and were told, by their Idempotency-Key (coldchain.records.answered). place, mark: hashes of
-- who asked where and what, keyed with what only they hold. runner: whose process does it now, or nobody. answer: sealed
-- likewise; null: none yet; empty: too long to keep. bytes: of answer.
CREATE TABLE answered (place BLOB PRIMARY KEY, account TEXT NOT NULL, mark BLOB NOT NULL, at_ms INTEGER NOT NULL,
    runner TEXT NOT NULL, bytes INTEGER NOT NULL, answer BLOB);
CREATE INDEX answered_at ON answered (at_ms);
CREATE INDEX answered_account ON answered (account, at_ms);
"""

TRUST = """
-- Passwords that somebody else chose (coldchain.records.trust). given_by: an account, or whoever sat at the command line.
-- how: made, with the account, or reset.
CREATE TABLE password_given (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, at_ms INTEGER NOT NULL, given_by TEXT NOT NULL, how TEXT NOT NULL);
INSERT INTO password_given (account, at_ms, given_by, how) SELECT name, made_ms, made_by, 'made' FROM account;
CREATE INDEX password_given_to ON password_given (account);
CREATE TRIGGER password_given_stays BEFORE DELETE ON password_given BEGIN
    SELECT RAISE(ABORT, 'who gave a password stays'); END;
CREATE TRIGGER password_given_holds BEFORE UPDATE ON password_given BEGIN
    SELECT RAISE(ABORT, 'who gave a password stays'); END;
"""

BROWSERS = """
-- From where a session came, and by which browser, as it says; when a token was used last.
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE api_token ADD COLUMN used_ms INTEGER;
-- Browsers in which somebody has signed in before: what strangers type elsewhere does not keep these waiting. `hash`:
-- SHA-256 of what the browser holds. sign_in.browser: the beginning of it, where the try came from one of the account.
CREATE TABLE known_browser (hash BLOB NOT NULL, account TEXT NOT NULL, made_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL, PRIMARY KEY (hash, account)) WITHOUT ROWID;
CREATE INDEX known_browser_of ON known_browser (account);
ALTER TABLE sign_in ADD COLUMN browser TEXT NOT NULL DEFAULT '';
"""

DESK_MIGRATIONS = (
    """
-- Whole versions of the registry. Append only.
CREATE TABLE registry (version INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, author TEXT NOT NULL,
                       reason TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL);
-- Requests to change an alarm, applied once by alerts.
CREATE TABLE command (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, person TEXT NOT NULL, verb TEXT NOT NULL,
                      alarm TEXT, body TEXT NOT NULL);
""",
    """
-- Addresses that are secrets: whoever has one may read a rota's calendar (kind calendar, subject the rota) or
-- report deliveries (kind delivery, subject the provider). Kept is a hash of the secret, never the secret.
CREATE TABLE link (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL,
                   made_ms INTEGER NOT NULL, revoked_ms INTEGER);
""",
    ACCOUNTS,
    DESK_AUDIT,
    SIGNATURES,
    BLOOD + BLOOD_AUDIT,
    DEVICES,
    CARRY + CARRY_AUDIT,
    FILED,
    PROPOSALS + PROPOSAL_AUDIT,
    ANSWERED,
    TRUST + GIVEN_AUDIT,
    BROWSERS,
)
