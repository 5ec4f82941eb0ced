# SPDX-License-Identifier: Apache-2.0
"""Prometheus evaluating five rules over many series: seconds and CPU seconds, as its own metrics tell.

The program is given one processor (GOMAXPROCS=1), scrapes one page of this process on the loopback every
two seconds and evaluates every ten over the last thirty: fifteen samples a series. It is stopped by its
process id. Its CPU is that of the whole process, less that of one which evaluates nothing to speak of.
"""

import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

SCRAPE_S, EVALUATE_S, WINDOW_S = 2, 10, 30
RULES = {
    "high": "celsius > 6",
    "low": "celsius < 2",
    "forecast": f"predict_linear(celsius[{WINDOW_S}s], 7200) > 6",
    "mean": f"avg_over_time(celsius[{WINDOW_S}s]) > 6",
    "stuck": f"changes(celsius[{WINDOW_S}s]) == 0",
}
IDLE = {"nothing": "vector(1) > 2"}


class Page(BaseHTTPRequestHandler):
    """Current temperatures of all sensors; a few are out of range."""

    series = 0

    def do_GET(self) -> None:
        rng = np.random.default_rng(int(time.time()))
        value = np.round(4 + 0.9 * np.sin(np.arange(self.series)) + rng.normal(0, 0.06, self.series), 2)
        value[:: max(1, self.series // 100)] = 7.5
        told = "".join(f'celsius{{sensor="s{n}"}} {v}\n' for n, v in enumerate(value.tolist())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def configured(folder: Path, page_port: int, asked: dict[str, str]) -> Path:
    """Write both files of its configuration; the path of the one to start with."""
    rules = "".join(
        f"      - alert: {name}\n        expr: {expr}\n        for: 20s\n" for name, expr in asked.items()
    )
    (folder / "rules.yml").write_text(
        f"groups:\n  - name: cold\n    interval: {EVALUATE_S}s\n    rules:\n{rules}"
    )
    found = folder / "prometheus.yml"
    found.write_text(
        f"global:\n  scrape_interval: {SCRAPE_S}s\nrule_files: [rules.yml]\nscrape_configs:\n"
        f"  - job_name: fleet\n    static_configs:\n      - targets: ['127.0.0.1:{page_port}']\n"
    )
    return found


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def metric(page: str, name: str) -> float:
    """The value of the first line of that name; NaN where there is none."""
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


def evaluation_s(program: str, series: int, rounds: int) -> tuple[float, float]:
    """One evaluation of the five rules: the least seconds of `rounds` with full windows, mean CPU seconds."""
    seconds, cpu_s = _ran(program, series, rounds, RULES)
    _, idle_s = _ran(program, series, rounds, IDLE)
    return seconds, cpu_s - idle_s


def _ran(program: str, series: int, rounds: int, asked: dict[str, str]) -> tuple[float, float]:
    Page.series = series
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configured(folder, server.server_address[1], asked)
        with ThreadingHTTPServer(("127.0.0.1", 0), Page) as free:
            port = free.server_address[1]
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "GOMAXPROCS": "1"})
        try:
            return _watched(port, rounds)
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()


def _watched(port: int, rounds: int) -> tuple[float, float]:
    took: list[float] = []
    cpu: list[float] = []
    seen, until = 0.0, time.monotonic() + 3 * WINDOW_S + 2 * EVALUATE_S * rounds
    full = time.monotonic() + WINDOW_S + EVALUATE_S
    while len(took) <= rounds:
        if time.monotonic() > until:
            raise TimeoutError(f"Prometheus told of {len(took)} evaluations only")
        time.sleep(1)
        try:
            page = metrics(port)
        except OSError:
            continue
        last = metric(page, "prometheus_rule_group_last_evaluation_timestamp_seconds")
        if time.monotonic() > full and last > seen:
            took.append(metric(page, "prometheus_rule_group_last_duration_seconds"))
            cpu.append(metric(page, "process_cpu_seconds_total"))
            seen = last
    failed = metric(page, "prometheus_rule_evaluation_failures_total")
    assert failed == 0, f"{failed} evaluations failed"
    return min(took), (cpu[-1] - cpu[0]) / rounds
