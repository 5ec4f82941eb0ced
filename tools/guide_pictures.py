# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of docs/guides from a demo that runs: its month of history, its alarms, its devices.

    make pictures          runs a demo of its own in build/pictures, and writes docs/guides/pictures/*.png

The demo is simulated and seeded, its clock is the wall's: pictures differ in their times alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "guides" / "pictures"
PHONE, DESK = (390, 800), (1280, 800)
PATIENCE_S = 300
COLOURS = 64
"""Pages are flat: so many colours look the same and are a third of the size."""


def ask(base: str, path: str) -> Any:
    with urllib.request.urlopen(f"{base}{path}", timeout=20) as answer:  # noqa: S310 -- our own, on loopback
        return json.load(answer)


def wait_for_alarm(base: str) -> dict[str, Any]:
    """The first alarm about a temperature that is open."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            found = [one for one in ask(base, "/api/v1/alarms")["alarms"] if one["kind"] == "high"]
        except OSError:
            found = []
        if found:
            return dict(found[0])
        time.sleep(2)
    raise SystemExit("no appliance became too warm in time")


def shoot(browser: Browser, url: str, name: str, size: tuple[int, int], *, full: bool = False) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, device_scale_factor=1)
    page = context.new_page()
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_timeout(1500)
    path = OUT / f"{name}.png"
    page.screenshot(path=path, full_page=full)
    context.close()
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def take(base: str) -> None:
    """Every picture that a guide shows."""
    alarm = wait_for_alarm(base)
    orders = ask(base, "/api/v1/work-orders")["work_orders"]
    done = next(one for one in orders if one["state"] == "finished")
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shoot(browser, f"{base}/wall", "wall", DESK)
        shoot(browser, f"{base}/alarm/{alarm['number']}", "alarm", PHONE)
        shoot(browser, f"{base}/appliance/{alarm['appliance']}", "appliance", DESK)
        shoot(browser, f"{base}/oncall", "oncall", PHONE)
        shoot(browser, f"{base}/device/{done['serial']}", "device", DESK)
        shoot(browser, f"{base}/work-order/{done['number']}", "work-order", PHONE)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="a demo that runs already; else one is started")
    args = parser.parse_args()
    if args.url:
        take(args.url.rstrip("/"))
        return
    folder = ROOT / "build" / "pictures"
    argv = [sys.executable, "-m", "coldchain.cli", "demo", "--dir", str(folder), "--port", "8765"]
    demo = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        take("http://127.0.0.1:8765")
    finally:
        demo.terminate()
        demo.wait(30)


if __name__ == "__main__":
    main()
