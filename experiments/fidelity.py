"""How well cheap trainings rank networks as long ones do: Kendall's tau per second, with controls.

    OMP_NUM_THREADS=1 python experiments/fidelity.py experiments/cifar10.yaml \\
        experiments/records/fidelity_cifar10.json --workers 4

Draws architectures of a job's space within its budget, evenly in log FLOPs, trains each by the
long recipe and by every candidate, and prints a table in Markdown. The record keeps every training;
an interrupted run continues where it stopped, and with ``--workers 0`` only the table is made.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from plugnas.nas.cost import NetworkCost
from plugnas.nas.data import DataSpec
from plugnas.nas.job.config import Job, load
from plugnas.nas.job.prepared import prepare
from plugnas.nas.latency.statistics import kendall_tau
from plugnas.nas.ledger.measurement import Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.space import Architecture, SearchSpace

Array = NDArray[np.float64]
TRUTH = "long: 32 px, 10,000 images x 6"
SCRIPT = "script: 32 px, 5,000 x 3, constant rate"
SHORT, LONGEST = "16 px, 2,000 x 3", "16 px, 10,000 x 9, trapezoid"
CONSTANT: dict[str, Any] = {
    "schedule": "trapezoid",
    "warmup": 0.0,
    "cooldown": 0.0,
    "learning_rate": 0.05,
}
RECIPES = {
    TRUTH: Recipe(images=10000, epochs=6),
    SCRIPT: Recipe(images=5000, epochs=3, validation_images=2000, **CONSTANT),
    "8 px, 2,000 x 3": Recipe(resolution=8, images=2000, validation_images=2000),
    "8 px, 5,000 x 3, batch 128": Recipe(
        resolution=8, images=5000, batch_size=128, learning_rate=0.15, validation_images=2000
    ),
    "12 px, 2,000 x 3": Recipe(resolution=12, images=2000, validation_images=2000),
    "12 px, 5,000 x 3": Recipe(resolution=12, images=5000, validation_images=2000),
    "12 px, 5,000 x 3, batch 128": Recipe(
        resolution=12, images=5000, batch_size=128, learning_rate=0.15, validation_images=2000
    ),
    "16 px, 1,000 x 3": Recipe(resolution=16, images=1000, validation_images=1000),
    "16 px, 2,000 x 2": Recipe(resolution=16, images=2000, epochs=2, validation_images=1000),
    SHORT: Recipe(resolution=16, images=2000, validation_images=2000),
    "16 px, 5,000 x 3": Recipe(resolution=16, images=5000, validation_images=2000),
    "16 px, 10,000 x 3": Recipe(resolution=16, images=10000, validation_images=5000),
    LONGEST: Recipe(
        resolution=16,
        images=10000,
        epochs=9,
        schedule="trapezoid",
        validation_images=5000,
        validate_every_epoch=True,
    ),
    "NASWOT, 16 px": Recipe(resolution=16, zero_cost="naswot"),
    "synflow, 16 px": Recipe(resolution=16, zero_cost="synflow"),
}
BEGINNINGS = (1, 2, 3, 5)  # epochs of the longest whose losses are judged as a rung of their own
CLASSES = 3
FIELDS = ("id", "recipe", "seed", "accuracy", "signal", "cpu_seconds", "train_losses", "accuracies")

_evaluate: Any = None


def main() -> None:
    """Train what is not recorded yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--architectures", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.workers:
        _train(arguments)
    print(table(json.loads(arguments.record.read_text())))


def _train(arguments: argparse.Namespace) -> None:
    job, base = load(arguments.job), arguments.job.parent.resolve()
    space = prepare(job, base).space
    record = _load(arguments.record, job, space, arguments.architectures)
    done = {tuple(row[:3]) for row in record["measurements"]}
    members = [space.architecture(values) for values in record["architectures"].values()]
    todo = [
        task
        for task in _tasks(members)
        if (task.architecture.id, list(RECIPES)[task.rung], task.seed) not in done
    ]
    print(f"{len(members)} architectures, {len(done)} trainings recorded, {len(todo)} to do")
    data = job.data if isinstance(job.data, dict) else str((base / job.data).resolve())
    with ProcessPoolExecutor(arguments.workers, initializer=_start, initargs=(data,)) as p:
        for row in p.map(_measure, todo):
            record["measurements"].append(row)
            _save(arguments.record, record)


def _tasks(members: list[Architecture]) -> Iterator[Task]:
    """Yield every training, architecture by architecture: the longest and second seeds last."""
    passes = ((0, set(RECIPES) - {LONGEST}), (0, {LONGEST}), (1, {TRUTH, SHORT}))
    for seed, names in passes:
        for number, architecture in enumerate(members):
            for rung, name in enumerate(RECIPES):
                if name in names:
                    yield Task(number, architecture, rung, seed)


