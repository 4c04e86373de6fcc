"""Seconds and memory that very large runs and image sets take.

    python -P experiments/benchmarks/scale.py ledger [--records 100000] [--folder DIR]
    python -P experiments/benchmarks/scale.py images [--images 100000] [--folder DIR]
    python -P experiments/benchmarks/scale.py arrays [--images 200000] [--folder DIR]

``ledger`` searches the digits for one architecture, adds measurements of random architectures of
the same space, with their true costs, and times ``nas status``, ``nas front`` and a resumed search
that finds all its trials done. ``images`` writes that many JPEG files of 32 x 32 in class folders
and times the search of one trial, first without and then with the cache; ``arrays`` does so with
an ``.npz`` file. Each command is a process of its own; its seconds, processor seconds and peak of
resident memory are those of the process and its children, by getrusage; of a search also those
until its first trial begins. What is read of a memory map (the images) counts as resident too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.table import CostTable
from plugnas.nas.ledger.lines import seal
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import RunDirectory
from plugnas.space import Architecture

ROOT = Path(__file__).parents[2]

JOB = """
data: {data}
space:
  stem: {{width: [4, 8, 16]}}
  stages:
    - {{width: [4, 8, 16, 24], depth: [1, 2]}}
    - {{width: [8, 16, 32, 48], depth: [1, 2], stride: 2}}
  slots:
    operator: [conv, depthwise_separable, {{mbconv: {{expansion: [3, 6]}}}}, ghost, mixconv]
    attention: [none, se, eca, cbam, coord_attention, simam]
    activation: {{choices: [relu, silu, hardswish], scope: network}}
  pooling: [gap, gem]
