"""The first evaluations of a search in large spaces whose costs are skewed.

search_start.py --tables 2 3 --seeds 5        share of the hypervolume at 15, 25, 50 evaluations

The tables are made from a number: 20 to 40 parameters, costs over two to three decades. `additive`
sums over the parts of a network, `scaled` multiplies by resolution and width, and in `unrelated`
no cost says anything about accuracy, so that whoever counts on it loses there. Hypervolume is that
of error over log cost, the reference a tenth of the range beyond the worst; 100 is that of the
front that a long evolution on the true values finds.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugnas.nas.front.pareto import hypervolume, non_dominated
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.space import Architecture, SearchSpace

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

KINDS = ("additive", "scaled", "unrelated")
SHOWN = (15, 25, 50)
DIRECTIONS = ("min", "min")


class MadeTable:
    """A space with a known accuracy and a known cost, both computed from codes (n, P)."""

    names = ("flops",)

    def __init__(self, kind: str, seed: int) -> None:
        rng = np.random.default_rng([KINDS.index(kind), seed])
        self.kind, self.count = kind, int(rng.choice([20, 28, 34, 40]))
        self.sizes = rng.integers(3, 7, self.count)
        self.space = SearchSpace(
            {f"p{j}": [f"c{i}" for i in range(n)] for j, n in enumerate(self.sizes)}
        )
        shape = (self.count, int(self.sizes.max()))
        self._load = np.sort(rng.normal(0, 1.2 if kind != "scaled" else 0.4, shape), axis=1)
        tied = 0.0 if kind == "unrelated" else 0.65  # how far accuracy follows cost
        self._share = rng.lognormal(0, 1.0, self.count)
        worth = tied * self._load / self._load.std()
        worth = worth + np.sqrt(1 - tied**2) * rng.normal(size=shape)
        self._worth = worth * np.sqrt(self._share / self._share.mean())[:, None]
        self._pairs = [(rng.choice(self.count, 2, replace=False)) for _ in range(self.count)]
        self._joint = 0.5 * rng.normal(size=(self.count, shape[1], shape[1]))
        codes = self.space.sample_codes(4000, rng)
        raw = self._sum(codes)
        self._middle, self._spread = float(raw.mean()), float(raw.std())
        self.front = self._long_evolution(rng)
        everything = np.concatenate([codes, self.front])
        points = self.points(everything)
        low, high = points.min(axis=0), points.max(axis=0)
        self.reference = high + 0.1 * (high - low)
        self.volume = hypervolume(self.points(self.front), self.reference, DIRECTIONS)

    def _sum(self, codes: Codes) -> Doubles:
        columns = np.arange(self.count)
        total = self._worth[columns, codes].sum(axis=1)
        for (a, b), table in zip(self._pairs, self._joint, strict=True):
            total = total + table[codes[:, a], codes[:, b]]
        return total

    def accuracy(self, codes: Codes) -> Doubles:
        """Return the accuracy (n,), which nears a ceiling and falls off steeply below."""
        z = (self._sum(codes) - self._middle) / self._spread
        return 0.95 - 0.85 / (1 + np.exp(1.2 * z + 1.0))

    def costs_of(self, asked: Any) -> dict[str, Doubles]:
        """Return the cost of architectures or code rows."""
        codes = asked if isinstance(asked, np.ndarray) else self.space.codes(list(asked))
        load = self._load[np.arange(self.count), codes]
        if self.kind == "scaled":  # resolution and width in front of a sum over the rest
            rest = (self._share[6:] * np.exp(2 * load[:, 6:])).sum(axis=1)
            return {"flops": 1e6 * np.exp(2 * load[:, :6].sum(axis=1)) * rest}
        return {"flops": 1e6 * (1 + (self._share * np.exp(load)).sum(axis=1))}

    def cost(self, architecture: Architecture) -> dict[str, float]:
        """Return the cost of one architecture."""
        return {"flops": float(self.costs_of([architecture])["flops"][0])}

    def points(self, codes: Codes) -> Doubles:
        """Return error and log cost (n, 2)."""
        return np.stack([1 - self.accuracy(codes), np.log(self.costs_of(codes)["flops"])], axis=1)

    def _long_evolution(self, rng: np.random.Generator) -> Codes:
        crowd = self.space.sample_codes(600, rng)
        for _ in range(120):
            children = [self.space.mutate_codes(crowd, rng)]
            picks = crowd[rng.integers(len(crowd), size=(2, 300))]
            children.append(self.space.crossover_codes(picks[0], picks[1], rng))
            crowd = np.unique(np.concatenate([crowd, *children]), axis=0)
            points, left = self.points(crowd), np.arange(len(crowd))
            kept: list[NDArray[np.int64]] = []
            while len(left) and sum(map(len, kept)) < 400:
                best = non_dominated(points[left], DIRECTIONS)
                kept.append(left[best])
                left = left[~best]
            crowd = crowd[np.concatenate(kept)[:800]]
        return crowd[non_dominated(self.points(crowd), DIRECTIONS)]

    def share(self, codes: Codes) -> float:
        """Return the hypervolume of some architectures in percent of the front's."""
        return 100 * hypervolume(self.points(codes), self.reference, DIRECTIONS) / self.volume


