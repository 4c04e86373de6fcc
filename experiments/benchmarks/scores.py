"""How well scores of untrained networks rank networks by what long trainings made of them.

    python experiments/benchmarks/scores.py experiments/cifar10.yaml            # 40 on CIFAR-10
    python experiments/benchmarks/scores.py digits --out scores.json            # all 324 on digits
    python experiments/benchmarks/scores.py digits --gain scores.json           # in a search

The truth is recorded: the accuracy of the long training of `fidelity_cifar10.json`, or the mean
accuracy of the last rung of `digits_table.json`. Every network is built anew and scored on one
batch of 32 training images at full size (seed 0, one thread). Kendall's tau, within thirds of
FLOPs too (where FLOPs say nothing), with the 95 % bootstrap over architectures, and CPU-seconds.
`--gain` searches the table of digits with the predictor, with and without these scores as hints.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks import search_tables
from plugnas.nas import tasks
from plugnas.nas.data import load, parse
from plugnas.nas.job import config as jobs
from plugnas.nas.latency.statistics import kendall_tau
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.proxy.scorer import Scorer
from plugnas.nas.proxy.zero_cost import SCORES
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.scored import Scored
from plugnas.space import Architecture, SearchSpace

RECORDS = Path(__file__).parents[1] / "records"


def of_cifar(job_path: Path) -> tuple[list[Architecture], np.ndarray, np.ndarray, Scorer]:
    """Return networks, their accuracies and FLOPs, and what scores them."""
    record = json.loads((RECORDS / "fidelity_cifar10.json").read_text())
    job = jobs.load(job_path)
    dataset = load(parse(job.data or {}).at(job_path.parent))
    space = SearchSpace.from_config(job.space, dataset.input_shape, len(dataset.classes))
    rows = [dict(zip(record["fields"], row, strict=True)) for row in record["measurements"]]
    long = {row["id"]: row for row in rows if str(row["recipe"]).startswith("long: 32 px")}
    names = [name for name in record["architectures"] if name in long]
    networks = [space.adopt(record["architectures"][name]) for name in names]
    accuracy = np.array([long[name]["accuracy"] for name in names])
    flops = np.array([record["costs"][name]["flops"] for name in names])
    task = tasks.create(tasks.DEFAULT).prepared(dataset)
    return networks, accuracy, flops, Scorer(space.build, dataset, task, tuple(SCORES))


def of_digits(path: Path) -> tuple[list[Architecture], np.ndarray, np.ndarray, Scorer]:
    """The same of the table of digits, in which every architecture was trained."""
    table = search_tables.digits(path)
    codes = np.concatenate(list(table.space.enumerate()))
    networks = table.space.architectures(codes)
    places = [table.of(a) for a in networks]
    dataset = load(parse("digits"))
    task = tasks.create(tasks.DEFAULT).prepared(dataset)
    scorer = Scorer(table.space.build, dataset, task, tuple(SCORES))
    return networks, table.accuracy[places], table.flops[places], scorer


def gain(table_path: Path, scores_path: Path, names: tuple[str, ...], seeds: int) -> None:
    """Print hypervolume in percent of the table's, with and without scores as hints."""
    table = search_tables.digits(table_path)
    scores = json.loads(scores_path.read_text())
    marks = (8, 12, 16, 25, 40)
    rows: dict[str, list[list[float]]] = {"alone": [], "scores": []}
    for seed in range(seeds):
        for kind, row in rows.items():
            objectives = {"accuracy": "max", "flops": "min"}
            problem = Problem(table.space, objectives, cost=table, seed=seed)
            if kind == "scores":
                hint = Scored(problem, lambda a: scores[a.id], names, beside=False)
                problem = replace(problem, hints=(hint,))
            sampler = create("predictor", problem)
            places = []
            for number in range(max(marks)):
                asked = sampler.ask(number)
                places.append(table.of(asked))
                values = {"accuracy": float(table.accuracy[places[-1]])}
                sampler.tell(Measurement(number, asked, 0, 0, "ok", values))
            found = [table.hypervolume(np.array(places[:mark])) for mark in marks]
            row.append([100 * volume / table.volume for volume in found])
    print(f"digits, {seeds} seeds, scores {', '.join(names)}; hypervolume in percent, mean")
    for kind, row in rows.items():
        told = [f"{mark}: {v:.2f}" for mark, v in zip(marks, np.mean(row, axis=0), strict=True)]
        print(kind, *told)
    more = np.array(rows["scores"]) - np.array(rows["alone"])
    error = more.std(axis=0, ddof=1) / np.sqrt(seeds)
    told = zip(more.mean(axis=0), error, strict=True)
    print("gain", *(f"{g:+.2f} ± {e:.2f}" for g, e in told), flush=True)


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", type=Path, help="the job of the networks, or `digits`")
    parser.add_argument("--table", type=Path, default=RECORDS / "digits_table.json")
    parser.add_argument("--out", type=Path, help="keep the scores as JSON")
    parser.add_argument("--gain", type=Path, help="scores as `--out` keeps them; searches digits")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--names", nargs="+", default=list(SCORES), help="scores; by default all")
    arguments = parser.parse_args()
    if arguments.gain is not None:
        gain(arguments.table, arguments.gain, tuple(arguments.names), arguments.seeds)
        return
    on_digits = str(arguments.job) == "digits"
    found = of_digits(arguments.table) if on_digits else of_cifar(arguments.job)
    networks, accuracy, flops, scorer = found
    seconds = {}
    scores: dict[str, list[float]] = {}
    for name in arguments.names:
        one = Scorer(scorer.build, scorer.dataset, scorer.task, (name,))
        start = time.process_time()
        scores[name] = [one(a)[name] for a in networks]
        seconds[name] = (time.process_time() - start) / len(networks)
    if arguments.out is not None:
        kept = {a.id: {n: scores[n][i] for n in arguments.names} for i, a in enumerate(networks)}
        arguments.out.write_text(json.dumps(kept))
    thirds = np.array_split(np.argsort(flops, kind="stable"), 3)
    print(f"{len(networks)} networks")
    print("| score | tau | within thirds of FLOPs | not finite | CPU-s, building included |")
    print("|---|---|---|---|---|")
    told = {"FLOPs alone": flops, **{name: np.array(v) for name, v in scores.items()}}
    for name, values in told.items():
        fine = np.isfinite(values)
        values = np.where(fine, values, np.nanmin(np.where(fine, values, np.nan)))
        spent = seconds.get(name, 0.0)
        print(
            f"| {name} | {_tau(values, accuracy, [np.arange(len(values))])} | "
            f"{_tau(values, accuracy, thirds)} | {(~fine).sum()} | {spent:.2f} |",
            flush=True,
        )


def _tau(values: np.ndarray, truth: np.ndarray, groups: list[np.ndarray]) -> str:
    """Return the mean tau within groups, with its interval."""
    rng = np.random.default_rng(0)

    def mean(chosen: list[np.ndarray]) -> float:
        return float(np.nanmean([kendall_tau(values[g], truth[g]) for g in chosen]))

    drawn = [mean([g[rng.integers(len(g), size=len(g))] for g in groups]) for _ in range(400)]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return f"{mean(groups):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
