"""Does a front on few images have the order of a long training? Kendall's tau, before and after.

    OMP_NUM_THREADS=1 python experiments/small_sets.py FOLDER experiments/records/small_sets.json \\
        --name photographs --size 24 --images 100 300 1000 5000

A given number of images of a folder of class folders is kept: four in five to train on, one in five
to validate. Twelve random architectures, evenly spread in log FLOPs, are trained on them by the
last rung of the default recipe in two ways: "before" with norms' statistics as the training left
them and three epochs however few steps that is; "after" as plugnas does it. The truth is the
accuracy of the long recipe (that of `nas confirm`) on images kept apart, mean over the seeds.
Without FOLDER the tables of the record are printed; an interrupted record continues where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import torch
from torch import nn

from plugnas.nas.confirm.statistics import kendall
from plugnas.nas.cost import NetworkCost
from plugnas.nas.data import Dataset, load, parse
from plugnas.nas.data.split import stratified
from plugnas.nas.proxy import Recipe, default_rungs, steps_of, train
from plugnas.nas.proxy import training as proxy_training
from plugnas.nas.proxy.defaults import confirmation_of
from plugnas.space import Architecture, SearchSpace

SPACE: dict[str, Any] = {
    "stem": {"width": [8, 16]},
    "stages": [
        {"width": [8, 16], "depth": [1, 2]},
        {"width": [16, 32], "depth": [1, 2], "stride": 2},
        {"width": [32, 64], "depth": [1, 2], "stride": 2},
    ],
    "slots": {
        "operator": ["conv", "depthwise_separable", "ghost"],
        "attention": ["none", "se", "eca"],
        "activation": {"choices": ["relu", "silu"], "scope": "network"},
    },
    "pooling": ["gap"],
}
JUDGED = 2000
BEFORE, AFTER, LONG = "before", "after", "long"


def main() -> None:
    """Train what is not recorded yet, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("record", type=Path)
    parser.add_argument("--name", default="photographs")
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--images", type=int, nargs="+", default=[300])
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2, help="of the long training")
    parser.add_argument("--resolution", type=int, help="of the long training (default: whole)")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        _measure(arguments)
    print(table(json.loads(arguments.record.read_text())))


