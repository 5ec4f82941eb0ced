# SPDX-License-Identifier: Apache-2.0
"""The broker's certificate ends: gateways keep what they have, people are told before and after, and a new
certificate lets everything out.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from rig.hub import make_hub
from rig.programs import need

from coldchain.ports.clock import wall_ms
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.settings import Settings
from coldchain.settings.model import MqttSettings
from coldchain.wiring.certificate import look
from coldchain.wiring.readiness import readiness

DAY = timedelta(days=1)


def dated(folder: Path, made: Path, *, until: datetime) -> None:
    """The broker's own certificate, signed by its authority anew with another end."""
    ca = x509.load_pem_x509_certificate((made / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((made / "ca.key").read_bytes(), None)
    old = x509.load_pem_x509_certificate((made / "broker.pem").read_bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(ca.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(until, datetime.now(UTC)) - DAY)
        .not_valid_after(until)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    fresh = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    (folder / "run/secrets/broker_cert").write_bytes(fresh.public_bytes(serialization.Encoding.PEM))


def connects(mqtt: MqttSettings, within_s: float) -> bool:
    client = make_client(mqtt, "gateway")
    start_client(client, mqtt)
    until_s = time.monotonic() + within_s
    while not client.is_connected() and time.monotonic() < until_s:
        time.sleep(0.05)
    connected = client.is_connected()
    stop_client(client)
    return connected


def told(settings: Settings) -> list[tuple[str, str]]:
    return [(f.level, f.says) for f in readiness(settings, wall_ms()) if f.what == "certificate"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
def test_a_certificate_that_ends(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("openssl")
    monkeypatch.setattr("coldchain.wiring.certificate.KEPT_S", 0.0)
    hub = make_hub(kind, tmp_path)
    mqtt = MqttSettings(
        host="127.0.0.1",
        port=hub.port,
        tls=True,
        ca_file=hub.secrets / "ca.pem",
        username="gw-a",
        password_file=hub.secrets / "mqtt-gw-a.password",
    )
    settings = Settings(data_dir=tmp_path / "data", mqtt=mqtt)
    (tmp_path / "data").mkdir()
    assert look(mqtt) is None, "nobody answers yet: others tell of that"
    for until, takes, level in ((29 * DAY, True, "soon"), (-DAY, False, "now"), (400 * DAY, True, None)):
        dated(tmp_path, hub.secrets, until=datetime.now(UTC) + until)
        monkeypatch.setattr(hub.server, "_answers", lambda: look(mqtt) is not None)
        hub.server.start()
        try:
            assert connects(mqtt, 10.0 if takes else 2.5) is takes
            found = told(settings)
            assert [one for one, _ in found] == ([level] if level else [])
            print(kind, until, "taken" if takes else "refused", found)
        finally:
            hub.server.stop()
