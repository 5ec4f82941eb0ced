# SPDX-License-Identifier: Apache-2.0
"""Reading the TOML file: every fault named by file, line, key, what is wrong, and the nearest valid key."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coldchain.kernel.errors import ConfigError
from coldchain.kernel.words import QUANTITY_OF_WORD
from coldchain.settings.model import Settings
from coldchain.settings.profile_files import take_up

Path_ = tuple[str | int, ...]
Fault = tuple[Path_, str, str | None]
"""Which key, what is wrong, the nearest valid word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `line` is 0 where no line of the file can be blamed."""

    file: str
    line: int
    key: str
    problem: str
    nearest: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" Did you mean `{self.nearest}`?" if self.nearest else ""
        return f"{where}: {self.key}: {self.problem}{hint}"


def load(path: Path) -> Settings:
    """The settings of a file, and the site's own profiles taken up; ConfigError listing every fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as bad:
        raise ConfigError(f"{path}: {bad.strerror}; `coldchain init` writes a new one") from bad
    except UnicodeDecodeError as bad:
        raise ConfigError(f"{path}: not UTF-8 text (byte {bad.start}); save it as UTF-8") from bad
    settings, findings = check_text(text, str(path), base=path.parent)
    if settings is None:
        raise ConfigError("\n".join(str(finding) for finding in findings))
    take_up(settings.data_dir)
    return settings


def check_text(text: str, file: str, *, base: Path = Path()) -> tuple[Settings | None, list[Finding]]:
    """The settings, and every fault found; settings is None when there is any.

    base  relative paths in the file are relative to this folder
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as bad:
        place = re.search(r"line (\d+)", str(bad))
        line = int(place[1]) if place else text.count("\n") + 1
        return None, [Finding(file, line, "syntax", str(bad))]
    lines = key_lines(text)
    inner = [key for key in table if key.startswith("_")]  # pydantic-settings would take them as its own
    if inner:
        return None, [Finding(file, _line_of(lines, (key,)), key, "no such key") for key in inner]
    try:
        settings = Settings(**table)
    except ValidationError as bad:
        return None, [_explain(fault, table, lines, file) for fault in bad.errors()]
    findings = [
        Finding(file, _line_of(lines, path), _dotted(path), problem, nearest)
        for path, problem, nearest in _cross_checks(settings)
    ]
    return (None if findings else _rooted(settings, base)), findings


def _rooted(settings: Settings, base: Path) -> Settings:
    """The same with its relative paths made relative to the file's folder."""

    def rooted(value: Any) -> Any:
        if isinstance(value, Path):
            return value if value.is_absolute() else base / value
        if isinstance(value, BaseModel):
            return value.model_copy(
                update={name: rooted(getattr(value, name)) for name in type(value).model_fields}
            )
        return value

    whole: Settings = rooted(settings)
    lines = tuple(
        line.model_copy(update={"device": str(base / line.device)}) if line.driver not in NO_FILE else line
        for line in whole.gateway.lines
    )
    modem, second = whole.notify.modem, whole.notify.second
    if modem.device:
        modem = modem.model_copy(update={"device": str(base / modem.device)})
    if second is not None:
        second = second.model_copy(update={"device": str(base / second.device)})
    guard = whole.gateway.guard
    if guard.modem.device:
        own = guard.modem.model_copy(update={"device": str(base / guard.modem.device)})
        guard = guard.model_copy(update={"modem": own})
    return whole.model_copy(
        update={
            "gateway": whole.gateway.model_copy(update={"lines": lines, "guard": guard}),
            "notify": whole.notify.model_copy(update={"modem": modem, "second": second}),
        }
    )


