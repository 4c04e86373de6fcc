"""Seconds per training and accuracy after it: plugnas' proxy and the script a user would write.

    OMP_NUM_THREADS=1 python -P experiments/benchmarks/proxy.py --archive cifar10-jpeg.tar.xz
        [--architectures 8] [--work /tmp/proxy-benchmark] [--small] [--out rows.json]

The rival is ``rivals/optuna_script.py``: Optuna, ImageFolder, transforms, DataLoader, SGD. Every
training runs in a process of its own, on one thread, the ways of training taking turns on one
architecture after the other. CPU-seconds are of the training with its validation and its data
loading, without imports and the first step, which a process pays once. The whole machine is
measured by ``proxy_machine.py``, a worker's memory by ``proxy_memory.py``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.data import load as load_data
from plugnas.nas.machine.device import keep_memory
from plugnas.nas.proxy import Recipe, train
from plugnas.space import SearchSpace

SPACE = {
    "stem": {"width": 16},
    "stages": [
        {"width": [16, 24], "depth": [2]},
        {"width": [32, 48], "depth": [2], "stride": 2},
        {"width": [64, 96], "depth": [2], "stride": 2},
    ],
    "slots": {
        "operator": ["conv", "depthwise_separable", {"mbconv": {"expansion": 3}}, "ghost"],
        "attention": ["none", "se", "eca", "coord_attention"],
        "activation": {"choices": ["relu"], "scope": "network"},
    },
    "pooling": ["gap"],
}
SCRIPT = Path(__file__).parent / "rivals" / "optuna_script.py"
CONSTANT = {"schedule": "trapezoid", "warmup": 0.0, "cooldown": 0.0, "learning_rate": 0.05}


def ways(images: int, epochs: int, validation: int) -> dict[str, Recipe]:
    """Return our rows; the first is the rival's own recipe, the second its recipe annealed."""
    same = Recipe(
        epochs=epochs, images=images, validation_images=validation, validate_every_epoch=True
    )
    annealed = _with(same, validate_every_epoch=False)
    large = _with(annealed, batch_size=128, learning_rate=0.15)
    return {
        "ours, rival's recipe, 32 px": _with(same, **CONSTANT),
        "ours, one-cycle, 32 px": annealed,
        "ours, one-cycle, 16 px": _with(annealed, resolution=16),
        "ours, first rung: 12 px, batch 128": _with(large, resolution=12),
        "ours, one-cycle, 8 px, batch 128": _with(large, resolution=8),
        "ours, one-cycle, 16 px, 2/5 of the images": _with(
            annealed, resolution=16, images=images * 2 // 5
        ),
    }


def _with(recipe: Recipe, **changes: Any) -> Recipe:
    return msgspec.structs.replace(recipe, **changes)


