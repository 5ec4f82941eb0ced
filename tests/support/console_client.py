# SPDX-License-Identifier: Apache-2.0
"""An application with its lifespan, asked as over HTTP, in one thread of its own; no port is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI


class Client:
    """`get` and `post` as httpx has them, from 127.0.0.1."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal, self._client = portal, client

    def get(self, url: str, **values: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.get(url, **values))

    def post(self, url: str, **values: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.post(url, **values))


@contextmanager
def browsing(app: FastAPI, base_url: str = "http://127.0.0.1:8080") -> Iterator[Client]:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 5000), raise_app_exceptions=False)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        client = httpx.AsyncClient(transport=transport, base_url=base_url)
        yield Client(portal, client)
        portal.call(client.aclose)
