# SPDX-License-Identifier: Apache-2.0
"""The tables of `alarms.db`. Alerts writes them; all others read. Formats are numbered: append only."""

from __future__ import annotations

from coldchain.records.audit_schema import ALARMS_AUDIT, FOUND_AUDIT, HOLD_AUDIT

FIRST = """
-- One row: the engine's state and the journal position it stands at. `judged` is the position up to which
-- everything that was caused is in the tables below; from `position` to `judged` a restart judges again and
-- writes nothing.
CREATE TABLE engine (
    id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, judged INTEGER NOT NULL,
    format INTEGER NOT NULL, rules_digest TEXT NOT NULL, registry_version INTEGER NOT NULL,
    state BLOB NOT NULL, updated_ms INTEGER NOT NULL);
-- At which journal position each registry version took effect.
CREATE TABLE registry_effect (version INTEGER PRIMARY KEY, position INTEGER NOT NULL, at_ms INTEGER NOT NULL);
-- The fact: the load was outside the limits (`kind` high, low), or the probe gave no temperature
-- (sensor_fault). `started_ms`: its first reading; `raised_ms`: when the on-delay had passed; `ended_ms`
-- null while it lasts. `peak`, `limit_value`: thousandths, null where there is none.
-- `alarm`: the alarm that it belongs to, if any.
CREATE TABLE excursion (
    id TEXT PRIMARY KEY, sensor TEXT NOT NULL, appliance TEXT NOT NULL, kind TEXT NOT NULL,
    started_ms INTEGER NOT NULL, raised_ms INTEGER NOT NULL, ended_ms INTEGER,
    peak INTEGER, limit_value INTEGER, profile TEXT NOT NULL, registry_version INTEGER NOT NULL,
    retrospective INTEGER NOT NULL, alarm TEXT, updated_ms INTEGER NOT NULL);
CREATE INDEX excursion_sensor ON excursion (sensor, started_ms);
CREATE INDEX excursion_alarm ON excursion (alarm);
-- The fact that people must act. `state` as in ISA-18.2: unacknowledged, acknowledged, returned, closed.
-- `number` is what people read and reply; `scope` says what `appliance` names: an appliance or a gateway.
CREATE TABLE alarm (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, appliance TEXT NOT NULL,
    sensor TEXT NOT NULL, site TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
    state TEXT NOT NULL, since_ms INTEGER NOT NULL, raised_ms INTEGER NOT NULL, returned_ms INTEGER,
    acknowledged_ms INTEGER, acknowledged_by TEXT, value INTEGER, limit_value INTEGER, peak INTEGER,
    rule TEXT NOT NULL, profile TEXT, registry_version INTEGER NOT NULL, position INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL);
CREATE INDEX alarm_state ON alarm (state);
CREATE INDEX alarm_appliance ON alarm (appliance, kind);
-- What happened to alarms, in order.
CREATE TABLE alarm_event (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL,
    detail TEXT NOT NULL);
CREATE INDEX alarm_event_alarm ON alarm_event (alarm);
-- One message to one person by one channel. `about`: raised, returned. `state`: due, sending, sent; failed,
-- unknown: to be tried again at `due_ms`; given_up; bundled: waits for what becomes of another (`detail`).
CREATE TABLE notice (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, about TEXT NOT NULL, step INTEGER NOT NULL,
    person TEXT NOT NULL, channel TEXT NOT NULL, attempt INTEGER NOT NULL, address TEXT NOT NULL,
    text TEXT NOT NULL, site TEXT NOT NULL, created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, first_try_ms INTEGER, sent_ms INTEGER,
    detail TEXT NOT NULL DEFAULT '', UNIQUE (alarm, step, person, channel, attempt));
CREATE INDEX notice_state ON notice (state, due_ms);
CREATE INDEX notice_alarm ON notice (alarm);
-- Commands of desk.db that have been applied, by their id, and what came of each.
CREATE TABLE command_applied (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL);
"""

