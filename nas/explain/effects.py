"""Which module pays: the effect of every choice on accuracy at equal cost, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from plugnas.modules import PlugnasError
from plugnas.nas.explain.design import Slot, distances, shares, slots_of
from plugnas.nas.explain.model import LARGEST, Data, Fit, fit
from plugnas.nas.explain.verdicts import UNSETTLED, WORTH, further, judge
from plugnas.nas.ledger.measurement import Measurement
from plugnas.space import SearchSpace

Array = NDArray[np.float64]
FEWEST = 8
"""Architectures below which nothing is explained."""

MOST = 2000
"""Measurements that are used at most: beyond, intervals hardly narrow and time grows cubically."""


class ExplainError(PlugnasError):
    """Measurements that cannot be explained: too few, or all alike."""


@dataclass(frozen=True)
class Effect:
    """The effect of a choice against its slot's reference, on accuracy at equal cost.

    ``effect`` is the change in accuracy (a fraction) where all of the slot's places hold the
    choice in place of the reference and the network is scaled back to the same cost; ``low`` and
    ``high`` are its 95 % interval. ``architectures`` hold the choice somewhere. ``verdict`` is
    ``pays``, ``does not pay`` or ``not enough evidence``; ``more`` is about how many further
    evaluations would settle it, if the effect is what it seems.
    """

    slot: str
    choice: str
    against: str
    effect: float
    low: float
    high: float
    architectures: int
    verdict: str
    more: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """All effects of a run, best first within each slot, and how they were found.

    ``at_accuracy`` is the median accuracy, at which effects are expressed; ``scale`` is that on
    which effects add up: ``accuracy`` or ``log-odds``, whichever the measurements fit better.
    ``noise`` is the standard deviation of one evaluation, in accuracy.
    """

    effects: tuple[Effect, ...]
    costs: tuple[str, ...]
    measurements: int
    architectures: int
    scale: str
    at_accuracy: float
    noise: float

    def of(self, slot: str) -> list[Effect]:
        """Return the effects in one slot."""
        return [e for e in self.effects if e.slot == slot]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


def explain(
    space: SearchSpace,
    measurements: Sequence[Measurement],
    costs: Sequence[str] = ("flops",),
    worth: float = WORTH,
) -> Explanation:
    """Estimate the effects of all choices from all good measurements of a run.

    ``costs`` are those held equal; ``worth`` is the least difference in accuracy that matters.

    Raises:
        ExplainError: fewer than eight architectures, no slot with a choice, all equally accurate.
    """
    good = [m for m in measurements if m.ok and math.isfinite(m.values.get("accuracy", math.nan))]
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
    accuracy = np.array([m.values["accuracy"] for m in good])
    if np.ptp(accuracy) == 0:
        raise ExplainError("every measurement has the same accuracy; there is nothing to explain")
    ids = np.unique([m.architecture.id for m in good], return_inverse=True)[1].reshape(-1)
    known = [name for name in costs if all(name in m.costs for m in good)]
    parts = [shares(space, slot, codes) for slot in slots]
    rows = Data(
        response=accuracy,
        shares=np.hstack(parts),
        costs=np.log(np.maximum([[m.costs[n] for n in known] for m in good], 1e-12)).reshape(
            len(good), len(known)
        ),
        rung=np.array([m.rung for m in good]),
        architecture=ids,
        distance=distances(codes),
        centre=np.concatenate([np.full(len(s.choices), 1 / len(s.choices)) for s in slots]),
    )
    return _explanation(rows, slots, tuple(known), worth)


def _explanation(
    rows: Data, slots: Sequence[Slot], costs: tuple[str, ...], worth: float
) -> Explanation:
    scale, found = _better_scale(rows)
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
            _effect(found, scale, middle, worth, slot, k, own[k], reference, rows_of)
            for k in range(len(slot.choices))
            if own[k] != reference and rows_of[k]
        ]
        effects += sorted(described, key=lambda e: -e.effect)
    return Explanation(
        effects=tuple(effects),
        costs=costs,
        measurements=len(rows.response),
        architectures=len(np.unique(rows.architecture)),
        scale=scale,
        at_accuracy=middle,
        noise=abs(_points(found.noise, scale, middle)),
    )


def _holders(rows: Data, column: int) -> int:
    """Return how many architectures hold a choice somewhere."""
    return len(np.unique(rows.architecture[rows.shares[:, column] > 0]))


def _better_scale(rows: Data) -> tuple[str, Fit]:
    """Fit on accuracies and on their log odds; return what gives the data more likelihood.

    The highest rung decides where it has enough to say: effects are meant at that rung, and rungs
    that saturate at different accuracies fit no common scale.
    """
    accuracy = rows.response
    inside = accuracy[(accuracy > 0) & (accuracy < 1)]
    if not len(inside) or accuracy.min() < 0 or accuracy.max() > 1:
        return "accuracy", fit(rows)
    least = min(0.01, float(np.minimum(inside, 1 - inside).min()) / 2)
    clipped = np.clip(accuracy, least, 1 - least)
    bent = _with_response(rows, np.log(clipped / (1 - clipped)))
    top = np.flatnonzero(rows.rung == rows.rung.max())
    if len(top) < 2 * FEWEST or len(top) == len(accuracy):
        top = np.arange(len(accuracy))
    top = top[:LARGEST]
    plain_fit, bent_fit = fit(rows.take(top)), fit(bent.take(top))
    # the density of the accuracies themselves: log odds change by 1 / (a (1 - a)) per accuracy
    jacobian = float(np.log(1 / (clipped * (1 - clipped)))[top].sum())
    better = bent_fit.evidence + jacobian > plain_fit.evidence
    if len(top) == len(accuracy):
        return ("log-odds", bent_fit) if better else ("accuracy", plain_fit)
    return ("log-odds", fit(bent)) if better else ("accuracy", fit(rows))


def _with_response(rows: Data, response: Array) -> Data:
    return replace(rows, response=response)


def _effect(
    found: Fit,
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
    verdict = judge(low, high, worth)
    return Effect(
        slot=slot.name,
        choice=str(slot.choices[k]),
        against=str(slot.reference),
        effect=effect,
        low=low,
        high=high,
        architectures=holders[k],
        verdict=verdict,
        more=0 if verdict != UNSETTLED else further(effect, low, high, holders[k], worth),
    )


def _points(value: float, scale: str, middle: float) -> float:
    """Return a difference on the scale as one of accuracy, at the median accuracy."""
    if scale == "accuracy":
        return value
    middle = min(max(middle, 1e-6), 1 - 1e-6)
    odds = math.log(middle / (1 - middle)) + value
    return 1 / (1 + math.exp(-odds)) - middle


def costs_of_job(objectives: Mapping[str, str]) -> tuple[str, ...]:
    """Return the costs an explanation holds equal: those among the objectives, else FLOPs."""
    return tuple(n for n, d in objectives.items() if d == "min") or ("flops",)


__all__ = ["Effect", "ExplainError", "Explanation", "costs_of_job", "explain"]
