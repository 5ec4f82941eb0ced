# SPDX-License-Identifier: Apache-2.0
"""The dashboards to a Grafana that runs already: a port of two calls, and grafana-api behind it.

Only calls that Grafana 10 to 13 answer: GET and POST /api/folders, POST /api/dashboards/db (the legacy API,
which newer servers keep beside their resource API).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from coldchain.kernel.errors import ColdChainError, ConfigError
from dashboards.grafana.build import built
from dashboards.grafana.panels import Json
from dashboards.grafana.words import CATALOGUES

TIMEOUT_S = 20.0


class Refused(ColdChainError):
    """Grafana answered no, or not at all. The message says what it said."""


class GrafanaPort(Protocol):
    """What we ask of a Grafana. Raises Refused."""

    def folder(self, uid: str, title: str) -> None:
        """It is there afterwards; one that was there keeps its title."""

    def dashboard(self, folder_uid: str, dashboard: Json) -> str:
        """Put it in place of the one with its uid; returns its address below the server."""


class ApiGrafana:
    """By grafana-api, an extra: `pip install blood-cold-chain[grafana]`."""

    def __init__(self, url: str, token: str) -> None:
        try:
            from grafana_api.grafana_api import GrafanaClientError, GrafanaException  # noqa: PLC0415 -- an extra
            from grafana_api.grafana_face import GrafanaFace  # noqa: PLC0415 -- an extra
        except ImportError as bad:
            raise ConfigError(
                "grafana push needs grafana-api: pip install 'blood-cold-chain[grafana]'"
            ) from bad
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a Grafana; write it as https://grafana.example")
        if not token:
            raise ConfigError(
                "no token: make a service account with the role Editor, and give its token's file"
            )
        prefix = parts.path.strip("/")
        face: Any = GrafanaFace
        self._face = face(
            auth=token, host=parts.hostname, port=parts.port, protocol=parts.scheme, timeout=TIMEOUT_S,
            url_path_prefix=f"{prefix}/" if prefix else "",
        )  # fmt: skip
        self._faults = (GrafanaException, OSError)
        self._not_there = GrafanaClientError

    def folder(self, uid: str, title: str) -> None:
        try:
            try:
                self._face.folder.get_folder(uid)
            except self._not_there as absent:
                if absent.status_code != 404:
                    raise
                self._face.folder.create_folder(title, uid)
        except self._faults as bad:
            raise Refused(f"folder {title!r}: {bad}") from bad

    def dashboard(self, folder_uid: str, dashboard: Json) -> str:
        body = {
            "dashboard": dashboard | {"id": None}, "folderUid": folder_uid, "overwrite": True,
            "message": "coldchain grafana push",
        }  # fmt: skip
        try:
            answer = self._face.dashboard.update_dashboard(body)
        except self._faults as bad:
            raise Refused(f"dashboard {dashboard['uid']!r}: {bad}") from bad
        return str(answer.get("url", ""))


def push(grafana: GrafanaPort, languages: tuple[str, ...], zone: str, source: str = "") -> Mapping[str, str]:
    """Every dashboard of those languages; uid -> address. `source`: the uid of that server's data source."""
    done = {}
    for language in languages:
        folder = f"coldchain-{language}"
        grafana.folder(folder, CATALOGUES[language]["folder"])
        for name, dashboard in built(zone, source).items():
            if name.startswith(f"{language}/"):
                done[dashboard["uid"]] = grafana.dashboard(folder, dashboard)
    return done