ON_CALL = """
-- Where the escalation of an alarm stands. `state`: calling (`step` runs at `due_ms`), held (somebody answered; at
-- `due_ms` we look whether it helps), ended. `rounds`: repeats of the last step. `postponed`: the one missed call
-- has been used. `person`, `action`, `value`, `at_ms`: the answer, and the value when it came.
CREATE TABLE escalation (
    alarm TEXT PRIMARY KEY, state TEXT NOT NULL, step INTEGER NOT NULL, rounds INTEGER NOT NULL,
    due_ms INTEGER, postponed INTEGER NOT NULL DEFAULT 0, person TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL DEFAULT '', value INTEGER, at_ms INTEGER NOT NULL);
CREATE INDEX escalation_due ON escalation (due_ms) WHERE due_ms IS NOT NULL;
INSERT INTO escalation (alarm, state, step, rounds, due_ms, at_ms)
    SELECT id, 'calling', 1, 0, decided_ms, decided_ms FROM alarm WHERE state = 'unacknowledged';
-- Codes that people reply: one for a person and an alarm until it is used. No live code twice.
CREATE TABLE code (
    code TEXT NOT NULL, person TEXT NOT NULL, alarm TEXT NOT NULL, made_ms INTEGER NOT NULL, used_ms INTEGER);
CREATE UNIQUE INDEX code_live ON code (code) WHERE used_ms IS NULL;
CREATE INDEX code_person ON code (person, alarm);
-- Wrong codes by telephone, to stop guessing.
CREATE TABLE wrong_code (number TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX wrong_code_number ON wrong_code (number, at_ms);
-- What telephones sent us, written before it is deleted from the modem; `kind`: sms, ring. Each is applied once.
CREATE TABLE incoming (
    id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, sender TEXT NOT NULL, text TEXT NOT NULL,
    handled_ms INTEGER, outcome TEXT NOT NULL DEFAULT '');
CREATE INDEX incoming_new ON incoming (at_ms) WHERE handled_ms IS NULL;
-- How a notice fares: `priority` 0 first and critical, 1 critical, 2 other; `fence`: under which lease it was tried;
-- `refs`: the carrier's references; a report is due at `receipt_due_ms`; `chased`: its failure has been acted on.
CREATE TABLE delivery (
    notice INTEGER PRIMARY KEY, priority INTEGER NOT NULL, receipt_s INTEGER NOT NULL, fence INTEGER,
    refs TEXT NOT NULL DEFAULT '', receipt_due_ms INTEGER, delivered_ms INTEGER, fate TEXT NOT NULL DEFAULT '',
    chased INTEGER NOT NULL DEFAULT 0);
CREATE INDEX delivery_due ON delivery (receipt_due_ms) WHERE receipt_due_ms IS NOT NULL;
-- Who may send. `fence` grows with every change of hands.
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, fence INTEGER NOT NULL, until_ms INTEGER NOT NULL);
-- Blood that somebody moved while an alarm was open: from here its time outside is counted there.
CREATE TABLE moved (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    person TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX notice_person ON notice (person, first_try_ms);
"""

LIFECYCLE = """
-- `parent`: the alarm (a site's outage) under which this one is shown, telling nobody by itself. `product`: a limit of
-- the product was passed, and nobody has recorded yet what became of the blood.
ALTER TABLE alarm ADD COLUMN parent TEXT;
ALTER TABLE alarm ADD COLUMN product INTEGER NOT NULL DEFAULT 0;
UPDATE alarm SET product = 1 WHERE kind IN ('high', 'low') AND severity = 'critical' AND state <> 'closed';
CREATE INDEX alarm_parent ON alarm (parent) WHERE parent IS NOT NULL;
-- Alarms that somebody has put aside for a while. `second`: another person, for more than an hour. `until_ms`: never
-- later than what the blood bears. `how` it ended: expired, unshelved, exposed (nothing is left of it), worse, closed.
CREATE TABLE shelf (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, person TEXT NOT NULL, second TEXT NOT NULL, reason TEXT NOT NULL,
    from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, ended_ms INTEGER, how TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX shelf_open ON shelf (alarm) WHERE ended_ms IS NULL;
-- Appliances that are not for blood: from when, until the return-to-service gate let them back (`back_ms`).
CREATE TABLE out_of_service (
    id INTEGER PRIMARY KEY, appliance TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    from_ms INTEGER NOT NULL, back_ms INTEGER, back_person TEXT NOT NULL DEFAULT '',
    back_reason TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX out_of_service_now ON out_of_service (appliance) WHERE back_ms IS NULL;
-- What became of the blood: `what` is keep, quarantine or discard. From `since_ms` to `until_ms` it was exposed.
CREATE TABLE disposition (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, appliance TEXT NOT NULL, what TEXT NOT NULL, person TEXT NOT NULL,
    second TEXT NOT NULL, reason TEXT NOT NULL, since_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL);
CREATE INDEX disposition_alarm ON disposition (alarm);
-- What hangs on an alarm of a site, worst first; rewritten while it changes. `minutes`: until its limit, with the
-- 90 % interval, null: unknown. `refuge`: the appliance its blood could go to, or nothing.
CREATE TABLE alarm_list (
    alarm TEXT NOT NULL, place INTEGER NOT NULL, appliance TEXT NOT NULL, minutes INTEGER, low_min INTEGER,
    high_min INTEGER, refuge TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (alarm, place)) WITHOUT ROWID;
-- Alarms that came and went three times within an hour: held open until `until_ms`, unless the condition comes back.
CREATE TABLE chatter (
    alarm TEXT PRIMARY KEY, over_ms INTEGER NOT NULL, value INTEGER, until_ms INTEGER NOT NULL) WITHOUT ROWID;
-- Gaps that gateways counted and that are in an alarm already ('' where they were older than a day when first seen).
CREATE TABLE loss (
    gateway TEXT NOT NULL, epoch TEXT NOT NULL, gap INTEGER NOT NULL, alarm TEXT NOT NULL, readings INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL, PRIMARY KEY (gateway, epoch, gap)) WITHOUT ROWID;
"""

