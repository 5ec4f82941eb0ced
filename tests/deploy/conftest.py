# SPDX-License-Identifier: Apache-2.0
"""The hub's broker as docker-compose.yml configures it, in both kinds."""

from collections.abc import Iterator

import pytest
from rig.hub import HUBS, Secured, make_hub


@pytest.fixture(scope="module", params=sorted(HUBS))
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = make_hub(request.param, tmp_path_factory.mktemp("hub"))
    try:
        made.server.start()
        yield made
    finally:
        made.server.stop()
