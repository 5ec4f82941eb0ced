# SPDX-License-Identifier: Apache-2.0
"""A site without a hub: its guard alarms, is answered, and hands back; told from the ward, on a test clock.

UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lonely_site import GATEWAY, Site, quiet_site
from night import code_in, events, state
from ward import Ward

from coldchain.kernel.guard import GuardWord, Rules, report_of
from coldchain.records.registry import GatewayEntry
from coldchain.records.registry import Site as Site_
from ingest.status import StatusWord


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return quiet_site(tmp_path)


def cut_and_warm(site: Site) -> str:
    """The link breaks at 08:40, the refrigerator warms at 09:00; what the site's modem then says."""
    site.at("08:40").cut()
    site.at("09:00").temperature("vte-br-03", 9.0).run_until("09:05:30")
    return site.local("technician").expect_sms("vte-br-03", "9.0C over 6.0C", "Reply OK")


def test_while_the_hub_is_there_the_guard_follows_and_says_nothing(site: Site) -> None:
    site.at("09:00").temperature("vte-br-03", 9.0).run_until("09:20")
    site.phone("technician").expect_sms("vte-br-03 9.0C")
    assert site.site_phones.tries == 0
    assert site.guard.status()["state"] == "following"
    assert site.guard.reports() == []


def test_alarm_at_the_site_answer_there_and_no_second_alarm_at_the_hub(site: Site) -> None:
    first = cut_and_warm(site)
    assert site.guard.status()["state"] == "speaking"
    site.phone("technician").forget()
    site.local("technician").replies(f"ok {code_in(first)} coming")
    site.run_until("09:07")
    site.local("technician").expect_sms("Thank you, vte-br-03 is yours")
    site.run_until("09:20")
    assert site.local("technician").rings == 0
    site.restore()
    site.run_until("09:34")
    assert about_the_fridge(site) == [], "the hub told it again"
    number = the_alarm(site)
    assert state(site, number) == "acknowledged"
    assert site.alarms.alarm(number).acknowledged_by == "technician"
    assert "acknowledged" in events(site, number)
    (excursion,) = site.alarms.excursions(appliance="vte-br-03", kinds=("high",))
    assert excursion.alarm == site.alarms.alarm(number).id, "the excursion of the backlog found its alarm"
    assert len(site.spool.pending) == 0
    assert site.guard.status()["state"] == "following"


def test_batches_that_overtake_the_report_tell_nobody_either(site: Site) -> None:
    first = cut_and_warm(site)
    site.local("technician").replies(f"ok {code_in(first)}")
    site.run_until("09:25")
    site.restore(reports_last=True)
    site.run_until("09:30")
    assert about_the_fridge(site) == []
    assert state(site, the_alarm(site)) == "acknowledged"
    site.at("09:31").temperature("vte-br-03", 4.0).run_until("09:40")
    assert "back in range" in about_the_fridge(site)[0]


def test_a_backlog_that_no_guard_told_of_waits_only_a_moment(site: Site) -> None:
    site.at("08:40").cut()
    site.site_phones.dead.add("+8562000000001")
    site.site_phones.dead.add("+8562000000008")
    site.at("09:00").temperature("vte-br-03", 9.0).run_until("09:07")
    site.restore()
    site.run_until("09:07:10")
    assert about_the_fridge(site) == []
    site.run_until("09:07:40")
    assert "vte-br-03 9.0C over 6.0C" in about_the_fridge(site)[0]


def test_the_hub_tells_the_end_to_whom_the_guard_told(site: Site) -> None:
    first = cut_and_warm(site)
    site.local("technician").replies(f"ok {code_in(first)}")
    site.run_until("09:10")
    site.restore()
    site.run_until("09:14")
    site.phone("technician").forget()
    site.at("09:15").temperature("vte-br-03", 4.0).run_until("09:25")
    site.phone("technician").expect_sms("vte-br-03", "back in range")


def test_unanswered_the_hub_goes_on_where_the_guard_was(site: Site) -> None:
    cut_and_warm(site)
    site.run_until("09:09")
    site.local("technician").expect_sms("for 8 min")
    site.local("boss").expect_nothing()
    site.restore()
    site.phones.order.clear()
    site.run_until("09:14:50")
    assert about_the_fridge(site) == [], "the next step is due at 09:15, no sooner"
    site.phone("technician").forget()
    site.run_until("09:16")
    site.phone("technician").expect_sms("vte-br-03", "for 15 min")
    site.phone("technician").expect_ring()
    site.phone("boss").forget()
    site.run_until("09:26")
    site.phone("boss").expect_sms("vte-br-03", "for 25 min")
    assert site.site_phones.order[2:] == [], "the guard calls nobody once the hub has taken over"


