# SPDX-License-Identifier: Apache-2.0
"""Training: a few simulated appliances in a folder of their own, a scenario, phones on the screen.

It is a demo whose settings say that it is training; such settings are refused as soon as they name a channel
that reaches somebody. The record of an installation is never in its folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import BadData
from coldchain.records.accounts import Accounts
from coldchain.records.registry import Registry
from coldchain.settings import Settings, load
from coldchain.wiring.demo.plan import DemoPlan
from coldchain.wiring.phones import PASSWORD, SCENARIOS, SECOND, TRAINEE

APPLIANCES = 6


def training_plan(scenario: str, directory: Path, port: int) -> DemoPlan:
    """BadData for an unknown scenario, or a folder that holds something else."""
    import firmware_sim

    if scenario not in SCENARIOS:
        raise BadData(f"there is no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
    config = directory / "coldchain.toml"
    if config.exists() and load(config).training != scenario:
        raise BadData(f"{directory} holds an installation, or another training: name a new folder with --dir")
    if not config.exists() and any(directory.glob("*.db")):
        raise BadData(f"{directory} holds somebody's record: name a new folder with --dir")
    file = Path(firmware_sim.__file__).parent / "scenarios" / f"train-{scenario}.toml"
    return DemoPlan(
        directory=directory, appliances=APPLIANCES, scenario=file, console_port=port, training=scenario
    )


def train(plan: DemoPlan, for_s: float | None, say: Callable[[str], None], wall_ms: WallClock) -> None:
    """Until it is told to stop."""
    import signal

    from coldchain.wiring.demo.run import Demo
    from coldchain.wiring.process import alone

    with alone("demo", plan.directory):
        demo = Demo(plan, say)
        make_accounts(demo.settings, demo.registry, wall_ms)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: demo.told.set())
        say(f"TRAINING, scenario {plan.training}: http://127.0.0.1:{demo.settings.console.port}/training\n")
        demo.run(for_s)


def make_accounts(settings: Settings, registry: Registry, wall_ms: WallClock) -> None:
    """Two people who may sign: whoever trains, and a second person."""
    store = Accounts(settings.desk_db, wall_ms)
    try:
        if store.find(TRAINEE) is not None:
            return
        people = sorted(registry.people, key=lambda p: p.role != "on-call")
        first = people[0] if people else None
        others = sorted((p for p in people[1:]), key=lambda p: p.role != "supervisor")
        for name, role, person in (
            (TRAINEE, "on-call", first), (SECOND, "supervisor", others[0] if others else None),
        ):  # fmt: skip
            who = person.name if person else name
            store.add(name, PASSWORD, role=role, person=who, by="training", fresh=False)
    finally:
        store.close()
