"""From rounds to figures, in numpy alone: medians and errors, one scale, a model, its check.

`nas latency --as-script` carries this file to machines without torch, behind protocol.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plugnas.nas.latency.protocol import Array, Samples

FIRST = 2  # candidates before the networks: the clocks alone, and an empty module
SHARE = 0.9  # of a core that every candidate must have had, in the median round
PENALTIES = (0.03, 0.3, 3.0)  # that hold the factors of a fitted model to 1
FOLDS = 6
BETTER = 0.9  # of the sums' error on networks left out, at most, is a fitted model's


def medians(samples: Array) -> Array:
    """The figure of each candidate: the median of its rounds, (r, n) -> (n,)."""
    return np.median(samples, axis=0)


def relative_errors(samples: Array) -> Array:
    """The standard error of each median, relative to it, (r, n) -> (n,)."""
    return error_of_median(np.log(samples))


def error_of_median(values: Array) -> Array:
    """1.2533 sigma / sqrt(r) with sigma from the median absolute deviation; outliers weigh little.

    Rounds that fall into two halves with different medians have drifted in a way the anchors did
    not see; half their distance is the error then.
    """
    rounds = len(values)
    deviation = np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    error: Array = 1.2533 * 1.4826 * deviation / np.sqrt(rounds)
    if rounds >= 8:
        first, second = np.array_split(values, 2)
        halves = np.abs(np.median(first, axis=0) - np.median(second, axis=0)) / 2
        error = np.maximum(error, halves)
    return error


@dataclass(frozen=True)
class Together:
    """The groups of a session on one scale; ``own`` are the (r, n) of what one group alone holds.

    ``steady`` are the milliseconds of what all groups hold, ``networks`` all rounds of the whole
    networks among them, ``reference`` those of the anchors.
    """

    reference: Array
    steady: Array
    own: list[Array]
    networks: Array


def together(groups: Sequence[Samples], shared: int, networks: int) -> Together:
    """Bring groups to one scale by the first ``shared`` candidates, which all of them hold."""
    reference = np.median([group.anchor_medians for group in groups], axis=0)
    walls = [group.normalised(reference) for group in groups]
    scales = np.array([medians(wall[:, :shared]) for wall in walls])
    steady = np.median(scales, axis=0)
    factors = np.exp(-np.median(np.log(scales / steady), axis=1))
    walls = [wall * factor for wall, factor in zip(walls, factors, strict=True)]
    whole = np.concatenate([wall[:, FIRST : FIRST + networks] for wall in walls])
    return Together(reference, steady, [wall[:, shared:] for wall in walls], whole)


def halves(rounds: Array) -> tuple[Array, Array]:
    """The medians of every second round, and of the others."""
    return medians(rounds[::2]), medians(rounds[1::2] if len(rounds) > 1 else rounds)


def kind_of(key: str) -> str:
    """Return what kind of piece a key names: its first word, such as ``operator``."""
    return key.split(" ", 1)[0]


@dataclass(frozen=True)
class Model:
    """How the latency of a network follows from its pieces: a scale, and a factor for each kind.

    Where all factors are 1 it is the plain sum; ``fitted`` where they are not.
    """

    scale: float
    factors: dict[str, float]
    fitted: bool


def fit(
    kinds: Sequence[str], sums: Array, overhead: float, measured: Array, *, free: bool
) -> Model:
    """Fit the model on whole networks; the plain sum unless factors predict others clearly better.

    A runtime that merges operators across pieces makes some kinds of them cheaper in a network
    than alone: an activation behind a convolution costs nothing. Least squares of relative errors,
    with factors at least 0 and held to 1; held how tightly, networks left out decide.

    Args:
        kinds: of pieces.
        sums: milliseconds of each network's pieces by kind, (n, kinds).
        overhead: milliseconds of a network beside its pieces.
        measured: milliseconds of the networks, (n,).
        free: whether there may be factors.
    """
    scale = float(np.median(measured / (overhead + sums.sum(axis=1))))
    flat = Model(scale, {}, fitted=False)
    if not free or len(measured) < max(2 * len(kinds), FOLDS):
        return flat
    shares = scale * sums / measured[:, None]
    target = 1 - scale * overhead / measured
    best, least = None, BETTER * float(np.abs(shares.sum(axis=1) - target).mean())
    for penalty in PENALTIES:
        gaps = []
        for fold in range(FOLDS):
            out = np.arange(len(measured)) % FOLDS == fold
            factors = _factors(shares[~out], target[~out], penalty)
            gaps.append(np.abs(shares[out] @ factors - target[out]))
        if (error := float(np.concatenate(gaps).mean())) < least:
            best, least = penalty, error
    if best is None:
        return flat
    found = _factors(shares, target, best).tolist()
    return Model(scale, dict(zip(kinds, found, strict=True)), fitted=True)


def _factors(shares: Array, target: Array, penalty: float) -> Array:
    """Minimise |shares f - target|^2 + penalty |f - 1|^2 over f >= 0, one factor at a time."""
    gram = shares.T @ shares + penalty * np.eye(shares.shape[1])
    moment = shares.T @ target + penalty
    factors = np.ones(len(gram))
    for _ in range(200):
        for j in range(len(gram)):
            rest = gram[j] @ factors - gram[j, j] * factors[j]
            factors[j] = max(0.0, (moment[j] - rest) / gram[j, j])
    return factors


def model_text(factors: Mapping[str, float], check: Mapping[str, Any]) -> str:
    """Return in words whether a table adds up pieces as they are, or by fitted factors, and why.

    Args:
        factors: of the kinds of pieces; none where sums hold.
        check: what the table was worth on networks that were not fitted.
    """
    if not factors:
        return (
            "pieces add up as they are: factors for each kind of piece were not shown to predict "
            "other whole networks better"
        )
    kinds = ", ".join(f"{kind} {factor:.2f}" for kind, factor in factors.items())
    return (
        f"plain sums would be off by {check['sums_error']:.1%}: the runtime merges operators "
        "across pieces, so each kind has a factor fitted on other whole networks "
        f"({kinds})"
    )


def check_of(predicted: Array, measured: Array, even: Array, odd: Array) -> dict[str, Any]:
    """Return how well networks that were not fitted are predicted.

    No prediction can rank them better than they rank themselves: ``repeat_tau`` is Kendall's tau of
    the ``even`` rounds against the ``odd`` ones.

    Args:
        predicted: milliseconds.
        measured: milliseconds.
        even: those of every second round.
        odd: those of the others.
    """
    ratio = predicted / measured
    return {
        "networks": len(measured),
        "mean_error": float(np.abs(ratio - 1).mean()),
        "worst_error": float(np.abs(ratio - 1).max()),
        "bias": float(np.median(ratio) - 1),
        "kendall_tau": kendall_tau(predicted, measured),
        "repeat_tau": kendall_tau(even, odd),
        "measured_ms": measured.tolist(),
        "predicted_ms": predicted.tolist(),
    }


def kendall_tau(a: Array, b: Array) -> float | None:
    """Kendall's tau-b of two short rankings; None where one is constant or shorter than two."""
    x, y = (np.sign(v[:, None] - v[None, :]) for v in (a, b))
    known = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / known if known else None


