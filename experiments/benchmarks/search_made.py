"""Made spaces of 20 to 40 parameters whose costs are skewed, for the search benchmark.

A table is made from a number; its costs lie over two to three decades. ``additive`` sums over the
parts of a network, ``scaled`` multiplies by resolution and width as multi-resolution networks do,
and in ``unrelated`` no cost says anything about accuracy, so that whoever counts on it loses there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.front.pareto import non_dominated
from plugnas.space import Architecture, SearchSpace

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

KINDS = ("additive", "scaled", "unrelated")
DIRECTIONS = ("min", "min")


class MadeTable:
    """A space with a known accuracy and a known cost, both computed from codes (n, P).

    ``known`` are many random rows, and the front that a long evolution on the true values finds.
    """

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
        self.known = np.concatenate([codes, self._long_evolution(rng)])

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
