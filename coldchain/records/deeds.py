# SPDX-License-Identifier: Apache-2.0
"""What people do about devices: entries and work orders, with what hangs on them.

A certificate's offset goes to its sensor in the registry; where a device stands goes to its appliance;
sending an order asks alerts for an SMS, starting one takes the appliance out of service, finishing one asks
for the gate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from coldchain.kernel.errors import BadData
from coldchain.records.calibration import ALONE_K, Calibration, calibration
from coldchain.records.devices import (
    Certificate,
    DeviceReader,
    Devices,
    Entry,
    Installed,
    Said,
    serial_of,
    sound,
)
from coldchain.records.registry import Appliance, Desk, Registry, RegistryReader
from coldchain.records.work import CANCELLED, FINISHED, SENT, STARTED, Work, WorkOrder, WorkReader


class NeedsTwo(BadData):
    """Another person has to agree first: see `coldchain.records.calibration`."""


class Deeds:
    """Each call is finished when it returns; the same key again changes nothing. BadData: what is wrong."""

    def __init__(self, desk: Path, wall_ms: Callable[[], int]) -> None:
        self._desk, self._wall_ms = desk, wall_ms
        self._reader, self._work = DeviceReader(desk), WorkReader(desk)

    # --- entries

    def enter(
        self,
        key: str,
        serial: str,
        kind: str,
        said: Said | Mapping[str, object] | None,
        *,
        person: str,
        corrects: int | None = None,
    ) -> int:
        """Write an entry; its id. Of facts the newest corrects the one before by itself."""
        if (known := self._reader.entry(key)) is not None:
            return known.id
        made = None if said is None else sound(kind, said)
        dossier = self._reader.dossier(serial)
        before = next((one for one in dossier.entries if one.id == corrects), None)
        if kind == "facts" and corrects is None and (facts := dossier.of("facts")):
            corrects = facts[-1].id
        if kind == "certificate":
            self._calibrate(key, serial, made, corrects, person)
        if kind == "installed":
            self._place(key, serial, made, before, person)
        devices = Devices(self._desk, self._wall_ms)
        try:
            return devices.add(key, serial, kind, made, person=person, corrects=corrects)
        finally:
            devices.close()

    def calibration(
        self, key: str, serial: str, said: Said | Mapping[str, object] | None, corrects: int | None
    ) -> Calibration:
        """What a certificate would change. BadData as `enter`."""
        made = None if said is None else sound("certificate", said)
        assert made is None or isinstance(made, Certificate)
        return calibration(self.registry(), self._reader.dossier(serial), key, made, corrects)

    def _calibrate(self, key: str, serial: str, made: Said | None, corrects: int | None, person: str) -> None:
        """Put the offset of a certificate to its sensor, and take that of a corrected one away."""
        one = self.calibration(key, serial, made, corrects)
        if not one.alone(self._wall_ms()):
            raise NeedsTwo(f"an offset beyond {ALONE_K:g} K, or of days gone by, takes two people")
        said = json.loads(one.body)["said"]

        def changed(registry: Registry) -> Registry:
            if registry != one.old:
                raise BadData("the registry changed meanwhile: enter it again")
            return one.new

        self._publish(changed, person, f"calibration of {said['sensor']}" if said else "calibration")

    def _place(self, key: str, serial: str, made: Said | None, before: Entry | None, person: str) -> None:
        """One device, one place; one appliance, one device: what stood there, or elsewhere, has left."""
        assert made is None or isinstance(made, Installed)
        stood = before is not None and before.said.until_ms is None
        here = made.appliance if made is not None and made.until_ms is None else ""
        if made is not None and made.appliance not in (registry := self.registry()).appliance_by_id:
            raise BadData(f"there is no appliance {made.appliance!r}")
        if made is not None and here:
            self._leave(key, serial, made, before, registry, person)
        elif not stood:
            return  # a stay of long ago: it stands where it stands
        model = self._reader.dossier(serial).facts.model

        def changed(registry: Registry) -> Registry:
            def moved(one: Appliance) -> Appliance:
                if one.id == here:
                    return one.model_copy(update={"serial": serial, "model": model or one.model})
                return one.model_copy(update={"serial": ""}) if one.serial == serial else one

            return registry.model_copy(update={"appliances": tuple(moved(a) for a in registry.appliances)})

        self._publish(changed, person, f"{serial} stands as {here}" if here else f"{serial} stands nowhere")

    def _leave(
        self, key: str, serial: str, made: Installed, before: Entry | None, registry: Registry, person: str
    ) -> None:
        """Write when what stood there, and where this stood before, came to an end."""
        known = self._reader.all()
        open_ = [e for d in known.values() for e in d.installed if e.said.until_ms is None]
        open_ = [e for e in open_ if before is None or e.id != before.id]
        told = {(e.serial, e.said.appliance) for e in open_}
        devices = Devices(self._desk, self._wall_ms)
        try:
            for one in open_:
                if one.serial != serial and one.said.appliance != made.appliance:
                    continue
                ends = max(made.from_ms, one.said.from_ms + 1)
                said = one.said.model_copy(update={"until_ms": ends})
                left = f"{key}:left:{one.id}"
                devices.add(left, one.serial, "installed", said, person=person, corrects=one.id)
            for one_ in registry.appliances:  # what only the registry has told so far
                other = one_.id == made.appliance and one_.serial not in ("", serial)
                moved = one_.serial == serial and one_.id != made.appliance
                if (other or moved) and (one_.serial, one_.id) not in told:
                    said = Installed(appliance=one_.id, site=one_.site, from_ms=0, until_ms=made.from_ms)
                    devices.add(f"{key}:left:{one_.id}", one_.serial, "installed", said, person=person)
        finally:
            devices.close()

    def _publish(self, change: Callable[[Registry], Registry], person: str, reason: str) -> None:
        """A new version of the registry, if anything changes in it."""
        reader = RegistryReader(self._desk)
        reader.refresh()
        reader.close()
        if not reader.version:
            raise BadData("there is no registry yet")
        after = change(reader.registry)
        if after == reader.registry:
            return
        desk = Desk(self._desk, self._wall_ms)
        try:
            desk.publish(
                Registry.model_validate(after.model_dump()),
                author=person,
                reason=reason,
                after=reader.version,
            )
        finally:
            desk.close()

    def registry(self) -> Registry:
        """The newest."""
        reader = RegistryReader(self._desk)
        reader.refresh()
        reader.close()
        return reader.registry

    # --- work orders

    def raise_(
        self,
        key: str,
        appliance: str,
        what: str,
        *,
        person: str,
        contractor: str = "",
        alarm: int | None = None,
    ) -> int:
        """A new order for the device that stands as that appliance; its number."""
        registry = self.registry()
        known = registry.appliance_by_id.get(appliance)
        if known is None:
            raise BadData(f"there is no appliance {appliance!r}")
        if contractor and contractor not in registry.person_by_id:
            raise BadData(f"nobody of the registry is called {contractor!r}")
        work = Work(self._desk, self._wall_ms)
        try:
            return work.raise_(
                key, serial_of(known), appliance=appliance, site=known.site, what=what, person=person,
                contractor=contractor, alarm=alarm,
            )  # fmt: skip
        finally:
            work.close()

    def step(self, key: str, number: int, state: str, *, person: str, body: Mapping[str, str]) -> bool:
        """Bring an order on, and ask alerts for what hangs on it; False when that key did so before.

        sent      body: contractor, a person's id (else the order's own)
        started   body: to, where the blood is now: an appliance's id, or `empty`
        finished  body: findings, cause, cost, currency
        """
        order = self._work.order(number)
        if order is None:
            raise BadData(f"there is no work order {number}")
        told = dict(body)
        if state == SENT:
            told["contractor"] = told.get("contractor") or order.told("contractor") or order.contractor
            if told["contractor"] not in self.registry().person_by_id:
                raise BadData("say who the contractor is: a person of the registry with a telephone")
        if state == STARTED:
            self._started(order, told)
        if state == FINISHED and not told.get("findings", "").strip():
            raise BadData("say what was found and done")
        work = Work(self._desk, self._wall_ms)
        try:
            fresh = work.step(key, number, state, person=person, body=told)
        finally:
            work.close()
        self._ask(key, order, state, told, person)  # again after a crash: the id is the same
        return fresh

    def _started(self, order: WorkOrder, told: dict[str, str]) -> None:
        registry, to = self.registry(), told.get("to", "")
        known = registry.appliance_by_id.get(order.appliance)
        carries = known.carries(self._wall_ms()) if known else None
        if carries not in (None, "empty") and not to:
            raise BadData(
                f"{order.appliance} carries {carries}: say where its blood is now, or that it is empty"
            )
        if to not in ("", "empty") and (to == order.appliance or to not in registry.appliance_by_id):
            raise BadData(f"{to!r} is no other appliance of the registry")

    def _ask(self, key: str, order: WorkOrder, state: str, told: dict[str, str], person: str) -> None:
        reason = f"work order {order.number}: {order.what}"
        said: dict[str, object] = {"appliance": order.appliance, "reason": reason, "order": str(order.number)}
        if state == SENT:
            verb, said = "work_order", said | {"contractor": told["contractor"], "what": order.what}
            said |= {"serial": order.serial}
        elif state == STARTED:
            verb, said = "out_of_service", said | {"to": told.get("to", "")}
        elif state == FINISHED or (state == CANCELLED and order.at(STARTED) is not None):
            verb, said = "return_to_service", said | {"wait": "yes"}
        else:
            return
        desk = Desk(self._desk, self._wall_ms)
        try:
            desk.command(f"{key}:{verb}", verb, person=person, alarm=None, body=said)
        finally:
            desk.close()