def _start(data: DataSpec | dict[str, Any] | str) -> None:
    global _evaluate
    torch.set_num_threads(1)
    _evaluate = Proxy(data, rungs=tuple(RECIPES.values()), device="cpu")()


def _measure(task: Task) -> list[Any]:
    """Return one row of the record, in the order of ``FIELDS``."""
    result = _evaluate(task)
    curve = result.get("curve", ())
    return [
        task.architecture.id,
        list(RECIPES)[task.rung],
        task.seed,
        result["values"].get("accuracy"),
        float(f"{result['signal']:.6g}"),
        round(result["cpu_seconds"], 2),
        [round(point["train_loss"], 4) for point in curve],
        [round(point["accuracy"], 4) for point in curve if "accuracy" in point],
    ]


def _load(path: Path, job: Job, space: SearchSpace, count: int) -> dict[str, Any]:
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        return record
    cost = NetworkCost(space)
    members = _drawn(space, cost, job.limits, count)
    return {
        "machine": f"{platform.processor() or platform.machine()}, torch {torch.__version__}",
        "architectures": {a.id: a.values for a in members},
        "costs": {a.id: cost.cost(a) for a in members},
        "fields": FIELDS,
        "measurements": [],
    }


def _drawn(
    space: SearchSpace, cost: NetworkCost, limits: dict[str, float], count: int
) -> list[Architecture]:
    """Return random members within the limits, evenly spread in log FLOPs."""
    rng = np.random.default_rng(0)
    pool = space.architectures(space.sample_codes(60 * count, rng))
    costs = [cost.cost(a) for a in pool]
    fits = [i for i, c in enumerate(costs) if all(c[n] <= limit for n, limit in limits.items())]
    logs = np.log([costs[i]["flops"] for i in fits])
    chosen: list[int] = []
    for goal in np.linspace(logs.min(), logs.max(), count):
        for i in np.argsort(np.abs(logs - goal), kind="stable"):
            if i not in chosen:
                chosen.append(int(i))
                break
    return [pool[fits[i]] for i in rng.permutation(chosen)]  # fair also if interrupted


def _save(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(record, separators=(",", ":")).replace("],[", "],\n["))
    draft.replace(path)


# --- the table ----------------------------------------------------------------------------------


def table(record: dict[str, Any]) -> str:
    """Return tau against the long training, overall and within classes of FLOPs, in Markdown."""
    measured = _Measured(record)
    names = measured.known(TRUTH)
    truth, flops = measured.column(TRUTH, "accuracy", names), measured.flops(names)
    seconds = measured.column(TRUTH, "cpu_seconds", names).mean()
    lines = [
        f"{len(names)} architectures of {np.exp(flops.min()) / 1e6:.1f} to "
        f"{np.exp(flops.max()) / 1e6:.1f} MFLOPs; accuracy by the long training "
        f"{100 * truth.min():.1f} to {100 * truth.max():.1f} % (standard deviation "
        f"{100 * truth.std():.1f}), {seconds:.0f} CPU-s each; {record['machine']}. Brackets: 95 % "
        "bootstrap over architectures; the last two columns are differences of tau.",
        "",
        "| score | n | CPU-s | tau | within thirds of FLOPs | above FLOPs | above the script |",
        "|---|---|---|---|---|---|---|",
        *(_line(score, measured) for score in _scores(measured)),
    ]
    again = measured.known(TRUTH, 1)
    if len(again) > 2 * CLASSES:
        first, second = (measured.column(TRUTH, "accuracy", again, seed) for seed in (0, 1))
        ceiling, spread = kendall_tau(first, second), (first - second).std() / np.sqrt(2)
        lines += [
            "",
            f"Two seeds of the long training agree by tau {ceiling:.2f} ({len(again)} "
            f"architectures); a training's standard deviation is {100 * spread:.2f} points.",
        ]
    return "\n".join(lines)


