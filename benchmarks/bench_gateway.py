# SPDX-License-Identifier: Apache-2.0
"""Figures of the gateway: from bytes on serial lines to the fsynced spool, the spool's size, an idle gateway.

Run: python benchmarks/bench_gateway.py   (no figure is asserted; the aims are printed beside them)
"""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import tty
from datetime import timedelta
from pathlib import Path

from coldchain.kernel.errors import StoreUnavailable
from coldchain.settings import GatewaySettings, LineSettings, MqttSettings, Settings
from coldchain.wiring.child import free_port
from gateway.codecs.binary import BinaryCodec, encode_report
from gateway.codecs.frames import Report
from gateway.spool import Arrival, open_spool, read_accounts

LINES = 8
AIM_PER_S = 20_000
SENSORS, DAYS = 243, 30
FEEDER = """
import os, sys, time
fd, path, rate = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
data = open(path, "rb").read()
while not os.read(fd, 10):  # WHO: the port is open
    pass
began, sent = time.monotonic(), 0
while sent < len(data):
    due = len(data) if not rate else min(len(data), int((time.monotonic() - began) * rate) + 1)
    if due > sent:
        sent += os.write(fd, data[sent:min(due, sent + 4096)])
    else:
        time.sleep(0.002)
"""
GATEWAY = """
import sys, signal, resource
from coldchain.kernel.errors import StoreUnavailable
from coldchain.settings import Settings
from gateway.service import GatewayService
service = GatewayService(Settings.model_validate_json(sys.stdin.readline()))
signal.signal(signal.SIGTERM, lambda *_: service.stop())
service.run()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def frames(line: int, reports: int, per_report: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    return b"".join(
        encode_report(
            Report(
                f"node-{line}",
                1,
                n,
                n * 50,
                0,
                2,
                now_ms,
                tuple((c, 1, 0, 4000 + n % 300) for c in range(per_report)),
            )
        )
        for n in range(reports)
    )


def codec_and_spool(per_report: int, readings: int) -> None:
    """One core, no ports: bytes -> decoder -> packed rows -> fsync, in commits of 20 ms of AIM_PER_S."""
    stream = b"".join(frames(n, readings // per_report // LINES, per_report) for n in range(LINES))
    codec, began = BinaryCodec(), time.process_time()
    events: list[Report] = []
    for start in range(0, len(stream), 4095):
        events += [e for e in codec.feed(stream[start : start + 4095]) if isinstance(e, Report)]
    decoded = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "e", wall_ms=lambda: 0)
        group, wall = max(1, AIM_PER_S // 50 // per_report), time.perf_counter()
        for start in range(0, len(events), group):
            with spool.change():
                spool.accept(
                    [Arrival(e, 1_800_000_000_000, None) for e in events[start : start + group]], [], 0.0
                )
        took, cpu = time.perf_counter() - wall, time.process_time() - decoded
        print(
            f"  {per_report} reading(s) a frame: decoder {1e6 * (decoded - began) / readings:.1f} µs, "
            f"spool {1e6 * cpu / readings:.1f} µs of CPU a reading; "
            f"{readings / took:,.0f} readings/s into the spool"
        )


def start_gateway(settings: Settings) -> subprocess.Popen[str]:
    gateway = subprocess.Popen(
        [sys.executable, "-c", GATEWAY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert gateway.stdin is not None
    gateway.stdin.write(settings.model_dump_json() + "\n")
    gateway.stdin.flush()
    return gateway


def lines_to_spool(per_report: int, readings: int, paced: bool) -> None:
    """The whole gateway as a process of its own, fed over pseudo-terminals by processes of their own."""
    reports = readings // per_report // LINES
    with tempfile.TemporaryDirectory() as folder:
        pairs = [os.openpty() for _ in range(LINES)]
        for _, slave in pairs:
            tty.setraw(slave)
        lines = tuple(LineSettings(device=os.ttyname(slave)) for _, slave in pairs)
        settings = Settings(
            data_dir=Path(folder) / "data",
            mqtt=MqttSettings(port=free_port()),  # nobody listens: the link is down
            gateway=GatewaySettings(lines=lines, mqtt_nodes=False),
        )
        feeders = [
            feed(
                master,
                Path(folder) / f"{n}.bin",
                frames(n, reports, per_report),
                reports * per_report * paced,
            )
            for n, (master, _) in enumerate(pairs)
        ]
        gateway = start_gateway(settings)
        accepted, took_s = watch(settings.spool_db, reports * per_report * LINES)
        gateway.terminate()
        out, _ = gateway.communicate(timeout=10)
        for feeder in feeders:
            feeder.terminate()
            feeder.wait()
        for pair in pairs:
            os.close(pair[0])
            os.close(pair[1])
    cpu_s, rss_kb = (float(x) for x in out.splitlines()[-1].split())
    rate = accepted / max(took_s, 1e-9)
    print(
        f"  {LINES} lines, {per_report} reading(s) a frame, "
        f"{f'paced at {AIM_PER_S:,}/s' if paced else 'as fast as it goes'}: {accepted:,} accepted, "
        f"{rate:,.0f} readings/s ({rate / AIM_PER_S:.1f} × the aim), "
        f"{1e6 * cpu_s / max(accepted, 1):.0f} µs of CPU a reading (start included), {rss_kb / 1024:.0f} MB"
    )


def feed(master: int, path: Path, data: bytes, paced_readings: int) -> subprocess.Popen[bytes]:
    path.write_bytes(data)
    rate = len(data) / paced_readings * AIM_PER_S / LINES if paced_readings else 0
    os.set_inheritable(master, True)
    argv = [sys.executable, "-c", FEEDER, str(master), str(path), str(rate)]
    return subprocess.Popen(argv, close_fds=False)


def watch(path: Path, total: int) -> tuple[int, float]:
    """(accepted in the end, seconds between the first and the last commit seen)."""
    accepted, first_s, last_s = 0, 0.0, time.perf_counter()
    while accepted < total and time.perf_counter() - last_s < 10:
        time.sleep(0.02)
        try:
            now = read_accounts(path)[1]
        except (StoreUnavailable, sqlite3.Error, TypeError):
            continue  # not there yet
        if now != accepted:
            accepted, last_s = now, time.perf_counter()
            first_s = first_s or last_s
    return accepted, last_s - (first_s or last_s)


def size_of_a_month() -> None:
    """243 sensors at one minute, each report a commit of its own: the worst case. Two hours, reckoned on."""
    minutes = 120
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        spool = open_spool(path, max_bytes=10**10, new_epoch=lambda: "e", wall_ms=lambda: 0)
        spool._db.execute("PRAGMA synchronous=OFF")  # only the size counts here
        n = 0
        for minute in range(minutes):
            at_ms = 1_800_000_000_000 + minute * 60_000
            for sensor in range(SENSORS):
                report = Report(
                    f"node-{sensor}", 1, minute, minute * 60_000, 5, 0, 0, ((0, 1, 0, 4000 + n % 777),)
                )
                with spool.change():
                    spool.accept([Arrival(report, at_ms + sensor * 200, None)], [], 0.0)
                n += 1
        used = spool.bytes_used()
        month = used / n * SENSORS * 1440 * DAYS
        print(
            f"  {n:,} readings, one a commit: {used / n:.1f} bytes each; "
            f"{SENSORS} sensors × {DAYS} days = {month / 1e9:.2f} GB (aim: 1 GB)"
        )
        with spool.change():
            began = time.perf_counter()
            spool.read([(1, 5000)])
            rate = 5000 / (time.perf_counter() - began)
            print(f"  reading 5,000 of them back for the link: {rate:,.0f} readings/s")
        spool.close()
        began = time.perf_counter()
        open_spool(path, max_bytes=10**10, new_epoch=lambda: "e", wall_ms=lambda: 0).close()
        took = time.perf_counter() - began
        print(f"  opening it: {took * 1000:.0f} ms; a month's: {took * SENSORS * 1440 * DAYS / n:.1f} s")


def idle() -> None:
    """What the gateway costs when nothing comes."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            mqtt=MqttSettings(port=free_port(), reconnect_max=timedelta(seconds=10)),
            gateway=GatewaySettings(page_port=free_port(), mqtt_nodes=True),
        )
        gateway = start_gateway(settings)
        time.sleep(3)
        began = cpu_of(gateway.pid)
        time.sleep(8)
        share = (cpu_of(gateway.pid) - began) / 8
        pss = sum(
            int(line.split()[1])
            for line in Path(f"/proc/{gateway.pid}/smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )
        gateway.terminate()
        gateway.communicate(timeout=10)
        print(
            f"  idle, broker away: {100 * share:.2f} % of a core, {pss / 1024:.0f} MB (proportional set size)"
        )


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    print(f"gateway: aim {AIM_PER_S:,} readings/s from serial bytes to fsynced spool over {LINES} lines")
    for per_report in (1, 4):
        codec_and_spool(per_report, 80_000)
    for per_report, paced in ((1, False), (4, False), (1, True)):
        lines_to_spool(per_report, 160_000, paced)
    size_of_a_month()
    idle()
    print(f"  this benchmark's own peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