def main() -> None:
    """Train everything in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, help="CIFAR-10 as train/ and test/ class folders")
    parser.add_argument("--architectures", type=int, default=8)
    parser.add_argument("--work", type=Path, default=Path("/tmp/proxy-benchmark"))
    parser.add_argument(
        "--small", action="store_true", help="a short run that only shows that it works"
    )
    parser.add_argument("--out", type=Path, help="append every row as a JSON line")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one_training(json.loads(args.one))))
        return
    if args.archive is None:
        parser.error("--archive is required")
    count, images, epochs = (2, 500, 1) if args.small else (args.architectures, 5000, 3)
    started = time.perf_counter()
    setting = prepare(args.archive.resolve(), args.work, count, images, epochs)
    print(f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}")
    seconds = time.perf_counter() - started
    print(f"{count} architectures; images decoded and unpacked in {seconds:.0f} s")
    rows = trainings(setting)
    if args.out:
        with open(args.out, "a") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)


def prepare(archive: Path, work: Path, count: int, images: int, epochs: int) -> dict[str, Any]:
    """Unpack for the rival, decode for us, draw the architectures; return all that a row needs."""
    work.mkdir(parents=True, exist_ok=True)
    folder = work / "folder"
    if not folder.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(work / "unpacking", filter="data")
        inner = next(path.parent for path in (work / "unpacking").rglob("train"))
        inner.rename(folder)
    data = {"source": str(archive)}
    dataset = load_data(data, cache=work / "cache")
    space = SearchSpace.from_config(SPACE, dataset.input_shape, len(dataset.classes))
    rng = np.random.default_rng(0)
    architectures = [dict(space.sample(rng).values) for _ in range(count)]
    (work / "space.json").write_text(json.dumps(SPACE))
    return {
        "work": str(work),
        "folder": str(folder),
        "data": data,
        "space": SPACE,
        "architectures": architectures,
        "images": images,
        "epochs": epochs,
        "validation": images * 2 // 5,
    }


def trainings(setting: dict[str, Any]) -> list[dict[str, Any]]:
    """Print and return a row per way and architecture."""
    recipes = ways(setting["images"], setting["epochs"], setting["validation"])
    rows = []
    for index, architecture in enumerate(setting["architectures"]):
        found = {"the script, 1 thread": rival(setting, [architecture], threads=1)[0]}
        for name, recipe in recipes.items():
            found[name] = ours(setting, architecture, recipe)
        rows += [{"way": name, "architecture": index, **row} for name, row in found.items()]
        for row in rows[-len(found) :]:
            print(
                f"  {index} {row['way']:44} {row['cpu_seconds']:7.1f} CPU-s {row['accuracy']:.3f}",
                flush=True,
            )
    table(rows, "the script, 1 thread")
    return rows


def table(rows: list[dict[str, Any]], base: str) -> None:
    """Print per way the CPU-seconds, their ratio to the rival's (paired), and the accuracy."""
    print(f"\n{'':44} {'CPU-s':>7} {'ratio (range)':>20} {'per core-hour':>14} {'accuracy':>16}")
    for way in dict.fromkeys(row["way"] for row in rows):
        mine = [row for row in rows if row["way"] == way]
        theirs = [row for row in rows if row["way"] == base]
        seconds = [row["cpu_seconds"] for row in mine]
        ratios = [b["cpu_seconds"] / a["cpu_seconds"] for a, b in zip(mine, theirs, strict=True)]
        gain = [a["accuracy"] - b["accuracy"] for a, b in zip(mine, theirs, strict=True)]
        mean = statistics.mean(seconds)
        ratio = math.exp(statistics.mean(map(math.log, ratios)))
        print(
            f"{way:44} {mean:7.1f} {ratio:6.1f} ({min(ratios):.1f}-{max(ratios):.1f})".ljust(73)
            + f" {3600 / mean:14.0f} {statistics.mean(r['accuracy'] for r in mine):8.3f}"
            + f" ({100 * statistics.mean(gain):+.1f} pt)"
        )


def rival(
    setting: dict[str, Any], architectures: list[dict[str, Any]], threads: int | None
) -> list[dict[str, Any]]:
    """Run the script in a process of its own; one row per architecture."""
    work = Path(setting["work"])
    (work / "architectures.json").write_text(json.dumps(architectures))
    command = [sys.executable, "-P", str(SCRIPT), "--folder", setting["folder"]]
    command += ["--space", str(work / "space.json")]
    command += ["--architectures", str(work / "architectures.json")]
    command += ["--images", str(setting["images"]), "--epochs", str(setting["epochs"])]
    command += ["--validation-images", str(setting["validation"])]
    command += ["--threads", str(threads)] if threads else []
    environment = dict(os.environ)
    if not threads:  # as people run it: torch takes all cores
        environment.pop("OMP_NUM_THREADS", None)
    return _lines(command, environment)


def ours(setting: dict[str, Any], architecture: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Train once in a process of its own."""
    job = {**setting, "architecture": architecture, "recipe": msgspec.to_builtins(recipe)}
    command = [sys.executable, "-P", __file__, "--one", json.dumps(job)]
    return _lines(command, dict(os.environ))[0]


def _lines(command: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def one_training(job: dict[str, Any]) -> dict[str, Any]:
    """Train one architecture as a worker does; called in a fresh process."""
    keep_memory()
    dataset = load_data(job["data"], cache=Path(job["work"]) / "cache")
    space = SearchSpace.from_config(SPACE, dataset.input_shape, len(dataset.classes))
    architecture = space.architecture(job["architecture"])
    recipe = msgspec.convert(job["recipe"], Recipe)
    first = _with(recipe, epochs=1, images=64, validation_images=64)
    train(lambda: space.build(architecture), dataset, first, device="cpu")
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = train(lambda: space.build(architecture), dataset, recipe, device="cpu")
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "accuracy": result.accuracy,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": spent,
        "signal": result.signal,
    }


def processor() -> str:
    """Return the name of this machine's processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
