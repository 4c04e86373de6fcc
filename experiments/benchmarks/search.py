"""Compares searches on spaces of which every result is known: evaluations until the front is found.

search.py table nas-bench-macro_cifar10.json           two objectives
search.py table nas-bench-macro_cifar10.json --noisy   one training each
search.py budget nas-bench-macro_cifar10.json          accuracy within 40e6 FLOPs
search.py table experiments/records/digits_table.json  our own space
search.py rungs experiments/records/digits_table.json  training seconds
search.py time                                          per proposal

Rows are medians over seeds with quartiles. Hypervolume is that of the true values of what was
evaluated, in percent of the table's; errors and FLOPs are scaled to the table's range and the
reference is the worst of each. Optuna's samplers run as in a user's script: what they propose twice
counts twice, and violations are told in the form they learn from. Seeds are the outer loop, so that
all rows are measured over the same hours.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import optuna

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.benchmarks import search_tables
from experiments.benchmarks.search_rungs import compare_rungs
from experiments.benchmarks.search_tables import Table
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.space import Architecture, SearchSpace

OURS = ("predictor", "evolution")
OPTUNA: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "optuna random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "optuna tpe (default)": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "optuna tpe multivariate": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=True
    ),
    "optuna nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "optuna nsga2 population 20": lambda seed: optuna.samplers.NSGAIISampler(
        seed=seed, population_size=20
    ),
    "optuna nsga3": lambda seed: optuna.samplers.NSGAIIISampler(seed=seed),
}
LIMIT = 40e6


def ours(
    name: str, table: Table, seed: int, budget: float | None
) -> Iterator[tuple[int, Callable]]:
    """Yield what one of our samplers asks for, and how to tell it the accuracy."""
    objectives = {"accuracy": "max"} if budget else {"accuracy": "max", "flops": "min"}
    limits = {"flops": budget} if budget else {}
    sampler = create(name, Problem(table.space, objectives, limits, table, seed))
    number = 0
    while True:
        asked = sampler.ask(number)

        def tell(accuracy: float, number: int = number, asked: object = asked) -> None:
            sampler.tell(Measurement(number, asked, 0, 0, "ok", {"accuracy": accuracy}))

        yield table.of(asked), tell
        number += 1


def rival(
    name: str, table: Table, seed: int, budget: float | None
) -> Iterator[tuple[int, Callable]]:
    """Yield what one of Optuna's samplers asks for, and how to tell it the accuracy."""
    directions = ["maximize"] if budget else ["maximize", "minimize"]
    study = optuna.create_study(directions=directions, sampler=OPTUNA[name](seed))
    while True:
        trial = study.ask()
        place = table.of(table.space.suggest(trial))
        flops = float(table.flops[place])
        if budget:
            trial.set_constraint("flops", flops / budget - 1)

        def tell(accuracy: float, trial: optuna.Trial = trial, flops: float = flops) -> None:
            study.tell(trial, [accuracy] if budget else [accuracy, flops])

        yield place, tell


def evaluated(
    name: str, table: Table, seed: int, count: int, *, noisy: bool, budget: float | None = None
) -> np.ndarray:
    """Return the places of the first ``count`` evaluations of a search."""
    rng = np.random.default_rng(10_000 + seed)
    search = (ours if name in OURS else rival)(name, table, seed, budget)
    places = []
    for _ in range(min(count, len(table.ids)) if name in OURS else count):
        place, tell = next(search)
        places.append(place)
        singles = table.singles[place]
        tell(float(singles[rng.integers(len(singles))] if noisy else table.accuracy[place]))
    return np.array(places)


def compare_table(table: Table, seeds: int, count: int, *, noisy: bool) -> None:
    """Print hypervolume by evaluations, and evaluations to 99 % and 99.9 % of it."""
    rows: dict[str, list[list[float]]] = {name: [] for name in (*OURS, *OPTUNA)}
    for seed in range(seeds):
        for name, row in rows.items():
            places = evaluated(name, table, seed, count, noisy=noisy)
            share = [
                100 * table.hypervolume(places[: k + 1]) / table.volume for k in range(len(places))
            ]
            share += share[-1:] * (count - len(share))
            marks = [share[min(k, count) - 1] for k in (25, 50, 100, 200)]
            reached = [
                next((k + 1 for k, v in enumerate(share) if v >= g), np.inf) for g in (99, 99.9)
            ]
            row.append([*marks, *reached, float(len(set(places.tolist())))])
    head = ["HV % at 25", "at 50", "at 100", "at 200", "to 99 %", "to 99.9 %", "distinct"]
    _show(rows, head, f"{len(table.ids)} architectures, {seeds} seeds, {count} evaluations")