def _cross_checks(settings: Settings) -> Iterator[Fault]:
    """What one key alone cannot tell."""
    yield from _map_checks(settings)
    yield from _line_checks(settings)
    yield from _place_checks(settings)
    if settings.notify.kind == "modem" and not settings.notify.modem.device:
        yield (
            ("notify", "kind"),
            "a modem needs `[notify.modem] device`, e.g. /dev/serial/by-id/usb-...",
            None,
        )
    hub_modem, guard_modem = settings.notify.modem.device, settings.gateway.guard.modem.device
    if settings.notify.kind == "modem" and guard_modem == hub_modem:
        problem = "is the hub's modem: the guard needs one of its own, and on the hub's machine none"
        yield ("gateway", "guard", "modem"), problem, None
    if settings.notify.kind == "http" and settings.notify.http is None:
        yield ("notify", "kind"), "needs `[notify.http]`, the provider", None
    if (provider := settings.notify.http) is not None and provider.ready is None and provider.url is None:
        yield ("notify", "http"), "needs `ready` or `url`", None
    if settings.notify.kind == "file" and settings.notify.file is None:
        yield ("notify", "kind"), "needs `file`, where messages are written", None
    if settings.mqtt.embedded and settings.mqtt.host not in {"127.0.0.1", "localhost", "::1"}:
        yield (
            ("mqtt", "embedded"),
            f"the embedded broker listens on loopback only, but host is {settings.mqtt.host}",
            None,
        )
    if settings.alerts.silent_after <= settings.gateway.batch_linger:
        yield ("alerts", "silent_after"), "must exceed gateway.batch_linger, or every pause is silence", None


def _map_checks(settings: Settings) -> Iterator[Fault]:
    for name, registers in settings.gateway.register_maps.items():
        channels: set[int] = set()
        for number, register in enumerate(registers):
            at: Path_ = ("gateway", "register_maps", name, number)
            if register.quantity not in QUANTITY_OF_WORD:
                known = ", ".join(QUANTITY_OF_WORD)
                problem = f"{register.quantity!r} is no quantity; known: {known}"
                yield (*at, "quantity"), problem, _nearest(register.quantity, QUANTITY_OF_WORD)
            if register.channel in channels:
                yield (
                    (*at, "channel"),
                    f"channel {register.channel} is twice in this map: only one of the two would be recorded",
                    None,
                )
            channels.add(register.channel)


def _line_checks(settings: Settings) -> Iterator[Fault]:
    maps = settings.gateway.register_maps
    nodes: set[str] = set()
    for number, line in enumerate(settings.gateway.lines):
        at: Path_ = ("gateway", "lines", number)
        if line.driver.startswith("modbus") and not line.devices:
            yield (*at, "driver"), "a Modbus line needs `devices = [{ node, unit, map }, ...]`", None
        if line.driver == "modbus-tcp" and not TCP_PLACE.fullmatch(line.device):
            yield (*at, "device"), f"{line.device!r} is not HOST:PORT, e.g. 192.0.2.10:502", None
        if line.driver == "canary" and not CANARY_TIME.fullmatch(line.device):
            yield (*at, "device"), f"{line.device!r} is no time with its offset, e.g. 06:30+07:00", None
        for index, device in enumerate(line.devices):
            if device.map not in maps:
                problem = f"no register map {device.map!r}; there are: {', '.join(maps) or 'none'}"
                yield (*at, "devices", index, "map"), problem, _nearest(device.map, maps)
            if device.node in nodes:
                problem = f"two devices are the node {device.node!r}: their readings would be mixed"
                yield (*at, "devices", index, "node"), problem, None
            nodes.add(device.node)


NO_FILE = frozenset({"modbus-tcp", "canary"})
"""Drivers whose `device` is no file."""
CANARY_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d([+-](0\d|1[0-4]):[0-5]\d|Z)")
TCP_PLACE = re.compile(r"[^\s:]+(:\d{1,5})?|\[[0-9a-fA-F:]+\]:\d{1,5}")
HTTP_URL = re.compile(r"https?://[^\s/]+(/\S*)?")