class _Measured:
    """The record's measurements by recipe, seed and architecture."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._costs = record["costs"]
        self._rows: dict[tuple[str, int], dict[str, list[Any]]] = {}
        for row in record["measurements"]:
            self._rows.setdefault((row[1], row[2]), {})[row[0]] = row

    def known(self, recipe: str, seed: int = 0) -> list[str]:
        """Return the architectures that have both this training and the long one."""
        truths, own = self._rows.get((TRUTH, 0), {}), self._rows.get((recipe, seed), {})
        return [name for name in self._costs if name in truths and name in own]

    def column(self, recipe: str, field: str, names: list[str], seed: int = 0) -> Array:
        """Return one field of the architectures' trainings."""
        place = FIELDS.index(field)
        return np.array([self._rows[recipe, seed][name][place] for name in names], dtype=float)

    def losses(self, recipe: str, name: str) -> list[float]:
        """Return the training losses of one training by epoch."""
        losses: list[float] = self._rows[recipe, 0][name][FIELDS.index("train_losses")]
        return losses

    def flops(self, names: list[str]) -> Array:
        """Return the logarithm of the FLOPs."""
        return np.log([self._costs[name]["flops"] for name in names])


class _Score(NamedTuple):
    """What ranks architectures without the long training."""

    name: str
    names: list[str]
    values: Array
    seconds: float


def _scores(measured: _Measured) -> Iterator[_Score]:
    names = measured.known(TRUTH)
    yield _Score("FLOPs alone (control)", names, measured.flops(names), 0.0)
    for recipe, rule in RECIPES.items():
        names = measured.known(recipe)
        if recipe == TRUTH or len(names) < 2 * CLASSES:
            continue
        seconds = float(measured.column(recipe, "cpu_seconds", names).mean())
        signal = measured.column(recipe, "signal", names)
        if rule.zero_cost is not None:
            yield _Score(f"{recipe} (control)", names, signal, seconds)
            continue
        accuracy = measured.column(recipe, "accuracy", names)
        mean = f"{100 * accuracy.mean():.1f} % on average"
        yield _Score(f"{recipe}: accuracy ({mean})", names, accuracy, seconds)
        yield _Score(f"{recipe}: training losses", names, signal, seconds)
        last = -np.array([measured.losses(recipe, name)[-1] for name in names])
        yield _Score(f"{recipe}: last training loss", names, last, seconds)
        again = [name for name in measured.known(recipe, 1) if name in names]
        if len(again) >= 2 * CLASSES:
            one, two = (measured.column(recipe, "signal", again, seed) for seed in (0, 1))
            yield _Score(f"{recipe}, two seeds: training losses", again, one + two, 2 * seconds)
    names = measured.known(LONGEST)
    if len(names) < 2 * CLASSES:
        return
    losses = np.array([measured.losses(LONGEST, name) for name in names])
    seconds = float(measured.column(LONGEST, "cpu_seconds", names).mean())
    for epochs in BEGINNINGS:
        share, name = epochs / RECIPES[LONGEST].epochs, f"{LONGEST}, at epoch {epochs}"
        summed = -losses[:, :epochs].sum(axis=1)
        yield _Score(f"{name}: training losses", names, summed, share * seconds)
        last = -losses[:, epochs - 1]
        yield _Score(f"{name}: last training loss", names, last, share * seconds)


def _line(score: _Score, measured: _Measured) -> str:
    names = score.names
    truth, flops = measured.column(TRUTH, "accuracy", names), measured.flops(names)
    classes = np.argsort(np.argsort(flops)) * CLASSES // len(flops)

    def tau(values: Array, i: NDArray[np.int64]) -> float:
        return kendall_tau(values[i], truth[i])

    def within(i: NDArray[np.int64]) -> float:
        groups = [i[classes[i] == k] for k in range(CLASSES)]
        taus = [tau(score.values, group) for group in groups if len(group) > 2]
        return float(np.nanmean(taus)) if taus else np.nan

    cells = [
        _interval(lambda i: tau(score.values, i), len(names)),
        _interval(within, len(names)),
    ]
    for other in (flops, _of_script(measured, names)):
        if other is None or np.array_equal(other, score.values):
            cells.append("")
        else:
            cells.append(_interval(_above(tau, score.values, other), len(names)))
    return " | ".join([f"| {score.name}", str(len(names)), f"{score.seconds:.2g}", *cells]) + " |"


def _above(
    tau: Callable[[Array, NDArray[np.int64]], float], values: Array, other: Array
) -> Callable[[NDArray[np.int64]], float]:
    return lambda i: tau(values, i) - tau(other, i)


def _of_script(measured: _Measured, names: list[str]) -> Array | None:
    known = set(measured.known(SCRIPT))
    return measured.column(SCRIPT, "accuracy", names) if known.issuperset(names) else None


def _interval(
    statistic: Callable[[NDArray[np.int64]], float], count: int, draws: int = 1000
) -> str:
    rng = np.random.default_rng(0)
    values = [statistic(rng.integers(0, count, count)) for _ in range(draws)]
    low, high = np.nanquantile(values, (0.025, 0.975))
    return f"{statistic(np.arange(count)):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
