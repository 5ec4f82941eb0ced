# SPDX-License-Identifier: Apache-2.0
"""The console as a FastAPI application. Whoever serves it gives the settings; its hub is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from coldchain.kernel.clocks import WallClock
from coldchain.ports.clock import steady_s
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.settings import Settings
from dashboards.console import (
    api,
    carried,
    changes,
    more,
    offline,
    once,
    pages,
    problem_pages,
    problems,
    signatures,
    site_programs,
)
from dashboards.console.accounts import pages as account_pages
from dashboards.console.accounts import programs as account_programs
from dashboards.console.accounts import sessions
from dashboards.console.accounts.gate import Gate
from dashboards.console.accounts.pace import Pace
from dashboards.console.accounts.signing import Signing
from dashboards.console.accounts.store import Store
from dashboards.console.alarms import disposing
from dashboards.console.alarms.programs import router as for_programs
from dashboards.console.alarms.routes import router as for_people
from dashboards.console.blood.routers import blood_pages, make_room
from dashboards.console.bounds import Bounded
from dashboards.console.console import Console
from dashboards.console.devices.known import Tools
from dashboards.console.devices.routers import device_pages
from dashboards.console.office.routers import office_pages
from dashboards.console.office.tools import Office
from dashboards.console.ready import Ready
from dashboards.console.security import SafeHeaders
from dashboards.console.site import OnDuty, nobody
from dashboards.console.unchanged import Unchanged


def create_app(
    settings: Settings,
    wall_ms: WallClock = system_wall_ms,
    on_duty: OnDuty = nobody,
    ready: Ready | None = None,
    tools: Tools | None = None,
) -> FastAPI:
    """The whole console. It needs no file of the record to be there yet. `on_duty` reads the rotas,
    `ready` lists what is to be mended, `tools` compute how devices run and print their packets.

    `app.state.stop_streams()` ends the open event streams; call it when the server is to stop.
    """
    console = Console(settings, wall_ms, on_duty, ready)
    store, answers = Store(settings.desk_db, wall_ms), once.Store(settings.desk_db, wall_ms)
    signing = Signing(console, store.open)
    signing.kinds[disposing.KIND] = disposing.kind(console)
    office = Office(console)
    room = make_room(console, signing)
    rules, brought = changes.Changes(console), carried.Carried(console)
    answer = problems.answering(console.problem_page)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(console.warm_up)
        polling = asyncio.create_task(console.hub.run())
        yield
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        console.close()
        store.close()
        answers.close()

    app = FastAPI(
        title="Coldchain",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from a foreign host
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        responses=problems.PROBLEMS,
    )
    app.state.stop_streams = console.hub.stop_streams
    routers = [
        *blood_pages(room),  # before addresses with a name in their place
        pages.router(console), api.router(console), site_programs.programs(console),
        problem_pages.router(console),
        account_pages.router(console, store.open), account_programs.programs(console, store.open),
        sessions.router(store.open), sessions.programs(store.open),
        for_people(console, signing), for_programs(console, signing),
        changes.router(rules), changes.programs(rules), carried.router(brought), carried.programs(brought),
        *office_pages(office), *device_pages(console, tools or Tools()), more.router(console),
        offline.router(console.assets), signatures.router(console, signing), signatures.programs(signing),
    ]  # fmt: skip
    served = [*app.router.routes, *(route for router in routers for route in router.routes)]
    app.add_middleware(once.Once, store=answers, answer=answer)  # innermost first
    _guard(app, served, store, answer, settings)
    app.state.served, app.state.office = served, office
    app.state.room, app.state.changes = room, rules
    for router in routers:
        app.include_router(router)
    problems.install(app, answer)
    return app


def _guard(
    app: FastAPI, served: Sequence[BaseRoute], store: Store, answer: problems.Answer, settings: Settings
) -> None:
    """What every request passes before its page, and every answer after it."""
    app.add_middleware(Bounded, answer=answer)
    app.state.pace = Pace(steady_s)
    networks = settings.console.trusted
    app.add_middleware(
        Gate, routes=served, known=store, answer=answer, networks=networks, pace=app.state.pace
    )
    app.add_middleware(Unchanged)
    app.add_middleware(GZipMiddleware, minimum_size=500, compresslevel=6)
    app.add_middleware(SafeHeaders)
