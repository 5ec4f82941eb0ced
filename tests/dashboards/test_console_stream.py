# SPDX-License-Identifier: Apache-2.0
"""Live without reloading: what the stream says, to whom, and that looking disturbs no writer."""

import asyncio
import json
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from console_seed import NOW_MS, Seed, registry

from coldchain.settings import Settings
from dashboards.console import hub
from dashboards.console.accounts.sight import Audience
from dashboards.console.console import Console
from dashboards.console.hub import CHANNEL_KEPT_MS, CHANNELS_MAX, QUEUE_MAX
from dashboards.console.views import Row
from dashboards.console.words import language

REG = registry(12)
WARM = REG.appliances[0].id
ALL = Audience()


def test_a_new_reading_and_a_new_alarm_reach_the_viewer(tmp_path: Path) -> None:
    """The stream says what changed and no more; applied to the page's state it is the next page."""
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    seed.no_alarms()
    console = Console(seed.settings, lambda: seed.now_ms)

    async def watch() -> list[dict]:
        hub = console.hub
        await hub.look()
        since = hub.begin(ALL)
        assert since is not None
        stream = hub.events(since, ALL)
        assert (await anext(stream)).startswith("retry")
        polling = asyncio.create_task(hub.run())
        said = []

        async def until(key: str) -> None:
            while True:
                event = await asyncio.wait_for(anext(stream), 10)
                said.append(json.loads(event.split("data: ")[1]))
                assert len(event) < 1_500 or "strip" in said[-1]
                if key in said[-1]:
                    return

        seed.now_ms += 5_000
        seed.report(f"{WARM}/load", 4_750, seed.now_ms)
        await until("values")
        seed.now_ms += 5_000
        seed.alarm(WARM, peak=None)
        await until("rows")
        polling.cancel()
        await stream.aclose()
        assert hub.viewers == 0
        return said

    said = asyncio.run(watch())
    assert console.records._journal._position == seed._journal.position, "followed, not read anew"
    values = next(one["values"] for one in said if "values" in one)
    assert values == [[WARM, "4.8", NOW_MS + 5_000]]
    told = said[-1]
    assert [row[:2] for row in told["rows"]] == [[WARM, "alarm"]]
    assert "above 6.0" in told["rows"][0][2]
    assert told["after"] == {WARM: ""}
    assert told["badge"] == "1"
    seed.close()
    console.close()


def test_each_audience_is_told_its_own_sites_in_its_own_language(tmp_path: Path) -> None:
    """Made once for each audience; what it does not see, it is not told."""
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    seed.no_alarms()
    console = Console(seed.settings, lambda: seed.now_ms)
    lao, here, far = Audience("lo"), Audience("fr", ("vte",)), Audience("vi", ("province:Savannakhet",))

    async def watch() -> dict[Audience, dict]:
        hub = console.hub
        await hub.look()
        streams = {one: hub.events(hub.begin(one) or 0, one) for one in (lao, here, far, here)}
        waiting = {}
        for one, stream in streams.items():
            assert (await anext(stream)).startswith("retry")
            waiting[one] = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        seed.now_ms += 5_000
        seed.alarm(WARM, peak=None)
        made: list[str] = []
        inner = hub._row_markup

        def counted(row: Row) -> str:
            made.append(language())
            return inner(row)

        hub._row_markup = counted
        await hub.look(max_age_ms=0)
        told = {one: json.loads((await event).split("data: ")[1]) for one, event in waiting.items()}
        assert sorted(made) == ["fr", "lo"], "once for each language that sees it"
        for stream in streams.values():
            await stream.aclose()
        return told

    told = asyncio.run(watch())
    assert "ສຽງເຕືອນ" in told[lao]["rows"][0][2] or "\u0e80" <= max(told[lao]["rows"][0][2]) <= "\u0eff"
    assert "au-dessus de" in told[here]["rows"][0][2]
    assert (told[here]["badge"], told[lao]["badge"]) == ("1", "1")
    assert "rows" not in told[far]
    assert "badge" not in told[far], "nothing of theirs changed"
    assert language() == "en", "who asks next is not spoken to in another's language"
    seed.close()
    console.close()


