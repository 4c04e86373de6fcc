"""Every measurement told, as arrays, and its values on a scale that a model can use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers.predictor.features import Features, Rows
from plugnas.nas.samplers.predictor.warp import LogError, Warp, saturated
from plugnas.nas.samplers.problem import Problem

Doubles = NDArray[np.float64]

PROOF, SHARE = 3, 3
"""Repetitions that show how much noise there is, or none; one in how many may be one at most."""

ENOUGH = 4
"""Values from which it is said whether a metric is saturated."""


class _Growing:
    """An array that rows are appended to."""

    def __init__(self, width: int, dtype: Any) -> None:
        self._data = np.zeros((64, width), dtype=dtype)
        self._size = 0

    def append(self, row: Any) -> None:
        if self._size == len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        self._data[self._size] = row
        self._size += 1

    @property
    def all(self) -> NDArray[Any]:
        return self._data[: self._size]


class Observations:
    """Measurements in the order told.

    ``target`` is the rung at which values are wanted. Other rungs tell the order of
    architectures, not their height, so each is standardised apart; and there the signal, which
    ranks best at its rung, stands in for the first measured objective.
    """

    def __init__(self, problem: Problem, features: Features) -> None:
        self.problem, self.features = problem, features
        self.target = 0
        self._codes = _Growing(len(problem.space.parameters), np.int16)
        self._costs = _Growing(len(problem.cost_names), np.float64)
        self._rungs = _Growing(1, np.int64)
        self._values = _Growing(len(problem.measured), np.float64)
        self._signals = _Growing(1, np.float64)
        self._lines = _Growing(sum(hint.width for hint in problem.hints), np.float64)
        self._hot: _Growing | None = None
        self._dense: _Growing | None = None
        self._failed: dict[tuple[bytes, int], list[int]] = {}

    def __len__(self) -> int:
        return len(self._codes.all)

    @property
    def codes(self) -> NDArray[np.int16]:
        """Code rows (n, P)."""
        return self._codes.all

    @property
    def costs(self) -> Doubles:
        """Known costs (n, C)."""
        return self._costs.all

    @property
    def rungs(self) -> NDArray[np.int64]:
        """Rungs (n,)."""
        return self._rungs.all[:, 0]

    def rows(self, index: NDArray[np.int64] | slice) -> Rows:
        """Return the encoded rows of some measurements."""
        if self._hot is None or self._dense is None:
            raise RuntimeError("nothing was told yet")
        return Rows(self._hot.all[index], self._dense.all[index], self._lines.all[index])

    def append(self, row: NDArray[np.int16], measurement: Measurement) -> None:
        """Take in a measurement of the architecture with codes ``row`` (P,)."""
        values = self.problem.measured_values(measurement)
        signal = measurement.signal if measurement.ok else None
        signal = np.nan if signal is None or not np.isfinite(signal) else signal
        place = (row.tobytes(), measurement.rung)
        index = len(self)
        cost = self.problem.costs(row[None])
        rung = np.array([measurement.rung], dtype=np.int64)
        encoded = self.features.encode(row[None], cost, rung)
        if self._hot is None or self._dense is None:
            self._hot = _Growing(encoded.hot.shape[1], np.int32)
            self._dense = _Growing(encoded.dense.shape[1], np.float32)
        self._codes.append(row)
        self._costs.append(cost[0])
        self._rungs.append(measurement.rung)
        self._values.append(np.nan if values is None else values)
        self._signals.append(signal)
        self._hot.append(encoded.hot[0])
        self._dense.append(encoded.dense[0])
        self._lines.append(encoded.lines[0])
        if values is None and np.isnan(signal):
            self._failed.setdefault(place, []).append(index)
            return
        for i in self._failed.pop(place, []):  # it works after all: the failure meant nothing
            self._values.all[i], self._signals.all[i] = self._values.all[index], signal

    def usable(self, rung: int) -> int:
        """Return how many measurements at a rung returned something."""
        here = self.rungs == rung
        something = np.isfinite(self._values.all).all(axis=1) | np.isfinite(self._signals.all[:, 0])
        return int((here & something).sum())

    def repetitions(self) -> tuple[int, bool]:
        """Return how many measurements at the target were repetitions, and if more are no use.

        They are not where they are a third of all, or all so far gave the same value again.
        """
        here = self.rungs == self.target
        rows, values = self._codes.all[here], self._values.all[here, 0]
        _, kind = np.unique(rows, axis=0, return_inverse=True)
        kind = kind.reshape(-1)
        distinct = int(kind.max(initial=-1)) + 1
        repeated = len(kind) - distinct
        low, high = np.full(distinct, np.inf), np.full(distinct, -np.inf)
        np.minimum.at(low, kind, np.nan_to_num(values))
        np.maximum.at(high, kind, np.nan_to_num(values))
        equal = repeated >= PROOF and bool((low == high).all())
        return repeated, equal or repeated * SHARE >= len(kind)

    def raw(self, j: int) -> Doubles:
        """Return measured objective j of every measurement (n,), NaN where it failed."""
        result = self._values.all[:, j].copy()
        if j == 0:
            signals, rungs = self._signals.all[:, 0], self.rungs
            for rung in np.unique(rungs):
                here = rungs == rung
                valued = np.isfinite(result[here])
                complete = np.isfinite(signals[here]) | ~valued
                if (rung != self.target or not valued.any()) and complete.all():
                    result[here] = signals[here]
        return result

    def warps(self, j: int, slack: float) -> dict[int, Warp]:
        """Return the standardisation of objective j at each rung."""
        raw, rungs = self.raw(j), self.rungs
        result = {}
        for rung in np.unique(rungs):
            values = raw[(rungs == rung) & np.isfinite(raw)]
            kind = LogError if self._saturated(j, int(rung), values) else Warp
            result[int(rung)] = kind.of(values if len(values) else np.zeros(1), slack)
        return result

    def _saturated(self, j: int, rung: int, values: Doubles) -> bool:
        """Whether objective j has values at the rung of prediction that are nearly all right."""
        shares = rung == self.target and self.problem.sign(self.problem.measured[j]) > 0
        return shares and len(values) >= ENOUGH and saturated(values)

    def standardised(self, j: int, warps: dict[int, Warp]) -> Doubles:
        """Return z of objective j for every measurement; what failed counts as the worst."""
        raw, rungs = self.raw(j), self.rungs
        z = np.zeros(len(raw))
        for rung, warp in warps.items():
            here = rungs == rung
            good = here & np.isfinite(raw)
            if good.any():
                z[good] = warp.to(raw[good])
                z[here & ~good] = z[good].min()
        return z

    def log_slope(self, j: int, warps: dict[int, Warp], index: NDArray[np.int64]) -> float:
        """Return the sum of log dz/dy over some measurements."""
        raw, rungs = self.raw(j)[index], self.rungs[index]
        return sum(
            warp.log_slope(raw[(rungs == rung) & np.isfinite(raw)]) for rung, warp in warps.items()
        )

    def subset(self, count: int, z: Doubles) -> NDArray[np.int64]:
        """Return up to ``count`` measurements: best for their cost, newest, a spread of the rest.

        ``z`` is the first measured objective of each (n,).
        """
        total = len(self)
        if total <= count:
            return np.arange(total)
        best = np.argsort(self._place_among_equals(z), kind="stable")[: count // 2]
        chosen = np.union1d(best, np.arange(total - count // 4, total))
        rest = np.setdiff1d(np.arange(total), chosen)
        spread = rest[np.linspace(0, len(rest) - 1, count - len(chosen)).astype(int)]
        return np.union1d(chosen, spread)

    def _place_among_equals(self, z: Doubles) -> NDArray[np.int64]:
        """Return each measurement's place by z within its eighth of the first known objective."""
        if not self.problem.known:
            return np.argsort(np.argsort(-z, kind="stable"), kind="stable")
        cost = self.costs[:, self.problem.cost_names.index(self.problem.known[0])]
        eighth = np.argsort(np.argsort(cost, kind="stable"), kind="stable") * 8 // len(z)
        place = np.empty(len(z), dtype=np.int64)
        for part in range(8):
            inside = np.flatnonzero(eighth == part)
            place[inside[np.argsort(-z[inside], kind="stable")]] = np.arange(len(inside))
        return place