proxy: {{rungs: [{{epochs: 1, images: 64}}]}}
objectives: {{accuracy: max, flops: min}}
sampler: random
trials: {trials}
executor: serial
"""


def main() -> None:
    """Make the run or the images and print the seconds and memory of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ledger", "images", "arrays"))
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--images", type=int)
    parser.add_argument("--folder", type=Path, help="where it is made; a temporary one if left out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["PLUGNAS_CACHE"] = str(folder / "cache")
        os.environ["PYTHONPATH"] = str(ROOT)
        if args.what == "ledger":
            _ledger(folder, args.records)
        elif args.what == "images":
            _images(folder, args.images or 100_000)
        else:
            _arrays(folder, args.images or 200_000)


def _ledger(folder: Path, records: int) -> None:
    job, run = _job(folder, "digits", 1), folder / "run"
    if not run.exists():
        _told("search of one trial", "search", str(job), "--run-dir", str(run))
        _add(run, records)
    print(f"ledger: {(run / 'ledger.jsonl').stat().st_size / 1e6:.0f} MB, {records} measurements")
    _told("status", "status", str(run))
    _told("front", "front", str(run))
    print(f"report.html: {(run / 'report.html').stat().st_size / 1e6:.2f} MB")
    more = ["--run-dir", str(run), "--trials", str(records)]
    _told("resume", "search", str(job), *more)


def _add(run: Path, records: int) -> None:
    """Append measurements of random architectures; better ones cost more, with noise."""
    directory = RunDirectory.read(run)
    space, rng = directory.space(), np.random.default_rng(0)
    found: dict[str, Architecture] = {}
    while len(found) < records - 1:
        for architecture in space.architectures(space.sample_codes(1000, rng)):
            found[architecture.id] = architecture
    drawn = list(found.values())[: records - 1]
    table = CostTable.load(directory.costs)
    costs = NetworkCost(space, table).costs_of(drawn)
    table.save(directory.costs)  # as a search does with what it counted
    noise = rng.normal(0, 0.05, len(drawn))
    flops = np.log10(costs["flops"])
    accuracy = np.clip(0.3 + 0.1 * (flops - flops.min()) + noise, 0, 1)
    with directory.ledger.open("ab") as ledger:
        for i, architecture in enumerate(drawn):
            measurement = Measurement(
                number=i + 1, architecture=architecture, rung=0, seed=0, status="ok",
                values={"accuracy": float(accuracy[i])},
                costs={name: float(column[i]) for name, column in costs.items()},
                curve=({"epoch": 1, "loss": 2.0, "accuracy": float(accuracy[i])},),
                seconds=1.0, cpu_seconds=1.0, worker="local-1 host 1", extra={"images": 360},
            )  # fmt: skip
            ledger.write(seal({**measurement.to_dict(), "time": round(time.time(), 3)}))


def _images(folder: Path, count: int) -> None:
    images = folder / "images"
    if not images.exists():
        _write_images(images, count)
    _search_twice(folder, str(images), count)


def _write_images(images: Path, count: int, classes: int = 10, side: int = 32) -> None:
    """Write JPEG files, each another: coarse random patterns with noise, by class."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        (images / f"class{label}").mkdir(parents=True)
    for i in range(count):
        label = i % classes
        coarse = rng.integers(0, 200, (4, 4, 3)) + 5 * label
        pixels = coarse.repeat(side // 4, 0).repeat(side // 4, 1)
        pixels = (pixels + rng.integers(0, 8, pixels.shape)).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(images / f"class{label}" / f"{i:06d}.jpg", quality=80)


def _arrays(folder: Path, count: int, classes: int = 10, side: int = 32) -> None:
    file = folder / "images.npz"
    if not file.exists():
        rng = np.random.default_rng(0)
        labels = np.arange(count, dtype=np.int64) % classes
        images = np.empty((count, side, side, 3), dtype=np.uint8)
        for start in range(0, count, 10_000):
            part = images[start : start + 10_000]
            part[:] = 25 * labels[start : start + 10_000, None, None, None]
            part += rng.integers(0, 8, part.shape, dtype=np.uint8)
        np.savez(file, images=images, labels=labels)
    _search_twice(folder, str(file), count)


def _search_twice(folder: Path, data: str, count: int) -> None:
    job = _job(folder, data, 1)
    for name in ("first", "second"):
        _told(f"{count} images, one trial, {name} time", "search", str(job), "--run-dir",
              str(folder / f"run-{name}"))  # fmt: skip
    cache = sum(p.stat().st_size for p in (folder / "cache").rglob("*") if p.is_file())
    print(f"cache: {cache / 1e6:.0f} MB")


def _job(folder: Path, data: str, trials: int) -> Path:
    path = folder / "job.yaml"
    path.write_text(JOB.format(data=data, trials=trials))
    return path


def _told(what: str, *words: str) -> None:
    """Run a command of nas and print what it took."""
    start = time.perf_counter()
    environment = {**os.environ, "STARTED": str(time.time())}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, env=environment
    )
    wall = time.perf_counter() - start
    told = {
        name: value.split()
        for name, _, value in (line.partition(":") for line in done.stderr.splitlines())
        if name in ("first trial", "whole")
    }
    if done.returncode or "whole" not in told:
        print(done.stdout[-500:], done.stderr[-2000:])
    for name, (cpu, peak, *after) in told.items():
        seconds = after[0] if after else f"{wall:.1f}"
        of = "" if name == "whole" else f" to the {name}"
        print(f"{what}{of}: {seconds} s, {cpu} processor s, {peak} MB", flush=True)


COMMAND = """
import os, resource, sys, time
from plugnas.nas.cli import main

def took():
    own, young = (resource.getrusage(who) for who in (0, -1))
    cpu = sum(use.ru_utime + use.ru_stime for use in (own, young))
    return f"{cpu:.1f} {max(own.ru_maxrss, young.ru_maxrss) / 1024:.0f}"

if sys.argv[1] == "search":  # by one serial worker, in this process
    from plugnas.nas.executors import serial
    measure = serial.measure
    def first(*arguments, **named):
        serial.measure = measure
        after = time.time() - float(os.environ["STARTED"])
        print(f"first trial: {took()} {after:.1f}", file=sys.__stderr__)
        return measure(*arguments, **named)
    serial.measure = first
code = main(sys.argv[1:])
print(f"whole: {took()}", file=sys.__stderr__)
sys.exit(code)
"""


if __name__ == "__main__":
    main()
