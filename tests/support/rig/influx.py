# SPDX-License-Identifier: Apache-2.0
"""A real InfluxDB engine for tests: Debian's influxd 1.6.7, with nginx in front.

Version 1.6.7 stores, and answers InfluxQL, but lacks the /api/v2/write that influxdb-client speaks; nginx
rewrites that path (docs/decisions/influxdb-in-tests.md). Tokens, buckets and Flux are not there: 501.
"""

import http.client
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coldchain.wiring.child import ChildServer, free_port
from rig.programs import need

HOST = "127.0.0.1"
VERSION = "1.6.7"

INFLUX_CONFIG = """\
reporting-disabled = true
bind-address = "{host}:{rpc_port}"
[meta]
  dir = "meta"
[data]
  dir = "data"
  wal-dir = "wal"
  index-version = "tsi1"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "{host}:{engine_port}"
  log-enabled = false
"""

NGINX_CONFIG = """\
{run_as}
daemon off;
master_process off;
pid nginx.pid;
error_log nginx-error.log warn;
events {{ }}
http {{
  access_log off;
  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
  map $arg_precision $v1_precision {{ default n; ns n; us u; ms ms; s s; }}
  upstream engine {{ server {host}:{engine_port} max_fails=0; keepalive 4; }}
  server {{
    listen {host}:{port};
    client_max_body_size 64m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Authorization "";
    location = /api/v2/write {{
      rewrite ^ /write?db=$arg_bucket&rp=autogen&precision=$v1_precision? break;
      proxy_pass http://engine;
    }}
    location = /health {{
      default_type application/json;
      return 200 '{{"name":"influxdb","status":"pass","checks":[],"version":"{version}"}}';
    }}
    location = /ready {{ default_type application/json; return 200 '{{"status":"ready"}}'; }}
    location = /ping {{ proxy_pass http://engine; }}
    location = /query {{ proxy_pass http://engine; }}
    location / {{ return 501; }}
  }}
}}
"""

Row = dict[str, Any]


class Influx:
    """The engine and its front, with the database `bucket`; give `url`, `org` and `token` to influxdb-client.

    stop() takes both away (connections are refused), kill() takes the engine away by SIGKILL and leaves the
    front (502); start() brings back what is missing, on the same ports and data.
    """

    org = "coldchain"
    token = "the-front-drops-it"

    def __init__(self, folder: Path, *, bucket: str = "coldchain") -> None:
        self.folder = folder
        self.bucket = bucket
        self.port, self.engine_port, self._rpc_port = free_port(), free_port(), free_port()
        self.engine = ChildServer(
            "influxd",
            [str(need("influxd")), "-config", "influx.conf"],
            folder=folder,
            answers=lambda: _http_answers(self.engine_port, "/ping"),
        )
        self.front = ChildServer(
            "nginx",
            [str(need("nginx")), "-p", str(folder), "-e", "nginx-error.log", "-c", "nginx.conf"],
            folder=folder,
            answers=lambda: _http_answers(self.port, "/health"),
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def engine_url(self) -> str:
        """The engine's own address: its v1 API, without nginx."""
        return f"http://{HOST}:{self.engine_port}"

    def start(self) -> None:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        (self.folder / "influx.conf").write_text(
            INFLUX_CONFIG.format(host=HOST, engine_port=self.engine_port, rpc_port=self._rpc_port)
        )
        run_as = "user root;" if os.geteuid() == 0 else ""  # else its worker cannot write in our folder
        (self.folder / "nginx.conf").write_text(
            NGINX_CONFIG.format(
                host=HOST, port=self.port, engine_port=self.engine_port, version=VERSION, run_as=run_as
            )
        )
        self.engine.start()
        self.front.start()
        self.create_database(self.bucket)

    def stop(self) -> None:
        self.front.stop()
        self.engine.stop()

    def kill(self) -> None:
        self.engine.kill()

    def create_database(self, name: str, *, retention: str = "INF") -> None:
        """A new empty database; `retention` as InfluxQL writes durations, such as "90d"."""
        self.query(f'CREATE DATABASE "{name}" WITH DURATION {retention} NAME autogen', bucket=None)

    def drop_database(self, name: str) -> None:
        self.query(f'DROP DATABASE "{name}"', bucket=None)

    def query(self, influxql: str, *, bucket: str | None = "", epoch: str = "ms") -> list[Row]:
        """Rows of all series, tags of a GROUP BY included; `time` is an integer [epoch]. Raises ValueError.

        One row of `SELECT max("celsius") FROM reading GROUP BY sensor`:
        {"time": 0, "max": 9.1, "sensor": "fridge-03/load"}
        """
        words = {"q": influxql, "epoch": epoch}
        if bucket is not None:
            words["db"] = bucket or self.bucket
        request = urllib.request.Request(
            f"{self.engine_url}/query", data=urllib.parse.urlencode(words).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return _rows(json.load(answer))

    def count(self, measurement: str, *, bucket: str = "") -> int:
        """Points of a measurement: instants per series that have any field."""
        rows = self.query(f'SELECT * FROM "{measurement}"', bucket=bucket)
        return len(rows)


def _rows(answer: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for result in answer["results"]:
        if "error" in result:
            raise ValueError(result["error"])
        for series in result.get("series", []):
            tags = series.get("tags", {})
            rows += [dict(zip(series["columns"], values, strict=True)) | tags for values in series["values"]]
    return rows


def _http_answers(port: int, path: str) -> bool:
    link = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        link.request("GET", path)
        return link.getresponse().status < http.HTTPStatus.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
