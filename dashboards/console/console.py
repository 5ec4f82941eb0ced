# SPDX-License-Identifier: Apache-2.0
"""The parts of the running console, and how a page is made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.instants import rfc3339
from coldchain.records.health import Heart
from coldchain.settings import Settings
from dashboards.console.assets import Asset, load_assets
from dashboards.console.hub import Hub
from dashboards.console.problems import Problem
from dashboards.console.series import RANGES_MS, limits_between
from dashboards.console.source import Look, Records
from dashboards.console.strip import facts
from dashboards.console.svg import sparkline
from dashboards.console.times import age, clock, full, offset_text, span
from dashboards.console.values import celsius, reading_text
from dashboards.console.views import ORDER, Row, main_sensor
from dashboards.console.words import LANGUAGE, t, word

SPARK_KEEP_MS = 300_000
SPARK_POINTS = 96
SPARKS_MAX = 2_000
REFRESH_S = 30
"""How often a browser without script loads the page again."""
TEMPLATES = Path(__file__).parent / "templates"
TICKING = {unit: t(f"age.{unit}", **{name: f"{{{name}}}" for name in names}) for unit, names in {
    "s": "n", "min": "n", "h": ("h", "min"), "d": "dh", "ago": ("age",),
}.items()}  # fmt: skip
"""The words with which the browser lets ages grow between two events."""
LIVE_WORDS = {key: t(f"live.{key}", at="{at}", n="{n}") for key in ("on", "connecting", "polling", "off")}


@dataclass(frozen=True, slots=True)
class Spark:
    """A sparkline as served, and when it was drawn."""

    drawn_ms: int
    svg: str


class Console:
    """Everything the routes need. One per application."""

    def __init__(self, settings: Settings, wall_ms: WallClock) -> None:
        self.settings, self.wall_ms = settings, wall_ms
        self.assets: dict[str, Asset] = load_assets()
        self.records = Records(settings, wall_ms)
        self.env = self._environment()
        self.hub = Hub(
            self.records, Heart(settings.data_dir, "console", wall_ms), self.row_markup, self.frame_markup
        )
        self._sparks: dict[str, Spark] = {}

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
            "lang": LANGUAGE,
            "asset": {name: asset.address for name, asset in self.assets.items()},
            "states": [state.value for state in ORDER],
            "refresh_s": REFRESH_S,
            "ticking": json.dumps(TICKING | LIVE_WORDS, ensure_ascii=False),
            "celsius": celsius,
            "reading_text": reading_text,
            "span": span,
            "ago": age,
            "zone_name": self.settings.zone,
            "rfc3339": rfc3339,
            "full": lambda at_ms: full(at_ms, zone),
            "ranges": list(RANGES_MS),
        }
        return env

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
            alarms_open=len(base.alarms) if base is not None else 0,
            path=request.url.path,
            **values,
        )
        return HTMLResponse(page, status)

    def problem_page(self, request: Request, problem: Problem) -> HTMLResponse:
        return self.render(request, "problem.html", problem.status, problem=problem)

    def row_markup(self, row: Row) -> str:
        """One appliance as a list entry of the fleet page."""
        return self._part("row", row, self.wall_ms())

    def frame_markup(self, look: Look) -> dict[str, str]:
        """The parts around the rows, by the id of the element they fill."""
        now_ms = look.fleet.now_ms
        return {
            "counts": self._part("counts", look.fleet, ""),
            "troubles": self._part("troubles", look.troubles),
            "strip": self._part("strip", facts(look, now_ms)),
            "badge": str(len(look.alarms) or ""),
        }

    def _part(self, macro: str, *values: Any) -> Markup:
        made = getattr(self._parts, macro)(*values)
        assert isinstance(made, Markup)
        return made

    @property
    def _parts(self) -> Any:
        return self.env.get_template("parts.html").module

    def spark(self, appliance_id: str) -> str:
        """The last 24 hours as a small picture, drawn anew when it is older than SPARK_KEEP_MS."""
        now_ms = self.wall_ms()
        held = self._sparks.get(appliance_id)
        if held is not None and 0 <= now_ms - held.drawn_ms < SPARK_KEEP_MS:
            return held.svg
        registry = self.records.registry()
        appliance = registry.appliance_by_id.get(appliance_id)
        if appliance is None:
            raise Problem(404, "unknown-appliance")
        sensor = main_sensor(s for s in registry.sensors if s.appliance == appliance_id)
        if sensor is None:
            raise Problem(404, "unknown-sensor")
        start_ms = now_ms - RANGES_MS["24h"]
        series = self.records.series(sensor, start_ms, now_ms, SPARK_POINTS)
        svg = sparkline(series, limits_between(appliance, series.start_ms, series.end_ms))
        if len(self._sparks) >= SPARKS_MAX:
            self._sparks.clear()
        self._sparks[appliance_id] = Spark(now_ms, svg)
        return svg

    def close(self) -> None:
        self.hub.close()
        self.records.close()
