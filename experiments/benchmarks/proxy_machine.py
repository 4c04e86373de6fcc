"""Trainings per hour on the whole machine: the script as people run it, one worker, all workers.

    python -P experiments/benchmarks/proxy_machine.py --archive cifar10-jpeg.tar.xz
        [--architectures 3] [--workers 4] [--small] [--out rows.json]

For an idle machine of four cores (the load is printed first), about six minutes. In this order:

1. ours with one worker, then with all, then with one again, so that a drift of the machine shows;
2. the script (``rivals/optuna_script.py``) as people run it: trial after trial, torch's default
   threads, DataLoader with two workers; 3 epochs over 5,000 images at 32 px;
3. ours by 2/5 of the images at 16 px, in the same way as 1.

Ours is the local executor, as ``nas search`` runs it. In 1 it takes as many samples as the script,
at 16 px. All train the same architectures. A turn is the time from one result of a worker to its
next, so it includes the driver's time; the first result of each worker is not counted, as it
includes the start (shown separately), and nothing is counted once the queue is empty. The rate is
workers / turn, the turn averaged per architecture, then over architectures. The script's start and
first step are not counted either.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks.proxy import prepare, processor, rival, ways
from experiments.benchmarks.proxy_memory import fields
from plugnas.nas.executors import Executor, create
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.space import SearchSpace


@dataclass(frozen=True)
class Rate:
    """The measurements of one way of training on this machine."""

    way: str
    workers: int
    per_hour: float
    start: float = 0.0  # seconds until the first result of the slowest worker
    own_mib: int = 0  # of the largest worker, at its highest


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--architectures", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--work", type=Path, default=Path("/tmp/proxy-benchmark"))
    parser.add_argument(
        "--small", action="store_true", help="a short run that only shows that it works"
    )
    parser.add_argument("--out", type=Path, help="append every row as a JSON line")
    args = parser.parse_args()
    images, epochs = (500, 1) if args.small else (5000, 3)
    setting = prepare(args.archive.resolve(), args.work, args.architectures, images, epochs)
    load = os.getloadavg()[0]
    print(f"{processor()}, {os.cpu_count()} cores; load {load:.1f} before the start")
    _, _, same, *_, fewer = ways(images, epochs, setting["validation"]).items()
    rates = scaling(setting, *same, args.workers)
    trained = rival(setting, setting["architectures"], threads=None)
    seconds = statistics.mean(row["seconds"] for row in trained)
    script = Rate("the script, default threads", 1, 3600 / seconds)
    rates = [script, *rates, *scaling(setting, *fewer, args.workers)]
    table(rates)
    if args.out:
        with open(args.out, "a") as out:
            out.writelines(json.dumps(vars(rate)) + "\n" for rate in rates)


def scaling(setting: dict[str, Any], way: str, recipe: Recipe, workers: int) -> list[Rate]:
    """Return the rates of one worker, of all, and of one again."""
    return [measure(setting, way, recipe, count) for count in (1, workers, 1)]


def measure(setting: dict[str, Any], way: str, recipe: Recipe, workers: int) -> Rate:
    """Return the rate of so many workers, all busy throughout."""
    proxy = Proxy(setting["data"], (recipe,), "cpu", cache=f"{setting['work']}/cache")
    executor = create("local", proxy, workers=workers)
    try:
        turns, start, own = _turns(executor, setting, workers)
    finally:
        executor.close()
    turn = statistics.mean(statistics.mean(seconds) for seconds in turns.values())
    rate = Rate(way, workers, 3600 * workers / turn, start, own)
    print(f"  {way}, {workers} worker(s): {rate.per_hour:.0f} per hour", flush=True)
    return rate


def _turns(
    executor: Executor, setting: dict[str, Any], workers: int
) -> tuple[dict[int, list[float]], float, int]:
    """Return seconds by architecture, those of the start, and the largest worker's own MiB."""
    members = _members(setting)
    counted = workers * len(members)
    # Each worker has a task when the last one is counted: none of them is ever idle.
    for number in range(counted + 2 * workers - 1):
        executor.submit(Task(number, members[number % len(members)]))
    turns: dict[int, list[float]] = defaultdict(list)
    last: dict[str, float] = {}
    began, start, own = time.perf_counter(), 0.0, 0
    while sum(map(len, turns.values())) < counted:
        for done in executor.wait(0.1):
            if not done.ok:
                raise RuntimeError(f"a training failed: {done.reason}")
            now = time.perf_counter()
            if done.worker in last:
                turns[done.number % len(members)].append(now - last[done.worker])
            else:
                start = now - began
            last[done.worker] = now
        found = [fields(f"/proc/{p.pid}/status") for p in multiprocessing.active_children()]
        own = max([own, *(status.get("RssAnon", 0) for status in found)])
    return turns, start, own


def _members(setting: dict[str, Any]) -> list[Any]:
    space = SearchSpace.from_config(setting["space"], (3, 32, 32), 10)
    return [space.architecture(values) for values in setting["architectures"]]


def table(rates: list[Rate]) -> None:
    """Print the rates, beside the script's and beside those of one worker."""
    print(
        f"\n{'':58} {'trainings/h':>11} {'x script':>9} {'x one':>6} {'start':>7} {'own peak':>9}"
    )
    for rate in rates:
        ones = [r.per_hour for r in rates if r.way == rate.way and r.workers == 1]
        row = f"{rate.way}, {rate.workers} worker{'s' * (rate.workers > 1)}"
        row = f"{row:58} {rate.per_hour:11.0f} {rate.per_hour / rates[0].per_hour:9.1f}"
        if rate.own_mib:
            row += f" {rate.per_hour / statistics.mean(ones):6.2f}"
            row += f" {rate.start:5.1f} s {rate.own_mib:5} MiB"
        print(row)


if __name__ == "__main__":
    main()
