# SPDX-License-Identifier: Apache-2.0
"""influxdb-client behind our `Send`: synchronous, one request, no retry of its own. Heavy: import when
configured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from coldchain.kernel.errors import ConfigError
from coldchain.settings import InfluxSettings
from ingest.influx.delivery import Refusal, Unavailable
from ingest.influx.lines import Line


class InfluxWriter:
    """Writes lines into the configured bucket. The token is read anew when the server refuses it."""

    def __init__(self, settings: InfluxSettings) -> None:
        assert settings.url is not None
        self._settings = settings
        self._open()

    def _open(self) -> None:
        settings = self._settings
        self._client: Any = InfluxDBClient(
            url=settings.url,
            token=_token(settings),
            org=settings.org,
            timeout=round(settings.timeout.total_seconds() * 1000),
            enable_gzip=True,
        )
        self._api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def send(self, lines: Sequence[Line]) -> None:
        """As `delivery.Send`."""
        record = "\n".join(line.text for line in lines)
        try:
            self._api.write(
                self._settings.bucket, self._settings.org, record, write_precision=WritePrecision.NS
            )
        except ApiException as bad:
            if bad.status in (401, 403):
                self.close()
                self._open()
            raise Refusal(int(bad.status or 503), str(bad.body or bad.reason or "")) from bad
        except (HTTPError, OSError) as bad:
            raise Unavailable(f"{type(bad).__name__}: {str(bad)[:200]}") from bad

    def close(self) -> None:
        self._client.close()


def _token(settings: InfluxSettings) -> str:
    if settings.token_file is None:
        return ""
    try:
        return settings.token_file.read_text().strip()
    except OSError as bad:
        raise ConfigError(f"influx.token_file: {settings.token_file} cannot be read: {bad.strerror}") from bad
