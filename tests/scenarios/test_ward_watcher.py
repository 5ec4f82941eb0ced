# SPDX-License-Identifier: Apache-2.0
"""Who watches the watcher: the canary, the dead-man's switch, and what says that the chain is broken."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from ward import instant
from watched import OWN, Watched, beat

from alerts.oncall.rota import local_of
from alerts.watches.ping import Ping
from coldchain.kernel.words import canary_value
from coldchain.ports.notifier import Delivery, Kind
from coldchain.records.health import Heart
from coldchain.records.registry import GatewayEntry, Sensor
from coldchain.records.sql import transaction
from coldchain.wiring.readiness import readiness

# --- the canary


CANARY = "canary-gw-1/reading"


def with_canary(tmp_path: Path, **more: object) -> Watched:
    """It is due at 06:30 at the site: 23:30."""
    ward = Watched(tmp_path, "23:20", **more)  # type: ignore[arg-type]
    ward._series[CANARY] = 1
    with transaction(ward.journal.db) as db:
        db.execute("INSERT INTO series (id, sensor, quantity) VALUES (1, ?, 1)", (CANARY,))
    sensor = Sensor(id=CANARY, node="canary-gw-1", channel=0, every_s=86_400)
    ward._publish(sensors=(sensor,), gateways=(GatewayEntry(id="gw-1", site="vte"),))
    return ward


def sings(ward: Watched, clock: str) -> None:
    """Its reading reaches the record at that moment."""
    ward.run_until(clock)
    day = local_of(ward.now_ms, "Asia/Vientiane").date()
    ward._record([(ward.now_ms, CANARY, canary_value(day) / 1000)])
    ward.settle()


def heard(ward: Watched, clock: str, *, pending: int = 0) -> None:
    """The gateway says of itself how many readings wait in it."""
    with transaction(ward.journal.db) as db:
        status = f'{{"spool": {{"pending": {pending}, "oldest_ms": 1}}}}'
        db.execute("INSERT OR REPLACE INTO gateway_status VALUES ('gw-1', ?, ?)", (instant(clock), status))


def test_the_canary_comes_back(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    sings(ward, "23:30:20")
    ward.run_until("23:31")
    ward.hears_itself()
    assert beat(ward)["canary_s"] == pytest.approx(60, abs=11)
    ward.run_until("+1 02:00")
    assert ward.chain() == []
    assert [(kind, outcome) for _, kind, _, outcome in ward.alarms.heard(0, 2**60)] == [("sms", "canary")]
    tried = ward.phones.tries
    beat(ward)
    ward.restart_alerts()
    ward.run_until("+1 03:00")
    assert ward.phones.tries == tried, "once a day"


@pytest.mark.parametrize("link", ["gateway", "spool", "driver", "judging", "unsent", "unheard"])
def test_a_canary_that_falls_names_the_link(tmp_path: Path, link: str) -> None:
    """The planted faults: each link of the chain is cut in turn."""
    ward = with_canary(tmp_path)
    told = {
        "gateway": "gateway not heard", "spool": "readings wait at gateway", "driver": "no reading came",
        "judging": "reading not judged", "unsent": "SMS not sent", "unheard": "SMS did not come back",
    }  # fmt: skip
    if link in ("spool", "driver"):
        ward.run_until("23:30:10")
        heard(ward, "23:44", pending=3 if link == "spool" else 0)
    if link == "judging":
        ward.service._rounds._canaries._last_heard = lambda _sensor: 0
    if link == "unsent":
        ward.phones.dead.add(OWN)
    if link in ("judging", "unsent", "unheard"):
        sings(ward, "23:30:20")
    ward.run_until("23:44:50")
    assert ward.chain() == []
    ward.run_until("23:46")
    assert ward.chain() == ["canary-gw-1 unacknowledged"]
    ward.phone("technician").expect_sms(f"canary-gw-1: {told[link]}")
    ((_, broken),) = ward.service._store.db.execute("SELECT subject, link FROM broken")
    assert broken == link


def test_another_days_song_is_not_todays(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    ward.run_until("23:30:20")
    yesterday = canary_value(local_of(ward.now_ms, "Asia/Vientiane").date()) - 1
    ward._record([(ward.now_ms, CANARY, yesterday / 1000)])
    ward.run_until("23:46")
    assert ward.chain() == ["canary-gw-1 unacknowledged"]
    assert ward.phones.tries == 1, "the alarm; no message to itself"


def test_ingest_that_stands_still_is_named(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    Heart(tmp_path, "ingest", lambda: ward.now_ms).beat({}, now=True)
    ward.run_until("23:46")
    ward.phone("technician").expect_sms("coldchain-ingest STANDS STILL")
    ward.phone("technician").expect_sms("ingest stands still")


def test_the_next_canary_clears_it(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    ward.run_until("23:50")
    assert ward.chain() == ["canary-gw-1 unacknowledged"]
    ward.sleeps_until("+1 23:25")
    ward.phone("technician").forget()
    sings(ward, "+1 23:30:20")
    ward.run_until("+1 23:31")
    assert ward.chain(), "it has not come back yet"
    ward.hears_itself()
    assert ward.chain() == []
    ward.phone("technician").expect_sms("The chain works again, canary-gw-1")


def test_one_that_comes_back_late_clears_it_too(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    sings(ward, "23:30:20")
    ward.run_until("23:50")
    assert ward.chain()
    ward.hears_itself()
    assert ward.chain() == []


def test_nobody_else_can_sing(tmp_path: Path) -> None:
    """The right words from another telephone, the wrong ones from our own: neither answered nor believed."""
    ward = with_canary(tmp_path)
    sings(ward, "23:30:20")
    ward.run_until("23:31")
    text = ward.phones.phone(OWN).inbox.popleft()
    ward.phones.incoming(Kind.SMS, "+8562055555555", text)
    ward.phones.incoming(Kind.SMS, OWN, "COLDCHAIN CANARY 000000")
    ward.phones.incoming(Kind.SMS, OWN, "OK 123456")
    tried = ward.phones.tries
    ward.run_until("23:44")
    assert ward.phones.tries == tried
    ward.run_until("23:46")
    assert ward.chain() == ["canary-gw-1 unacknowledged"]


def test_without_a_number_of_its_own_it_ends_at_the_engine(tmp_path: Path) -> None:
    ward = with_canary(tmp_path, own=None)
    sings(ward, "23:30:20")
    ward.run_until("+1 01:00")
    assert (ward.chain(), ward.phones.tries) == ([], 0)


def test_a_canary_is_judged_by_nobody(tmp_path: Path) -> None:
    """It is silent for nearly a day, and reads 9.5 C: no alarm."""
    ward = with_canary(tmp_path, own=None)
    sings(ward, "23:30:20")
    for hour in range(23):
        ward.sleeps_until(f"+1 {hour:02}:29")
        ward.run_until(f"+1 {hour:02}:30")
    assert ward.alarms.open_alarms() == []


def test_a_hub_that_was_down_at_the_time_waits_its_quarter_of_an_hour(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    ward.now_ms = instant("+1 02:00")
    ward.restart_alerts()
    ward.run_until("+1 02:14")
    assert ward.chain() == []
    ward.run_until("+1 02:16")
    assert ward.chain() == ["canary-gw-1 unacknowledged"]


def test_an_unknown_answer_of_the_network_is_tried_again_and_counts_once(tmp_path: Path) -> None:
    ward = with_canary(tmp_path)
    ward.phones.answers.append(Delivery.UNKNOWN)
    sings(ward, "23:30:20")
    ward.run_until("23:32")
    ward.hears_itself()
    assert [outcome for *_, outcome in ward.alarms.heard(0, 2**60)] == [
        "canary",
        "our own number: nothing done",
    ]
    ward.run_until("23:50")
    assert ward.chain() == []


# --- the dead-man's switch, and what the modem tells


def test_another_host_is_told_while_judging_goes_on_and_no_longer(tmp_path: Path) -> None:
    with Heard200() as there:
        ward = Watched(tmp_path, ping_url=there.url)
        ward.fridge("vte-br-01")
        ward.temperature("vte-br-01", 4.0).run_until("23:52")
        for clock in ("23:52:00", "23:52:30", "23:53:10"):
            ward.run_until(clock)
            beat(ward)
            ward.service._rounds._ping.wait()
        assert there.paths == ["/ping/abc", "/ping/abc"], "once a minute"
        ward.service._fetch = list  # type: ignore[method-assign]  # the planted fault: alerts reads nothing any more
        beat(ward)
        ward.run_until("23:57")
        for _ in range(3):
            beat(ward)
            ward.service._rounds._ping.wait()
        assert len(there.paths) == 2
        assert beat(ward)["pings"] == 2


def test_a_host_that_does_not_answer_is_counted_and_holds_nothing_up(tmp_path: Path) -> None:
    ward = Watched(tmp_path, ping_url="http://127.0.0.1:9/")
    ward.run_until("23:51")
    beat(ward)
    ward.service._rounds._ping.wait()
    assert (beat(ward)["pings"], beat(ward)["pings_failed"]) == (0, 1)


def test_a_fetch_that_hangs_is_not_doubled() -> None:
    let_go, calls = threading.Event(), []

    def hang(url: str) -> None:
        calls.append(url)
        let_go.wait(5.0)

    ping = Ping("http://192.0.2.1/", hang)
    for now_s in (0.0, 61.0, 122.0):
        ping.look(now_s, 0, 0)
    let_go.set()
    ping.wait()
    assert len(calls) == 1
    ping.look(183.0, 0, 0)
    ping.wait()
    assert len(calls) == 2


def test_what_the_modem_tells_is_in_the_figures(tmp_path: Path) -> None:
    ward = Watched(tmp_path)
    assert not {"credit", "signal_dbm"} & beat(ward).keys()
    budget = ward.outbox.budget
    budget.ask, budget.ask_signal = lambda: 4200.0, lambda: -105
    budget.look(1.0)
    assert (beat(ward)["credit"], beat(ward)["signal_dbm"]) == (4200.0, -105)
    assert {one.what for one in readiness(ward.settings, ward.now_ms)} >= {"signal"}


class Heard200:
    """Another host, which answers 200."""

    def __enter__(self) -> Self:
        self.paths: list[str] = []
        paths = self.paths

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/abc"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