CHECKPOINTS = """
-- The engine's records of one series as they stood after all its readings up to `at_ms`, about once a day of its
-- own time: from there its past is judged again when readings come late. `layout`: of the records; the digest
-- is that of the rules they were made under. Valid whatever became of the process that wrote it.
CREATE TABLE checkpoint (
    series INTEGER NOT NULL, day INTEGER NOT NULL, at_ms INTEGER NOT NULL, layout TEXT NOT NULL,
    rules_digest TEXT NOT NULL, records BLOB NOT NULL, PRIMARY KEY (series, day));
CREATE INDEX checkpoint_at ON checkpoint (series, at_ms);
"""

GUARD = """
-- Lines that guards sent by SMS, newest per gateway and kind (alive, last): what they said of their site. `low`,
-- `high`: thousandths of a degree, null when nothing was heard; `inside`: everything in range at `at_ms`.
CREATE TABLE guard_line (
    gateway TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, heard_ms INTEGER NOT NULL, low INTEGER,
    high INTEGER, inside INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (gateway, kind)) WITHOUT ROWID;
-- In a guard's own file: the newest report of each of its alarms that the hub has said to keep.
CREATE TABLE guard_kept (alarm TEXT PRIMARY KEY, report TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""

TELLING = """
-- The least time until its limit that an alarm has seen [ms], by forecast.
CREATE TABLE nearest (alarm TEXT PRIMARY KEY, left_ms INTEGER NOT NULL) WITHOUT ROWID;
-- The exposure clock of moved blood: `before_ms` beyond its limits at the source and before; `out_ms` in all, as of
-- `looked_ms`; `allowed_ms` its profile's budget, null: none. `exposure`: the alarm when that was used up. It runs
-- until `ended_ms`.
ALTER TABLE moved ADD COLUMN before_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE moved ADD COLUMN out_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE moved ADD COLUMN allowed_ms INTEGER;
ALTER TABLE moved ADD COLUMN looked_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE moved ADD COLUMN exposure TEXT;
ALTER TABLE moved ADD COLUMN ended_ms INTEGER;
UPDATE moved SET ended_ms = at_ms;
CREATE INDEX moved_runs ON moved (target) WHERE ended_ms IS NULL;
-- What the carrier calls a message, where its delivery is reported by a callback.
ALTER TABLE delivery ADD COLUMN carrier_id TEXT NOT NULL DEFAULT '';
CREATE INDEX delivery_carrier ON delivery (carrier_id) WHERE carrier_id <> '';
"""

SITE = """
-- What was learnt of appliances without power, saved with the engine's state: records of alerts.site.warming.
CREATE TABLE site_state (
    id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, body BLOB NOT NULL, updated_ms INTEGER NOT NULL);
