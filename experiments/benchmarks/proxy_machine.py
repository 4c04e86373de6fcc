"""The whole machine and a worker's memory: parts 2 and 3 of ``proxy.py``."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np

from nas.executors import create
from nas.proxy import Proxy, Recipe
from nas.records import Task
from space import SearchSpace


def machine(
    setting: dict[str, Any],
    recipes: dict[str, Recipe],
    script: list[dict[str, Any]],
    workers: int,
    tasks: int,
) -> list[dict[str, Any]]:
    """Print trainings an hour of the whole machine, and how they grow with the workers.

    ``script`` are the rival's trainings with torch's default threads.
    """
    rows = [{"way": "the script, default threads", "per_hour": _per_hour(script)}]
    for name, recipe in recipes.items():
        for count in (1, workers):
            amount = max(2, tasks // workers) if count == 1 else tasks
            rate, peak = _throughput(setting, recipe, count, amount)
            way = f"{name}, {count} worker{'s' * (count > 1)}"
            rows.append({"way": way, "per_hour": rate, "peak_bytes": peak})
    print(f"\n{'whole machine':58} {'trainings/h':>12} {'ratio':>7} {'peak of a worker':>18}")
    for row in rows:
        peak = f"{row['peak_bytes'] / 2**20:.0f} MiB" if "peak_bytes" in row else ""
        ratio = row["per_hour"] / rows[0]["per_hour"]
        print(f"{row['way']:58} {row['per_hour']:12.0f} {ratio:7.1f} {peak:>18}")
    return rows


def _per_hour(trained: list[dict[str, Any]]) -> float:
    return 3600 * len(trained) / sum(row["seconds"] for row in trained)


def _throughput(
    setting: dict[str, Any], recipe: Recipe, workers: int, amount: int
) -> tuple[float, int]:
    """Return trainings an hour and the largest memory of a worker, once all have started."""
    proxy = Proxy(
        setting["space"], setting["data"], (recipe,), "cpu", cache=f"{setting['work']}/cache"
    )
    space = SearchSpace.from_config(setting["space"], (3, 32, 32), 10)
    members = [space.architecture(values) for values in setting["architectures"]]
    executor = create("local", proxy, workers=workers)
    try:
        quick = workers  # the first task of each worker pays for its start
        for number in range(quick):
            executor.submit(Task(number, members[0]))
        done = 0
        while done < quick:
            done += len(executor.wait(5.0))
        started = time.perf_counter()
        for number in range(amount):
            executor.submit(Task(quick + number, members[number % len(members)]))
        finished: list[Any] = []
        while len(finished) < amount:
            finished += executor.wait(5.0)
        seconds = time.perf_counter() - started
        failed = [m.reason for m in finished if not m.ok]
        if failed:
            raise RuntimeError(f"a training failed: {failed[0]}")
        peak = max(_peak(worker) for worker in _children())
    finally:
        executor.close()
    return 3600 * amount / seconds, peak


def _children() -> list[int]:
    return [p.pid for p in multiprocessing.active_children() if p.pid is not None]


def _peak(pid: int | str) -> int:
    """Return the resident memory of a process at its highest, shared pages included."""
    return _status(pid, "VmHWM:")


def _status(pid: int | str, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def memory(setting: dict[str, Any], count: int) -> None:
    """Part 3: the memory of one worker over many short trainings."""
    recipe = Recipe(epochs=1, images=320, resolution=16, validation_images=256)
    proxy = Proxy(
        setting["space"], setting["data"], (recipe,), "cpu", cache=f"{setting['work']}/cache"
    )
    evaluate = proxy()
    space = SearchSpace.from_config(setting["space"], (3, 32, 32), 10)
    rng, sizes = np.random.default_rng(1), []
    for number in range(count):
        evaluate(Task(number, space.sample(rng), seed=number))
        own, shared = (_status("self", name) >> 20 for name in ("RssAnon:", "RssFile:"))
        sizes.append(f"{own} + {shared} MiB after {number + 1}")
    shown = ", ".join(sizes[mark] for mark in (count // 10, count // 4, count // 2, count - 1))
    print(f"\nmemory (own + shared files) over {count} trainings of random architectures: {shown}")
