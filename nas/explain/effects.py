"""Which module pays: the effect of every choice on the main objective at equal cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from plugnas.modules import PlugnasError
from plugnas.nas.explain.design import Slot, distances, shares, slots_of
from plugnas.nas.explain.model import LARGEST, Data, Fit, fit
from plugnas.nas.explain.verdicts import judge, worth_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import SearchSpace

Array = NDArray[np.float64]
LINEAR, LOG_ODDS = "linear", "log-odds"
FEWEST = 8
"""Architectures below which nothing is explained."""

MOST = 2000
"""Measurements that are used at most: beyond, intervals hardly narrow and time grows cubically."""


class ExplainError(PlugnasError):
    """Measurements that cannot be explained: too few, or all alike."""


@dataclass(frozen=True)
class Effect:
    """The effect of a choice against its slot's reference, on the metric at equal cost.

    ``effect`` is the change of the metric (in its own unit) where all of the slot's places hold the
    choice in place of the reference and the network is scaled back to the same cost; ``low`` and
    ``high`` are its 95 % interval. ``architectures`` hold the choice somewhere. ``verdict`` is
    ``pays``, ``does not pay`` or ``not enough evidence``.
    """

    slot: str
    choice: str
    against: str
    effect: float
    low: float
    high: float
    architectures: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """All effects of a run, best first within each slot, and how they were found.

    ``metric`` is the run's main objective, of which effects are changes; ``at`` its median, at
    which they are expressed; ``scale`` is that on which effects add up: ``linear`` or, of a share,
    ``log-odds``, whichever the measurements fit better. ``noise`` is the standard deviation of one
    evaluation.
    """

    metric: Metric

    effects: tuple[Effect, ...]
    costs: tuple[str, ...]
    measurements: int
    architectures: int
    scale: str
    at: float
    noise: float

    def of(self, slot: str) -> list[Effect]:
        """Return the effects in one slot."""
        return [e for e in self.effects if e.slot == slot]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "metric": self.metric.name}


def explain(
    space: SearchSpace,
    measurements: Sequence[Measurement],
    metric: Metric,
    costs: Sequence[str] = (),
    worth: float | None = None,
) -> Explanation:
    """Estimate the effects of all choices from all good measurements of a run.

    Args:
        space: what was searched.
        measurements: of any rung.
        metric: the main objective, on which effects are estimated.
        costs: those held equal.
        worth: the least difference that matters; by default ``verdicts.worth_of`` the values.

    Raises:
        ExplainError: fewer than eight architectures, no slot with two choices, all values equal.
    """
    name = metric.name
    good = [m for m in measurements if m.ok and math.isfinite(m.values.get(name, math.nan))]
    if len(good) > MOST:  # the highest rungs first, the latest of each
        good = sorted(good, key=lambda m: m.rung)[-MOST:]
    if len({m.architecture.id for m in good}) < FEWEST:
        raise ExplainError(
            f"an explanation needs at least {FEWEST} finished architectures, but there are "
            f"{len({m.architecture.id for m in good})}; let the search go on"
        )
    slots = slots_of(space)
    if not slots:
        raise ExplainError("no slot of this space has more than one choice; nothing to explain")
    codes = space.codes([m.architecture for m in good])
    response = np.array([m.values[name] for m in good])
    if np.ptp(response) == 0:
        raise ExplainError(f"every measurement has the same {name}; there is nothing to explain")
    ids = np.unique([m.architecture.id for m in good], return_inverse=True)[1].reshape(-1)
    known = [name for name in costs if all(name in m.costs for m in good)]
    parts = [shares(space, slot, codes) for slot in slots]
    rows = Data(
        response=response,
        shares=np.hstack(parts),
        costs=np.log(np.maximum([[m.costs[n] for n in known] for m in good], 1e-12)).reshape(
            len(good), len(known)
        ),
        rung=np.array([m.rung for m in good]),
        architecture=ids,
        distance=distances(codes),
        centre=np.concatenate([np.full(len(s.choices), 1 / len(s.choices)) for s in slots]),
    )
    worth = worth_of(metric, response.tolist()) if worth is None else worth
    return _explanation(rows, slots, metric, tuple(known), worth)


def _explanation(
    rows: Data, slots: Sequence[Slot], metric: Metric, costs: tuple[str, ...], worth: float
) -> Explanation:
    scale, found = _better_scale(rows, metric)
    top = rows.rung == rows.rung.max()
    middle = float(np.median(rows.response[top]))
    effects: list[Effect] = []
    column = 0
    for slot in slots:
        own = range(column, column + len(slot.choices))
        column += len(slot.choices)
        reference = own[slot.choices.index(slot.reference)]
        rows_of = [_holders(rows, c) for c in own]
        described = [
            _effect(found, metric, scale, middle, worth, slot, k, own[k], reference, rows_of)
            for k in range(len(slot.choices))
            if own[k] != reference and rows_of[k]
        ]
        effects += sorted(described, key=lambda e: -metric.sign * e.effect)
    return Explanation(
        metric=metric,
        effects=tuple(effects),
        costs=costs,
        measurements=len(rows.response),
        architectures=len(np.unique(rows.architecture)),
        scale=scale,
        at=middle,
        noise=abs(_points(found.noise, scale, middle)),
    )


def _holders(rows: Data, column: int) -> int:
    """Return how many architectures hold a choice somewhere."""
    return len(np.unique(rows.architecture[rows.shares[:, column] > 0]))


def _better_scale(rows: Data, metric: Metric) -> tuple[str, Fit]:
    """Fit on the values and, of a share, on their log odds; return what is the likelier.

    The highest rung decides where it has enough to say: effects are meant at that rung, and rungs
    that saturate at different values fit no common scale.
    """
    values = rows.response
    inside = values[(values > 0) & (values < 1)]
    if not metric.percent or not len(inside) or values.min() < 0 or values.max() > 1:
        return LINEAR, fit(rows)
    least = min(0.01, float(np.minimum(inside, 1 - inside).min()) / 2)
    clipped = np.clip(values, least, 1 - least)
    bent = _with_response(rows, np.log(clipped / (1 - clipped)))
    top = np.flatnonzero(rows.rung == rows.rung.max())
    if len(top) < 2 * FEWEST or len(top) == len(values):
        top = np.arange(len(values))
    top = top[:LARGEST]
    plain_fit, bent_fit = fit(rows.take(top)), fit(bent.take(top))
    # the density of the values themselves: log odds change by 1 / (a (1 - a)) per unit of them
    jacobian = float(np.log(1 / (clipped * (1 - clipped)))[top].sum())
    better = bent_fit.evidence + jacobian > plain_fit.evidence
    if len(top) == len(values):
        return (LOG_ODDS, bent_fit) if better else (LINEAR, plain_fit)
    return (LOG_ODDS, fit(bent)) if better else (LINEAR, fit(rows))


def _with_response(rows: Data, response: Array) -> Data:
    return replace(rows, response=response)


def _effect(
    found: Fit,
    metric: Metric,
    scale: str,
    middle: float,
    worth: float,
    slot: Slot,
    k: int,
    column: int,
    reference: int,
    holders: Sequence[int],
) -> Effect:
    weights = np.zeros(len(found.mean))
    weights[column], weights[reference] = 1.0, -1.0
    estimate, error = found.contrast(weights)
    reach = float(stats.t.ppf(0.975, found.freedom)) * error
    low, effect, high = (
        _points(v, scale, middle) for v in (estimate - reach, estimate, estimate + reach)
    )
    return Effect(
        slot=slot.name,
        choice=str(slot.choices[k]),
        against=str(slot.reference),
        effect=effect,
        low=low,
        high=high,
        architectures=holders[k],
        verdict=judge(low, high, worth, metric),
    )


def _points(value: float, scale: str, middle: float) -> float:
    """Return a difference on the scale as one of the metric, at its median."""
    if scale == LINEAR:
        return value
    middle = min(max(middle, 1e-6), 1 - 1e-6)
    odds = math.log(middle / (1 - middle)) + value
    return 1 / (1 + math.exp(-odds)) - middle


__all__ = ["Effect", "ExplainError", "Explanation", "explain"]