-- The blind clock of appliances that are not heard: the worst case if power went with the last reading.
-- `passes_ms` null: the room is too cool for it. `limit_value`: thousandths. `told`: the sentence.
CREATE TABLE blind (
    appliance TEXT PRIMARY KEY, site TEXT NOT NULL, last_ms INTEGER NOT NULL, passes_ms INTEGER,
    limit_value INTEGER, told TEXT NOT NULL) WITHOUT ROWID;
-- Hold-over as an appliance's own outages taught it, beside its maker's figure (null: none) [min], from the usual
-- temperature to the limit in a room of `room_c` thousandths.
CREATE TABLE held (
    appliance TEXT PRIMARY KEY, outages INTEGER NOT NULL, minutes INTEGER NOT NULL, maker_min INTEGER,
    room_c INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""

DRILLS = """
-- Tests of an appliance's alarm. `trip_ms`, `trip_value` (thousandths), `limit_value`, `kind`: where its limits
-- tripped, null while they have not; `told_ms`: when people began to be told; `alarm`: of kind drill.
CREATE TABLE drill (
    appliance TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, person TEXT NOT NULL,
    alarm TEXT, trip_ms INTEGER, trip_value INTEGER, limit_value INTEGER, kind TEXT, told_ms INTEGER,
    ended_ms INTEGER, PRIMARY KEY (appliance, from_ms)) WITHOUT ROWID;
"""

WATCHER = """
-- The daily messages: which went to whom on which local day, so that each goes once. `notice`: the `alarm` of its
-- row there; nothing when there was nothing to say. `fate`: nothing while it is not known, proven (a delivery report),
-- sent (that channel gives no reports), failed.
CREATE TABLE daily (
    day TEXT NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, at_ms INTEGER NOT NULL, notice TEXT NOT NULL,
    fate TEXT NOT NULL DEFAULT '', PRIMARY KEY (day, what, who)) WITHOUT ROWID;
-- The canary: a reading that travels the whole chain once a day. `begun_ms`: it was expected from then on; `judged_ms`:
-- the engine has it; `heard_ms`: its SMS has come back; `ended_ms`: all of it that is set up has worked; `broken`: the
-- link that had not worked in time.
CREATE TABLE canary (
    day TEXT NOT NULL, sensor TEXT NOT NULL, begun_ms INTEGER NOT NULL, judged_ms INTEGER, token TEXT NOT NULL DEFAULT '',
    heard_ms INTEGER, ended_ms INTEGER, broken TEXT NOT NULL DEFAULT '', PRIMARY KEY (day, sensor)) WITHOUT ROWID;
-- What broke, by the subject of its alarm of kind chain: the link, as a word, and what is known of it.
CREATE TABLE broken (subject TEXT PRIMARY KEY, link TEXT NOT NULL, detail TEXT NOT NULL, at_ms INTEGER NOT NULL)
    WITHOUT ROWID;
"""

FOUND = """
-- What an alarm turned out to be, as people marked it; the newest of an alarm counts, the older ones stay. `verdict`:
-- true, nuisance, missed (people were told too late, or not at all). `cause`: a word of the catalogue, or nothing.
CREATE TABLE finding (
    id INTEGER PRIMARY KEY, alarm TEXT NOT NULL, verdict TEXT NOT NULL, cause TEXT NOT NULL, person TEXT NOT NULL,
    reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX finding_alarm ON finding (alarm);
-- Temperatures that somebody read from a thermometer [thousandths], shown apart and never judged. `how`: console, sms,
-- api. `at_ms`: when it was read; `written_ms`: when it came. `withdrawn`: the id of the row that it takes back, or null.
CREATE TABLE by_hand (
    id INTEGER PRIMARY KEY, appliance TEXT NOT NULL, at_ms INTEGER NOT NULL, value INTEGER NOT NULL,
    person TEXT NOT NULL, how TEXT NOT NULL, written_ms INTEGER NOT NULL, withdrawn INTEGER);
CREATE INDEX by_hand_appliance ON by_hand (appliance, at_ms);
CREATE INDEX alarm_raised ON alarm (raised_ms);
CREATE INDEX notice_sent ON notice (sent_ms) WHERE sent_ms IS NOT NULL;
"""

PROVING = """
-- Appliances whose work is done and that go back into service by themselves once the gate lets them: `missing` is what
-- it still wants, as of `looked_ms`. `came`: applied or withdrawn; `ended_ms` null: it is still looked at.
CREATE TABLE proving (
    id INTEGER PRIMARY KEY, appliance TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    asked_ms INTEGER NOT NULL, looked_ms INTEGER NOT NULL, missing TEXT NOT NULL, ended_ms INTEGER,
    came TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX proving_now ON proving (appliance) WHERE ended_ms IS NULL;
"""

UPKEEP = """
-- What maintenance should hear of and nobody is woken for. `kind`: defrost (none came), defrost_long, drift (from a
-- sibling), clock (of a node). `subject`: a sensor, or a node; `ended_ms` null: it stands.
CREATE TABLE upkeep (
    kind TEXT NOT NULL, subject TEXT NOT NULL, since_ms INTEGER NOT NULL, detail TEXT NOT NULL, ended_ms INTEGER,
    PRIMARY KEY (kind, subject, since_ms)) WITHOUT ROWID;
CREATE UNIQUE INDEX upkeep_now ON upkeep (kind, subject) WHERE ended_ms IS NULL;
-- The mean of a day (days since 1970, UTC) of each probe that has a sibling [thousandths], and of how many readings.
CREATE TABLE sibling_day (
    sensor TEXT NOT NULL, day INTEGER NOT NULL, mean INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (sensor, day)) WITHOUT ROWID;
"""

FORETOLD = """
-- Sensors on their way to a limit: when it is passed on the present course, as of the last minute.
CREATE TABLE foretold (sensor TEXT PRIMARY KEY, limit_ms INTEGER NOT NULL) WITHOUT ROWID;
"""

HOLDS = """
-- Why an appliance is out of service (`out`: its row there): each reason by itself, and it goes back when the last one
-- has ended. `holder`: the number of the work order that keeps it out; empty: somebody's word.
CREATE TABLE out_hold (
    id INTEGER PRIMARY KEY, out INTEGER NOT NULL, holder TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    from_ms INTEGER NOT NULL, ended_ms INTEGER, ended_by TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX out_hold_now ON out_hold (out, holder) WHERE ended_ms IS NULL;
INSERT INTO out_hold (out, holder, person, reason, from_ms) SELECT id,
    CASE WHEN reason GLOB 'work order [0-9]*:*' THEN substr(reason, 12, instr(reason, ':') - 12) ELSE '' END,
    person, reason, from_ms FROM out_of_service WHERE back_ms IS NULL AND NOT EXISTS (
    SELECT 1 FROM proving p WHERE p.appliance = out_of_service.appliance AND p.ended_ms IS NULL);
"""

DEFROSTS = """
-- Defrosts that have ended, of sensors whose defrosts are learnt. `what`: usual; long, which lasted longer than its
-- kind may; none, which a late reading has taken back. `peak`: thousandths; `usual_ms`: how long those before it
-- lasted. `decided_ms`: alerts' clock when it was written. They are kept for a year and a little more.
CREATE TABLE defrost (
    sensor TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, what TEXT NOT NULL,
    appliance TEXT NOT NULL, peak INTEGER NOT NULL, usual_ms INTEGER NOT NULL, decided_ms INTEGER NOT NULL,
    PRIMARY KEY (sensor, from_ms)) WITHOUT ROWID;
CREATE INDEX defrost_appliance ON defrost (appliance, from_ms);
CREATE INDEX defrost_decided ON defrost (decided_ms);
"""

EXPOSED = """
-- The clock of moved blood counts one day back, and slides. `most_ms`: the most that it has shown; `within_ms`: once its
-- budget was used up, when it was first seen below it again (null: it is not, or nobody saw when).
ALTER TABLE moved ADD COLUMN most_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE moved ADD COLUMN within_ms INTEGER;
UPDATE moved SET most_ms = max(out_ms, CASE WHEN exposure IS NULL THEN 0 ELSE coalesce(allowed_ms, 0) END);
"""

ALARMS_MIGRATIONS = (
    FIRST,
    ON_CALL,
    LIFECYCLE,
    CHECKPOINTS,
    GUARD,
    TELLING,
    SITE,
    DRILLS,
    WATCHER,
    ALARMS_AUDIT,
    FOUND + FOUND_AUDIT,
    PROVING,
    UPKEEP,
    FORETOLD,
    HOLDS + HOLD_AUDIT,
    DEFROSTS,
    EXPOSED,
)
