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

    ``beyond`` is (effect, error) against the average module of its slot; ``each`` has data set ->
    (effect, error, trainings) where it was tried.
    """

    effect: float
    error: float
    trainings: int
    each: Mapping[str, tuple[float, float, int]]
    beyond: tuple[float, float] = (0.0, 1.0)

    @property
    def stands_out(self) -> bool:
        """Whether it is told apart from the average module of its slot."""
        return abs(self.beyond[0]) > NORMAL * self.beyond[1]

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
    module's effect between data sets, ``shift`` that of the mean of all of them.
    """

    modules: Mapping[str, Effect]
    mean: tuple[float, float]
    spread: float
    between: float
    shift: float


@dataclass(frozen=True)
class Model:
    """The fit: slot -> effects, and run -> standard deviation of what is left of its trainings."""

    slots: Mapping[str, SlotEffects]
    noise: Mapping[str, float]


class _Columns:
    """The columns of the model: what each is, its values (n,), and the group of its variance.

    Columns of no group have a flat prior.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[str, ...], int] = {}
        self.values: list[Array] = []
        self.groups: list[str | None] = []

    def add(self, key: tuple[str, ...], values: Array, group: str | None = None) -> None:
        """Add a column, unless it is nothing but zeros."""
        if values.any():
            self.places[key] = len(self.values)
            self.values.append(values)
            self.groups.append(group)


def fit(runs: Sequence[Run]) -> Model:
    """Fit the model to runs of one kind, of which each slot of the table has the same reference."""
    response = np.concatenate([r.response - r.response.mean() for r in runs])
    number = np.repeat(np.arange(len(runs)), [len(r.accuracy) for r in runs])
    columns = _columns(runs, number)
    sizes, noise, mean, covariance = _posterior(response, number, columns)

    def told(*keys: tuple[str, ...]) -> tuple[float, float]:
        own = [columns.places[key] for key in keys if key in columns.places]
        return float(mean[own].sum()), float(np.sqrt(covariance[np.ix_(own, own)].sum()))

    slots: dict[str, SlotEffects] = {}
    for slot, modules in _modules(runs).items():
        found = {}
        for m in modules:
            each = {}
            for data_set in dict.fromkeys(r.data_set for r in runs):
                held = _held([r for r in runs if r.data_set == data_set], slot, m)
                if held:
                    here = ((slot, m, data_set), (slot, "", data_set))
                    each[data_set] = (*told((slot,), (slot, m), *here), held)
            effect = told((slot,), (slot, m))
            found[m] = Effect(*effect, _held(runs, slot, m), each, told((slot, m)))
        parts = (math.sqrt(sizes[g]) for g in (slot, f"{slot} each", f"{slot} shift"))
        slots[slot] = SlotEffects(found, told((slot,)), *parts)
    return Model(slots, {r.name: math.sqrt(n) for r, n in zip(runs, noise, strict=True)})


def _modules(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return slot -> the modules that some training holds."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for slot, modules in run.shares.items():
            held = [m for m, share in modules.items() if share.any()]
            found.setdefault(slot, {}).update(dict.fromkeys(held))
    return {slot: list(modules) for slot, modules in found.items() if modules}


def _held(runs: Sequence[Run], slot: str, module: str) -> int:
    return sum(int((r.shares.get(slot, {}).get(module, np.zeros(1)) > 0).sum()) for r in runs)


def _columns(runs: Sequence[Run], number: NDArray[np.int64]) -> _Columns:
    found = _Columns()
    for i, run in enumerate(runs):
        here = number == i
        found.add(("level", run.name), here.astype(float))
        if run.flops is not None and np.ptp(run.flops) > 0:
            logs, slope = np.log(run.flops), np.zeros(len(number))
            slope[here] = (logs - logs.mean()) / logs.std()
            found.add(("slope", run.name), slope)
    data_set = np.array([runs[i].data_set for i in number])
    nothing = [np.zeros(len(r.accuracy)) for r in runs]
    for slot, modules in _modules(runs).items():
        shares = {
            m: np.concatenate(
                [r.shares.get(slot, {}).get(m, z) for r, z in zip(runs, nothing, strict=True)]
            )
            for m in modules
        }
        total = np.sum(list(shares.values()), axis=0)
        found.add((slot,), total)  # the mean of the slot's modules
        for m, share in shares.items():
            found.add((slot, m), share, slot)
        for name in dict.fromkeys(data_set):
            here = data_set == name
            found.add((slot, "", str(name)), total * here, f"{slot} shift")  # its reference departs
            for m, share in shares.items():
                found.add((slot, m, str(name)), share * here, f"{slot} each")
    return found


def _posterior(
    response: Array, number: NDArray[np.int64], columns: _Columns
) -> tuple[dict[str, float], Array, Array, Array]:
    """Return the variances by group, those of each run's noise, and the coefficients' posterior.

    The variances make the response likeliest, with a slight preference for values near 0.1. The
    gradient is Fisher's identity: what the posterior expects of the squares.
    """
    design = np.column_stack(columns.values)
    groups = list(dict.fromkeys(g for g in columns.groups if g is not None))
    of = np.array([-1 if g is None else groups.index(g) for g in columns.groups])
    rows = [number == i for i in np.unique(number)]
    grams = np.stack([design[r].T @ design[r] for r in rows])
    sides = np.stack([design[r].T @ response[r] for r in rows])
    squares = np.array([response[r] @ response[r] for r in rows])
    counts = np.array([r.sum() for r in rows])

    def solve(logs: Array) -> tuple[Array, Array, Array, Array, float]:
        noise = np.exp(logs[len(groups) :])
        priors = np.where(of < 0, FLAT**2, np.exp(logs[: len(groups)])[of])
        precision = np.tensordot(1 / noise, grams, 1) + np.diag(1 / priors)
        factor = cho_factor(precision, lower=True)
        side = sides.T @ (1 / noise)
        mean = cho_solve(factor, side)
        covariance = cho_solve(factor, np.eye(len(mean)))
        logdet = 2 * float(np.log(np.diag(factor[0])).sum())
        value = float(counts @ logs[len(groups) :] + squares @ (1 / noise) + np.log(priors).sum())
        return noise, priors, mean, covariance, 0.5 * (value + logdet - float(side @ mean))

    def loss(logs: Array) -> tuple[float, Array]:
        noise, priors, mean, covariance, value = solve(logs)
        kept = 0.5 * (1 - (np.diag(covariance) + mean**2) / priors)
        slope = [kept[of == g].sum() for g in range(len(groups))]
        for i, gram in enumerate(grams):
            left = squares[i] - 2 * sides[i] @ mean + mean @ gram @ mean
            left += float((gram * covariance).sum())
            slope.append(0.5 * (counts[i] - left / noise[i]))
        away = logs - math.log(0.1)
        return value + 0.5 * float((away / 3) @ (away / 3)), np.array(slope) + away / 9

    start = np.full(len(groups) + len(rows), math.log(0.1))
    bounds = [(math.log(1e-5), math.log(1e2))] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": 100})  # fmt: skip
    noise, _, mean, covariance, _ = solve(found.x)
    sizes = dict(zip(groups, np.exp(found.x[: len(groups)]).tolist(), strict=True))
    return sizes, noise, mean, covariance


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
