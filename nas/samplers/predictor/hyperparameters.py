"""The numbers of the model's covariance, and how they are fitted to the marginal likelihood.

The covariance of two measurements is that of their contexts (rungs) times the sum of three parts:
``amplitude * exp(-weighted distance)``, what is peculiar to alike architectures; ``linear`` times
the inner product under the same weights, what each choice, count and cost does by itself; and a
line in each trend, such as the logarithm of a cost, whose slope is not known. All have a normal
prior with a variance that is learned, so that a part which says nothing fades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from plugnas.nas.samplers.predictor.features import Features, Rows

Doubles = NDArray[np.float64]

NOISE = 3e-3
"""Where the noise variance is expected, in units of the values' variance."""

TREND, TREND_WIDTH = 0.1, 1.5
"""Where the prior variance of the slope in a trend is expected, and how far it may be from there
(one standard deviation of its logarithm)."""

LINEAR, LINEAR_WIDTH = 0.03, 1.5
"""The same of the linear part: the sum of what each choice, count and cost does by itself."""

ANEW = 40
"""Steps of a climb from the first guess."""

FEW, ENOUGH = 25, 1.5
"""Linear part and trends are believed in up to so many measurements for each coefficient, and up to
25; with more, what is peculiar to each architecture is known better than any line, and they go."""

_BOUNDS = (-9.0, 6.0)
_LEAST_NOISE = _BOUNDS[0]  # of its logarithm, for any row: the covariance has seven digits
_WIDTH = 1.5  # how far a logarithm may be from its first guess, one standard deviation
_NOISE_WIDTH, _NOISE_BOUNDS = 0.5, (-3.0, 3.0)  # of the growth of the noise's logarithm
_REACH = 2.0  # standard deviations of value beyond which the noise grows no further


class ModelError(ArithmeticError):
    """A model that cannot be computed; the search goes on without it."""


