# SPDX-License-Identifier: Apache-2.0
"""The conduct of every notifier: tries once, never raises, tells no secret, loses no character."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest
from fake_provider import FakeProvider
from modems import NURSE, inbox_of, patient

from alerts.notifiers import NOTIFIERS, FileNotifier, HttpNotifier, ModemNotifier
from alerts.notifiers.provider import Provider
from coldchain.ports.notifier import Delivery, Notifier, Sent
from coldchain.settings.model import NotifySettings
from firmware_sim.modem import ModemSim, refused

PIN = "4711"


@dataclass
class Bench:
    """A notifier, what reached the far end, and a hand that breaks it and mends it."""

    notifier: Notifier
    arrived: Callable[[], list[tuple[str, str]]]
    break_it: Callable[[], None]
    mend_it: Callable[[], None]
    sim: ModemSim | None = field(default=None)


@pytest.fixture(params=sorted(NOTIFIERS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from {"modem": on_modem, "file": on_file, "http": on_provider}[request.param](tmp_path)


def on_provider(_: Path) -> Iterator[Bench]:
    """A provider of our own, whose secret is the PIN."""
    with FakeProvider() as server:
        template = Provider(
            url=f"http://127.0.0.1:{server.port}/send?key={{secret}}",
            body='{"to": "{to}", "text": "{text}"}',
            form=False,
            accepted=r'"ok": ?true',
        )
        yield Bench(HttpNotifier(template, secret=PIN), server.arrived, server.close_port, server.open_port)


def on_modem(folder: Path) -> Iterator[Bench]:
    inbox = folder / "inbox.jsonl"
    with ModemSim(inbox, pin=PIN, link=folder / "modem") as sim:
        notifier = ModemNotifier(patient(sim.path, pin=PIN))

        def arrived() -> list[tuple[str, str]]:
            return [(message["number"], message["text"]) for message in inbox_of(inbox)]

        yield Bench(notifier, arrived, sim.unplug, sim.replug, sim)
        notifier.close()


def on_file(folder: Path) -> Iterator[Bench]:
    path = folder / "notices" / "sent.jsonl"
    path.parent.mkdir()
    away = folder / "away"

    def arrived() -> list[tuple[str, str]]:
        lines = path.read_text().splitlines() if path.exists() else []
        return [(record["to"], record["text"]) for record in map(json.loads, lines)]

    yield Bench(
        FileNotifier(path, clock=lambda: 0),
        arrived,
        lambda: void(path.parent.rename(away)),
        lambda: void(away.rename(path.parent)),
    )


def void(_: object) -> None: ...


def test_the_settings_offer_what_there_is() -> None:
    """`none` is the absence of a notifier."""
    kinds = get_args(NotifySettings.model_fields["kind"].annotation)
    assert set(kinds) - {"none"} == set(NOTIFIERS)


def test_sends_exactly_once(bench: Bench) -> None:
    assert bench.notifier.send(NURSE, "Fridge 03: 8.2C").delivery is Delivery.ACCEPTED
    assert bench.notifier.send(NURSE, "Fridge 04: 9.9C").delivery is Delivery.ACCEPTED
    assert bench.arrived() == [(NURSE, "Fridge 03: 8.2C"), (NURSE, "Fridge 04: 9.9C")]


@pytest.mark.parametrize("text", ["é{€}", "ຕູ້ເຢັນ 8.2 °C 🩸", "Tủ lạnh quá nóng" * 20, "line\nline"])
def test_no_character_is_lost(bench: Bench, text: str) -> None:
    assert bench.notifier.send(NURSE, text).delivery is Delivery.ACCEPTED
    assert bench.arrived() == [(NURSE, text)]


def test_a_broken_channel_is_an_answer_and_mends(bench: Bench) -> None:
    """No exception, no retry of its own, and no message from the time it was broken."""
    assert bench.notifier.send(NURSE, "before").delivery is Delivery.ACCEPTED
    bench.break_it()
    broken = bench.notifier.send(NURSE, "meanwhile")
    assert broken.delivery is Delivery.FAILED_RETRY
    assert len(broken.detail) > 20
    assert ":" in broken.detail, "says what to do"
    bench.mend_it()
    assert bench.notifier.send(NURSE, "after").delivery is Delivery.ACCEPTED
    assert [text for _, text in bench.arrived()] == ["before", "after"]


def test_no_secret_in_any_detail(bench: Bench) -> None:
    details = [bench.notifier.send(NURSE, "x").detail]
    if bench.sim is not None:
        bench.sim.control.next(refused(500), refused(11, early=True))
        details += [bench.notifier.send(NURSE, "x").detail for _ in range(2)]
        bench.sim.card.pin = "9999"
        bench.sim.unplug()
        bench.sim.replug()
    else:
        bench.break_it()
    details += [bench.notifier.send(NURSE, "x").detail for _ in range(2)]
    assert [detail for detail in details if PIN in detail] == []
    assert PIN not in repr(bench.notifier)


@pytest.mark.parametrize("to", ["", "\x1a", "+85620\r\nAT+CPWROFF", "nobody", NURSE + "\ud800"])
@pytest.mark.parametrize("text", ["", "\x00\x1a\x1b\r\nAT+CPWROFF\r", "\ud800", "x" * 20_000])
def test_nothing_given_raises_or_escapes(bench: Bench, to: str, text: str) -> None:
    """Neither a Ctrl-Z nor a line of commands in a text or number reaches the line as such."""
    assert isinstance(bench.notifier.send(to, text), Sent)
    if bench.sim is not None:
        assert [line for line in bench.sim.commands if "PWROFF" in line] == []
    assert bench.notifier.send(NURSE, "still here").delivery is Delivery.ACCEPTED
