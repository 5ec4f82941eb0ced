# SPDX-License-Identifier: Apache-2.0
"""The parts of the running console, and how a page is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.instants import rfc3339
from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.devices import DeviceReader, serial_of
from coldchain.records.health import Heart
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.records.work import WorkReader
from coldchain.settings import Settings
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.sight import seen
from dashboards.console.alarms.outcomes import evidence_said, outcome_said
from dashboards.console.assets import Asset, load_assets
from dashboards.console.events import (
    EXACT_MAX_MS,
    LANES,
    TOLD,
    Lane,
    alarm_lane,
    assigned,
    calibrations,
    defrost_lane,
    held_lane,
    hold_ms,
    stepped_lane,
    told_lane,
    work_on,
)
from dashboards.console.hub import Hub
from dashboards.console.offline import offline_words
from dashboards.console.problems import Problem
from dashboards.console.ready import Mending, Ready
from dashboards.console.series import RANGES_MS, Series
from dashboards.console.site import OnDuty, masked, nobody
from dashboards.console.source import Look, Records
from dashboards.console.sparks import SPARK_KEEP_MS, Sparks
from dashboards.console.strip import facts
from dashboards.console.times import age, clock, full, left, offset_text, span, zoned
from dashboards.console.values import celsius, figure, reading_text
from dashboards.console.views import ORDER, Row
from dashboards.console.wall import wall_of
from dashboards.console.words import language, t, word

REFRESH_S = 30
"""How often a browser without script loads the page again."""
TEMPLATES = Path(__file__).parent / "templates"
UNITS = {
    "s": "n", "min": "n", "h": ("h", "min"), "d": "dh", "now": (), "ago": ("age",),
    "left": ("span",), "left_now": (),
}  # fmt: skip


def ticking() -> str:
    """The words with which the browser lets ages grow between two events, as JSON."""
    units = {
        unit: t(f"age.{unit}", **{name: f"{{{name}}}" for name in names}) for unit, names in UNITS.items()
    }
    live = {key: t(f"live.{key}", at="{at}", n="{n}") for key in ("on", "connecting", "polling", "off")}
    return json.dumps(units | live, ensure_ascii=False)


def named(registry: Registry) -> Callable[[str], str]:
    """A person's or an appliance's name, where the registry knows the id."""
    people, appliances = registry.person_by_id, registry.appliance_by_id
    return lambda id_: getattr(people.get(id_) or appliances.get(id_), "name", id_)


class Console:
    """Everything the routes need. One per application."""

    def __init__(
        self, settings: Settings, wall_ms: WallClock, on_duty: OnDuty = nobody, ready: Ready | None = None
    ) -> None:
        self.settings, self.wall_ms, self.on_duty = settings, wall_ms, on_duty
        self.mending = Mending(ready)
        self.assets: dict[str, Asset] = load_assets()
        self.records = Records(settings, wall_ms)
        self.env = self._environment()
        self.hub = Hub(
            self.records, Heart(settings.data_dir, "console", wall_ms), self.row_markup, self.frame_markup
        )
        self._sparks = Sparks(self.records)

    def _environment(self) -> Environment:
        env = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        zone = self.records.zone
        env.globals |= {
            "t": t,
            "word": word,
            "months": lambda: "|".join(t(f"month.{n}") for n in range(1, 13)),
            "offline_words": offline_words,
            "outcome_said": outcome_said,
            "evidence_said": evidence_said,
            "asset": {name: asset.address for name, asset in self.assets.items()},
            "states": [state.value for state in ORDER],
            "refresh_s": REFRESH_S,
            "spark_keep_ms": SPARK_KEEP_MS,
            "celsius": celsius,
            "figure": figure,
            "reading_text": reading_text,
            "span": span,
            "ago": age,
            "left": left,
            "zone_name": self.settings.zone,
            "rfc3339": rfc3339,
            "masked": masked,
            "training": self.settings.training,
            "named": named,
            "full": lambda at_ms: full(at_ms, zone),
            "zoned": lambda text: zoned(str(text), zone),
            "ranges": list(RANGES_MS),
        }
        return env

    def warm_up(self) -> None:
        """Compile the pages, so that the first visitor does not wait for it."""
        for name in self.env.list_templates(extensions=["html"]):
            self.env.get_template(name)

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page."""
        now_ms = self.wall_ms()
        zone = self.records.zone
        base = self.hub.seen
        page = self.env.get_template(template).render(
            now_ms=now_ms,
            at=lambda at_ms: clock(at_ms, now_ms, zone),
            age=lambda at_ms: age(at_ms, now_ms),
            times=t("fleet.times", zone=self.settings.zone, offset=offset_text(now_ms, zone)),
            alarms_open=len(seen(base).alarms) if base is not None else 0,
            path=request.url.path,
            lang=language(),
            ticking=ticking(),
            visitor=visitor(),
            **values,
        )
        return HTMLResponse(page, status)

    def problem_page(self, request: Request, problem: Problem) -> HTMLResponse:
        return self.render(request, "problem.html", problem.status, problem=problem)

    def row_markup(self, row: Row) -> str:
        """One appliance as a list entry of the fleet page."""
        return self._part("row", row, self.wall_ms())

    def frame_markup(self, look: Look, wall: bool = False) -> dict[str, str]:  # noqa: FBT001, FBT002 -- the hub's word
        """The parts around the rows, by the id of the element they fill; of the wall its sites too."""
        now_ms = look.fleet.now_ms
        return (self._sites(look) if wall else {}) | {
            "counts": self._part("counts", look.fleet, ""),
            "troubles": self._part("troubles", look.troubles),
            "strip": self._part("strip", facts(look, now_ms)),
            "badge": str(len(look.alarms) or ""),
        }

    def _sites(self, look: Look) -> dict[str, str]:
        """Tiles and places by their ids; `tiles`: their order."""
        seen_now, now_ms = wall_of(look), look.fleet.now_ms
        found = {f"site-{one.site.id}": self._part("tile", one, now_ms) for one in seen_now.tiles}
        places = seen_now.map.places if seen_now.map is not None else ()
        found |= {f"place-{one.tile.site.id}": self._part("place", one) for one in places}
        return found | {"tiles": " ".join(one.site.id for one in seen_now.tiles)}

    def _part(self, macro: str, *values: Any) -> Markup:
        made = getattr(self._parts, macro)(*values)
        assert isinstance(made, Markup)
        return made

    @property
    def _parts(self) -> Any:
        return self.env.get_template("parts.html").module

    def spark(self, appliance_id: str) -> str:
        """The last 24 hours as a small picture, at most SPARK_KEEP_MS old."""
        return self._sparks.svg(appliance_id)

    def events(self, sensors: list[Sensor], alarms: Sequence[Alarm], series: Series) -> list[Lane]:
        """What happened along the chart's axis; of what is written down by hand only what falls into it."""
        start_ms, end_ms = series.start_ms, min(series.end_ms, self.wall_ms())
        found = [alarm_lane(alarms, start_ms, end_ms)]
        for sensor in sensors:
            if sensor.quantity not in TOLD:
                continue
            if end_ms - start_ms <= EXACT_MAX_MS:
                rows = self.records.readings(sensor.id, start_ms - hold_ms(sensor, start_ms), end_ms)
                found.append(held_lane(sensor, rows, start_ms, end_ms))
            elif sensor.quantity == "mains":
                found.append(stepped_lane(self.records.series(sensor, start_ms, end_ms, len(series.n))))
        registry = self.records.registry()
        if sensors and (appliance := registry.appliance_by_id.get(sensors[0].appliance or "")) is not None:
            found += [lane for lane in self._told(appliance, sensors, start_ms, end_ms) if lane.spans]
        return sorted(found, key=lambda lane: LANES.index(lane.kind))

    def _told(self, appliance: Appliance, sensors: list[Sensor], start_ms: int, end_ms: int) -> list[Lane]:
        """Defrosts, work, calibrations and assignments of an appliance."""
        desk, now_ms = self.settings.desk_db, self.wall_ms()
        with closing(AlarmsReader(self.settings.alarms_db)) as alarms:
            ended = alarms.defrosts(start_ms, end_ms, appliance.id)
            missing = [row for row in alarms.upkeep(start_ms) if row.subject in {s.id for s in sensors}]
        dossier = DeviceReader(desk).dossier(serial_of(appliance))
        orders = WorkReader(desk).orders(appliance=appliance.id)
        told = {
            "work": work_on(self.records.aside(appliance.id), orders, dossier, now_ms),
            "calibration": calibrations(sensors, dossier),
            "assignment": assigned(appliance),
        }
        lanes = [told_lane(kind, spans, start_ms, end_ms) for kind, spans in told.items()]
        return [defrost_lane(ended, missing, start_ms, end_ms), *lanes]

    def close(self) -> None:
        self.hub.close()
        self.records.close()
