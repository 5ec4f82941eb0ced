# SPDX-License-Identifier: Apache-2.0
"""An alarm told as a story: why, since when, who was told, who is next."""

from __future__ import annotations

from collections.abc import Iterator

from coldchain.kernel.instants import rfc3339
from coldchain.records.alarms import Alarm, AlarmsReader, Moved
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings


def explained(settings: Settings, reader: AlarmsReader, alarm: Alarm) -> Iterator[str]:
    """Lines for people."""
    yield f"alarm {alarm.number}: {alarm.appliance} {alarm.kind}, {alarm.severity}, {alarm.state}"
    if alarm.kind == "forecast" and alarm.limit_value is not None and alarm.value is not None:
        yield (
            f"  {alarm.sensor} read {alarm.value / 1000:.3f} °C at {rfc3339(alarm.raised_ms)}, on its way"
            f" past {alarm.limit_value / 1000:.3f} °C; foreseen since {rfc3339(alarm.since_ms)}"
        )
    elif alarm.limit_value is not None and alarm.value is not None:
        side = "above" if alarm.kind == "high" else "below"
        yield (
            f"  {alarm.sensor} was {side} {alarm.limit_value / 1000:.3f} °C from"
            f" {rfc3339(alarm.since_ms)}; at {rfc3339(alarm.raised_ms)} it read"
            f" {alarm.value / 1000:.3f} °C, on-delay over"
        )
    else:
        yield f"  since {rfc3339(alarm.since_ms)}, an alarm at {rfc3339(alarm.raised_ms)}"
    if alarm.peak is not None:
        yield f"  worst: {alarm.peak / 1000:.3f} °C"
    yield (
        f"  by rule {alarm.rule}, profile {alarm.profile or 'none'}, "
        f"registry version {alarm.registry_version}, journal position {alarm.position}"
    )
    yield "what happened:"
    for event in reader.events(alarm.id):
        yield f"  {rfc3339(event.at_ms)}  {event.event}  {event.detail}".rstrip()
    for moved in reader.moved(alarm=alarm.id):
        yield told_of(moved)
    yield "who was told:"
    arrived = reader.delivered(alarm.id)
    for notice in reversed(reader.notices(500, alarm=alarm.id)):
        when = rfc3339(notice.sent_ms or notice.due_ms)
        proof = f", arrived {rfc3339(arrived[notice.id])}" if notice.id in arrived else ""
        yield f"  {when}  {notice.person} by {notice.channel} {notice.address}: {notice.state}{proof}"
        if notice.state not in ("sent", "due") and notice.detail:
            yield f"      {notice.detail}"
    yield from _next(settings, reader, alarm)


def told_of(moved: Moved) -> str:
    """The exposure clock of moved blood in a line.

    >>> told_of(Moved(1, "a", "br-3", "br-4", "ana", 0, 720_000, 960_000, 1_800_000, 1, None, None))
    'blood of br-3 in br-4 since 1970-01-01T00:00:00Z, by ana: 16 min out of limits (12 before), of 30; runs'
    >>> slid = Moved(1, "a", "br-3", "br-4", "ana", 0, 0, 0, 1_800_000, 1, "x", None, 2_400_000, 60_000)
    >>> told_of(slid)[-94:]
    '0 min out of limits (0 before), of 30; 40 at the most, within since 1970-01-01T00:01:00Z; runs'
    """
    allowed = "no budget" if moved.allowed_ms is None else f"of {moved.allowed_ms // 60_000}"
    if moved.slid:
        since = f" since {rfc3339(moved.within_ms)}" if moved.within_ms is not None else ""
        allowed += f"; {moved.worst_ms // 60_000} at the most, within{since}"
    ends = "runs" if moved.ended_ms is None else f"ended {rfc3339(moved.ended_ms)}"
    return (
        f"blood of {moved.source} in {moved.target} since {rfc3339(moved.at_ms)}, by {moved.person}: "
        f"{moved.out_ms // 60_000} min out of limits ({moved.before_ms // 60_000} before), {allowed}; {ends}"
    )


def _next(settings: Settings, reader: AlarmsReader, alarm: Alarm) -> Iterator[str]:
    from alerts.oncall.policy import people_of, policy_for

    standing = reader.standing(alarm.id)
    if standing is None or standing.due_ms is None:
        yield "next: nothing is due"
        return
    registry = RegistryReader(settings.desk_db)
    registry.refresh()
    if standing.state == "held":
        said = f" ({standing.action})" if standing.action else ""
        yield f"next: {standing.person} answered{said}; looked at again at {rfc3339(standing.due_ms)}"
        return
    policy = policy_for(registry.registry, alarm.severity, alarm.site)
    step = policy.steps[min(standing.step, len(policy.steps) - 1)]
    people = people_of(registry.registry, alarm.site, step.tell, standing.due_ms)
    names = ", ".join(person.name for person in people) or "nobody"
    yield f"next: step {standing.step + 1} of policy {policy.id} at {rfc3339(standing.due_ms)}: {names}"
