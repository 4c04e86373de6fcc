"""Which architectures are weighed against each other at one ask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.problem import Problem

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

ROUND = 288
"""Candidates of one round of a search in a large space."""


def first_round(pool: CandidatePool, parents: Codes, rng: np.random.Generator) -> Codes:
    """Return unlooked-at relatives of the front and strangers, as raw code rows.

    One and two changes away from a parent, children of two parents, and random ones.
    """
    space = pool.space
    part = ROUND // 4
    strangers = pool.sample(part, rng)
    if len(parents) == 0:
        return strangers
    picks = parents[rng.integers(len(parents), size=(4, part))]
    near = space.mutate_codes(picks[0], rng)
    far = space.mutate_codes(space.mutate_codes(picks[1], rng), rng)
    mixed = space.crossover_codes(picks[2], picks[3], rng)
    return np.concatenate([near, far, mixed, strangers])


def next_round(pool: CandidatePool, best: Codes, rng: np.random.Generator) -> Codes:
    """Return relatives of the best candidates so far."""
    picks = best[rng.integers(len(best), size=ROUND)]
    return pool.space.mutate_codes(picks, rng)


def spread(problem: Problem, count: int) -> Codes:
    """Return ``count`` rows whose first cost is spread evenly from the least to the most in budget.

    The first designs of a search: cheap ones, and the same choice everywhere, are among those
    tried. Without a cost, rows far from each other.
    """
    rng = problem.rng(0)
    crowd = np.concatenate([problem.space.sample_codes(256, rng), _uniform(problem)])
    if not problem.cost_names:
        return crowd
    names = [n for n in (*problem.known, *problem.budget, *problem.cost_names)]
    column = problem.cost_names.index(names[0])
    for _ in range(24):
        crowd = np.unique(
            np.concatenate([crowd, problem.space.mutate_codes(crowd, rng, local=0.2)]), axis=0
        )
        costs = problem.costs(crowd)
        over = problem.excess(costs).sum(axis=1)
        inside = costs[over <= 0, column]
        low, high = (inside.min(), inside.max()) if len(inside) else (costs[:, column].min(),) * 2
        wanted = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), 4 * count)
        miss = np.abs(costs[:, column, None] - wanted[None, :]) + 1e3 * (high - low) * over[:, None]
        closest = np.argsort(miss, axis=0, kind="stable")[:4].ravel()
        nearest_budget = np.argsort(over, kind="stable")[:32]
        crowd = crowd[np.unique(np.concatenate([closest, nearest_budget]))]
    return crowd


def _uniform(problem: Problem) -> Codes:
    """Return rows that make the same choice everywhere; none where choices depend on choices."""
    parameters = problem.space.parameters
    if any(p.parent is not None for p in parameters):
        return np.empty((0, len(parameters)), dtype=np.int16)
    sizes = np.array([len(p.choices) for p in parameters])
    same = np.arange(min(int(sizes.max()), 128))[:, None]
    rows = np.minimum(same, sizes - 1).astype(np.int16)
    return rows[problem.space.allowed(rows)]
