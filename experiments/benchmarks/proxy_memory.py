"""The memory of one worker over hundreds of trainings, each of another architecture.

    python -P experiments/benchmarks/proxy_memory.py --archive cifar10-jpeg.tar.xz
        [--trainings 500] [--side 16] [--images 512] [--job experiments/cifar10.yaml] [--flops 2e7]

One worker process of the local executor trains random architectures of the job's space on so many
images for one epoch; without ``--flops`` the largest of the space too, which no budget would allow.
The driver reads the worker's memory from /proc every 20 ms:

own       pages that no file backs (RssAnon): what each further worker costs, peaks included
idle      the same between two trainings
resident  own and the mapped files: libraries and decoded images, which all workers share
PSS       own and, of each shared page, the part of one process; with one worker all of it
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.data import load as load_data
from plugnas.nas.executors import Executor, create
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.space import Architecture, SearchSpace

JOB = Path(__file__).parents[1] / "cifar10.yaml"


def main() -> None:
    """Train that many times, and print the memory ten times in between."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--trainings", type=int, default=500)
    parser.add_argument("--side", type=int, default=16, help="pixels")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--job", type=Path, default=JOB, help="its space is used")
    parser.add_argument("--flops", type=float, default=float("inf"), help="the most at full size")
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    config = yaml.safe_load(args.job.read_text())["space"]
    dataset = load_data(str(args.archive.resolve()), cache=args.cache)
    space = SearchSpace.from_config(config, dataset.input_shape, len(dataset.classes))
    recipe = Recipe(
        epochs=1, images=args.images, resolution=args.side, validation_images=args.images
    )
    cache = None if args.cache is None else str(args.cache)
    proxy = Proxy(str(args.archive.resolve()), (recipe,), "cpu", cache=cache)
    executor = create("local", proxy, workers=1)
    try:
        follow(executor, members(space, args.flops), args.trainings)
    finally:
        executor.close()


def members(space: SearchSpace, flops: float) -> Iterator[Architecture]:
    """Yield random architectures of at most so many FLOPs."""
    from plugnas.nas.cost import NetworkCost  # workers, which import this file too, need none of it

    rng, cost = np.random.default_rng(1), NetworkCost(space)
    while True:
        member = space.sample(rng)
        if cost.cost(member)["flops"] <= flops:
            yield member


def follow(executor: Executor, architectures: Iterator[Architecture], count: int) -> None:
    """Train ``count`` architectures in turn; print what the worker takes."""
    peak, highest, started = 0, 0, time.perf_counter()
    print(f"{'trainings':>9} {'own peak':>9} {'idle':>6} {'resident peak':>14} {'PSS':>6}  MiB")
    for number in range(count):
        executor.submit(Task(number, next(architectures), seed=number))
        done: list[Measurement] = []
        while not done:
            done = executor.wait(0.02)
            for process in multiprocessing.active_children():
                peak = max(peak, fields(f"/proc/{process.pid}/status").get("RssAnon", 0))
        if not (done[0].reason or "diverged").startswith("diverged"):
            raise RuntimeError(done[0].reason)
        if (number + 1) % max(1, count // 10) == 0:
            (worker,) = multiprocessing.active_children()
            status = fields(f"/proc/{worker.pid}/status")
            shared = fields(f"/proc/{worker.pid}/smaps_rollup")["Pss"]
            row = f"{number + 1:9} {peak:9} {status['RssAnon']:6} {status['VmHWM']:14} {shared:6}"
            print(f"{row}  after {time.perf_counter() - started:.0f} s", flush=True)
            peak, highest = 0, max(highest, peak)
    print(f"highest own memory: {highest} MiB")


def fields(path: str) -> dict[str, int]:
    """Return the MiB that a /proc file gives by name; nothing of a process that has ended."""
    try:
        lines = [line.split() for line in Path(path).read_text().splitlines()]
    except OSError:
        return {}
    return {line[0].rstrip(":"): int(line[1]) >> 10 for line in lines if line[-1] == "kB"}


if __name__ == "__main__":
    main()