def compare_budget(table: Table, seeds: int, count: int, *, noisy: bool) -> None:
    """Print the search for the best accuracy within a limit of FLOPs."""
    inside = table.flops <= LIMIT
    best = table.accuracy[inside].max()
    rows: dict[str, list[list[float]]] = {name: [] for name in (*OURS, *OPTUNA)}
    for seed in range(seeds):
        for name, row in rows.items():
            places = evaluated(name, table, seed, count, noisy=noisy, budget=LIMIT)
            value = np.where(inside[places], table.accuracy[places], -np.inf)
            gap = 100 * (best - np.maximum.accumulate(value))
            marks = [gap[min(k, count) - 1] for k in (25, 50, 100, 200)]
            found = next((k + 1 for k, v in enumerate(gap) if v <= 1e-9), np.inf)
            row.append([*marks, found, float((~inside[places]).sum())])
    head = ["points below the best at 25", "at 50", "at 100", "at 200", "to the best", "infeasible"]
    _show(rows, head, f"accuracy within {LIMIT:g} FLOPs, {seeds} seeds, {count} evaluations")


def _show(rows: dict[str, list[list[float]]], head: list[str], title: str) -> None:
    print(f"\n{title}; median (quartiles)")
    print(" | ".join(["sampler", *head]))
    for name, row in rows.items():
        low, middle, high = np.quantile(np.array(row), (0.25, 0.5, 0.75), axis=0, method="nearest")
        cells = [f"{_n(m)} ({_n(a)} {_n(b)})" for a, m, b in zip(low, middle, high, strict=True)]
        print(" | ".join([name, *cells]), flush=True)


def _n(value: float) -> str:
    return "never" if np.isinf(value) else f"{value:.2f}".rstrip("0").rstrip(".")


def compare_time(counts: list[int], repeats: int) -> None:
    """Print the CPU time per proposal (ask and tell) after so many measurements, 12 x 100."""
    rng = np.random.default_rng(0)
    space = SearchSpace({f"slot{i}": [f"m{j}" for j in range(100)] for i in range(12)})
    worth, load = rng.normal(size=(12, 100)), rng.uniform(1, 5, (12, 100))
    columns = np.arange(12)

    class Cost:
        names = ("flops",)

        def costs_of(self, asked: object) -> dict[str, np.ndarray]:
            codes = asked if isinstance(asked, np.ndarray) else space.codes(asked)
            return {"flops": load[columns, codes].sum(axis=1)}

        def cost(self, asked: object) -> dict[str, float]:
            return {"flops": float(self.costs_of([asked])["flops"][0])}

    problem = Problem(space, {"accuracy": "max", "flops": "min"}, cost=Cost())
    for count in counts:
        codes = space.sample_codes(count + repeats, rng)
        values = 0.9 - 0.1 * np.exp(-worth[columns, codes].sum(axis=1) / 10)
        architectures = space.architectures(codes)
        flops = load[columns, codes].sum(axis=1)
        for name in OURS:
            step = _our_step(name, problem, architectures[:count], values)
            _print_time(count, name, step, repeats)
        for name in ("optuna tpe (default)", "optuna tpe multivariate", "optuna nsga2"):
            step = _rival_step(name, space, architectures[:count], values, flops)
            _print_time(count, name, step, repeats)


def _our_step(
    name: str, problem: Problem, told: list[Architecture], values: np.ndarray
) -> Callable[[int], None]:
    sampler = create(name, problem)

    def tell(number: int, asked: Architecture) -> None:
        accuracy = {"accuracy": float(values[number])}
        sampler.tell(Measurement(number, asked, 0, 0, "ok", accuracy))

    for number, asked in enumerate(told):
        tell(number, asked)
    return lambda k: tell(len(told) + k, sampler.ask(len(told) + k))


def _rival_step(
    name: str, space: SearchSpace, told: list[Architecture], values: np.ndarray, flops: np.ndarray
) -> Callable[[int], None]:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=OPTUNA[name](0))
    kinds = {
        p.name: optuna.distributions.CategoricalDistribution(p.choices) for p in space.parameters
    }
    for number, asked in enumerate(told):
        pair = [float(values[number]), float(flops[number])]
        study.add_trial(
            optuna.create_trial(
                params=asked.values,
                distributions=kinds,
                values=pair,
                system_attrs={"NSGAIISampler:generation": number // 50},  # as NSGA-II writes it
            )
        )

    def step(k: int) -> None:
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, [float(values[len(told) + k]), float(flops[len(told) + k])])

    return step


def _print_time(count: int, name: str, step: Callable[[int], None], repeats: int) -> None:
    times = []
    for k in range(repeats):
        start = time.process_time()
        step(k)
        times.append(1e3 * (time.process_time() - start))
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{count} measurements, {name}: {middle:.0f} ms ({low:.0f} {high:.0f}), most "
        f"{max(times):.0f}; process {memory} MB",
        flush=True,
    )


def main() -> None:
    """Run one comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["table", "budget", "rungs", "time"])
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--goal", type=float, default=99, help="percent, of `rungs`")
    parser.add_argument("--noisy", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    if arguments.what == "time":
        compare_time([1000, 10_000], repeats=20)
        return
    if arguments.path is None:
        parser.error(f"`{arguments.what}` needs the path of a table")
    is_macro = "macro" in arguments.path.name
    table = (search_tables.macro if is_macro else search_tables.digits)(arguments.path)
    if arguments.what == "rungs":
        compare_rungs(table, arguments.seeds, arguments.goal)
    else:
        compare = compare_table if arguments.what == "table" else compare_budget
        compare(table, arguments.seeds, arguments.evaluations, noisy=arguments.noisy)


if __name__ == "__main__":
    main()
