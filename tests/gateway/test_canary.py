# SPDX-License-Identifier: Apache-2.0
"""The canary's driver: one reading a day, at its time, that tells the day."""

from datetime import UTC, date, datetime

from coldchain.kernel.words import canary_value
from coldchain.settings import LineSettings
from gateway.codecs.frames import Event, Report
from gateway.drivers import DRIVERS
from gateway.drivers.base import Surroundings
from gateway.drivers.canary import Canary


class Cage:
    """A canary on a clock of its own. 06:30 in Vientiane is 23:30 UTC, the day before."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.heard: list[Event] = []
        self.canary = self.another()

    def another(self) -> Canary:
        around = Surroundings(
            lambda _route, events: self.heard.extend(events), lambda: self.now_ms, lambda: 0.0, gateway="gw-1"
        )
        made = DRIVERS["canary"](LineSettings(device="06:30+07:00", driver="canary"), {}, around)
        assert isinstance(made, Canary)
        return made

    def at(self, clock: str) -> list[Event]:
        self.now_ms = round(datetime.fromisoformat(clock).replace(tzinfo=UTC).timestamp() * 1000)
        self.heard.clear()
        self.canary.look()
        return list(self.heard)


def test_it_sings_once_a_day_at_its_time() -> None:
    cage = Cage()
    assert cage.at("2026-03-01 23:29:59") == []
    (report,) = cage.at("2026-03-01 23:30:00")
    value = canary_value(date(2026, 3, 2))
    assert report == Report("canary-gw-1", None, None, -1, 0, 0, 0, ((0, 1, 0, value),))
    assert cage.at("2026-03-01 23:30:05") == cage.at("2026-03-02 00:10:00") == []
    (report,) = cage.at("2026-03-02 23:30:03")
    assert isinstance(report, Report)
    assert report.readings[0][3] == value + 1, "another day, another reading"


def test_a_gateway_that_starts_late_makes_up_for_it_within_the_hour() -> None:
    cage = Cage()
    assert len(cage.at("2026-03-02 00:29:59")) == 1
    cage.canary = cage.another()
    assert cage.at("2026-03-02 00:30:00") == []


def test_while_the_disk_has_to_catch_up_it_waits() -> None:
    cage = Cage()
    cage.canary.hold(held=True)
    assert cage.at("2026-03-01 23:30:00") == []
    cage.canary.hold(held=False)
    assert len(cage.at("2026-03-01 23:31:00")) == 1