def test_a_reply_to_the_site_s_modem_after_the_hand_back_counts(site: Site) -> None:
    first = cut_and_warm(site)
    site.restore()
    site.run_until("09:07")
    number = the_alarm(site)
    assert state(site, number) == "unacknowledged"
    site.local("technician").replies(f"ok {code_in(first)}")
    site.run_until("09:08")
    site.local("technician").expect_sms("is yours")
    assert state(site, number) == "acknowledged"


def test_the_site_s_code_is_good_at_the_hub_s_modem_too(site: Site) -> None:
    first = cut_and_warm(site)
    site.restore()
    site.run_until("09:06")
    site.phone("technician").replies(f"ok {code_in(first)}")
    site.run_until("09:07")
    assert state(site, the_alarm(site)) == "acknowledged"


def test_what_began_and_ended_alone_is_in_the_hub_s_book_and_rings_nobody(site: Site) -> None:
    first = cut_and_warm(site)
    site.local("technician").replies(f"ok {code_in(first)}")
    site.at("09:20").temperature("vte-br-03", 4.0).run_until("09:35")
    assert any("back in range" in text for text in site.local("technician").inbox)
    site.phones.order.clear()
    site.restore()
    site.run_until("10:10")
    assert about_the_fridge(site) == []
    alarm = site.alarms.alarm(the_alarm(site))
    assert not alarm.standing
    assert alarm.acknowledged_by == "technician"
    (excursion,) = site.alarms.excursions(appliance="vte-br-03", kinds=("high",))
    assert excursion.id == alarm.id


def test_what_ends_while_the_backlog_drains_ends_at_the_hub(site: Site) -> None:
    """The report says that it stands; the readings that come behind it say that it is over."""
    cut_and_warm(site)
    site.restore(reports_only=True)
    site.run_until("09:06")
    assert site.alarms.alarm(the_alarm(site)).standing
    site.cut()
    site.at("09:08").temperature("vte-br-03", 4.0).run_until("09:20")
    site.restore()
    site.run_until("09:30")
    assert not site.alarms.alarm(the_alarm(site)).standing


def test_what_the_hub_was_told_of_is_the_hub_s_until_it_is_long_gone(site: Site) -> None:
    site.at("09:00").temperature("vte-br-03", 9.0).run_until("09:06")
    site.phone("technician").expect_sms("vte-br-03 9.0C")
    site.cut()
    site.run_until("09:35")
    site.local("technician").expect_nothing()
    site.run_until("09:38")
    site.local("technician").expect_sms("vte-br-03")


def test_a_short_cut_wakes_nobody_at_the_site(site: Site) -> None:
    site.at("08:58").cut()
    site.at("09:00").temperature("vte-br-03", 9.0).run_until("09:07")
    site.restore()
    site.run_until("09:08")
    assert site.site_phones.tries == 0
    assert "vte-br-03 9.0C over 6.0C" in about_the_fridge(site)[0]


def test_a_guard_that_is_killed_goes_on_and_says_nothing_twice(site: Site) -> None:
    cut_and_warm(site)
    site.restart_guard()
    site.run_until("09:07:30")
    site.local("technician").expect_nothing()
    site.run_until("09:09")
    site.local("technician").expect_sms("for 8 min")
    site.restart_guard()
    site.phones.order.clear()
    site.restore()
    site.run_until("09:14")
    assert about_the_fridge(site) == []


def test_a_second_outage_is_told_again(site: Site) -> None:
    first = cut_and_warm(site)
    site.local("technician").replies(f"ok {code_in(first)}")
    site.at("09:15").temperature("vte-br-03", 4.0).run_until("09:30")
    site.restore()
    site.at("10:00").cut()
    site.local("technician").forget()
    site.at("10:05").temperature("vte-br-03", 9.5).run_until("10:12")
    site.local("technician").expect_sms("vte-br-03", "9.5C over 6.0C")