def _place_checks(settings: Settings) -> Iterator[Fault]:
    """The zone, addresses, and ports that two would want."""
    zone = settings.zone
    if _is_no_zone(zone):
        yield ("zone",), f"{zone!r} is no time zone of this machine", _nearest(zone, available_timezones())
    if settings.influx.url is not None and not HTTP_URL.fullmatch(settings.influx.url):
        yield ("influx", "url"), f"{settings.influx.url!r} is not http://HOST:PORT", None
    if settings.mqtt.embedded and not settings.mqtt.port:
        yield (
            ("mqtt", "port"),
            "the embedded broker needs a port of its own: every process must find it",
            None,
        )
    taken: dict[int, str] = {settings.mqtt.port: "mqtt.port"} if settings.mqtt.embedded else {}
    for section, key, port in (
        ("gateway", "page_port", settings.gateway.page_port),
        ("ingest", "http_port", settings.ingest.http_port),
        ("console", "port", settings.console.port),
    ):
        if port and port in taken:
            yield (section, key), f"{port} is taken by {taken[port]} already", None
        taken.setdefault(port, f"{section}.{key}")


def _is_no_zone(name: str) -> bool:
    """False also where this machine knows no zones at all."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return bool(available_timezones())
    return False


def _explain(fault: ErrorDetails, table: dict[str, Any], lines: dict[Path_, int], file: str) -> Finding:
    path: Path_ = tuple(part for part in fault["loc"] if not str(part).startswith("function-"))
    line = _line_of(lines, path)
    if fault["type"] == "extra_forbidden":
        valid = _keys_at(path[:-1])
        return Finding(
            file,
            line,
            _dotted(path),
            f"no such key; here there are: {', '.join(valid)}.",
            _nearest(str(path[-1]), valid),
        )
    found = table
    value: Any = found
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return Finding(file, line, _dotted(path), fault["msg"])
    return Finding(file, line, _dotted(path), f"{fault['msg']}, not {value!r}")


def _nearest(word: str, valid: typing.Iterable[str]) -> str | None:
    near = difflib.get_close_matches(word, list(valid), 1, 0.5)
    return near[0] if near else None


def _keys_at(path: Path_) -> list[str]:
    """The valid keys of the table at that path."""
    model: type[BaseModel] | None = Settings
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else model
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside X, tuple[X, ...], dict[str, tuple[X, ...]] or X | None."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _dotted(path: Path_) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(file)"


def _line_of(lines: dict[Path_, int], path: Path_) -> int:
    """The line of the key, or of the closest thing around it."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def key_lines(text: str) -> dict[Path_, int]:
    r"""Line of each table header and key of a valid TOML text (values that span lines are skipped over).

    >>> key_lines("a = 1\n[b]\nc = 2\n[[d]]\ne = 3\n")[("d", 0, "e")]
    5
    """
    found: dict[Path_, int] = {}
    here: Path_ = ()
    counts: dict[Path_, int] = {}
    open_until = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if open_until:
            open_until = "" if open_until in line else open_until
            continue
        if depth == 0:
            header = HEADER.match(line)
            if header:
                here = _resolve(_split(header[2]), counts, array=header[1] == "[[")
                found.setdefault(here, number)
                continue
            key = KEY.match(line)
            if key:
                found.setdefault(here + _split(key[1]), number)
        for quote in ('"""', "'''"):
            if line.count(quote) % 2:
                open_until = quote
        bare = re.sub(r"\"(\\.|[^\"\\])*\"|'[^']*'|#.*", "", line)
        if depth or KEY.match(line):
            depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return found


def _split(dotted: str) -> Path_:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted))


def _resolve(parts: Path_, counts: dict[Path_, int], *, array: bool) -> Path_:
    """The path with the index of each array of tables put in."""
    whole: Path_ = ()
    for place, part in enumerate(parts):
        whole = (*whole, part)
        last = place == len(parts) - 1
        if last and array:
            counts[whole] = counts.get(whole, -1) + 1
        if whole in counts:
            whole = (*whole, counts[whole])
    return whole