def test_channels_are_bounded_and_end_when_nobody_follows(tmp_path: Path) -> None:
    seed = Seed(tmp_path, REG)
    seed.no_alarms()
    console = Console(seed.settings, lambda: seed.now_ms)

    async def many() -> None:
        await console.hub.look()
        for n in range(CHANNELS_MAX):
            assert console.hub.begin(Audience("en", (f"s{n}",))) is not None
        assert console.hub.begin(ALL) is None, "that page asks again and again"
        seed.now_ms += CHANNEL_KEPT_MS + 1
        await console.hub.look()
        assert console.hub._channels == {}
        assert console.hub.begin(ALL) is not None

    asyncio.run(many())
    seed.close()
    console.close()


def test_a_viewer_from_before_a_restart_is_told_to_load_anew(tmp_path: Path) -> None:
    console = Console(Settings(data_dir=tmp_path), lambda: NOW_MS)

    async def first_words(since: int) -> list[str]:
        await console.hub.look()
        console.hub.begin(ALL)
        stream = console.hub.events(since, ALL)
        words = [await anext(stream), await anext(stream)]
        await stream.aclose()
        return words

    assert "resync" in asyncio.run(first_words(5))[1]
    assert "resync" in asyncio.run(first_words(NOW_MS * 2))[1]
    console.close()


def test_a_stream_ends_so_that_the_gate_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose session was ended, or account closed, follows no longer than STREAM_S."""
    console = Console(Settings(data_dir=tmp_path), lambda: NOW_MS)

    async def words(most_s: float) -> list[str]:
        monkeypatch.setattr(hub, "STREAM_S", most_s)
        look = await console.hub.look()
        since = console.hub.begin(ALL)
        assert since is not None
        for _ in range(3):
            console.hub.tell(look)
        found: list[str] = []

        async def follow() -> None:
            async for word in console.hub.events(since, ALL):
                found.append(word)  # noqa: PERF401 -- kept when it is cut off

        with suppress(TimeoutError):
            await asyncio.wait_for(follow(), 0.2)
        return found

    assert len(asyncio.run(words(60.0))) == 4, "the pause between two tries, and three events"
    assert len(asyncio.run(words(0.0))) == 1
    console.close()


def test_readers_keep_no_transaction_open(tmp_path: Path) -> None:
    """A reader that holds its view makes the log of the file grow without bound."""
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    console = Console(seed.settings, lambda: seed.now_ms)
    console.records.look()
    console.spark(WARM)
    console.hub._watch.token()
    db = sqlite3.connect(seed.settings.readings_db)
    seed.report(f"{WARM}/load", 4_000, NOW_MS + 1000)
    busy, in_log, moved = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, in_log, moved) == (0, 0, 0)
    db.close()
    seed.close()
    console.close()


def test_a_viewer_who_does_not_read_is_told_to_load_anew_and_costs_no_memory(tmp_path: Path) -> None:
    seed = Seed(tmp_path, REG)
    seed.history(0.2)
    console = Console(seed.settings, lambda: seed.now_ms)

    async def sleeper() -> list[str]:
        await console.hub.look()
        stream = console.hub.events(console.hub.begin(ALL) or 0, ALL)
        await anext(stream)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for _ in range(QUEUE_MAX + 2):
            seed.now_ms += 1_000
            await console.hub.look(max_age_ms=0)
        (queue,) = console.hub._channels[ALL].viewers
        assert queue.qsize() <= QUEUE_MAX
        words = [await reading, *[await anext(stream) for _ in range(queue.qsize())]]
        await stream.aclose()
        return words

    assert any("resync" in word for word in asyncio.run(sleeper()))
    seed.close()
    console.close()


def test_nobody_looks_while_nobody_watches(tmp_path: Path) -> None:
    console = Console(Settings(data_dir=tmp_path), lambda: NOW_MS)

    async def alone() -> None:
        for polls in range(20):
            await console.hub._poll(polls)

    asyncio.run(alone())
    assert console.hub.looks == 1, "one at the start"
    console.close()
