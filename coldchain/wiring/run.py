# SPDX-License-Identifier: Apache-2.0
"""Everything on one machine, supervised."""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from pathlib import Path

from coldchain.settings import Settings, load
from coldchain.wiring.broker import HOST, EmbeddedBroker, mqtt_keeps
from coldchain.wiring.logs import set_up_logs
from coldchain.wiring.process import PROCESSES
from coldchain.wiring.supervise import Child, Supervisor, our_process


def broker_child(settings: Settings, log_dir: Path | None = None) -> Child:
    """The embedded broker, supervised like any other child: it may die and come back with its store."""
    folder = settings.data_dir / "broker"
    command = EmbeddedBroker(folder, settings.mqtt.port).prepare()
    log = (log_dir or folder) / "broker.log"
    return Child("broker", command, log, folder, asks=partial(mqtt_keeps, HOST, settings.mqtt.port))


def run_all(config: Path) -> int:
    """Until SIGTERM or Ctrl-C. Returns 0."""
    settings = load(config)
    set_up_logs("run")
    children = [our_process(name, config, data_dir=settings.data_dir) for name in PROCESSES]
    if settings.mqtt.embedded:
        children.insert(0, broker_child(settings))
    supervisor = Supervisor(children)
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    signal.signal(signal.SIGINT, lambda *_: told.set())
    supervisor.start()
    sys.stderr.write(
        f"console: http://{settings.console.host}:{settings.console.port}/   Ctrl-C stops everything\n"
    )
    while not told.wait(0.25):
        supervisor.check()
    supervisor.stop()
    return 0
