"""What the accuracy model sees of an architecture, in groups that share one relevance each.

The kernel is ``exp(-sum over groups of weight * distance)``. A group is one of: a parameter's
choice (distance 1 between two choices, 1/2 between a choice and "not active"), the family of a
choice, how often a module or a family stands anywhere in the network (so that a module seen twice
in other slots is not judged alone), the rank of a number, the logarithm of a known cost, the rung.
All distances are half squared Euclidean ones, so that every sum of them gives a proper kernel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from plugnas.nas.samplers.problem import Problem
from plugnas.space import Parameter

Codes = NDArray[np.int16]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SEPARATE = 24
"""Above this number of parameters those of one slot share a relevance."""

FEW = 4
"""Up to this number of choices each choice's count has its own relevance."""


@dataclass(frozen=True)
class Rows:
    """Encoded architectures: columns of the one-hot block (n, h), -1 for none; and numbers.

    ``lines`` are what the problem's hints say of them, (n, columns of all hints).
    """

    hot: NDArray[np.int32]
    dense: Floats
    lines: Doubles

    def __len__(self) -> int:
        return len(self.hot)

    def __getitem__(self, index: NDArray[np.int64] | slice) -> Rows:
        return Rows(self.hot[index], self.dense[index], self.lines[index])


class Features:
    """The encoding of a problem's architectures, and which columns belong to which group.

    ``hot_group`` and ``dense_group`` give the group of each column, ``start`` a first guess of each
    group's weight, ``own`` (groups,) which speak of the architecture and not of where it was
    measured, ``trends`` the dense columns in which the mean may be a line, ``coefficients`` how
    many numbers say what each choice does by itself, ``widths`` for each column of the hints how
    many columns its hint has. ``sample`` are random code rows by which numbers are scaled, where
    costs take long and those of others should not be asked for.
    """

    def __init__(self, problem: Problem, sample: Codes | None = None) -> None:
        parameters = problem.space.parameters
        self._hints = problem.hints
        widths = [hint.width for hint in problem.hints]
        self.widths = np.array([w for w in widths for _ in range(w)], dtype=np.float64)
        self._used = [j for j, p in enumerate(parameters) if len(p.choices) > 1]
        self._pool_of = {
            j: (p.slot or "", p.choices if p.slot is None or p.families is None else ())
            for j, p in enumerate(parameters)
        }
        self.coefficients = sum(len(parameters[j].choices) - 1 for j in self._used)
        self.groups = 0
        self.hot_width = 0
        self._hot: list[tuple[int, NDArray[np.int32]]] = []  # parameter, column of each code
        hot_group: list[int] = []
        self._start: list[float] = []
        shared = len(self._used) > SEPARATE
        tied: dict[object, int] = {}
        for kind in ("choice", "family"):
            for j in self._used:
                labels = self._labels(parameters[j], kind)
                if labels is None:
                    continue
                key = (kind, self._pool_of[j] if shared else _chooser(parameters, j))
                if key not in tied:
                    tied[key] = self._new_group(0.7 / np.sqrt(len(self._used)))
                width = int(labels.max()) + 1
                self._hot.append((j, (labels + self.hot_width).astype(np.int32)))
                self.hot_width += width
                hot_group += [tied[key]] * width
        self.hot_group = np.array(hot_group, dtype=np.int64)
        self._counts = self._count_columns(parameters)
        self._ranked = [j for j in self._used if self._has_order(parameters[j])]
        self._scale_from_sample(problem, sample)

    @staticmethod
    def _labels(parameter: object, kind: str) -> NDArray[np.int64] | None:
        choices, families = parameter.choices, parameter.families  # type: ignore[attr-defined]
        if kind == "choice":
            return np.arange(len(choices))
        if families is None or not 1 < len(set(families)) < len(choices):
            return None
        return np.unique(families, return_inverse=True)[1].reshape(-1)

    @staticmethod
    def _has_order(parameter: Parameter) -> bool:
        """Whether ranks say more than the choices do: of two settings of a choice they do not."""
        return parameter.ordinal and not (parameter.of_choice and len(parameter.choices) == 2)

    def _new_group(self, start: float) -> int:
        self.groups += 1
        self._start.append(float(np.log(start)))
        return self.groups - 1

    def _count_columns(
        self, parameters: tuple[Parameter, ...]
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """For each parameter that shares its choices with another: the count column of a code."""
        pools: dict[object, list[int]] = defaultdict(list)
        for j in self._used:
            pools[self._pool_of[j]].append(j)
        columns: list[tuple[int, NDArray[np.int64]]] = []
        self._count_width, self._count_group = 0, []
        for members in pools.values():
            if len(members) < 2:
                continue
            for kind in ("choice", "family"):
                names: dict[object, int] = {}
                for j in members:
                    labels = self._labels(parameters[j], kind)
                    if labels is None:
                        continue
                    p = parameters[j]
                    words = p.choices if kind == "choice" else p.families
                    place = [names.setdefault(word, len(names)) for word in words]  # type: ignore[union-attr]
                    columns.append((j, np.array(place) + self._count_width))
                if not names:
                    continue
                if len(names) <= FEW:
                    own = [self._new_group(0.3) for _ in names]
                else:
                    own = [self._new_group(0.3)] * len(names)
                self._count_group += own
                self._count_width += len(names)
        return columns

    def _scale_from_sample(self, problem: Problem, sample: Codes | None) -> None:
        """Scale every group of numbers so that two random architectures are 1 apart on average."""
        codes = problem.space.sample_codes(512, problem.rng(0)) if sample is None else sample
        costs = problem.costs(codes)
        self._log = costs.min(axis=0) > 0 if costs.size else np.zeros(costs.shape[1], dtype=bool)
        self._shift = np.zeros(0, dtype=np.float32)
        raw = self._numbers(codes, costs)
        groups = list(self._count_group)
        groups += [self._new_group(0.3) for _ in self._ranked]
        groups += [self._new_group(0.3) for _ in range(costs.shape[1])]
        self.trends = np.arange(raw.shape[1] - costs.shape[1], raw.shape[1])
        spread = raw.std(axis=0)
        scale = np.zeros(raw.shape[1])
        for group in set(groups):
            columns = np.flatnonzero(np.array(groups) == group)
            total = np.sqrt((spread[columns] ** 2).sum())
            scale[columns] = 1 / total if total > 1e-9 else 0.0
        self._shift = raw.mean(axis=0)
        rung = self._new_group(0.5)
        self.own = np.arange(self.groups) != rung
        self._scale = np.append(scale, 1.0).astype(np.float32)
        self.dense_group = np.array([*groups, rung], dtype=np.int64)
        self.start = np.array(self._start)

    def _numbers(self, codes: Codes, costs: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.zeros((len(codes), self._count_width + 1))
        rows = np.arange(len(codes))
        for j, place in self._counts:  # the last column takes what is not active
            counts[rows, np.where(codes[:, j] < 0, self._count_width, place[codes[:, j]])] += 1
        ranks = np.maximum(codes[:, self._ranked], 0).astype(np.float64)
        logs = np.where(self._log, np.log(np.where(self._log, np.maximum(costs, 1e-12), 1)), costs)
        return np.concatenate([counts[:, :-1], ranks, logs], axis=1)

    def encode(self, codes: Codes, costs: NDArray[np.float64], rungs: NDArray[np.int64]) -> Rows:
        """Return the rows of a code matrix (n, P), cost matrix (n, C) and rungs (n,)."""
        hot = np.full((len(codes), len(self._hot)), -1, dtype=np.int32)
        for k, (j, columns) in enumerate(self._hot):
            hot[:, k] = np.where(codes[:, j] < 0, -1, columns[codes[:, j]])
        numbers = self._numbers(codes, costs) - self._shift
        dense = np.concatenate([numbers, rungs[:, None]], axis=1).astype(np.float32)
        lines = [np.zeros((len(codes), 0)), *(h.values(codes, costs) for h in self._hints)]
        return Rows(hot, dense * self._scale, np.concatenate(lines, axis=1))

    def trend(self, rows: Rows) -> Floats:
        """Return what the mean may be a line in (n, trends): the logarithms of the known costs."""
        return rows.dense[:, self.trends]

    def norms(self, rows: Rows) -> Floats:
        """Return the squared length of every row in every group, float32 (groups, n)."""
        result = np.zeros((self.groups, len(rows)), dtype=np.float32)
        for k, (_, columns) in enumerate(self._hot):
            result[self.hot_group[columns[0]]] += rows.hot[:, k] >= 0
        for c, group in enumerate(self.dense_group):
            result[group] += rows.dense[:, c] ** 2
        return result

    def distances(self, rows: Rows) -> Floats:
        """Return the distance of every pair in every group, float32 (groups, n, n)."""
        result = np.zeros((self.groups, len(rows), len(rows)), dtype=np.float32)
        for k, (_, columns) in enumerate(self._hot):
            column = rows.hot[:, k]
            active = column >= 0
            unequal = (column[:, None] != column[None, :]) * np.float32(0.5)
            both = active[:, None] & active[None, :]
            result[self.hot_group[columns[0]]] += unequal * (1 + both)
        for c, group in enumerate(self.dense_group):
            numbers = rows.dense[:, c]
            result[group] += np.float32(0.5) * (numbers[:, None] - numbers[None, :]) ** 2
        return result


def _chooser(parameters: Sequence[Parameter], j: int) -> int:
    """Return the parameter of whose choice this one is a setting; itself where it is of none.

    Both share a relevance, so that a choice and its settings learn no slower than one list of both.
    """
    names = {p.name: i for i, p in enumerate(parameters)}
    while parameters[j].of_choice:
        j = names[str(parameters[j].parent)]
    return j


@dataclass(frozen=True)
class Embedding:
    """Rows as points whose half squared distance is the weighted sum of the group distances.

    ``dense`` and ``norm`` are without the context: where a measurement was made (its rung).
    ``trend`` (n, trends) holds what the mean is a line in, times the deviation of its slope.
    """

    hot: sparse.csr_matrix
    dense: Floats
    norm: Floats
    trend: Floats
    context: Floats

    def __len__(self) -> int:
        return len(self.norm)

    def __getitem__(self, index: NDArray[np.int64] | slice) -> Embedding:
        dense, norm, trend = self.dense[index], self.norm[index], self.trend[index]
        return Embedding(self.hot[index], dense, norm, trend, self.context[index])

    @property
    def in_one_context(self) -> bool:
        """Whether all rows stand at the same rung."""
        return bool((self.context == self.context[:1]).all())

    def spread(self, linear: float) -> NDArray[np.float64]:
        """Return the prior variance (n,) of linear part and trends."""
        trend = self.trend.astype(np.float64)
        return linear * self.norm.astype(np.float64) + (trend**2).sum(axis=1)


def embed(
    features: Features,
    rows: Rows,
    weights: NDArray[np.float64],
    trends: NDArray[np.float64] | None = None,
) -> Embedding:
    """Return the embedding of rows.

    Args:
        features: of the rows.
        rows: encoded (n).
        weights: of the groups (groups,).
        trends: prior variances of the slopes of the trends; None: 1.
    """
    weight = weights.astype(np.float32)
    data: Floats = np.zeros(rows.hot.shape, dtype=np.float32)
    if features.hot_width:
        data = np.where(rows.hot >= 0, np.sqrt(weight[features.hot_group])[rows.hot], data)
    n, per_row = rows.hot.shape
    pointers = np.arange(0, n * per_row + 1, per_row or 1)[: n + 1]
    if per_row == 0:
        pointers = np.zeros(n + 1, dtype=np.int64)
    columns = np.maximum(rows.hot, 0)
    shape = (n, max(features.hot_width, 1))
    hot = sparse.csr_matrix((data.ravel(), columns.ravel(), pointers), shape=shape)
    numbers = rows.dense * np.sqrt(weight[features.dense_group])
    dense = numbers[:, features.own[features.dense_group]]
    context = numbers[:, ~features.own[features.dense_group]]
    norm = (data**2).sum(axis=1) + (dense**2).sum(axis=1)
    trend = features.trend(rows)
    if trends is not None:
        trend = trend * np.sqrt(trends).astype(np.float32)
    return Embedding(hot, dense, norm, trend, context)
