# SPDX-License-Identifier: Apache-2.0
"""An appliance's place: what it carries and carried, and another probe in a sensor's place."""

from __future__ import annotations

PLACE_WORDS: dict[str, str] = {
    "place.carried": "What it carries, and carried",
    "place.none": "Nothing is assigned: its limits are not judged.",
    "place.since": "since {at}",
    "place.always": "since the beginning",
    "place.carries": "It carries something else now",
    "place.carries_help": "The new limits count from this moment; the past is judged by those that "
    "were in force then.",
    "place.probe": "Replace a probe",
    "place.old": "Which probe is replaced",
    "place.new": "The new one, as it reports",
    "place.new_option": "{name}: {quantity}, {n} readings",
    "place.connect": "Connect the new probe first. As soon as it reports, it can be chosen here.",
    "place.why": "Why",
    "place.go": "Put it in its place",
    "place.done_probe": "The new probe is in its place; within seconds its readings go on with the curve.",
    "place.done_carries": "It counts from now on.",
    "place.answer": "Answer alarm {n}",
    "place.probe_help": "The new probe takes the old one's place: the curve, the limits and the alarms go "
    "on under the same name. The old calibration ends; enter the new probe's certificate on the device's "
    "page.",
    "health.lines_up": "{up} of {all} lines work",
    "signin.changed": "Your password is changed. Sign in with the new one.",
    "alarm.moved_past": "more than the {allowed} allowed was used up",
    "discovery.done": "It has its name; what it sent is taken up within seconds.",
    "discovery.name": "The new one's name, as people call it",
    "discovery.kind": "What the new one is",
    "discovery.new_site": "or a new site, by its short name",
    "discovery.first_site": "Where it stands: a short name for the site",
    "discovery.site_name": "The new site's name",
    "first.names": "Give names to what reports",
    "first.table": "or bring sites, appliances and sensors as tables",
    "first.people": "Enter the people who are told",
    "first.test": "Send each of them a test message",
    "first.mend": "See what is still to be mended",
    "first.sign_in": "Sign in as administrator",
    "accounts.person_help": "As in the list of people who are told: only they may answer by name, sign, "
    "and send work orders.",
    "problem.back": "Nothing was changed. Go back with your browser: what you typed is still there, to be "
    "corrected.",
}
