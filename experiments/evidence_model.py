"""One model for the trainings of all data sets: what a module is worth on all, and on each.

log odds of the accuracy = level of the run + slope of the run x log FLOPs + for each slot the share
of its places that a module holds x (mean of the slot's modules + effect of the module + how much
this data set departs from that) + noise of the run.

Effects are against the slot's reference. Those of the modules of one slot come from one normal
distribution, and so do the departures; the variances are found by restricted maximum likelihood
(Patterson and Thompson, 1971). So an effect is drawn towards the mean of its slot as far as the
measurements leave it open, which is what makes sixty modules with a handful of trainings each
comparable (Gelman, Hill and Yajima, 2012, on many comparisons).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]
NORMAL = 1.959964  # half a 95 % interval, in standard errors
CONTROL = "placebo"  # a module that looks at nothing
FLAT = 5.0  # prior standard deviation of what is not drawn towards anything, in log odds
ENDS = 0.004  # accuracies are not taken to be nearer to 0 and 1 than this


@dataclass(frozen=True)
class Run:
    """The trainings of one run.

    ``accuracy`` (n,) in 0..1; ``flops`` (n,), None where costs are not held equal; ``shares`` has
    for each slot and module, but not for its reference, the share (n,) of the places it holds.
    """

    name: str
    data_set: str
    accuracy: Array
    flops: Array | None
    shares: Mapping[str, Mapping[str, Array]]

    @property
    def response(self) -> Array:
        """The log odds of the accuracy."""
        inside = np.clip(self.accuracy, ENDS, 1 - ENDS)
        return np.log(inside / (1 - inside))


@dataclass(frozen=True)
class Effect:
    """An effect in log odds with its standard error; ``trainings`` hold the module somewhere.

    ``each`` has data set -> (effect, error, trainings) where it was tried.
    """

    effect: float
    error: float
    trainings: int
    each: Mapping[str, tuple[float, float, int]]

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return self.effect - NORMAL * self.error

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return self.effect + NORMAL * self.error

    @property
    def p(self) -> float:
        """Two-sided p value of no effect."""
        return math.erfc(abs(self.effect) / self.error / math.sqrt(2))


@dataclass(frozen=True)
class SlotEffects:
    """The modules of a slot: their effects, the mean (effect, error) of all of them.

    ``spread`` is the standard deviation of true effects between modules, ``between`` that of one
    module's effect between data sets.
    """

    modules: Mapping[str, Effect]
    mean: tuple[float, float]
    spread: float
    between: float


@dataclass(frozen=True)
class Model:
    """The fit: slot -> effects, and run -> standard deviation of what is left of its trainings."""

    slots: Mapping[str, SlotEffects]
    noise: Mapping[str, float]


@dataclass(frozen=True)
class _Table:
    """The runs as one table; a row is a training."""

    response: Array
    run: NDArray[np.int64]
    data_set: NDArray[np.int64]
    costs: Array  # a column for each run: its log FLOPs, standardised, 0 elsewhere
    slots: Mapping[str, Array]  # slot -> shares (n, modules)
    modules: Mapping[str, tuple[str, ...]]


def fit(runs: Sequence[Run]) -> Model:
    """Fit the model to runs of one kind, of which each slot of the table has the same reference."""
    table = _table(runs)
    names, kernels = _kernels(table, len(runs))
    fixed = _fixed(table)
    sizes = dict(zip(names, _variances(table.response, fixed, kernels), strict=True))
    total = fixed @ fixed.T + sum(sizes[n] * k for n, k in zip(names, kernels, strict=True))
    factor = cho_factor(total, lower=True)
    solved = cho_solve(factor, table.response)
    data_sets = list(dict.fromkeys(r.data_set for r in runs))
    slots = {s: _slot(table, s, sizes, factor, solved, data_sets) for s in table.slots}
    noise = {r.name: math.sqrt(sizes[f"noise {i}"]) for i, r in enumerate(runs)}
    return Model(slots, noise)


def _table(runs: Sequence[Run]) -> _Table:
    named: dict[str, dict[str, None]] = {}
    for run in runs:
        for slot, modules in run.shares.items():
            held = [m for m, share in modules.items() if share.any()]
            named.setdefault(slot, {}).update(dict.fromkeys(held))
    counts = [len(r.accuracy) for r in runs]
    number = np.repeat(np.arange(len(runs)), counts)
    sets = list(dict.fromkeys(r.data_set for r in runs))
    costs = np.zeros((sum(counts), len(runs)))
    for i, run in enumerate(runs):
        if run.flops is not None and np.ptp(run.flops) > 0:
            logs = np.log(run.flops)
            costs[number == i, i] = (logs - logs.mean()) / logs.std()
    response = np.concatenate([r.response - r.response.mean() for r in runs])
    nothing = [np.zeros(n) for n in counts]
    slots = {
        slot: np.column_stack(
            [
                np.concatenate(
                    [r.shares.get(slot, {}).get(m, z) for r, z in zip(runs, nothing, strict=True)]
                )
                for m in modules
            ]
        )
        for slot, modules in named.items()
        if modules
    }
    places = np.array([sets.index(runs[i].data_set) for i in number])
    modules = {slot: tuple(named[slot]) for slot in slots}
    return _Table(response, number, places, costs, slots, modules)


def _fixed(table: _Table) -> Array:
    """Columns of what is not drawn towards anything: levels, slopes, the mean of each slot."""
    levels = (table.run[:, None] == np.unique(table.run)).astype(float)
    means = np.column_stack([s.sum(axis=1) for s in table.slots.values()])
    costs = table.costs[:, table.costs.any(axis=0)]
    return FLAT * np.hstack([levels, costs, means])


def _kernels(table: _Table, runs: int) -> tuple[list[str], Array]:
    """Return names and covariances (k, n, n) of what has a variance to be found."""
    same = table.data_set[:, None] == table.data_set[None, :]
    found = {}
    for slot, shares in table.slots.items():
        found[slot] = shares @ shares.T
        found[f"{slot} each"] = (found[slot] + _all(shares)) * same
    for i in range(runs):
        found[f"noise {i}"] = np.diag((table.run == i).astype(float))
    return list(found), np.stack(list(found.values()))


def _all(shares: Array) -> Array:
    """Return the covariance of a departure that all modules of a slot share: the reference's."""
    total = shares.sum(axis=1)
    return np.outer(total, total)