class Hyperparameters:
    """Logarithms of the model's numbers, fitted to the marginal likelihood.

    They are amplitude, group weights, the variance of each trend, that of the linear part, noise,
    and how the noise grows with a falling value and below the rung of prediction. Each has a normal
    prior around its first guess, without which a dozen measurements would switch half of the
    choices off.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        groups, trends = features.groups, len(features.trends)
        self._weights = slice(1, 1 + groups)
        self._trends = slice(1 + groups, 1 + groups + trends)
        guesses: list[Doubles] = [
            np.zeros(1),
            features.start,
            np.full(trends, np.log(TREND)),
            np.array([np.log(LINEAR), np.log(NOISE), 0.0, 0.0]),
        ]
        self._prior: Doubles = np.concatenate(guesses)
        self._width = np.full(len(self._prior), _WIDTH)
        self._width[self._trends] = TREND_WIDTH
        self._width[-4] = LINEAR_WIDTH
        self._width[-2:] = _NOISE_WIDTH
        self._log = self._prior.copy()
        self._few = max(FEW, ENOUGH * features.coefficients)

    @property
    def amplitude(self) -> float:
        """Variance of the process."""
        return float(np.exp(self._log[0]))

    @property
    def weights(self) -> Doubles:
        """Relevance of each group (groups,)."""
        return np.exp(self._log[self._weights])

    @property
    def trends(self) -> Doubles:
        """Prior variance of the slope in each trend (trends,)."""
        return np.exp(self._log[self._trends])

    @property
    def linear(self) -> float:
        """Factor of the linear part: of the inner product of two embedded rows."""
        return float(np.exp(self._log[-4]))

    @property
    def noise(self) -> float:
        """Variance of a measurement of middling value at the rung of prediction."""
        return float(np.exp(self._log[-3]))

    def noise_of(self, levels: Doubles, below: NDArray[np.bool_]) -> Doubles:
        """Return the variance (n,) of measurements around the process.

        ``levels`` (n,) are their values as believed, in standard deviations; ``below`` (n,) says
        which stand below the rung of prediction.
        """
        return np.exp(np.maximum(self._log[-3:] @ _leverage(levels, below), _LEAST_NOISE))

    def fit(self, pairs: Pairs, values: Doubles, steps: int) -> None:
        """Climb the marginal likelihood of standardised values (n,) from where it stands."""
        if not np.isfinite(values).all():
            raise ModelError("the values to fit are not finite")
        if len(values) > self._few:
            self._drop_lines()
            steps = max(steps, ANEW)

        def loss(log: Doubles) -> tuple[float, Doubles]:
            return self._loss(log, pairs, values)

        result = minimize(
            loss,
            self._log,
            jac=True,
            method="L-BFGS-B",
            bounds=[_BOUNDS] * (len(self._log) - 2) + [_NOISE_BOUNDS] * 2,
            options={"maxiter": steps, "maxfun": 2 * steps},
        )
        if np.isfinite(result.x).all():
            self._log = np.clip(result.x, *_BOUNDS)

    def _drop_lines(self) -> None:
        """Begin anew without linear part and trends."""
        self._few = np.inf
        self._prior[self._trends] = self._prior[-4] = _BOUNDS[0]
        self._width[self._trends] = self._width[-4] = 0.1
        self._log = self._prior.copy()

    def _loss(self, log: Doubles, pairs: Pairs, values: Doubles) -> tuple[float, Doubles]:
        n = len(values)
        weights, trends, linear = np.exp(log[self._weights]), np.exp(log[self._trends]), log[-4]
        own, context = self.features.own, ~self.features.own
        far = weights[own] @ pairs.distances[own]
        norms = weights[own] @ pairs.norms[own]
        near = np.exp(log[0] - far).reshape(n, n)
        straight = np.exp(linear) * (0.5 * (norms[:, None] + norms) - far.reshape(n, n))
        trend = (pairs.trends * trends) @ pairs.trends.T
        alike = np.exp(-weights[context] @ pairs.distances[context]).reshape(n, n)
        kernel = alike * (near + straight + trend)
        logs = log[-3:] @ pairs.leverage
        noise = np.exp(np.maximum(logs, _LEAST_NOISE))
        factor, info = lapack.dpotrf(kernel + np.diag(noise), lower=1)
        if info != 0:
            return 1e10, np.zeros_like(log)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weighted = inverse @ values
        pull = (log - self._prior) / self._width
        value = 0.5 * values @ weighted + np.log(np.diag(factor)).sum() + 0.5 * pull @ pull
        slack = inverse - np.outer(weighted, weighted)
        rest = slack * alike
        towards, along = rest * near, np.exp(linear) * rest
        noisy = np.diag(slack) * noise * (logs > _LEAST_NOISE)
        slopes = np.empty_like(weights)
        slopes[own] = pairs.norms[own] @ along.sum(axis=1)
        slopes[own] -= pairs.distances[own] @ (towards + along).ravel()
        slopes[context] = -(pairs.distances[context] @ (slack * kernel).ravel())
        gradient = np.concatenate(
            [
                [0.5 * towards.sum()],
                0.5 * weights * slopes,
                0.5 * trends * np.einsum("ik,ij,jk->k", pairs.trends, rest, pairs.trends),
                [0.5 * (rest * straight).sum()],
                0.5 * pairs.leverage @ noisy,
            ]
        )
        return float(value), gradient + pull / self._width


def _leverage(levels: Doubles, below: NDArray[np.bool_]) -> Doubles:
    """Return by what the logarithm of the noise grows (3, n): always, a low value, a lower rung."""
    low = -np.clip(levels, -_REACH, _REACH)
    return np.stack([np.ones(len(levels)), low, below.astype(np.float64)])


class Pairs:
    """What the likelihood needs of rows that stay while it climbs.

    Args:
        features: of the rows.
        rows: n measurements.
        levels: their values as believed (n,).
        below: which stand below the rung of prediction (n,).
    """

    def __init__(
        self, features: Features, rows: Rows, levels: Doubles, below: NDArray[np.bool_]
    ) -> None:
        distances = features.distances(rows)
        self.distances = distances.reshape(len(distances), -1).astype(np.float64)
        self.norms = features.norms(rows).astype(np.float64)
        self.trends = features.trend(rows).astype(np.float64)
        self.levels, self.below = levels, below
        self.leverage = _leverage(levels, below)