def the_alarm(site: Site) -> int:
    """The number of the hub's one alarm of the refrigerator."""
    (number,) = [a.number for a in site.alarms.alarms() if a.appliance == "vte-br-03" and a.kind == "high"]
    return number


def about_the_fridge(site: Site) -> list[str]:
    """What the hub's modem has sent about it."""
    return [text for text in site.phones.order if "vte-br-03" in text]


# --- the copy of the rules


def test_without_a_copy_of_the_rules_nothing_is_judged_and_the_status_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.guard.close()
    shutil.rmtree(site.own.data_dir / "guard")
    site.cut()
    site.start_guard()
    site.fridge("vte-br-03")
    site.temperature("vte-br-03", 9.0).run_until("08:45")
    assert site.guard.status()["state"] == "no_rules"
    assert site.site_phones.tries == 0


def test_a_new_limit_reaches_the_guard_and_a_copy_that_is_not_sound_does_not(site: Site) -> None:
    before = site.guard.status()["version"]
    site.always_carried("vte-br-03", "platelets@eu")
    site.run_until("08:31")
    assert site.guard.status()["version"] == before + 1
    digest = site.guard.rules()
    site.guard.command(Rules(99, '{"sites": 7}', {"own.toml": ""}))
    site.guard.command(Rules(99, '{"sites": 7}', {}))
    site.run_until("08:32")
    assert site.guard.rules() == digest
    assert "99" in site.guard.status()["why"]


# --- what the hub does not take


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"alarm": {"state": "shelved"}}, "refused: version 1, state 'shelved'"),
    ({"alarm": {"since_ms": "soon"}}, "refused: malformed"),
    ({"alarm": {"appliance": "nobody"}}, "refused: nobody is not in the registry"),
    ({"notices": [[{}]]}, "refused: malformed"),
    ({"chain": {"state": "calling"}}, "refused: malformed"),
    ({"v": 2}, "refused: version 2"),
)


def test_what_is_no_report_is_refused_and_stops_nothing(site: Site) -> None:
    cut_and_warm(site)
    (report,) = site.guard.reports()
    for number, (change, outcome) in enumerate(REFUSED, 1):
        body = json.loads(json.dumps(report.body))
        for key, value in change.items():
            body[key] = {**body[key], **value} if key == "alarm" else value
        word = GuardWord("", (report_of("odd", body),))
        site.journal.record([StatusWord(GATEWAY, "e1", "{}", (), word)], site.now_ms)
        Ward.settle(site)
        assert (site.alarms.outcome(f"guard:{GATEWAY}:{number}") or "").startswith(outcome)
    assert [a for a in site.alarms.alarms() if a.kind == "high"] == []
    site.restore()
    site.run_until("09:07")
    assert state(site, the_alarm(site)) == "unacknowledged"


def test_a_guard_speaks_of_its_own_site_alone(site: Site) -> None:
    """A gateway that somebody carried off answers no alarm of another site, whatever it calls it."""
    first = cut_and_warm(site)
    site.local("technician").replies(f"ok {code_in(first)}")
    site.run_until("09:07")
    (report,) = site.guard.reports()
    site.restore()
    site.run_until("09:34")
    number = the_alarm(site)
    ours = site.alarms.alarm(number)
    assert ours.state == "acknowledged"
    site._publish(
        gateways=(*site.registry.gateways, GatewayEntry(id="far-gw", site="far")),
        sites=(*site.registry.sites, Site_(id="far", name="Far", province="Far", zone="Asia/Vientiane")),
    )
    site.run_until("09:35")
    for n, change in enumerate(({}, {"id": "another"}, {"scope": "site", "appliance": "vte"}), 1):
        body = json.loads(json.dumps(report.body))
        body["alarm"] |= {"returned_ms": site.now_ms, "state": "closed"} | change
        word = GuardWord("", (report_of(f"forged-{n}", body),))
        before = len(site.alarms.alarms())
        site.journal.record([StatusWord("far-gw", "e1", "{}", (), word)], site.now_ms)
        Ward.settle(site)
        outcomes = [site.alarms.outcome(f"guard:far-gw:{i}") or "" for i in range(20)]
        assert [o for o in outcomes if o][-1].startswith("refused: ")
        assert len([o for o in outcomes if o]) == n
        assert site.alarms.alarm(number).returned_ms is None
        assert len(site.alarms.alarms()) == before
