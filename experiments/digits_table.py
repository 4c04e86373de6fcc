"""Trains every network of a small space on the digits, at every rung, and records the results.

    python experiments/digits_table.py experiments/records/digits_table.json --workers 3

The record is what ``experiments/benchmarks/search.py`` needs to compare searches on real trainings
without training again: accuracy, signal and CPU seconds of each architecture, rung and seed,
the training loss of each epoch of the full trainings, and exact costs. An interrupted run continues
where it stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from plugnas.nas.cost import NetworkCost
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.nas.proxy.zero_cost import SCORES
from plugnas.space import SearchSpace

SPACE: dict[str, Any] = {
    "stem": {"width": 8},
    "stages": [
        {"width": 8, "depth": 1},
        {"width": [8, 16], "depth": [1, 2], "stride": 2},
    ],
    "slots": {
        "operator": {"choices": ["conv", "depthwise_separable", "ghost"], "scope": "stage"},
        "attention": {"choices": ["none", "se", "eca"], "scope": "stage"},
    },
}
EPOCHS = (2, 6, 18)
RECIPES = tuple(Recipe(epochs=e, schedule="trapezoid") for e in EPOCHS)
FIELDS = ("id", "rung", "seed", "signal", "accuracy", "cpu_seconds", "losses")
SCORED = tuple(Recipe(zero_cost=name) for name in SCORES)
FULL = len(SCORED) + len(RECIPES) - 1

_evaluate: Any = None


def main() -> None:
    """Train what is not recorded yet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    space = SearchSpace.from_config(SPACE, input_shape=(1, 8, 8), classes=10)
    record = _load(arguments.path, space)
    done = {(r[0], r[1], r[2]) for r in record["measurements"]}
    todo = [t for t in _tasks(space, arguments.seeds) if t.key not in done]
    print(f"{space.size} networks, {len(done)} trainings recorded, {len(todo)} to do")
    with ProcessPoolExecutor(arguments.workers, initializer=_start) as pool:
        for count, row in enumerate(pool.map(_measure, todo, chunksize=4), start=1):
            record["measurements"].append(row)
            if count % 100 == 0 or count == len(todo):
                _save(arguments.path, record)
                print(f"{count} of {len(todo)}", flush=True)


def _tasks(space: SearchSpace, seeds: int) -> Iterator[Task]:
    """Yield every training, the full ones first; the first rungs are the zero-cost scores."""
    members = [a for codes in space.enumerate() for a in space.architectures(codes)]
    for rung in reversed(range(len(SCORED) + len(RECIPES))):
        for seed in range(seeds if rung >= len(SCORED) else 1):
            for number, architecture in enumerate(members):
                yield Task(number, architecture, rung, seed)


def _start() -> None:
    global _evaluate
    torch.set_num_threads(1)
    _evaluate = Proxy("digits", rungs=(*SCORED, *RECIPES), device="cpu")()


def _measure(task: Task) -> list[Any]:
    """Return one row of the record, in the order of ``FIELDS``."""
    result = _evaluate(task)
    accuracy = result["values"].get("accuracy")
    return [
        task.architecture.id,
        task.rung,
        task.seed,
        _short(result["signal"]),
        None if accuracy is None else _short(accuracy),
        round(result["cpu_seconds"], 3),
        [float(f"{p['train_loss']:.4g}") for p in result["curve"]] if task.rung == FULL else [],
    ]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _load(path: Path, space: SearchSpace) -> dict[str, Any]:
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        return record
    cost = NetworkCost(space)
    members = [a for codes in space.enumerate() for a in space.architectures(codes)]
    return {
        "space": SPACE,
        "rungs": [*SCORES, *(f"{e} epochs" for e in EPOCHS)],
        "machine": f"{platform.processor() or platform.machine()}, torch {torch.__version__}",
        "costs": {a.id: {k: round(v, 1) for k, v in cost.cost(a).items()} for a in members},
        "fields": FIELDS,
        "measurements": [],
    }


def _save(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record, separators=(",", ":")).replace("],[", "],\n["))
    draft.replace(path)


if __name__ == "__main__":
    main()
