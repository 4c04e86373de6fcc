"""The scale on which values are modelled: the logarithm of the gap to a ceiling.

Accuracies crowd below a ceiling and trail off below. ``-log(top - y)`` stretches the crowd and
draws in the tail; how much is chosen by the marginal likelihood (``slack`` is the distance of the
ceiling from the best value, in ranges: small bends much, large hardly at all).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Doubles = NDArray[np.float64]

SLACKS = (0.02, 0.05, 0.3, 3.0)

SATURATED = 0.95
"""A share (0 to 1, more is better) of which half of the values are above this is saturated."""

_LEAST_ERROR = 2e-3  # a smaller error counts as this: a handful of images
_OUTLIER = 10.0  # a value this many times farther below the median than the best is above it


@dataclass(frozen=True)
class Warp:
    """Maps values (more is better) to z = (-log(top - y) - mean) / spread and back."""

    top: float
    floor: float
    mean: float
    spread: float

    @classmethod
    def of(cls, values: Doubles, slack: float) -> Warp:
        """Fit to finite values (n,), n > 0, so that z has mean 0 and variance 1."""
        best, middle = float(values.max()), float(np.median(values))
        floor = float(values.min())
        if best > middle:
            floor = max(floor, middle - _OUTLIER * (best - middle))
        size = best - floor
        if size <= 1e-12 * max(1.0, abs(best)):
            return cls(best + 1.0, floor, 0.0, 1.0)
        top = best + slack * size
        logs = -np.log(top - np.maximum(values, floor))
        return cls(top, floor, float(logs.mean()), float(logs.std()) or 1.0)

    def to(self, values: Doubles) -> Doubles:
        """Return z of values."""
        gap = np.maximum(self.top - np.maximum(values, self.floor), 1e-300)
        return (-np.log(gap) - self.mean) / self.spread

    def back(self, z: Doubles) -> Doubles:
        """Return the values of z; the median where z is a Gaussian mean."""
        return self.top - np.exp(-(z * self.spread + self.mean))

    def log_slope(self, values: Doubles) -> float:
        """Return the sum of the logarithms of dz/dy, by which likelihoods are compared."""
        gap = np.maximum(self.top - np.maximum(values, self.floor), 1e-300)
        return float(-np.log(gap).sum() - len(values) * np.log(self.spread))

    def kept(self, mean: Doubles, deviation: Doubles) -> Doubles:
        """Return the means (n,) at which the expected values are those of ``mean`` alone."""
        return mean + 0.5 * deviation**2 * self.spread

    def expected_gain(self, mean: Doubles, deviation: Doubles, heights: Doubles) -> Doubles:
        """Return E[max(y - height, 0)] where z is Gaussian: (n,), (n,), (h,) -> (n, h).

        The gap top - y is lognormal, so that this is the Black-Scholes price of a put.
        """
        location = mean * self.spread + self.mean
        scale = np.maximum(deviation * self.spread, 1e-9)
        gaps = np.maximum(self.top - heights, 1e-300)
        reach = (np.log(gaps)[None, :] + location[:, None]) / scale[:, None]
        expected = np.exp(np.minimum(scale**2 / 2 - location, 700.0))
        gain = gaps[None, :] * ndtr(reach) - expected[:, None] * ndtr(reach - scale[:, None])
        return np.maximum(gain, 0.0)


class LogError(Warp):
    """The same scale for a share that is saturated: what counts is the logarithm of the error.

    Between 0.98 and 0.99 an accuracy halves its errors, but gains next to nothing of the range down
    to the worst network. So values are given back as -log(1 - y), and gains are differences of it.
    """

    @classmethod
    def of(cls, values: Doubles, slack: float = 0.0) -> LogError:
        """Fit to shares (n,), n > 0, so that z has mean 0 and variance 1; ``slack`` is not used."""
        top = 1.0 + _LEAST_ERROR
        logs = -np.log(top - values)
        return cls(top, float(values.min()), float(logs.mean()), float(logs.std()) or 1.0)

    def back(self, z: Doubles) -> Doubles:
        """Return -log(1 - y) at z."""
        return z * self.spread + self.mean

    def kept(self, mean: Doubles, deviation: Doubles) -> Doubles:
        """Return the means themselves: the scale is that of the values."""
        return mean

    def expected_gain(self, mean: Doubles, deviation: Doubles, heights: Doubles) -> Doubles:
        """Return the expected excess over heights in -log(1 - y): (n,), (n,), (h,) -> (n, h)."""
        scale = np.maximum(deviation * self.spread, 1e-9)[:, None]
        above = (mean * self.spread + self.mean)[:, None] - heights[None, :]
        gain = above * ndtr(above / scale) + scale * _density(above / scale)
        return np.maximum(gain, 0.0)


def _density(x: Doubles) -> Doubles:
    return np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


def saturated(values: Doubles) -> bool:
    """Return whether values (n,), n > 0, are shares of which the better half is above 0.95."""
    inside = values.min() >= 0 and values.max() <= 1
    return bool(inside and np.median(values) >= SATURATED)
