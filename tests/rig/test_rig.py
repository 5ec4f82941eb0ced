# SPDX-License-Identifier: Apache-2.0
"""The servers of the tests do what the tests rely on."""

import subprocess
from datetime import UTC, datetime

import pytest
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from rig import programs
from rig.brokers import Broker
from rig.influx import Influx
from rig.watch import living_children
from urllib3.exceptions import HTTPError

from coldchain.wiring.broker import mqtt_answers
from tools import install_servers


def write(influx: Influx, *lines: str) -> None:
    with InfluxDBClient(url=influx.url, token=influx.token, org=influx.org) as client:
        client.write_api(write_options=SYNCHRONOUS).write(
            bucket=influx.bucket, record=list(lines), write_precision=WritePrecision.MS
        )


def test_both_brokers_answer(broker: Broker) -> None:
    assert mqtt_answers("127.0.0.1", broker.port)


def test_own_broker_can_be_taken_away_and_returns(own_broker: Broker) -> None:
    own_broker.kill()
    assert not mqtt_answers("127.0.0.1", own_broker.port)
    own_broker.start()
    assert mqtt_answers("127.0.0.1", own_broker.port)


def test_the_unmodified_client_writes_and_influxql_reads_back(influx: Influx) -> None:
    at = datetime(2026, 3, 1, 2, 14, tzinfo=UTC)
    at_ms = int(at.timestamp() * 1000)
    write(
        influx,
        f"rigtest,sensor=fridge-03\\ load celsius=9.1 {at_ms}",
        f"rigtest,sensor=b celsius=-30 {at_ms}",
    )
    rows = influx.query("SELECT celsius FROM rigtest GROUP BY sensor")
    assert rows == [
        {"time": at_ms, "celsius": -30, "sensor": "b"},
        {"time": at_ms, "celsius": 9.1, "sensor": "fridge-03 load"},
    ]
    assert influx.count("rigtest") == 2


def test_a_wrong_query_and_a_wrong_line_are_errors(influx: Influx) -> None:
    with pytest.raises(ValueError, match="database not found"):
        influx.query("SELECT * FROM x", bucket="nowhere")
    with pytest.raises(InfluxDBError, match="unable to parse"):
        write(influx, "no fields at all")


def test_influx_can_be_killed_and_stopped_and_keeps_its_data(own_influx: Influx) -> None:
    write(own_influx, "kept value=1 1000")
    own_influx.kill()
    with pytest.raises(InfluxDBError, match="502"):
        write(own_influx, "kept value=2 2000")
    own_influx.stop()
    with pytest.raises(HTTPError, match="refused"):
        write(own_influx, "kept value=2 2000")
    own_influx.start()
    write(own_influx, "kept value=3 3000")
    assert [row["value"] for row in own_influx.query("SELECT value FROM kept")] == [1, 3]


def test_a_process_left_behind_is_seen() -> None:
    left = subprocess.Popen(["sleep", "30"])
    try:
        assert living_children()[left.pid] == "sleep 30"
    finally:
        left.kill()
        left.wait()
    assert left.pid not in living_children()


def test_a_missing_server_skips_with_the_reason_and_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_program", lambda _name: None)
    monkeypatch.setenv("COLDCHAIN_NO_APT", "1")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(
        pytest.skip.Exception, match=r"influxd .* \(Debian: influxdb\): COLDCHAIN_NO_APT is set"
    ):
        programs.need("influxd")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="under CI nothing is skipped"):
        programs.need("influxd")


def test_apt_may_be_forbidden() -> None:
    assert install_servers.why_not_install({"COLDCHAIN_NO_APT": "1"}) == "COLDCHAIN_NO_APT is set"
    assert install_servers.why_not_install({"COLDCHAIN_NO_APT": "0"}) != "COLDCHAIN_NO_APT is set"
