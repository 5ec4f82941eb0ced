# SPDX-License-Identifier: Apache-2.0
"""Alarm quality, simulated and on real records: `make quality ARGS="--years 1000"`, or with less.

Fleets are simulated, judged and scored one after the other and their results added to a file: a run that was
stopped goes on where it was. Seeds of the evaluation are not those that were tuned on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks import quality_page, quality_real, quality_run
from benchmarks.quality_plan import EVALUATION_SEEDS, TUNING_SEEDS
from firmware_sim.physics.designs import ApplianceType as Type

CLOSE_COUNT, CLOSE_DAYS = 64, 29
"""Appliances and days of a fleet that is looked at closely: 5 appliance-years."""
PAGE = Path(__file__).parents[1] / "docs" / "quality.md"


def work(given: argparse.Namespace, kinds: list[Type]) -> None:
    """Fleets in turns of all types, until each has its years; what the file holds is not done again."""
    seeds = TUNING_SEEDS if given.tuning else EVALUATION_SEEDS
    first = seeds[0] if given.seed_from is None else given.seed_from
    done = {(r["type"], r["seed"], bool(r.get("close"))) for r in quality_run.read(given.into)}
    for close, years, count, days, run in (
        (True, given.close_years, CLOSE_COUNT, CLOSE_DAYS, quality_run.close_look),
        (False, given.years, given.appliances, given.days, quality_run.one),
    ):
        each = count * days / 365
        rounds = -(-years // each) if years > 0 else 0
        todo = [(kind, first + n) for n in range(int(rounds)) for kind in kinds]
        begun = time.monotonic()
        todo = [(kind, seed) for kind, seed in todo if (str(kind), seed, close) not in done]
        whole = each * len(todo)
        for n, (kind, seed) in enumerate(todo):
            progress = quality_run.Bar(str(kind), n * each, whole, begun)
            result = run(kind, count, days, seed, evaluates=not given.tuning, progress=progress)
            quality_run.append(given.into, result)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--years", type=float, default=20.0, help="appliance-years of each type (1000: hours)"
    )
    parser.add_argument("--close-years", type=float, default=10.0, help="of them looked at closely")
    parser.add_argument("--appliances", type=int, default=quality_run.COUNT, help="in one fleet")
    parser.add_argument("--days", type=int, default=quality_run.DAYS, help="that one fleet lives")
    parser.add_argument("--seed-from", type=int, help="of the first fleet")
    parser.add_argument("--into", type=Path, default=Path("build/quality.jsonl"), help="results add up here")
    parser.add_argument("--type", choices=[str(kind) for kind in Type], help="only this type")
    parser.add_argument(
        "--tuning", action="store_true", help="the seeds and ranges that constants are tuned on"
    )
    parser.add_argument("--write", action="store_true", help="write docs/quality.md from the file of results")
    given = parser.parse_args(argv)
    given.into.parent.mkdir(parents=True, exist_ok=True)
    work(given, [kind for kind in Type if given.type in (None, str(kind))])
    results = quality_run.read(given.into)
    text = quality_page.page(results, quality_real.lines(), quality_page.LIMITS)
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