def ours(table: MadeTable, seed: int, count: int, name: str) -> Codes:
    """Return the code rows that one of our samplers evaluates."""
    objectives = {"accuracy": "max", "flops": "min"}
    sampler = create(name, Problem(table.space, objectives, cost=table, seed=seed))
    rows = []
    for number in range(count):
        asked = sampler.ask(number)
        rows.append(table.space.codes([asked]))
        values = {"accuracy": float(table.accuracy(rows[-1])[0])}
        sampler.tell(Measurement(number, asked, 0, 0, "ok", values))
    return np.concatenate(rows)


def rival(table: MadeTable, seed: int, count: int, name: str) -> Codes:
    """Return the code rows that one of Optuna's samplers evaluates."""
    kinds = {
        "random": optuna.samplers.RandomSampler(seed=seed),
        "tpe": optuna.samplers.TPESampler(seed=seed),
        "tpe multivariate": optuna.samplers.TPESampler(seed=seed, multivariate=True),
        "nsga2 population 20": optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    }
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=kinds[name])
    rows = []
    for _ in range(count):
        trial = study.ask()
        rows.append(table.space.codes([table.space.suggest(trial)]))
        point = table.points(rows[-1])[0]
        study.tell(trial, [1 - float(point[0]), float(np.exp(point[1]))])
    return np.concatenate(rows)


SAMPLERS = {
    "predictor": ours,
    "evolution": ours,
    "random": rival,
    "tpe": rival,
    "tpe multivariate": rival,
    "nsga2 population 20": rival,
}


def main() -> None:
    """Print one row for each table and sampler."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    print("table | parameters | sampler | " + " | ".join(f"at {k}" for k in SHOWN) + " | ms")
    for kind in KINDS:
        for number in arguments.tables:
            table = MadeTable(kind, number)
            for name in arguments.only:
                start = time.process_time()
                rows = [
                    SAMPLERS[name](table, seed, SHOWN[-1], name) for seed in range(arguments.seeds)
                ]
                spent = 1e3 * (time.process_time() - start) / arguments.seeds / SHOWN[-1]
                shares = np.array([[table.share(r[:k]) for k in SHOWN] for r in rows])
                low, middle, high = np.quantile(shares, (0.25, 0.5, 0.75), axis=0)
                cells = [
                    f"{m:.1f} ({a:.1f} {b:.1f})" for a, m, b in zip(low, middle, high, strict=True)
                ]
                print(f"{kind} {number} | {table.count} | {name} | ", end="")
                print(" | ".join([*cells, f"{spent:.0f}"]), flush=True)


if __name__ == "__main__":
    main()
