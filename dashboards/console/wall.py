# SPDX-License-Identifier: Apache-2.0
"""The wall's sites: as tiles, worst first, and as shapes on an outline map that needs no network. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from coldchain.kernel.words import Health
from coldchain.records.registry import Site
from dashboards.console.outlines import OUTLINES, Outline
from dashboards.console.source import Look
from dashboards.console.views import ORDER, Row

MAP_PX = 300
"""Width of the map in its own units; its height follows from the land."""
MARGIN_PX = 14
LABEL_PX = 13
NOTE_MS = 60_000
"""A tile is told anew at most once a minute for its age alone."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One site. state: its worst; counts: of each state there is; limit_ms: when the next of its appliances
    passes a limit; blind_ms: the worst case of those that are not heard; newest_ms: its newest reading.
    """

    site: Site
    state: Health
    counts: tuple[tuple[Health, int], ...]
    limit_ms: int | None
    blind_ms: int | None
    newest_ms: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A tile's place on the map; `right`: its name stands to the right of its shape, at `label_y`."""

    tile: Tile
    x: float
    y: float
    right: bool
    label_y: float


@dataclass(frozen=True, slots=True)
class Map:
    """An outline as an SVG path, or none where no land is known; the places on it."""

    path: str
    height: float
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Wall:
    """The tiles, worst first, and the map; None where no site has coordinates."""

    tiles: tuple[Tile, ...]
    map: Map | None


def wall_of(look: Look) -> Wall:
    """Every site that has an appliance, once."""
    of_site: dict[str, list[Row]] = defaultdict(list)
    for row in look.fleet.rows:
        of_site[row.site].append(row)
    sites = look.registry.site_by_id
    tiles = [_tile(sites[id_], rows, look.fleet.now_ms) for id_, rows in of_site.items() if id_ in sites]
    tiles.sort(key=lambda tile: (ORDER.index(tile.state), _soonest(tile), -_bad(tile), tile.site.name))
    return Wall(tuple(tiles), _map(tiles))


def _tile(site: Site, rows: list[Row], now_ms: int) -> Tile:
    counts = tuple((s, n) for s in ORDER if (n := sum(row.state is s for row in rows)))
    heard = [row.at_ms for row in rows if row.at_ms is not None and row.at_ms <= now_ms]
    newest = max(heard, default=None)
    return Tile(
        site=site,
        state=counts[0][0],
        counts=counts,
        limit_ms=min((row.limit_ms for row in rows if row.limit_ms is not None), default=None),
        blind_ms=min((row.blind_ms for row in rows if row.blind_ms is not None), default=None),
        newest_ms=None if newest is None else newest // NOTE_MS * NOTE_MS,
    )


def _soonest(tile: Tile) -> float:
    return min((at for at in (tile.limit_ms, tile.blind_ms) if at is not None), default=math.inf)


def _bad(tile: Tile) -> int:
    return sum(n for state, n in tile.counts if state is not Health.OK)


def _map(tiles: list[Tile]) -> Map | None:
    spots = [(t, t.site.longitude, t.site.latitude) for t in tiles]
    known = [(t, x, y) for t, x, y in spots if x is not None and y is not None]
    if not known:
        return None
    land = next((o for o in OUTLINES if all(_inside(o, x, y) for _, x, y in known)), None)
    points = list(land) if land is not None else [(x, y) for _, x, y in known]
    put, height = _projection(points)
    path = "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in map(put, land)) + "Z" if land is not None else ""
    # The worst are drawn last, on top of the others.
    places = [Place(t, *put((x, y)), put((x, y))[0] < MAP_PX * 0.6, 0.0) for t, x, y in reversed(known)]
    return Map(path, height, tuple(_labelled(places)))


def _labelled(places: list[Place]) -> list[Place]:
    """Names that would lie on each other are moved down, from north to south on each side."""
    free = {True: -math.inf, False: -math.inf}
    at: dict[str, float] = {}
    for place in sorted(places, key=lambda place: place.y):
        if place.tile.state is not Health.OK:
            free[place.right] = max(place.y + 4, free[place.right] + LABEL_PX + 2)
            at[place.tile.site.id] = free[place.right]
    return [replace(place, label_y=round(at.get(place.tile.site.id, place.y), 1)) for place in places]


def _inside(land: Outline, x: float, y: float) -> bool:
    """Within half a degree of its bounds."""
    xs, ys = [point[0] for point in land], [point[1] for point in land]
    return min(xs) - 0.5 <= x <= max(xs) + 0.5 and min(ys) - 0.5 <= y <= max(ys) + 0.5


def _projection(
    points: list[tuple[float, float]],
) -> tuple[Callable[[tuple[float, float]], tuple[float, float]], float]:
    """Degrees to the map's own units, true to shape in its middle; and the map's height."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    west, east, south, north = min(xs), max(xs), min(ys), max(ys)
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = (MAP_PX - 2 * MARGIN_PX) / max((east - west) * squeeze, (north - south) * 0.7, 0.01)

    def put(point: tuple[float, float]) -> tuple[float, float]:
        x = MARGIN_PX + (point[0] - west) * squeeze * scale
        return round(x, 1), round(MARGIN_PX + (north - point[1]) * scale, 1)

    return put, round(2 * MARGIN_PX + (north - south) * scale, 1)
