# SPDX-License-Identifier: Apache-2.0
"""One process of ours, and what it is made of. `python -m coldchain.wiring.process NAME CONFIG`.

It avoids the command line's libraries: four of these run on a small machine day and night.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from coldchain.kernel.errors import ColdChainError
from coldchain.records.health import stopped
from coldchain.records.registry import bring_up
from coldchain.records.reserve import Reserve
from coldchain.settings import Settings, load
from coldchain.wiring.logs import set_up_logs
from coldchain.wiring.sound import make_sound


class AlreadyRunning(ColdChainError):
    """Another process does this work in this folder."""

    exit_code = 75


class Service(Protocol):
    """What every room offers: work until told to stop."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


def build_gateway(settings: Settings) -> Service:
    from gateway.service import GatewayService

    if not settings.gateway.guard.on:
        return GatewayService(settings)
    from coldchain.wiring.guard import build_guard

    return GatewayService(settings, guard=build_guard(settings))


def build_ingest(settings: Settings) -> Service:
    from ingest.service import IngestService

    return IngestService(settings)


def build_alerts(settings: Settings) -> Service:
    from alerts.service import AlertService
    from coldchain.records.own_profiles import stand_by_kept
    from coldchain.wiring.notify import build_channels, build_credit, build_signal
    from coldchain.wiring.readiness import to_mend

    channels = build_channels(settings)
    stand_by_kept(settings.data_dir)
    return AlertService(
        settings,
        channels or None,
        credit=build_credit(settings, channels),
        signal=build_signal(channels),
        ready=partial(to_mend, settings),
    )


def build_console(settings: Settings) -> Service:
    from alerts.oncall.rota import on_duty
    from coldchain.ports.clock import wall_ms
    from coldchain.wiring.accounts import first_admin
    from coldchain.wiring.blood import console_tools
    from coldchain.wiring.device_tools import device_tools
    from coldchain.wiring.links import add_links
    from coldchain.wiring.readiness import readiness
    from coldchain.wiring.report.mailing import Mailing
    from coldchain.wiring.web import WebService
    from dashboards.console.app import create_app

    first_admin(settings)
    tools = device_tools(settings)
    app = create_app(settings, on_duty=on_duty, ready=partial(readiness, settings), tools=tools)
    app.state.room.tools = console_tools(settings)
    add_links(app, settings)
    return WebService(app, settings.console.host, settings.console.port, Mailing(settings, wall_ms))


def described() -> dict[str, Any]:
    """The console's interface for programs as OpenAPI. Nothing is started, no file is made."""
    from coldchain.wiring.links import add_links
    from dashboards.console.app import create_app

    settings = Settings()
    app = create_app(settings)
    add_links(app, settings)
    return app.openapi()


PROCESSES: dict[str, Callable[[Settings], Service]] = {
    "ingest": build_ingest,
    "alerts": build_alerts,
    "console": build_console,
    "gateway": build_gateway,
}
"""In the order in which they start; they stop the other way round."""


def run_process(name: str, settings: Settings) -> None:
    """Build the process and run it until SIGTERM or SIGINT. AlreadyRunning beside another of its kind."""
    if name == "alerts" and settings.data_dir.exists():
        Reserve(settings.data_dir).look()  # on a full disk not even its lock could be written
    with alone(name, settings.data_dir):
        make_sound(name, settings)
        bring_up(settings.desk_db)
        service = PROCESSES[name](settings)

        def stop(_signal: int, _frame: object) -> None:
            service.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        service.run()
        stopped(settings.data_dir, name)


@contextmanager
def alone(name: str, directory: Path) -> Iterator[None]:
    """Hold the place of `name` in this folder; the kernel gives it back when the process dies."""
    path = directory / "health" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    place = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as bad:
        holder = os.read(place, 20).decode("ascii", "replace").strip()
        os.close(place)
        raise AlreadyRunning(
            f"process {holder} does this already in {directory}: stop it first, or use another data_dir"
        ) from bad
    try:
        os.ftruncate(place, 0)
        os.write(place, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(place)


def main(arguments: list[str]) -> int:
    """NAME CONFIG. Returns a sysexits code."""
    name, config = arguments
    set_up_logs(name)
    try:
        run_process(name, load(Path(config)))
    except ColdChainError as bad:
        print(f"coldchain {name}: {bad}", file=sys.stderr)  # noqa: T201 -- the operator's one plain sentence
        return bad.exit_code
    except OSError as bad:  # most often: a folder that we may not write in
        print(f"coldchain {name}: {bad.filename or ''}: {bad.strerror or bad}", file=sys.stderr)  # noqa: T201
        return 74
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
