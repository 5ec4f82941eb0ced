# SPDX-License-Identifier: Apache-2.0
"""Lines by SMS from a site without a hub: the last gasp, and the daily word that it is well."""

from datetime import time
from pathlib import Path

import pytest
from lonely_site import GATEWAY_NUMBER, Site, quiet_site
from ward import Ward, instant

from coldchain.ports.notifier import Kind


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return quiet_site(tmp_path)


def test_the_last_gasp_goes_out_once_an_outage(site: Site) -> None:
    site.power(mains=True, battery_pct=100)
    site.at("08:40").power(mains=False, battery_pct=60)
    site.at("08:45").power(mains=False, battery_pct=12)
    site.run_until("08:50")
    site.hub_number.expect_sms(
        "CC1 vte-gw-1 last 2026-03-01T08:45Z", "since 08:40Z, battery 12 %", "in range"
    )
    site.local("technician").expect_nothing()  # the hub is there, and tells them
    site.restart_guard()
    site.run_until("09:00")
    site.hub_number.expect_nothing()
    site.power(mains=True, battery_pct=30)
    site.at("09:05").power(mains=False, battery_pct=9)
    site.cut()
    site.run_until("09:07")
    site.hub_number.expect_sms("since 09:05Z, battery 9 %")
    site.local("technician").expect_sms("CC1 vte-gw-1 last", "battery 9 %")


def test_a_full_battery_or_one_appliance_s_plug_is_no_last_gasp(site: Site) -> None:
    site.power(mains=False, battery_pct=21)
    site.run_until("08:40")
    site.power(mains=True, battery_pct=5)
    site.run_until("08:45")
    assert site.site_phones.tries == 0


def test_a_site_that_is_well_by_sms_is_a_silence_of_less_severity(tmp_path: Path) -> None:
    site = quiet_site(tmp_path, alive_at=time(16, 0))  # 09:00 of the story
    site.at("08:40").cut()
    site.run_until("08:46")
    number = site.alarms.open_alarms()[0].number
    assert severity(site, number) == "critical"
    site.phone("technician").expect_sms("vte-gw-1 SILENT")
    site.run_until("09:01")
    assert site.hub_number.expect_sms("alive 2026-03-01T09:00Z, 4.0 to 4.0, in range")
    assert severity(site, number) == "warning"
    noted = [e.detail for e in site.alarms.events(site.alarms.alarm(number).id) if e.event == "lowered"]
    assert noted == ["site reports by SMS: 4.0 to 4.0, in range at 16:00"]
    for phone in ("technician", "boss"):
        site.phone(phone).forget()
    site.run_until("09:29")
    for phone in ("technician", "boss"):
        site.phone(phone).expect_nothing()
    site.run_until("09:32")
    site.phone("technician").expect_sms("vte-gw-1 SILENT")
    site.hub_number.expect_nothing()


def test_a_day_without_a_line_and_it_is_critical_again(tmp_path: Path) -> None:
    site = quiet_site(tmp_path, alive_at=time(16, 0))
    site.at("08:40").cut()
    site.run_until("09:01")
    number = site.alarms.open_alarms()[0].number
    assert severity(site, number) == "warning"
    site.now_ms = instant("+1 10:59")  # nothing more came
    Ward.settle(site)
    assert severity(site, number) == "warning"
    site.now_ms = instant("+1 11:00:30")
    Ward.settle(site)
    assert severity(site, number) == "critical"


NOTHING = {
    "another telephone": ("+8562000000666", "alive 2026-03-01T08:50Z, 4.0 to 4.0, in range"),
    "from before": (GATEWAY_NUMBER, "alive 2026-03-01T08:39Z, 4.0 to 4.0, in range"),
    "from the future": (GATEWAY_NUMBER, "alive 2026-03-01T09:50Z, 4.0 to 4.0, in range"),
    "out of range": (GATEWAY_NUMBER, "alive 2026-03-01T08:50Z, 4.0 to 9.4, out of range: vte-br-03 9.4"),
    "deaf": (GATEWAY_NUMBER, "alive 2026-03-01T08:50Z, nothing heard"),
    "last gasp": (
        GATEWAY_NUMBER,
        "last 2026-03-01T08:50Z, power out since 08:40Z, battery 9 %, nothing heard",
    ),
}


def test_what_lowers_nothing(site: Site) -> None:
    site.at("08:40").cut()
    site.run_until("08:52")
    number = site.alarms.open_alarms()[0].number
    for name, (sender, text) in NOTHING.items():
        site.phones.incoming(Kind.SMS, sender, f"CC1 vte-gw-1 {text}")
        Ward.settle(site)
        site.now_ms += 15_000
        Ward.settle(site)
        assert severity(site, number) == "critical", name
    site.phones.incoming(
        Kind.SMS, GATEWAY_NUMBER, "CC1 vte-gw-1 alive 2026-03-01T08:50Z, 4.0 to 4.0, in range"
    )
    Ward.settle(site)
    site.now_ms += 15_000
    Ward.settle(site)
    assert severity(site, number) == "warning"


def severity(site: Site, number: int) -> str:
    return site.alarms.alarm(number).severity
