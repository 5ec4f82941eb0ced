# SPDX-License-Identifier: Apache-2.0
"""200 live viewers of 243 appliances, in four languages and four scopes, by one core: CPU and latency."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import httpx  # noqa: E402 -- found by the path above
from argon2 import PasswordHasher  # noqa: E402
from console_seed import MEAN_C, SITES, Seed, Story, registry  # noqa: E402

from benchmarks.bench_console import cpu_s, free_port, pss_mb  # noqa: E402
from coldchain.ports.clock import wall_ms  # noqa: E402
from coldchain.records.accounts import Accounts  # noqa: E402
from dashboards.console.accounts.gate import COOKIE  # noqa: E402
from dashboards.console.words import LANGUAGES  # noqa: E402

APPLIANCES, VIEWERS = 243, 200
WATCH_S = 30
REPORTS_S = 0.25
"""Four readings a second, as 243 appliances send them at one a minute."""
PASSWORD = "a long sentence of words"
SCOPES = ((), *((site.id,) for site in SITES))
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Told:
    """When each value was committed, and how long after that each viewer had it [s]."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], float] = {}
        self.came: dict[tuple[str, int], list[float]] = {}
        self.events = self.octets = self.resyncs = 0

    def take(self, line: str) -> None:
        now = time.monotonic()
        self.events, self.octets = self.events + 1, self.octets + len(line)
        for id_, _, at_ms in json.loads(line[6:]).get("values", []):
            if (key := (id_, at_ms)) in self.sent:
                self.came.setdefault(key, []).append(now - self.sent[key])


async def follow(port: int, cookie: str, told: Told) -> None:
    """One viewer: its page, then its stream."""
    headers = {"cookie": f"{COOKIE}={cookie}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        page = await client.get("/")
        found = re.search(r'data-events="([^"]+)"', page.text)
        assert found, "a page that follows nothing"
        address = found[1].replace("&amp;", "&")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    request = f"GET {address} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncookie: {COOKIE}={cookie}\r\n\r\n"
    writer.write(request.encode())
    try:
        while line := (await reader.readline()).decode():
            if line.startswith("data: {"):
                told.take(line)
            elif line.startswith("event: resync"):
                told.resyncs += 1
    finally:
        writer.close()


async def report(seed: Seed, told: Told) -> None:
    """Readings, one after another."""
    loads = [s for s in seed.registry.sensors if s.probe == "load"]
    for number in range(1 << 30):
        sensor = loads[number * 7 % len(loads)]
        mean = MEAN_C[seed.registry.appliance_by_id[str(sensor.appliance)].assignments[0].carries]
        at_ms = int(time.time() * 1000)
        await asyncio.to_thread(seed.report, sensor.id, round(mean * 1000) + number % 400, at_ms)
        told.sent[str(sensor.appliance), at_ms] = time.monotonic()
        await asyncio.sleep(REPORTS_S)


def at(found: list[float], part: float) -> float:
    return sorted(found)[min(len(found) - 1, int(part * len(found)))]


async def measure(seed: Seed, port: int, pid: int, cookies: list[str]) -> None:
    told = Told()
    start = time.monotonic()
    viewers = [asyncio.create_task(follow(port, cookies[i % len(cookies)], told)) for i in range(VIEWERS)]
    reporting = asyncio.create_task(report(seed, told))
    await asyncio.sleep(12)
    print(f"{VIEWERS} viewers, {len(cookies)} audiences; {time.monotonic() - start:.0f} s to settle")
    told.came.clear()
    told.events = told.octets = 0
    before, began = cpu_s(pid), time.monotonic()
    await asyncio.sleep(WATCH_S)
    spent = time.monotonic() - began
    used = 100 * (cpu_s(pid) - before) / spent
    reporting.cancel()
    await asyncio.sleep(3)
    for task in viewers:
        task.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    late = [s for some in told.came.values() for s in some]
    spread = [max(some) - min(some) for some in told.came.values() if len(some) > 1]
    print(f"CPU of its one core          {used:7.1f} %     (aim: below 50)")
    print(f"memory                       {pss_mb(pid):7.1f} MB")
    print(f"from commit to screen, p50   {at(late, 0.5):7.2f} s     (readings are looked at every 2 s)")
    print(f"                       p99   {at(late, 0.99):7.2f} s     (aim: below 4)")
    print(f"first viewer to last, p99    {1000 * at(spread, 0.99):7.1f} ms")
    each = told.octets / max(1, told.events)
    print(f"events {told.events} in {spent:.0f} s, {each:.0f} octets each; {len(late)} values told")
    print(f"pages loaded anew {told.resyncs:7}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reg = registry(APPLIANCES)
        seed = Seed(Path(folder), reg, Story(warm={reg.appliances[0].id: 70}), now_ms=wall_ms())
        seed.history(2, batch_rows=1_500)
        seed.alarm(reg.appliances[0].id, minutes=50)
        seed.gateway()
        accounts = Accounts(seed.settings.desk_db, wall_ms, hasher=quick)
        cookies = []
        for code in LANGUAGES:
            for n, sites in enumerate(SCOPES):
                accounts.add(
                    f"{code}-{n}", PASSWORD, role="technician", sites=sites, language=code, by="bench",
                    fresh=False,
                )  # fmt: skip
                cookies.append(accounts.sign_in(f"{code}-{n}", PASSWORD, "here"))
        accounts.close()
        port = free_port()
        config = Path(folder) / "coldchain.toml"
        config.write_text(f'data_dir = "{folder}"\n[console]\nport = {port}\n')
        command = [sys.executable, "-m", "coldchain.wiring.process", "console", str(config)]
        core = min(os.sched_getaffinity(0))
        process = subprocess.Popen(["taskset", "-c", str(core), *command], cwd=ROOT)
        try:
            time.sleep(5)
            asyncio.run(measure(seed, port, process.pid, cookies))
        finally:
            process.terminate()
            process.wait(10)
            seed.close()


if __name__ == "__main__":
    main()