def _measure(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    source = {"source": str(arguments.folder), "size": arguments.size, "limit": 8000}
    whole = load(parse(source))
    space = SearchSpace.from_config(SPACE, whole.input_shape, len(whole.classes))
    chosen = _spread(space, arguments.networks)
    record = _opened(arguments.record)
    done = {tuple(row[:5]) for row in record["rows"]}
    for images in arguments.images:
        dataset = _small(whole, images)
        for kind, recipe, seed in _trainings(dataset, arguments):
            for architecture in chosen:
                if (arguments.name, images, architecture.id, kind, seed) in done:
                    continue
                found = _trained(space, architecture, dataset, recipe, seed, kind)
                record["rows"].append([arguments.name, images, architecture.id, kind, seed, *found])
                arguments.record.write_text(_text(record))


def _trainings(
    dataset: Dataset, arguments: argparse.Namespace
) -> Iterator[tuple[str, Recipe, int]]:
    """Yield every kind of training with its recipe and seed."""
    last = default_rungs(dataset)[-1]
    plain = Recipe(resolution=last.resolution, epochs=3, images=10000, validation_images=5000)
    for seed in (0, 1):
        yield BEFORE, plain, seed
    for seed in (0, 1, 2):
        yield AFTER, last, seed
    long = confirmation_of(dataset.input_shape, len(dataset.train) + len(dataset.validation))
    long = msgspec.structs.replace(long, resolution=arguments.resolution)
    for seed in range(2, 2 + arguments.seeds):
        yield LONG, long, seed


def _trained(
    space: SearchSpace,
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    kind: str,
) -> list[float]:
    """Return accuracy, optimiser steps and CPU-seconds of one training."""
    long = kind == LONG
    learn = ("train", "validation") if long else ("train",)
    patch = mock.patch.object(proxy_training, "estimate_statistics", _left_alone)
    with patch if kind == BEFORE else mock.MagicMock():
        found = train(
            lambda: space.build(architecture),
            dataset,
            recipe,
            seed=seed,
            learn_from=learn,
            score_on="test" if long else "validation",
        )
    steps = steps_of(recipe, len(dataset.part(*learn)))
    return [round(found.accuracy, 5), steps, round(found.cpu_seconds, 2)]


def _left_alone(network: nn.Module, *others: object) -> None:
    """Leave the statistics as the training's running average made them."""
    network.eval()


def _small(whole: Dataset, images: int) -> Dataset:
    """Return a set of so many images to train and validate on, and others to judge by."""
    parts, labels = (whole.part("train", "validation"), whole.test), whole.labels.numpy()
    kept, judged = (
        part[torch.from_numpy(stratified(labels[part.numpy()], count, 0))]
        for part, count in zip(parts, (images, JUDGED), strict=True)
    )
    validation = stratified(labels[kept.numpy()], max(len(whole.classes), images // 5), 1)
    held = torch.zeros(len(kept), dtype=torch.bool)
    held[torch.from_numpy(validation)] = True
    return replace(whole, train=kept[~held], validation=kept[held], test=judged)


def _spread(space: SearchSpace, count: int) -> list[Architecture]:
    """Return random members, evenly spread in log FLOPs."""
    pool = space.architectures(space.sample_codes(40 * count, np.random.default_rng(0)))
    cost = NetworkCost(space)
    logs = np.log([cost.cost(a)["flops"] for a in pool])
    chosen: list[int] = []
    for goal in np.linspace(logs.min(), logs.max(), count):
        chosen.append(next(int(i) for i in np.argsort(np.abs(logs - goal)) if int(i) not in chosen))
    return [pool[i] for i in chosen]


def _opened(path: Path) -> dict[str, Any]:
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return {
        "machine": f"{platform.machine()}, torch {torch.__version__}, one thread",
        "begun": time.strftime("%Y-%m-%d"),
        "fields": ["set", "images", "id", "kind", "seed", "accuracy", "steps", "cpu_seconds"],
        "rows": [],
    }


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":")).replace("],[", "],\n[") + "\n"


def table(record: dict[str, Any]) -> str:
    """Return tau against the long training by number of images, in Markdown."""
    lines = [
        "| set | images | networks | steps before, after | tau before | tau after | "
        "accuracy before | accuracy after | long | chance before, after |",
        "|:--|--:|--:|--:|:--|:--|--:|--:|--:|--:|",
    ]
    kinds: dict[tuple[str, int], set[str]] = {}
    for row in record["rows"]:
        kinds.setdefault((row[0], row[1]), set()).add(row[3])
    groups = [group for group, made in kinds.items() if made >= {BEFORE, AFTER, LONG}]
    lines += [_line(name, images, record["rows"]) for name, images in groups]
    return "\n".join(lines)


def _line(name: str, images: int, rows: list[list[Any]]) -> str:
    of = {kind: _by_network(name, images, kind, rows) for kind in (BEFORE, AFTER, LONG)}
    known = [i for i in of[LONG] if i in of[BEFORE] and i in of[AFTER]]
    truth = [float(np.mean(of[LONG][i])) for i in known]
    cells: dict[str, list[str]] = {"tau": [], "mean": [], "chance": []}
    for kind in (BEFORE, AFTER):
        seeds = range(min((len(of[kind][i]) for i in known), default=0))
        taus = [kendall([of[kind][i][s] for i in known], truth) for s in seeds]
        cells["tau"].append("; ".join(f"{t.value:.2f} [{t.low:.2f}, {t.high:.2f}]" for t in taus))
        every = [value for i in known for value in of[kind][i]]
        cells["mean"].append(f"{100 * np.mean(every):.1f}")
        cells["chance"].append(f"{sum(v <= 0.12 for v in every)} of {len(every)}")
    steps = [
        next((row[6] for row in rows if row[:2] == [name, images] and row[3] == kind), 0)
        for kind in (BEFORE, AFTER)
    ]
    spread = f"{100 * np.mean(truth):.1f} ({100 * min(truth):.1f} to {100 * max(truth):.1f})"
    return (
        f"| {name} | {images:,} | {len(known)} | {steps[0]}, {steps[1]} | {cells['tau'][0]} | "
        f"{cells['tau'][1]} | {cells['mean'][0]} | {cells['mean'][1]} | {spread} | "
        f"{', '.join(cells['chance'])} |"
    )


def _by_network(name: str, images: int, kind: str, rows: list[list[Any]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[0] == name and row[1] == images and row[3] == kind:
            found.setdefault(row[2], []).append(row[5])
    return found


if __name__ == "__main__":
    main()
