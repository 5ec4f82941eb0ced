# SPDX-License-Identifier: Apache-2.0
"""Carrying: what the command does at the gateway and at the hub, whether the processes run or not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.ports.clock import wall_ms
from coldchain.records import carry
from coldchain.records.carry import Bundle, BundleRefused, CarryReceipt
from coldchain.records.carry_box import Answer, CarryBox
from coldchain.records.carry_keys import trust, trusted
from coldchain.settings import Settings
from coldchain.wiring.process import AlreadyRunning, alone

Step = Callable[[int, int], None]
LOOK_EVERY_S = 0.2
STUCK_AFTER_S = 60.0
"""So long without any progress, and the command stops waiting; the bundle stays where ingest finds it."""
TAKEN_UP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Forgot:
    """pending: readings that still wait. waits: the gateway runs and has not taken the receipt up yet."""

    before: int
    pending: int
    waits: bool


def own_public(settings: Settings) -> str:
    """The public key of this machine; its secret one is made when there is none."""
    return carry.public_of(carry.own_key(settings.data_dir / "carry.key"))


def trust_key(settings: Settings, name: str, key: str, *, person: str) -> None:
    """At the hub: the key of a gateway. At a gateway: that of `hub`."""
    from gateway.carrying import trust_hub

    if name == "hub":
        trust_hub(settings.data_dir, key)
    else:
        trust(settings.desk_db, name, key, person=person, at_ms=wall_ms())


def pack(settings: Settings, gateway: str | None, out: Path, step: Step) -> tuple[Bundle, int]:
    """(bundle, rotten readings). BadData for another gateway's folder, or when nothing waits."""
    from gateway.carrying import pack as pack_spool

    own = str(settings.gateway.id)
    if gateway is not None and gateway != own:
        raise BadData(f"this is the gateway {own}, not {gateway}: name the folder of {gateway} with --dir")
    bundle, rotten = pack_spool(settings.data_dir, own, out, wall_ms, step)
    return bundle, rotten


def standing(settings: Settings | None, bundle: Bundle) -> str:
    """Does this hub take bundles signed by that key?"""
    if settings is None:
        return "whether the hub trusts it: ask there"
    known = trusted(settings.desk_db, bundle.head.gateway)
    if known is None:
        return f"this hub has no key of {bundle.head.gateway}: it would refuse it"
    return "trusted by this hub" if known == bundle.head.key else "NOT the key that this hub trusts"


def merge(settings: Settings, source: Path, step: Step) -> tuple[str, CarryReceipt]:
    """(receipt to carry back, what it says). BundleRefused: nothing taken; StoreUnavailable: ingest is stuck.

    A running ingest takes the bundle between what is live; without one it is taken here.
    """
    box = CarryBox(settings.data_dir)
    bundle = carry.read_bundle(source)
    name = box.put(source)
    try:
        with alone("ingest", settings.data_dir):
            _merge_here(settings, box, name, step)
    except AlreadyRunning:
        _wait(box, name, bundle.head.readings, step)
    answer = box.answer(name)
    if answer.state == "refused":
        raise BundleRefused(answer.text)
    return answer.text, carry.decode_carry_receipt(answer.text.encode())


def _merge_here(settings: Settings, box: CarryBox, name: str, step: Step) -> None:
    from coldchain.records.registry import RegistryReader
    from ingest.carried import CarryDesk
    from ingest.journal import SqliteJournal

    lateness_ms = round(settings.alerts.lateness.total_seconds() * 1000)
    journal = SqliteJournal(
        settings.readings_db, lateness_ms=lateness_ms, waiting_max=settings.ingest.waiting_max_readings
    )
    registry = RegistryReader(settings.desk_db)
    if registry.refresh():
        journal.rewire(registry.registry)
    desk = CarryDesk(settings.data_dir, partial(trusted, settings.desk_db), journal, wall_ms)
    try:
        while desk.step():
            if (far := box.answer(name)).state == "goes on":
                step(far.done, far.of)
    finally:
        registry.close()
        journal.close()


def _wait(box: CarryBox, name: str, readings: int, step: Step) -> None:
    last, since_s = Answer("unknown"), time.monotonic()
    while (answer := box.answer(name)).state not in {"merged", "refused"}:
        if answer.state == "unknown":
            raise StoreUnavailable("the bundle is gone and nothing was said of it: try again")
        if answer != last:
            last, since_s = answer, time.monotonic()
        if time.monotonic() - since_s > STUCK_AFTER_S:
            raise StoreUnavailable(
                f"ingest has not gone on for {STUCK_AFTER_S:.0f} s; the bundle stays in its folder and is "
                "taken when it does: `coldchain doctor`, then the same command again for the receipt"
            )
        step(answer.done, answer.of or readings)
        time.sleep(LOOK_EVERY_S)


def hear_receipt(settings: Settings, text: bytes) -> Forgot:
    """At the gateway: forget what the hub has. BundleRefused with nothing forgotten."""
    from gateway.carrying import hear, leave
    from gateway.spool import open_spool, read_accounts

    own = str(settings.gateway.id)
    epoch, _, pending = read_accounts(settings.spool_db)
    receipt = hear(settings.data_dir, text, own, epoch)
    before = len(pending)
    try:
        with alone("gateway", settings.data_dir):
            spool = open_spool(
                settings.spool_db,
                max_bytes=settings.gateway.spool_max_bytes,
                new_epoch=lambda: secrets.token_hex(4),
                wall_ms=wall_ms,
            )
            try:
                if spool.epoch == epoch:
                    with spool.change():
                        spool.receipt([*receipt.recorded, *receipt.dead], receipt.gaps)
            finally:
                spool.close()
    except AlreadyRunning:
        path = leave(settings.data_dir, text)
        until_s = time.monotonic() + TAKEN_UP_WITHIN_S
        while path.exists() and time.monotonic() < until_s:
            time.sleep(LOOK_EVERY_S)
        return Forgot(before, len(read_accounts(settings.spool_db)[2]), path.exists())
    return Forgot(before, len(read_accounts(settings.spool_db)[2]), waits=False)
