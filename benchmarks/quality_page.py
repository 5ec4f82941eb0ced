# SPDX-License-Identifier: Apache-2.0
"""docs/quality.md out of the results: figures, and what they are measured on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks import quality_aims, quality_cause
from benchmarks.quality_engine import PROFILE
from benchmarks.quality_plan import QUIET_DAYS
from benchmarks.quality_score import add, digest_of
from firmware_sim.physics.designs import ApplianceType as Type

Result = dict[str, Any]

HEAD = [
    "# Alarm quality, as measured",
    "",
    "Written by `make quality`; do not edit. Truth is the simulator's hidden, noiseless temperature of the",
    "load and its plan of faults. Judged by the engine as shipped (`alerts.judgement.engine.step`), one default setting",
    "for everything, profiles as they come with the program. Nothing was tuned on these seeds; every fourth",
    "appliance lies a tenth outside the ranges of its design, and faults reach a fifth beyond the lengths and",
    "strengths that were tuned on. An appliance's first four days are for learning: a line of its own tells of them.",
    "",
    "* An *excursion* is a load beyond a limit for at least the profile's critical delay; it is *missed* when",
    "  no message about temperature came from 12 h before it to 10 min after it, and none stood.",
    "* A message is a *nuisance* when no fault acted, nor had until 8 h before, and the load was within limits",
    "  an hour around it. Months are those in which nothing acted: a fault earns no quiet time. A rise of",
    "  severity counts as another message; what a site's outage gathers into one is counted singly here.",
    "",
]


def merged(results: Iterable[Result], kind: Type, *, close: bool) -> tuple[float, dict[str, Any]]:
    """Years and the joined tally of one type."""
    years: float = 0.0
    tally: dict[str, Any] = {}
    for result in results:
        if result["type"] == kind and bool(result.get("close")) == close:
            years += result["years"]
            tally = add(tally, result["tally"])
    return years, tally


def page(results: list[Result], real: list[str], limits: list[str]) -> str:
    """The whole document."""
    broad = {kind: tally for kind in Type if (tally := merged(results, kind, close=False)[1])}
    near = {kind: tally for kind in Type if (tally := merged(results, kind, close=True)[1])}
    lines = [*HEAD, *_run(results), *_targets(results), *quality_aims.table(broad, near)]
    for kind in Type:
        lines += _section(results, kind)
    return "\n".join([*lines, *real, *limits]) + "\n"


def _run(results: list[Result]) -> list[str]:
    broad = [r for r in results if not r.get("close")]
    if not broad:
        return ["No run yet.", ""]
    seeds = sorted({r["seed"] for r in results})
    simulating, judging = (sum(r["tally"][k] for r in broad) for k in ("simulating_s", "judging_s"))
    years = sum(r["years"] for r in broad)
    commits = ", ".join(sorted({r["commit"] for r in results}))
    rules = ", ".join(sorted({r["rules"] for r in results}))
    near = sum(r["years"] for r in results if r.get("close"))
    text = (
        f"Run: {years:,.0f} appliance-years in {len(broad)} fleets of {broad[0]['appliances']} appliances and "
        f"{broad[0]['days']} days, seeds {seeds[0]} to {seeds[-1]}; a reading a minute of each probe. Processor "
        f"time on one core: {simulating / 60:.0f} min simulating, {judging / 60:.0f} min judging; 1,000 years of "
        f"one type take {1000 * (simulating + judging) / years / 60:.0f} min. Other fleets, of {near:,.0f} years "
        f"and with twice the faults, are looked at closely. Rules {rules} at commit {commits}."
    )
    return [*textwrap.wrap(text, 108), ""]


def _a_month(tally: dict[str, Any]) -> float:
    return float(tally["nuisance"] / max(tally["months"], 1e-9))


def _rate(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "none"


def _targets(results: list[Result]) -> list[str]:
    lines = [
        "| type | years | excursions | missed | longest missed [min] | nuisance a month | real messages |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in Type:
        years, tally = merged(results, kind, close=False)
        if not tally:
            continue
        t = tally["load"]
        real = _rate(t["messages"] - t["nuisance"], t["messages"])
        missed = f"{t['missed']} ({_rate(t['missed'], t['excursions'])})"
        lines.append(
            f"| {kind} | {years:,.0f} | {t['excursions']:,} | {missed} | {t['longest_missed_min']:.0f} | "
            f"{_a_month(t):.4f} | {real} |"
        )
    return [*lines, ""]


def _section(results: list[Result], kind: Type) -> list[str]:
    years, tally = merged(results, kind, close=False)
    close_years, close = merged(results, kind, close=True)
    if not tally and not close:
        return []
    lines = [f"## {kind}: {years:,.0f} appliance-years, {PROFILE[kind]}", ""]
    if tally:
        lines += _broad(tally)
    if close:
        lines += [f"Looked at closely ({close_years:.0f} appliance-years):", "", *_close(close), ""]
    return lines


def _broad(tally: dict[str, Any]) -> list[str]:
    t, f = tally["load"], tally["faults"]
    lines = [
        f"* first message against the excursion's beginning [min], median and 90 %: {digest_of(t['delay_min'])}",
        f"* messages by rule: {_words(t['messages_by'])}; of them nuisance: {_words(t['nuisance_by']) or 'none'}",
    ]
    if (count := t.get("appliances_new", 0)) > 0:
        lines.append(
            f"* nuisance in the first {QUIET_DAYS:.0f} days: {t['nuisance_new']} of {count} appliances"
        )
    for name in sorted(f["lead"]):
        share, hours = f["lead"][name], f["ahead_h"][name]
        lines.append(
            f"* {name.replace('_', ' ')}: message with {100 * np.median(share):.0f} % of the time to the limit "
            f"left (median of {len(share)}), {np.median(hours):.1f} h ahead"
        )
    if f["defrosts"]:
        lines.append(
            f"* defrosts after three learnt, without a message: {_rate(f['defrosts_passed'], f['defrosts'])} of "
            f"{f['defrosts']:,}; missed excursions near one: {f['hidden_by_defrosts']} of "
            f"{f['excursions_at_defrosts']}"
        )
    p = f["probes"]
    if p.get("probe_open"):
        lines.append(
            f"* probe codes read as a temperature: {p['probe_open_read_as_temperature']} of {p['probe_open']}; "
            f"found as sensor faults {_rate(p['probe_open_found'], p['probe_open'])}"
        )
    if p.get("probe_stuck"):
        lines.append(
            f"* stuck probes found while stuck: {_rate(p['probe_stuck_found'], p['probe_stuck'])} of "
            f"{p['probe_stuck']}, after {digest_of(f['stuck_h'])} h; drifting ones: "
            f"{_rate(p.get('probe_drift_found', 0), p.get('probe_drift', 0))} of {p.get('probe_drift', 0)}"
        )
    for name, said in (
        ("both", "with the air's own warning beside"),
        ("alone", "where only air is measured"),
    ):
        a = tally[name]
        lines.append(
            f"* {said}: missed {a['missed']} of {a['excursions']} (longest {a['longest_missed_min']:.0f} min), "
            f"nuisance {a['nuisance'] / max(a['months'], 1e-9):.3f} a month ({_words(a['nuisance_by']) or 'none'})"
        )
    d = tally["alone_defrosts"]
    if d["defrosts"]:
        lines.append(
            f"* where only air is measured, defrosts without a message: "
            f"{_rate(d['defrosts_passed'], d['defrosts'])} of {d['defrosts']:,}; missed excursions near one: "
            f"{d['hidden_by_defrosts']} of {d['excursions_at_defrosts']}"
        )
    return [*lines, ""]


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


def _close(close: dict[str, Any]) -> list[str]:
    lines = []
    for how, said in (("seeing", "room and mains known"), ("unseeing", "temperature alone")):
        for name in ("load", "air"):
            error, covered = close[how].get(f"{name}_error"), close[how].get(f"{name}_covered")
            if error:
                lines.append(
                    f"* time to limit on {name}, {said}, at least 30 min ahead: median error "
                    f"{100 * np.median(error):.1f} % of the time left, 90 % interval covers "
                    f"{100 * np.mean(covered):.1f} % (n = {len(error)})"
                )
    for how, said in (("seeing", "room and mains known"), ("unseeing", "temperature alone")):
        parts = []
        for key in sorted(close[how]):
            if key.startswith("load_lead_"):
                share, hours = close[how][key], close[how][key.replace("lead", "ahead_h")]
                word = key.removeprefix("load_lead_").replace("_", " ")
                parts.append(
                    f"{word} {100 * np.median(share):.0f} % ({np.median(hours):.1f} h, n = {len(share)})"
                )
        if parts:
            lines.append(f"* first forecast shown with so much of the time left, {said}: " + "; ".join(parts))
    if close["blind"]:
        lines.append(f"* blind clock no later than the truth: {_rate(sum(close['blind']), len(close['blind']))} "
                     f"of {len(close['blind'])} cuts")  # fmt: skip
    lines += _leave(close["leave"]) + _causes(close["causes"])
    if order := close.get("order"):
        lines.append(
            f"* readings shuffled within a day and 5 % of them twice: {order['differ_shuffled']} of "
            f"{order['messages']} messages differ; 5 % of them lost: {order['lost_same']} the same to the "
            f"minute, {order['lost_near']} within ten"
        )
    return lines + _variants(close.get("variants", {}))


def _leave(leave: dict[str, int]) -> list[str]:
    lines = []
    for name in sorted(key for key in leave if ":" not in key):
        yes = leave.get(f"{name}: yes", 0)
        why = {
            k.partition(": ")[2]: n
            for k, n in leave.items()
            if k.startswith(f"{name}: ") and not k.endswith("yes")
        }
        rest = f"; else {_words(why)}" if why else ""
        lines.append(
            f"* may I leave, {name}: yes within 90 min {_rate(yes, leave[name])} of {leave[name]}{rest}"
        )
    return lines


def _causes(found: dict[str, dict[str, int]]) -> list[str]:
    lines = []
    for how, table in found.items():
        total = sum(table.values())
        pairs = [(key.split(" > ")[0], key.split(" > ")[1], n) for key, n in table.items()]
        right = sum(n for a, b, n in pairs if b in quality_cause.WORDS[a])
        unknown = sum(n for _, b, n in pairs if b == "unknown")
        wrong = {
            f"{a} told as {b}": n for a, b, n in pairs if b != "unknown" and b not in quality_cause.WORDS[a]
        }
        lines.append(
            f"* cause, {how}: right {_rate(right, total)}, unknown {_rate(unknown, total)}, wrong "
            f"{_rate(total - right - unknown, total)} of {total}, macro-F1 {macro_f1(pairs):.2f}"
            + (f"; {_words(wrong)}" if wrong else "")
        )
    return lines


def macro_f1(pairs: list[tuple[str, str, int]]) -> float:
    """Mean over true classes of F1; a class is the first word that is right for a fault."""
    classes = sorted({quality_cause.WORDS[a][0] for a, _, _ in pairs})
    scores = []
    for word in classes:
        hit = sum(n for a, b, n in pairs if quality_cause.WORDS[a][0] == word and b in quality_cause.WORDS[a])
        true = sum(n for a, _, n in pairs if quality_cause.WORDS[a][0] == word)
        false = sum(n for a, b, n in pairs if b == word and b not in quality_cause.WORDS[a])
        scores.append(2 * hit / (true + hit + false) if true + hit + false else 0.0)
    return float(np.mean(scores)) if scores else 0.0


def _variants(found: dict[str, dict[str, Any]]) -> list[str]:
    if not found:
        return []
    lines = [
        "",
        "| judged with | missed of excursions | longest missed [min] | nuisance a month | messages |",
    ]
    lines.append("|---|---|---|---|---|")
    for name, t in found.items():
        lines.append(
            f"| {name} | {t['missed']} of {t['excursions']} | {t['longest_missed_min']:.0f} | "
            f"{_a_month(t):.3f} | {t['messages']} |"
        )
    return lines


LIMITS = [
    "## What is not reached, and why",
    "",
    "* 1,000 years of a type take what is said above on a core of one's own; where it ran others worked, too, so",
    "  fewer were done. What the fleets tell of messages is judged by the earlier of the commits named.",
    "* Missed in freezers: excursions of 16 to 18 min at a delay of 15: the probe lags its load by two minutes.",
    "* Nuisance in blood refrigerators: cabinets beyond their design whose load stands near 5.5 °C at each",
    "  defrost. Within the design it was 0.03 a month on the seeds that were tuned on.",
    "* Nuisance in incubators and active boxes: probes called stuck. A load so still that a probe of 1/16 K says",
    "  the same for days is told from a dead probe only by its sibling, which the engine does not ask. What rests",
    "  for hours in health is given four times its longest rest: so many stuck probes there are not found in time.",
    "* Probes that drift away from their sibling: `insight.validity.drift` can tell, nothing calls it yet.",
    "* Early warning: messages wait until less is left than people need, two hours; what is foreseen earlier is",
    "  shown, not sent. A mains cut is the site's message at once. Slow losses of refrigerant are foreseen 3 to 15 h",
    "  ahead, not 24: only the temperature's drift is looked at, not the rising share of running.",
    "* Time to limit in incubators: an hour or two in all, air and load warm alike; the curves that are carried on",
    "  suit larger cabinets. On air it comes near its aim where the rise is long (freezers), and is of little use where",
    "  air passes its limit within half an hour (refrigerators). In refrigerators doors are opened in the dark.",
    "* The real blood refrigerator's product reaches 14 °C at each defrost, by the assumed offset: a probe that may",
    "  be in the load is excused to 10 °C and no further, so it rings at each.",
    "* The CELSI freezer is silent after three defrosts with the default delay, as a probe; without any delay its",
    "  openings ring, and as air alone the load reckoned from it passes -15 °C at every defrost.",
    "* Causes in active boxes: a box on its way has no mains, which is told as a cut.",
    "* Where only air is measured, what warms the load alone (warm bags) is not seen.",
    "* Causes in incubators: a moved set-point is known as such only after some cycles.",
    '* "May I leave": an appliance that has lost little refrigerant cools as before, and may be told yes.',
    "* Not simulated: two faults at once, a room without cooling, probes put back wrongly. Floods and the outage of",
    "  200 appliances are a scenario of their own; lateness and restarts have tests of their own.",
    "",
]
