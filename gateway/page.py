# SPDX-License-Identifier: Apache-2.0
"""The gateway's own page: what a site sees when its link is down. It names no host but this one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from html import escape
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coldchain.kernel.instants import EPOCH
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import Quantity, Status
from coldchain.records.registry import Registry, Sensor
from coldchain.settings.profile_files import PROFILES
from gateway.day import BUCKET_MS, BUCKETS, Channel, Day

SILENT_MS = 300_000
"""A channel that has not reported for so long is called silent here; the alarm itself is the hub's."""
WIDTH, HEIGHT = 288, 48
SWITCHES = {
    Quantity.DOOR: ("closed", "open"),
    Quantity.MAINS: ("absent", "present"),
    Quantity.COMPRESSOR: ("off", "running"),
    Quantity.AGITATOR: ("stopped", "moving"),
}
UNITS = {Quantity.BATTERY: "%", Quantity.HUMIDITY: "%", Quantity.CONTROLLER_ALARM: ""}

STYLE = """
:root{color-scheme:light dark;--ok:#1a7f37;--bad:#c62828;--dim:#777;--line:#4477aa}
body{font:16px/1.4 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:.5rem}
h1{font-size:1.2rem;margin:.3rem 0}h2{font-size:1rem;margin:0}
main{display:grid;gap:.5rem;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}
section{border:1px solid #8884;border-left:.4rem solid var(--ok);border-radius:.4rem;padding:.5rem}
section.out{border-left-color:var(--bad)}section.silent{border-left-color:var(--dim)}
b.now{font-size:1.6rem}p{margin:.2rem 0}small,.dim{color:var(--dim)}
svg{width:100%;height:3rem;display:block}.band{fill:var(--line);opacity:.75}.limit{stroke:var(--bad);stroke-width:.7}
table{border-collapse:collapse}td{padding-right:1rem}
"""


class Place(NamedTuple):
    """One appliance (or a node of which the registry knows none) and its channels."""

    name: str
    site: str
    profile: Profile | None
    channels: list[tuple[str, bool, Channel]]  # label, is it the load that limits apply to, channel


def places(day: Day, registry: Registry, now_ms: int) -> list[Place]:
    """The appliances of what has reported here in the last day, by name; unknown nodes last."""
    known: dict[str, list[tuple[str, bool, Channel]]] = {}
    unknown: dict[str, list[tuple[str, bool, Channel]]] = {}
    for (node, number), channel in sorted(day.channels.items()):
        sensor = registry.by_channel.get((node, number))
        if sensor is not None and sensor.appliance is not None:
            known.setdefault(sensor.appliance, []).append((_label(sensor), sensor.probe != "air", channel))
        else:
            name = f"{Quantity(channel.quantity).word if channel.quantity in set(Quantity) else '?'} {number}"
            unknown.setdefault(node, []).append((name, False, channel))
    found = []
    for number_of, channels in known.items():
        appliance = registry.appliance_by_id[number_of]
        site = registry.site_by_id[appliance.site].name
        profile = PROFILES.get(appliance.carries(now_ms) or "")
        name = f"{appliance.name} ({appliance.id})"  # the id is what a message calls it
        found.append(Place(name, site, profile, channels))
    found.sort(key=lambda place: (place.site, place.name))
    return [*found, *(Place(node, "", None, channels) for node, channels in sorted(unknown.items()))]


def _label(sensor: Sensor) -> str:
    return f"{sensor.quantity} ({sensor.probe})" if sensor.probe else sensor.quantity


def value_text(channel: Channel) -> str:
    """The newest value for people: `4.1 °C`, `open`, `probe: no answer`."""
    if channel.status:
        try:
            word = Status(channel.status).name.lower().replace("_", " ")
        except ValueError:
            word = f"status {channel.status}"
        return f"probe: {word}"
    quantity = channel.quantity
    if quantity in SWITCHES:
        return SWITCHES[Quantity(quantity)][bool(channel.value)]
    if quantity in UNITS:
        return f"{channel.value / 1000:.0f} {UNITS[Quantity(quantity)]}".strip()
    return f"{channel.value / 1000:.1f} °C"


def age_text(at_ms: int, now_ms: int) -> str:
    seconds = max(0, now_ms - at_ms) // 1000
    return (
        f"{seconds} s"
        if seconds < 120
        else f"{seconds // 60} min"
        if seconds < 7200
        else f"{seconds // 3600} h"
    )


def state(channel: Channel, profile: Profile | None, now_ms: int) -> str:
    """ok, out (of the limits, or the probe failed) or silent."""
    if now_ms - channel.at_ms > SILENT_MS:
        return "silent"
    if channel.status:
        return "out"
    value_c = channel.value / 1000
    if profile is not None and profile.low_c is not None and value_c < profile.low_c:
        return "out"
    if profile is not None and profile.high_c is not None and value_c > profile.high_c:
        return "out"
    return "ok"