def _variances(y: Array, fixed: Array, kernels: Array) -> Array:
    """Return the variances that make the response likeliest; each is near 0.1 where it is open."""
    base, flat = fixed @ fixed.T, kernels.reshape(len(kernels), -1)
    diagonal = np.eye(len(y))

    def loss(logs: Array) -> tuple[float, Array]:
        sizes = np.exp(logs)
        factor = cho_factor(base + (sizes @ flat).reshape(base.shape), lower=True)
        inverse = cho_solve(factor, diagonal)
        alpha = inverse @ y
        value = 0.5 * float(y @ alpha) + float(np.log(np.diag(factor[0])).sum())
        slope = 0.5 * sizes * (flat @ (inverse - np.outer(alpha, alpha)).ravel())
        away = logs - math.log(0.1)
        return value + 0.5 * float((away / 3) @ (away / 3)), slope + away / 9

    start = np.full(len(kernels), math.log(0.1))
    bounds = [(math.log(1e-5), math.log(1e2))] * len(kernels)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": 60})  # fmt: skip
    return np.exp(found.x)


def _slot(
    table: _Table,
    slot: str,
    sizes: Mapping[str, float],
    factor: tuple[Array, bool],
    solved: Array,
    data_sets: Sequence[str],
) -> SlotEffects:
    """Return the posterior of a slot's effects.

    Args:
        table: the trainings.
        slot: the slot.
        sizes: the variances.
        factor: Cholesky factor of the covariance of the response.
        solved: that covariance's inverse times the response.
        data_sets: their names, in the order of their numbers.
    """
    shares, own, departs = table.slots[slot], sizes[slot], sizes[f"{slot} each"]
    total = shares.sum(axis=1)

    def posterior(column: Array, prior: float) -> tuple[float, float]:
        left = prior - float(column @ cho_solve(factor, column))
        return float(column @ solved), math.sqrt(max(left, 1e-12))

    modules = {}
    for k, name in enumerate(table.modules[slot]):
        column = FLAT**2 * total + own * shares[:, k]
        each = {}
        for d, data_set in enumerate(data_sets):
            here = table.data_set == d
            held = int((shares[here, k] > 0).sum())
            if held:
                extra = departs * (shares[:, k] + total) * here
                prior = FLAT**2 + own + 2 * departs
                each[data_set] = (*posterior(column + extra, prior), held)
        held = int((shares[:, k] > 0).sum())
        modules[name] = Effect(*posterior(column, FLAT**2 + own), held, each)
    mean = posterior(FLAT**2 * total, FLAT**2)
    return SlotEffects(modules, mean, math.sqrt(own), math.sqrt(departs))


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Return p values corrected for their number (Holm, 1979)."""
    found, largest = dict[str, float](), 0.0
    for rank, key in enumerate(sorted(ps, key=lambda k: ps[k])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[key]))
        found[key] = largest
    return found


def certain(found: SlotEffects) -> set[str]:
    """Return the modules of which something is shown after correction for their number."""
    ps = {key: e.p for key, e in found.modules.items() if key != CONTROL}
    return {key for key, p in holm(ps).items() if p < 0.05}


def dealt(runs: Sequence[Run], seed: int) -> list[Run]:
    """Return the runs with their accuracies dealt to the trainings anew: nothing has an effect."""
    rng = np.random.default_rng(seed)
    return [replace(r, accuracy=rng.permutation(r.accuracy)) for r in runs]


def carried_over(runs: Sequence[Run]) -> dict[str, tuple[float, int]]:
    """Return data set -> how well the others foretell it, and the number of its trainings.

    The correlation of the log odds with what the effects found on the other data sets make of the
    networks, both freed of the level and of the cost of each run.
    """
    found = {}
    for name in dict.fromkeys(r.data_set for r in runs):
        others, own = ([r for r in runs if (r.data_set == name) == is_own] for is_own in (0, 1))
        if not others:
            continue
        model = fit(others)
        said, true = [], []
        for run in own:
            sums = np.zeros(len(run.accuracy))
            for slot, modules in run.shares.items():
                known = model.slots[slot].modules if slot in model.slots else {}
                for module, share in modules.items():
                    if slot in model.slots:
                        e = known[module].effect if module in known else model.slots[slot].mean[0]
                        sums += e * share
            said.append(_freed(sums, run))
            true.append(_freed(run.response, run))
        a, b = np.concatenate(said), np.concatenate(true)
        if a.std() > 0 and b.std() > 0:
            found[name] = float(np.corrcoef(a, b)[0, 1]), len(a)
    return found


def _freed(values: Array, run: Run) -> Array:
    """Return what a level and a slope of log FLOPs leave of values."""
    columns = [np.ones(len(values))]
    if run.flops is not None:
        columns.append(np.log(run.flops))
    design = np.column_stack(columns)
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
