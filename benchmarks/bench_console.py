# SPDX-License-Identifier: Apache-2.0
"""The console with 243 appliances: first view, sparklines, live updates, memory, CPU alone and watched."""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from console_seed import MEAN_C, Seed, Story, registry  # noqa: E402 -- found by the path above

APPLIANCES = 243
HOURS = 6.5
"""As much as ingest leaves unsealed: a window of six hours and half an hour."""
VIEWERS = 50
WATCH_S = 15


def pss_mb(pid: int) -> float:
    """Proportional set size [MB]."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE).group(1)) / 1000


def cpu_s(pid: int) -> float:
    """CPU spent so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Reporting(threading.Thread):
    """Four readings a second, as 243 appliances send them at one a minute."""

    def __init__(self, seed: Seed) -> None:
        super().__init__(daemon=True)
        self._seed, self.going = seed, True

    def run(self) -> None:
        loads = [s for s in self._seed.registry.sensors if s.probe == "load"]
        number = 0
        while self.going:
            time.sleep(0.25)
            sensor = loads[number % len(loads)]
            appliance = self._seed.registry.appliance_by_id[str(sensor.appliance)]
            mean = MEAN_C[appliance.assignments[0].carries]
            self._seed.report(sensor.id, round(mean * 1000) + number % 400, int(time.time() * 1000))
            number += 1


class Viewer(threading.Thread):
    """Reads the stream and counts what it gets."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url, self.bytes, self.events, self.largest = url, 0, 0, 0

    def run(self) -> None:
        try:
            page = httpx.get(self._url).text
            since = re.search(r"/events\?since=(\d+)", page).group(1)
            with httpx.stream("GET", f"{self._url}/events?since={since}", timeout=60) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        self.bytes, self.events = self.bytes + len(line), self.events + 1
                        self.largest = max(self.largest, len(line))
        except httpx.HTTPError:
            return  # the server has been stopped


def share(pid: int, seconds: float) -> float:
    """CPU of one core over that time [%]."""
    before = cpu_s(pid)
    time.sleep(seconds)
    return 100 * (cpu_s(pid) - before) / seconds


def median_ms(url: str, times: int = 9) -> float:
    with httpx.Client() as client:
        spent = []
        for _ in range(times):
            time.sleep(0.6)  # beyond the time for which a look is shared
            start = time.perf_counter()
            client.get(url).raise_for_status()
            spent.append(time.perf_counter() - start)
    return sorted(spent)[times // 2] * 1000


def measure(seed: Seed, url: str, pid: int) -> None:
    print(f"memory at start                  {pss_mb(pid):7.1f} MB")
    start = time.perf_counter()
    page = httpx.get(url).text
    print(f"first page of {APPLIANCES} appliances     {1000 * (time.perf_counter() - start):7.1f} ms")
    print(f"  later, median                  {median_ms(url):7.1f} ms   (aim 200)")
    names = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    files = [httpx.get(url + name).content for name in names]
    weight = sum(len(gzip.compress(one, 6)) for one in [page.encode(), *files])
    print(f"  first view, compressed         {weight / 1000:7.1f} kB   (aim 100)")
    sparks = re.findall(r'src="(/spark/[^"]+)"', page)
    start = time.perf_counter()
    with httpx.Client() as client:
        client.get(url + sparks[0])
        print(f"first sparkline (reads all)      {1000 * (time.perf_counter() - start):7.1f} ms")
        sizes = [len(client.get(url + one).content) for one in sparks]
    spent_ms, each = 1000 * (time.perf_counter() - start), sum(sizes) / len(sizes)
    print(f"all {len(sparks)} sparklines               {spent_ms:7.1f} ms, {each:.0f} bytes each")
    print(f"memory with all of them          {pss_mb(pid):7.1f} MB")
    one = seed.registry.appliances[0].id
    for range_ in ("24h", "1y"):
        asked_ms = median_ms(f"{url}/api/v1/appliances/{one}/series?range={range_}", 5)
        print(f"series of {range_:>3}                    {asked_ms:7.1f} ms")
    print(f"memory, nobody watching          {pss_mb(pid):7.1f} MB   (aim 80)")
    print(f"CPU, nobody watching             {share(pid, WATCH_S):7.2f} %    (aim 1)")
    for count in (1, VIEWERS):
        viewers = [Viewer(url) for _ in range(count)]
        for viewer in viewers:
            viewer.start()
        time.sleep(4)
        used, told = share(pid, WATCH_S), viewers[0]
        each = told.bytes / max(told.events, 1)
        print(f"CPU, {count:3} watching                {used:7.2f} %    {pss_mb(pid):.1f} MB")
        print(f"  an event, mean and largest     {each:7.0f} bytes, {told.largest}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reg = registry(APPLIANCES)
        ids = [a.id for a in reg.appliances]
        story = Story(warm={ids[0]: 70}, silent=dict.fromkeys(ids[5:8], 50), failed={ids[3]})
        seed = Seed(Path(folder), reg, story, now_ms=int(time.time() * 1000))
        start = time.perf_counter()
        seed.history(HOURS, batch_rows=1_500)
        seed.alarm(ids[0], minutes=50)
        seed.gateway()
        took_s = time.perf_counter() - start
        print(f"seeded {seed._link} readings of {len(reg.sensors)} sensors in {took_s:.1f} s, none sealed")
        port = free_port()
        config = Path(folder) / "coldchain.toml"
        config.write_text(f'data_dir = "{folder}"\n[console]\nport = {port}\n')
        command = [sys.executable, "-m", "coldchain.wiring.process", "console", str(config)]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            time.sleep(4)
            reporting = Reporting(seed)
            reporting.start()
            measure(seed, f"http://127.0.0.1:{port}", process.pid)
            reporting.going = False
            time.sleep(0.5)
        finally:
            process.terminate()
            start = time.perf_counter()
            process.wait(10)
            print(f"stopped in                       {time.perf_counter() - start:7.2f} s    (aim 3)")


if __name__ == "__main__":
    main()
