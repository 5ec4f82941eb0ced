# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of docs/guides from a demo and from a training, each started for it.

    .venv/bin/python tools/guide_pictures.py       writes docs/guides/pictures/*.png

The demo is simulated and seeded, its clock is the wall's: pictures differ in their times alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Error, sync_playwright

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "guides" / "pictures"
PHONE, DESK, TALL = (390, 800), (1280, 800), (1280, 1600)
CURVE = "section[aria-labelledby=chart-title]"
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
            found = [one for one in ask(base, "/api/v1/alarms")["open"] if one["kind"] == "high"]
        except OSError:
            found = []
        if found:
            return dict(found[0])
        time.sleep(2)
    raise SystemExit("no appliance became too warm in time")


def shoot(browser: Browser, url: str, name: str, size: tuple[int, int], part: str = "") -> None:
    """part: only what this selector names."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, device_scale_factor=1)
    page = context.new_page()
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_timeout(1500)
    path = OUT / f"{name}.png"
    if part:
        page.locator(part).first.screenshot(path=path)
    else:
        page.screenshot(path=path)
    context.close()
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def of_demo(browser: Browser, base: str) -> None:
    """What a technician sees while something is wrong."""
    alarm = wait_for_alarm(base)
    shoot(browser, f"{base}/wall", "wall", DESK)
    shoot(browser, f"{base}/alarm/{alarm['number']}", "alarm", PHONE)
    shoot(browser, f"{base}/appliance/{alarm['appliance']}?range=30d", "appliance", TALL, CURVE)


def of_training(browser: Browser, base: str) -> None:
    """A telephone: the message of an open door, the answer, and what came back."""
    page = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}).new_page()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(Error):
            page.goto(f"{base}/training", wait_until="domcontentloaded")
            code = re.search(r"OK ([0-9]{6})", page.inner_text("main"))
            if code:
                page.locator("input[name=text]").first.fill(f"OK {code[1]} DOOR")
                page.locator("input[name=text]").first.press("Enter")
                page.wait_for_timeout(8000)
                shoot(browser, f"{base}/training", "phone", PHONE)
                return
        page.wait_for_timeout(2000)
    raise SystemExit("no message came in time")


def running(what: str, port: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "coldchain", *what.split(), "--port", str(port)]
    folder = ROOT / "build" / "pictures" / f"{what.split(maxsplit=1)[0]}-{int(time.time())}"
    argv += ["--dir", str(folder)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for what, take, port in (("demo", of_demo, 8765), ("train door-open", of_training, 8766)):
            program = running(what, port)
            try:
                take(browser, f"http://127.0.0.1:{port}")
            finally:
                program.terminate()
                program.wait(30)
        browser.close()


if __name__ == "__main__":
    main()
