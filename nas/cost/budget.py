"""Whether any architecture meets a budget, and the cheapest one; asked before any training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.cost.model import CostModel
from plugnas.nas.cost.quantity import short
from plugnas.space import Architecture, SearchSpace

Height = Callable[[NDArray[np.int16]], NDArray[np.float64]]
_SAMPLES = 512
_FEW = 16  # looked at first: most budgets are met by one of them
_STARTS = 4


class BudgetError(PlugnasError):
    """A budget that no architecture meets, or that limits an unknown cost."""


def with_levels(
    budget: Mapping[str, float], levels: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Return a budget that keeps the largest of the levels of each cost as well."""
    largest = {name: max(values) for name, values in levels.items() if len(values)}
    return {**budget, **{n: min(v, budget.get(n, v)) for n, v in largest.items()}}


def check_budget(space: SearchSpace, cost: CostModel | None, budget: Mapping[str, float]) -> None:
    """Raise BudgetError where a limit is for an unknown cost, or nothing found meets them all."""
    known = () if cost is None else cost.names
    for name in budget:
        if name not in known:
            raise BudgetError(
                f"budget: there is no cost `{name}`{did_you_mean(name, known)} "
                f"(costs known before training: {', '.join(known) or 'none'})"
            )
    if cost is None or not budget:
        return
    few = cost.costs_of(space.sample_codes(_FEW, np.random.default_rng(0)))
    if np.all([few[name] <= limit for name, limit in budget.items()], axis=0).any():
        return  # a cost function may be slow
    architecture, excess = least(space, cost, budget)
    if excess > 0:
        raise BudgetError(exceeded(cost, budget, architecture, f": {architecture.json()}"))


def exceeded(
    cost: CostModel, budget: Mapping[str, float], cheapest: Architecture, spelled: str = ""
) -> str:
    """Return the sentence on a budget that nothing meets; ``spelled`` follows the costs.

    Args:
        cost: the costs of the space.
        budget: cost -> limit.
        cheapest: the architecture that exceeds it least.
        spelled: what follows its costs in the sentence.
    """
    costs = cost.cost(cheapest)
    limits = ", ".join(f"{name} <= {short(limit)}" for name, limit in budget.items())
    has = ", ".join(f"{name} = {short(costs[name])}" for name in budget)
    return (
        f"no architecture found meets the budget {limits}; the cheapest has {has}"
        f"{spelled}; raise the budget or offer cheaper choices"
    )


def least(
    space: SearchSpace, cost: CostModel, weights: Mapping[str, float]
) -> tuple[Architecture, float]:
    """Return the architecture that exceeds the limits least, and by how much (0: it meets them).

    The excess is the sum over the limits of cost / limit - 1 where positive. Found by descent over
    neighbours from the best of a sample; costs add up over parts, so that finds the least in all
    but contrived spaces.
    """

    def excess(codes: NDArray[np.int16]) -> NDArray[np.float64]:
        costs = cost.costs_of(codes)
        over = [np.maximum(costs[name] / limit - 1, 0) for name, limit in weights.items()]
        return np.sum(over, axis=0)

    rng = np.random.default_rng(0)
    codes = space.sample_codes(min(_SAMPLES, 4 * space.size), rng)
    return _descend(space, codes, excess)


def cheapest(space: SearchSpace, cost: CostModel, name: str) -> tuple[Architecture, float]:
    """Return the architecture of least ``name`` found by descent, and its cost."""
    codes = space.sample_codes(min(_SAMPLES, 4 * space.size), np.random.default_rng(0))
    return _descend(space, codes, lambda rows: cost.costs_of(rows)[name])


def _descend(
    space: SearchSpace, codes: NDArray[np.int16], height: Height
) -> tuple[Architecture, float]:
    heights = height(codes)
    best = None
    for start in np.argsort(heights, kind="stable")[:_STARTS]:
        row, low = codes[start], float(heights[start])
        while low > 0:
            near = space.neighbours(space.architectures(row[None])[0])
            if not near:
                break
            rows = space.codes(near)
            around = height(rows)
            step = int(np.argmin(around))
            if around[step] >= low:
                break
            row, low = rows[step], float(around[step])
        if best is None or low < best[1]:
            best = (row, low)
        if low <= 0:
            break
    if best is None:
        raise BudgetError("the space is empty")
    return space.architectures(best[0][None])[0], best[1]