def spread_reason(names: Sequence[str], errors: Array, limit: float) -> str | None:
    """Why figures must not be ranked: a relative error above the limit; else None."""
    worst = int(np.argmax(errors))
    if errors[worst] <= limit:
        return None
    above = int((errors > limit).sum())
    return (
        f"a latency is trusted up to a relative standard error of {limit:.1%}, but {above} of "
        f"{len(names)} are above it (worst {names[worst]}: {errors[worst]:.1%}); the machine is "
        "busy: stop what else runs, or give more rounds"
    )


def share_reason(cpu: Array, wall: Array, limit: float) -> str | None:
    """Why figures must not be ranked: the processor was shared; else None.

    What runs longer than a time slice is interrupted and the short anchors are not, so that drift
    cannot be taken out; the process's own clock against the wall's shows it.
    """
    if limit >= 1:
        return None  # with such a limit the caller takes the machine as it is
    share = float(np.min(medians(cpu / wall)))
    if share >= SHARE:
        return None
    return (
        f"a latency is taken where this process has a core to itself, but it got only {share:.0%} "
        "of one; the machine is busy: stop what else runs"
    )


def fingerprint(pieces: Iterable[tuple[str, Any]], torch_version: str) -> str:
    """Return a short digest of which pieces a table holds, and of what exported them."""
    listed = sorted(json.dumps([key, shapes]) for key, shapes in pieces)
    return hashlib.sha256("\n".join([torch_version, *listed]).encode()).hexdigest()[:16]