def sparkline(channel: Channel, profile: Profile | None, now_ms: int) -> str:
    """The last day as a band from min to max; gaps stay gaps."""
    steps = channel.last_day(now_ms)
    if not steps:
        return ""
    limits = [c * 1000 for c in (profile.low_c, profile.high_c) if c is not None] if profile else []
    low = min([low for _, low, _ in steps] + limits) - 200
    high = max([high for _, _, high in steps] + limits) + 200
    first_ms = (now_ms // BUCKET_MS - BUCKETS + 1) * BUCKET_MS

    def y(value: float) -> float:
        return round(HEIGHT * (high - value) / (high - low), 1)

    parts = [f'<line class="limit" x1="0" x2="{WIDTH}" y1="{y(c)}" y2="{y(c)}"/>' for c in limits]
    path = "".join(
        f"M{(at - first_ms) // BUCKET_MS} {y(b)}h1.2V{max(y(a), y(b) + 1.2):.1f}h-1.2z" for at, a, b in steps
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="last day: {low / 1000 + 0.2:.1f} to {high / 1000 - 0.2:.1f} °C">'
        f'{"".join(parts)}<path class="band" d="{path}"/></svg>'
    )


WORST_FIRST = ("out", "silent", "ok")


def _section(place: Place, now_ms: int) -> tuple[int, str]:
    """(rank, HTML) of an appliance."""
    temperatures = [c for c in place.channels if c[2].quantity == Quantity.TEMPERATURE]
    lead = next((c for c in temperatures if c[1]), temperatures[0] if temperatures else None)
    rows = []
    word = "ok"
    if lead is not None:
        _, _, channel = lead
        word = state(channel, place.profile, now_ms)
        now = value_text(channel)
        said = f"silent, was {now}" if word == "silent" else now
        rows.append(
            f'<p><b class="now">{escape(said)}</b> <small>{age_text(channel.at_ms, now_ms)} ago</small></p>'
        )
        rows.append(sparkline(channel, place.profile, now_ms))
    others = [
        f"{escape(label)}: {escape(value_text(channel))}"
        for label, _, channel in place.channels
        if channel is not (lead and lead[2])
    ]
    if others:
        rows.append(f'<p class="dim">{" · ".join(others)}</p>')
    about = " · ".join(word for word in (place.site, place.profile.name if place.profile else "") if word)
    head = f"{escape(place.name)} <small>{escape(about)}</small>" if about else escape(place.name)
    html = f'<section class="{word}"><h2>{head}</h2>{"".join(rows)}</section>'
    return WORST_FIRST.index(word), html


def clock_text(at_ms: int, zone: str) -> str:
    """In the site's zone; in UTC where that is not known here."""
    at = EPOCH + timedelta(milliseconds=at_ms)
    try:
        at = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        zone = "UTC"
    return f"{at:%Y-%m-%d %H:%M:%S} {zone}"


def render(
    gateway: str, day: Day, registry: Registry, figures: Mapping[str, Any], *, now_ms: int, zone: str
) -> str:
    """The whole page."""
    link = "up" if figures.get("link_up") else "DOWN: readings are kept here until it is back"
    oldest = figures.get("oldest_ms")
    waits = f"{figures.get('pending', 0)} readings" + (
        f", the oldest of {age_text(oldest, now_ms)} ago" if oldest else ""
    )
    lines: Iterable[Mapping[str, Any]] = figures.get("lines", {}).values()
    rows = [
        ("Link to the hub", link),
        ("Kept here, not yet at the hub", waits),
        ("Lost", f"{figures.get('lost', 0)} readings"),
        *(
            (f"Line {line['name']}", line["state"] + (f": {line['why']}" if line["why"] else ""))
            for line in lines
        ),
    ]
    rows += [(f"Audit chain of the hub, {name}", head) for name, head in figures.get("anchors", {}).items()]
    table = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows)
    ranked = sorted((_section(place, now_ms) for place in places(day, registry, now_ms)), key=lambda s: s[0])
    sections = "".join(html for _, html in ranked)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="refresh" content="15">'
        f"<title>{escape(gateway)}</title><style>{STYLE}</style>"
        f"<h1>Gateway {escape(gateway)} <small>{clock_text(now_ms, zone)}</small></h1>"
        f"<main>{sections or '<p>Nothing has reported here in the last day.</p>'}</main>"
        f"<h1>This gateway</h1><table>{table}</table></html>"
    )


def metrics(figures: Mapping[str, Any]) -> str:
    """The figures in the text format of Prometheus (exposition format 0.0.4)."""
    out = []
    for name, value in figures.items():
        if isinstance(value, bool | int | float):
            out.append(
                f"coldchain_gateway_{name} {float(value):g}"
                if isinstance(value, float)
                else f"coldchain_gateway_{name} {int(value)}"
            )
    for line in figures.get("lines", {}).values():
        label = str(line["name"]).replace("\\", "\\\\").replace('"', '\\"')
        names = ("events", "skipped", "malformed", "opened", "last_ms")
        out += [f'coldchain_gateway_line_{name}{{line="{label}"}} {line[name]}' for name in names]
        out.append(f'coldchain_gateway_line_up{{line="{label}"}} {int(line["state"] == "up")}')
    return "\n".join(out) + "\n"
