"""Which module pays: the effect of every choice on the main objective at equal cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # Student's t; scipy.stats is slow to import

from plugnas.modules import PlugnasError
from plugnas.nas.explain.design import all_slots, distances, shares, slots_of
from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.model import LARGEST, Data, Fit, fit
from plugnas.nas.explain.places import averages, sentences
from plugnas.nas.explain.verdicts import judge, worth_of
from plugnas.nas.front.metric import Metric
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.machine.blas import one_blas_thread
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
class Explanation:
    """All effects of a run, best first within each slot, and how they were found.

    ``metric`` is the run's main objective, of which effects are changes; ``at`` its median, at
    which they are expressed; ``scale`` is that on which effects add up: ``linear`` or, of a share,
    ``log-odds``, whichever the measurements fit better. ``noise`` is the standard deviation of one
    evaluation. Of a host there are also ``where``, what plugging in brings at each site on average
    over the modules tried there, ``which``, what each module brings over the sites at which it was
    tried, and ``told``: both in sentences. ``training`` are the effects of training settings that
    the job's ``recipe`` varies, found in the same model and kept apart from modules.
    """

    metric: Metric

    effects: tuple[Effect, ...]
    costs: tuple[str, ...]
    measurements: int
    architectures: int
    scale: str
    at: float
    noise: float
    where: tuple[Effect, ...] = ()
    which: tuple[Effect, ...] = ()
    told: tuple[str, ...] = ()
    training: tuple[Effect, ...] = ()

    def of(self, slot: str) -> list[Effect]:
        """Return the effects in one slot."""
        return [e for e in self.effects if e.slot == slot]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "metric": self.metric.name}


@one_blas_thread()
def explain(
    space: SearchSpace,
    measurements: Sequence[Measurement],
    metric: Metric,
    costs: Sequence[str] = (),
    worth: float | None = None,
) -> Explanation:
    """Estimate the effects of all choices from all good measurements of a run.

    Procedure: each slot has a reference choice; an architecture is the share of its blocks that
    make each other choice. The mixed model y = rung + costs + sum of share x effect + rest of
    ``explain.model`` is fitted by restricted maximum likelihood (Patterson and Thompson, 1971), on
    the values and, of a share, on their log odds; the likelier scale is taken. An effect is given
    with its 95 % interval, where a choice stands in the whole slot and costs are equal.

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
    slots = all_slots(space)
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
    return _explanation(rows, space, metric, tuple(known), worth)


def _explanation(
    rows: Data, space: SearchSpace, metric: Metric, costs: tuple[str, ...], worth: float
) -> Explanation:
    slots = slots_of(space)
    scale, found = _better_scale(rows, metric)
    top = rows.rung == rows.rung.max()
    middle = float(np.median(rows.response[top]))
    judging = _Judging(found, metric, scale, middle, worth)
    effects: list[Effect] = []
    column = 0
    for slot in all_slots(space):
        own = range(column, column + len(slot.choices))
        column += len(slot.choices)
        reference = own[slot.choices.index(slot.reference)]
        rows_of = [_holders(rows, c) for c in own]
        described = [
            judging.effect(
                slot.name, str(slot.choices[k]), str(slot.reference),
                judging.contrast(own[k], reference), rows_of[k],
            )
            for k in range(len(slot.choices))
            if own[k] != reference and rows_of[k]
        ]  # fmt: skip
        effects += sorted(described, key=lambda e: -metric.sign * e.effect)
    modules = {slot.name for slot in slots}
    training = [e for e in effects if e.slot not in modules]
    effects = [e for e in effects if e.slot in modules]
    where, which = averages(slots if space.host is not None else (), rows, judging.effect)
    return Explanation(
        metric=metric,
        effects=tuple(effects),
        costs=costs,
        measurements=len(rows.response),
        architectures=len(np.unique(rows.architecture)),
        scale=scale,
        at=middle,
        noise=abs(_points(found.noise, scale, middle)),
        where=where,
        which=which,
        told=tuple(sentences(effects, which, metric)),
        training=tuple(training),
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
    return (LOG_ODDS, fit(bent, bent_fit)) if better else (LINEAR, fit(rows, plain_fit))


def _with_response(rows: Data, response: Array) -> Data:
    return replace(rows, response=response)


@dataclass(frozen=True)
class _Judging:
    """Makes effects, with intervals and verdicts, of a fit."""

    found: Fit
    metric: Metric
    scale: str
    middle: float
    worth: float

    def contrast(self, column: int, reference: int) -> Array:
        """Return the weights of one choice against another."""
        weights = np.zeros(len(self.found.mean))
        weights[column], weights[reference] = 1.0, -1.0
        return weights

    def effect(self, slot: str, choice: str, against: str, weights: Array, held: int) -> Effect:
        """Return the effect that the weights add up to; ``held``: architectures that hold it.

        Args:
            slot: where. choice: what. against: in place of what.
            weights: of the effects of all choices.
            held: how many architectures hold it.
        """
        estimate, error = self.found.contrast(weights)
        reach = float(stdtrit(self.found.freedom, 0.975)) * error
        low, effect, high = (
            _points(v, self.scale, self.middle)
            for v in (estimate - reach, estimate, estimate + reach)
        )
        verdict = judge(low, high, self.worth, self.metric)
        return Effect(slot, choice, against, effect, low, high, held, verdict)


def _points(value: float, scale: str, middle: float) -> float:
    """Return a difference on the scale as one of the metric, at its median."""
    if scale == LINEAR:
        return value
    middle = min(max(middle, 1e-6), 1 - 1e-6)
    odds = math.log(middle / (1 - middle)) + value
    return 1 / (1 + math.exp(-odds)) - middle


__all__ = ["Effect", "ExplainError", "Explanation", "explain"]
