"""A tree of categorical parameters as integer matrices: the arithmetic under ``SearchSpace``.

A code matrix is int16 (n, P): the index into each parameter's choices, -1 where it is inactive.
Nothing here knows of networks; a ``Rule`` says which combinations are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plugnas.space.errors import SpaceError
from plugnas.space.parameter import Parameter

Codes = NDArray[np.int16]
Odds = Mapping[int, NDArray[np.float64]]
"""Column -> how likely each of its choices is, up to a factor."""

_TRIES = 200


@dataclass(frozen=True)
class Rule:
    """Refused combinations of a few columns: ``refused[codes[columns] + 1]`` is True."""

    columns: tuple[int, ...]
    refused: NDArray[np.bool_]
    reason: Callable[[Sequence[int]], str]

    def broken(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows break the rule."""
        return self.refused[tuple(codes[:, c] + 1 for c in self.columns)]


class Merging(Protocol):
    """Rewrites codes so that rows of one network are one row (see ``space.merging``)."""

    def apply(self, codes: Codes) -> None:
        """Rewrite in place."""


class CodeTree:
    """Sampling, mutation, crossover and enumeration of code matrices.

    A row is canonical where what is inactive is -1 and every merge leaves it as it is.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        rules: Sequence[Rule] = (),
        merges: Sequence[Merging] = (),
    ) -> None:
        self.parameters = tuple(parameters)
        self.rules = tuple(rules)
        self.merges = tuple(merges)
        self.sizes = np.array([len(p.choices) for p in self.parameters])
        index = {p.name: j for j, p in enumerate(self.parameters)}
        self.parents = [None if p.parent is None else index[p.parent] for p in self.parameters]
        self._when: list[NDArray[np.bool_] | None] = []
        for p, parent in zip(self.parameters, self.parents, strict=True):
            if parent is None:
                self._when.append(None)
                continue
            wakes = np.zeros(len(self.parameters[parent].choices) + 1, dtype=bool)
            for value in p.when:  # entry 0 stands for code -1: an inactive parent wakes nothing
                wakes[self.parameters[parent].choices.index(value) + 1] = True
            self._when.append(wakes)
        self._kin = [_kin(p) for p in self.parameters]
        self._free = np.flatnonzero(self.sizes > 1)

    def canonical(self, codes: Codes) -> Codes:
        """Return a copy with -1 where a parameter is inactive, and one row for each network."""
        codes = self.awake(codes)
        for merge in self.merges:
            merge.apply(codes)
        return codes

    def awake(self, codes: Codes) -> Codes:
        """Return a copy with -1 wherever a parameter is inactive."""
        codes = codes.copy()
        for j, wakes in enumerate(self._when):
            if wakes is not None:
                codes[~wakes[codes[:, self.parents[j]] + 1], j] = -1
        return codes

    def allowed(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows no rule refuses."""
        fine = np.ones(len(codes), dtype=bool)
        for rule in self.rules:
            fine &= ~rule.broken(codes)
        return fine

    def refusals(self) -> list[str]:
        """Return every refused combination in words."""
        return [
            rule.reason(tuple(code - 1 for code in row))
            for rule in self.rules
            for row in np.argwhere(rule.refused)
        ]

    def refusal(self, codes: Codes) -> str | None:
        """Return why one row (1, P) is refused, or None."""
        for rule in self.rules:
            if rule.broken(codes)[0]:
                return rule.reason(tuple(int(codes[0, c]) for c in rule.columns))
        return None

    def _random(self, n: int, rng: np.random.Generator, odds: Odds | None = None) -> Codes:
        drawn = rng.random((n, len(self.sizes)))
        codes = (drawn * self.sizes).astype(np.int16)
        for j, weights in (odds or {}).items():
            edges = np.cumsum(weights) / np.sum(weights)
            codes[:, j] = np.minimum(np.searchsorted(edges, drawn[:, j], "right"), len(edges) - 1)
        return codes

    def sample(self, n: int, rng: np.random.Generator, odds: Odds | None = None) -> Codes:
        """Draw n allowed rows, each active choice by its odds; values of one network share it.

        Args:
            n: rows.
            rng: draws.
            odds: column -> the weight of each of its choices; uniform where none are given.

        Raises:
            SpaceError: refusals leave so little that no allowed row is found.
        """
        raw = self._random(n, rng, odds)
        for _ in range(_TRIES):
            codes = self.canonical(raw)
            touched = np.zeros(raw.shape, dtype=bool)
            for rule in self.rules:
                # Draw again only what the rule speaks of, so that strict rules elsewhere hold.
                touched[np.flatnonzero(rule.broken(codes))[:, None], rule.columns] = True
            if not touched.any():
                return codes
            raw = np.where(touched, self._random(n, rng, odds), raw)
        raise SpaceError(
            f"the refusals of this space leave almost nothing: {_TRIES} draws found no allowed "
            "architecture; see `nas space` for the refusals and widen the choices"
        )

    def mutate(self, codes: Codes, rng: np.random.Generator, local: float) -> Codes:
        """Change one active parameter per row, with probability ``local`` to one of its family.

        Parameters that wake up are drawn at random. A row for which no allowed change is found
        comes back as it was.
        """
        result = codes.copy()
        if not len(self._free):
            return result
        todo = np.arange(len(codes))
        for _ in range(20):
            changed = self._mutate_once(codes[todo], rng, local)
            fine = self.allowed(changed) & (changed != codes[todo]).any(1)
            result[todo[fine]] = changed[fine]
            todo = todo[~fine]
            if not len(todo):
                break
        return result

    def _mutate_once(self, codes: Codes, rng: np.random.Generator, local: float) -> Codes:
        scores = rng.random((len(codes), len(self._free)))
        scores[codes[:, self._free] < 0] = -1
        columns = self._free[scores.argmax(1)]
        changed = np.where(codes < 0, self._random(len(codes), rng), codes)
        stay_near = rng.random(len(codes)) < local
        shift = rng.random(len(codes))
        for j in np.unique(columns):
            rows = np.flatnonzero(columns == j)
            old = codes[rows, j]
            step = 1 + (shift[rows] * (self.sizes[j] - 1)).astype(np.int64)
            changed[rows, j] = (old + step) % self.sizes[j]
            for row, code in zip(rows[stay_near[rows]], old[stay_near[rows]], strict=True):
                kin = self._kin[j][code]
                if len(kin):
                    changed[row, j] = kin[int(shift[row] * len(kin))]
        return self.canonical(changed)

    def crossover(self, a: Codes, b: Codes, rng: np.random.Generator) -> Codes:
        """Mix two parents column by column; a row that is refused comes back as ``a``'s."""
        first = rng.random(a.shape) < 0.5
        child = np.where(first, a, b)
        child = np.where(child < 0, np.where(first, b, a), child)
        child = np.where(child < 0, self._random(len(a), rng), child).astype(np.int16)
        child = self.canonical(child)
        return np.where(self.allowed(child)[:, None], child, a)

    def neighbours(self, row: Codes) -> Codes:
        """Return all allowed networks that differ from ``row`` (P,) in one choice.

        What wakes up under the new choice takes its first value.
        """
        rows = []
        for j in self._free:
            if row[j] >= 0:
                for choice in range(self.sizes[j]):
                    if choice != row[j]:
                        changed = np.where(row < 0, 0, row).astype(np.int16)
                        changed[j] = choice
                        rows.append(changed)
        if not rows:
            return np.empty((0, len(row)), dtype=np.int16)
        codes = self.canonical(np.array(rows, dtype=np.int16))
        codes = codes[self.allowed(codes) & (codes != row).any(1)]
        first = np.unique(codes, axis=0, return_index=True)[1]
        return codes[np.sort(first)]

    def enumerate(self, chunk: int) -> Iterator[Codes]:
        """Yield every allowed network exactly once, in chunks, parameters varying from the last."""
        rows: list[Codes] = []
        for row in self._rows(0, np.full(len(self.sizes), -1, dtype=np.int16)):
            rows.append(row)
            if len(rows) == chunk:
                yield from self._flush(rows)
                rows = []
        if rows:
            yield from self._flush(rows)

    def _flush(self, rows: list[Codes]) -> Iterator[Codes]:
        codes = np.array(rows, dtype=np.int16)
        own = (self.canonical(codes) == codes).all(1)  # another row stands for the others
        codes = codes[own & self.allowed(codes)]
        if len(codes):
            yield codes

    def _rows(self, j: int, row: Codes) -> Iterator[Codes]:
        while j < len(row):
            wakes, parent = self._when[j], self.parents[j]
            if wakes is None or wakes[row[parent] + 1]:
                break
            j += 1
        if j == len(row):
            yield row.copy()
            return
        for choice in range(self.sizes[j]):
            row[j] = choice
            yield from self._rows(j + 1, row)
        row[j] = -1


def _kin(parameter: Parameter) -> list[NDArray[np.int64]]:
    """For each choice, the other choices of its family; neighbours in order for numbers."""
    count = len(parameter.choices)
    if parameter.families is not None:
        families = parameter.families
        return [
            np.array([i for i in range(count) if i != j and families[i] == families[j]], dtype=int)
            for j in range(count)
        ]
    if parameter.ordinal:
        return [np.array([i for i in (j - 1, j + 1) if 0 <= i < count], int) for j in range(count)]
    return [np.array([], dtype=int)] * count
