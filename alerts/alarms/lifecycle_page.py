# SPDX-License-Identifier: Apache-2.0
"""docs/alarm-lifecycle.md, printed from the table of transitions: `coldchain alarm states` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from alerts.alarms.lifecycle import CLEARS_BY_ITSELF, PRODUCT_KINDS, TRANSITIONS, Event, Fork, State, settled

STATES = {
    State.UNACKNOWLEDGED: "it stands, and people are called until one answers",
    State.ACKNOWLEDGED: "it stands, and somebody is on it; an answer that comes to nothing lapses",
    State.RETURNED: "in order again, and nobody has acknowledged it; nobody is called",
    State.DISPOSITION_DUE: "in order, acknowledged; what became of the blood is not recorded yet; listed",
    State.SHELVED: "put aside by a person, for a time and a reason",
    State.SUPPRESSED: "put aside by design: the appliance is empty, or a site's outage explains it",
    State.OUT_OF_SERVICE: "the appliance is out of service, and not for blood",
    State.CLOSED: "over and done; the next one is a new alarm",
}
EVENTS = {
    Event.RAISE: "the condition is true (again)",
    Event.WORSEN: "the warning has become critical",
    Event.RETURN: "the condition is over",
    Event.ACKNOWLEDGE: "a person takes it",
    Event.LAPSE: "the answer came to nothing",
    Event.SHELVE: "a person puts it aside",
    Event.UNSHELVE: "by a person, its time, or because nothing is left of what the blood bears",
    Event.SUPPRESS: "the appliance was emptied, or a site's outage explains it",
    Event.RELEASE: "what suppressed it is over",
    Event.TAKE_OUT: "the appliance goes out of service",
    Event.PUT_BACK: "the appliance passed the return-to-service gate",
    Event.DISPOSE: "what became of the blood is recorded",
}
FORKS = {
    Fork.OVER: "closed where the kind clears by itself, else returned",
    Fork.ANSWERED: "disposition_due where a limit of the product was passed, else closed",
    Fork.AS_FOUND: "unacknowledged where the condition stands, else as *in order, unanswered*",
}

_INTRO = """\
<!-- Printed by `coldchain alarm states` from alerts/alarms/lifecycle.py; a test compares. -->
# The life of an alarm

After ANSI/ISA-18.2. One open alarm for each appliance and condition: what comes back is the same alarm,
told again; a warning that becomes critical is the same alarm, told by the critical policy. What comes
and goes three times within an hour is held open until it has rested for one. Changes arrive only as
commands and as facts; one table in `alerts/alarms/lifecycle.py` says what comes of them, and nothing else
changes a state.
"""
_RULES = """\
## What holds for people

* **Nobody can clear a condition that stands.** It can be acknowledged, shelved for a while, or its
  appliance taken out of service.
* **Shelving is paid from what the blood bears**: never longer than what is left of the profile's daily
  budget beyond the limits (critical), of the time to the limit (where it is foreseen), of the maker's
  hold-over or an hour (where nobody can see how warm it is), of 8 h (no agitation); never longer than 8
  h. More than an hour a day takes two people. It ends early when nothing is left or when it gets worse;
  if it is still true then, it rings.
* **Out of service** needs a word on where the blood is. Back only through the gate: probes report, a
  profile is assigned, somebody is told about its site, and the range has been held for as long as the
  profile demands (`prove_s`; else ours: 24 h for storage, 1 h for transport).
* **A limit of the product that was passed** waits for a disposition: keep, quarantine or discard, by a
  person. It rings nobody at night and stays listed.
* Put aside, an alarm still evaluates and records.
"""


def page() -> str:
    """The whole page, Markdown."""
    parts = [_INTRO, "```mermaid", *_diagram(), "```", "", _RULES, *_words(), *_table()]
    return "\n".join(parts) + "\n"


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.UNACKNOWLEDGED.value}: raise"
    forks = {fork: fork.name.lower() for fork in Fork}
    for fork, name in forks.items():
        yield f"    state {name} <<choice>>"
        targets = {
            settled(fork, kind, stands=stands, product=product)
            for kind in ("high", "silence")
            for stands in (True, False)
            for product in (True, False)
        }
        for target in sorted(targets):
            yield f"    {name} --> {target.value}"
    for (state, event), after in TRANSITIONS.items():
        if isinstance(after, Fork):
            yield f"    {state.value} --> {forks[after]}: {event.value}"
        elif isinstance(after, State) and after is not state:
            yield f"    {state.value} --> {after.value}: {event.value}"
    yield f"    {State.CLOSED.value} --> [*]"


def _words() -> Iterator[str]:
    yield "## Words"
    yield ""
    yield "| State | |"
    yield "|---|---|"
    yield from (f"| {state.value} | {STATES[state]} |" for state in State)
    yield ""
    yield "| Event | |"
    yield "|---|---|"
    yield from (f"| {event.value} | {EVENTS[event]} |" for event in Event)
    yield ""
    yield "| Fork | |"
    yield "|---|---|"
    yield from (f"| {fork.value} | {FORKS[fork]} |" for fork in Fork)
    yield ""
    yield f"Kinds that clear by themselves: {', '.join(sorted(CLEARS_BY_ITSELF))}."
    yield f"Kinds whose critical alarms passed a limit of the product: {', '.join(sorted(PRODUCT_KINDS))}."
    yield ""


def _table() -> Iterator[str]:
    yield "## Every state and event"
    yield ""
    yield "In bold what follows; in plain words why nothing happens."
    for state in State:
        yield ""
        yield f"### {state.value}"
        yield ""
        yield "| Event | What comes of it |"
        yield "|---|---|"
        for event in Event:
            after = TRANSITIONS[state, event]
            what = after if not isinstance(after, State | Fork) else f"**{after.value}**"
            stays = " (recorded)" if after is state else ""
            yield f"| {event.value} | {what}{stays} |"
