# SPDX-License-Identifier: Apache-2.0
"""The morning's messages: what is to be mended, and the line that proves chain and telephone."""

from datetime import time
from pathlib import Path

from watched import Watched, silent

from coldchain.records.duty import Quiet
from coldchain.records.readiness import Finding
from coldchain.records.registry import Site
from coldchain.records.sql import transaction

# --- the morning's list


def test_what_is_to_be_mended_is_told_once_in_the_morning(tmp_path: Path) -> None:
    ward = Watched(tmp_path)
    ward.to_mend = [silent("vte-br-03"), Finding("soon", "drill", "vte-br-01", "", "")]
    ward.run_until("23:59:50")
    ward.phone("manager").expect_nothing()
    ward.run_until("+1 00:01")
    ward.phone("manager").expect_sms("2 to mend: silent vte-br-03, test alarm of vte-br-01")
    ward.restart_alerts()
    ward.run_until("+1 00:10")
    for hour in range(1, 24):
        ward.sleeps_until(f"+1 {hour:02}:59")
    ward.phone("manager").expect_nothing()
    ward.phone("technician").expect_nothing()
    ward.run_until("+2 00:01")
    ward.phone("manager").expect_sms("2 to mend")


def test_nothing_is_sent_when_there_is_nothing_and_nobody_is_asked_twice(tmp_path: Path) -> None:
    ward = Watched(tmp_path)
    ward.to_mend = [Finding("note", "disposition", "vte-br-01", "", "")]
    ward.run_until("+1 01:00")
    ward.phone("manager").expect_nothing()
    assert ward.asked == 1


def test_whoever_wants_it_is_told_that_there_is_nothing(tmp_path: Path) -> None:
    ward = Watched(tmp_path, digest_always=True, digest_to=("technician",))
    ward.run_until("+1 00:01")
    ward.phone("technician").expect_sms("Nothing to mend")
    ward.phone("manager").expect_nothing()


def test_a_hub_that_comes_back_in_the_night_tells_nobody(tmp_path: Path) -> None:
    ward = Watched(tmp_path, "16:00")  # 23:00 at the site
    ward.to_mend = [silent("vte-br-03")]
    ward.settle()
    for hour in range(17, 23):
        ward.sleeps_until(f"{hour}:00")
    ward.phone("manager").expect_nothing()


def test_who_sleeps_in_the_morning_is_told_afterwards(tmp_path: Path) -> None:
    ward = Watched(tmp_path)
    ward.to_mend = [silent("vte-br-03")]
    ward.person("head", "+8562000000010", "supervisor", quiet=Quiet(start=time(22), end=time(8, 30)))
    ward.run_until("+1 01:29")
    ward.phone("head").expect_nothing()
    ward.run_until("+1 01:31")
    ward.phone("head").expect_sms("1 to mend: silent vte-br-03")


def test_people_hear_of_their_own_sites(tmp_path: Path) -> None:
    ward = Watched(tmp_path)
    ward._publish(sites=(*ward.registry.sites, Site(id="skt", name="Savannakhet")))
    ward.fridge("skt-br-01", site="skt")
    ward.person("south", "+8562000000011", "manager", sites=("skt",))
    ward.to_mend = [silent("vte-br-03"), silent("skt-br-01"), Finding("now", "shift", "vte", "", "")]
    ward.fridge("vte-br-03")
    ward.run_until("+1 00:01")
    text = ward.phone("south").expect_sms("1 to mend: silent skt-br-01")
    assert "vte" not in text
    ward.phone("manager").expect_sms("3 to mend")


# --- the line that proves chain and telephone


def lined(tmp_path: Path) -> Watched:
    ward = Watched(tmp_path, all_well=("manager",))
    ward.phones.reports = True
    return ward


def well(tmp_path: Path) -> Watched:
    ward = lined(tmp_path)
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 3.9).at("23:55").temperature("vte-br-01", 4.2)
    return ward


def test_all_well(tmp_path: Path) -> None:
    ward = well(tmp_path)
    ward.run_until("+1 00:01")
    ward.phone("manager").expect_sms("Vientiane: all well, 3.9C to 4.2C. On call tonight: technician.")
    ward.run_until("+1 01:00")
    assert ward.chain() == []
    assert fates(ward) == ["proven"]


def test_not_well_is_not_called_well(tmp_path: Path) -> None:
    ward = Watched(tmp_path, "23:30", all_well=("manager",))
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 4.0).at("23:32").temperature("vte-br-01", 9.0)
    ward.run_until("+1 00:01")
    texts = list(ward.phone("manager").inbox)
    assert any("Vientiane: 1 ALARMS OPEN, 4.0C to 9.0C" in text for text in texts), texts


def test_no_delivery_report_is_a_broken_chain_until_the_next_line_arrives(tmp_path: Path) -> None:
    ward = lined(tmp_path)
    number = ward.phone("manager").number
    ward.phones.swallowed.add(number)
    ward.run_until("+1 00:29")
    assert ward.chain() == []
    ward.run_until("+1 00:32")
    assert ward.chain() == ["manager-vte unacknowledged"]
    ward.phone("technician").expect_sms("manager-vte: no delivery report")
    ward.phones.swallowed.clear()
    ward.sleeps_until("+1 23:59")
    ward.run_until("+2 00:02")
    assert ward.chain() == []
    ward.phone("technician").expect_sms("The chain works again, manager-vte")


def test_a_report_that_comes_late_clears_it(tmp_path: Path) -> None:
    ward = lined(tmp_path)
    ward.phones.swallowed.add(ward.phone("manager").number)
    ward.run_until("+1 00:40")
    assert ward.chain() == ["manager-vte unacknowledged"]
    with transaction(ward.outbox._db) as db:
        db.execute(
            "UPDATE delivery SET delivered_ms = 1 WHERE notice IN"
            " (SELECT id FROM notice WHERE about = 'line')"
        )
    ward.run_until("+1 00:41")
    assert ward.chain() == []


def test_a_line_that_cannot_be_sent_says_so(tmp_path: Path) -> None:
    ward = lined(tmp_path)
    ward.phones.dead.add(ward.phone("manager").number)
    ward.run_until("+1 01:00")
    assert ward.chain() == ["manager-vte unacknowledged"]
    ward.phone("technician").expect_sms("manager-vte: SMS not sent")


def test_where_a_channel_gives_no_reports_sent_is_all_that_is_known(tmp_path: Path) -> None:
    ward = lined(tmp_path)
    ward.phones.reports = False
    ward.run_until("+1 01:00")
    assert (ward.chain(), fates(ward)) == ([], ["sent"])


def test_who_no_longer_gets_a_line_keeps_no_broken_chain(tmp_path: Path) -> None:
    ward = lined(tmp_path)
    ward.phones.dead.add(ward.phone("manager").number)
    ward.run_until("+1 01:00")
    assert ward.chain()
    ward._publish(people=tuple(p for p in ward.registry.people if p.id != "manager"))
    ward.run_until("+1 01:01")
    assert ward.chain() == []


def fates(ward: Watched) -> list[str]:
    return [row[0] for row in ward.service._store.db.execute("SELECT fate FROM daily WHERE what = 'line'")]
