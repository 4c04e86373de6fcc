"""Where proposals come from: architectures that are allowed, within budget and unseen."""

from __future__ import annotations

import time
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.machine.log import logger
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted
from plugnas.space import Architecture

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

TABLE = 20_000
"""Spaces up to this size are listed in full."""

SWEEP = 500_000
"""Spaces up to this size are swept for a last unseen architecture before they count as empty."""

_ROUNDS, _CROWD = 60, 192
_CHUNK, _PATIENCE = 64, 10.0  # architectures at a time; seconds between two words on it


class CandidatePool:
    """Knows what was asked for and what is left.

    Where the space is small (``listed``), ``table`` holds the codes of every architecture within
    budget; else it is empty. Everything handed in or out is a canonical, allowed code matrix.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.space = problem, problem.space
        self.refused = 0  # candidates looked at and left out because they are above the budget
        self._seen: dict[bytes, None] = {}
        self._crowd: Codes | None = None
        self.listed = self.space.size <= TABLE
        self.table: Codes = np.empty((0, len(self.space.parameters)), dtype=np.int16)
        self.table_costs = np.zeros((0, 0))
        self._place: dict[bytes, int] = {}
        self._free = np.zeros(0, dtype=bool)
        if self.listed:
            self._list()

    def _list(self) -> None:
        codes = np.concatenate(list(self.space.enumerate()))
        costs = self._list_costs(codes)
        within = self.problem.within(costs)
        self.refused += int((~within).sum())
        if not within.any():
            raise self._nothing_within(codes)
        self.table, self.table_costs = codes[within], costs[within]
        self._place = {row.tobytes(): i for i, row in enumerate(self.table)}
        self._free = np.ones(len(self.table), dtype=bool)

    def _list_costs(self, codes: Codes) -> Doubles:
        """Return the costs of every architecture, in chunks, and say so where that takes long."""
        parts: list[Doubles] = []
        start = said = time.monotonic()
        for place in range(0, len(codes), _CHUNK):
            parts.append(self.problem.costs(codes[place : place + _CHUNK]))
            now, done = time.monotonic(), min(place + _CHUNK, len(codes))
            if now - said > _PATIENCE and done < len(codes):
                left = (now - start) / done * (len(codes) - done)
                logger.warning(
                    "costs of %d of %d architectures are known after %.0f s; the search begins in "
                    "about %.0f s (a faster cost function, or a cost model with costs_of, helps)",
                    *(done, len(codes), now - start, left),
                )
                said = now
        return np.concatenate(parts)

    # --- what was seen --------------------------------------------------------------------------

    def mark(self, row: Codes) -> None:
        """Note that the architecture with these codes (P,) is no longer to be proposed."""
        key = row.tobytes()
        self._seen[key] = None
        if key in self._place:
            self._free[self._place[key]] = False

    def unmark(self, row: Codes) -> None:
        """Take ``mark`` back."""
        key = row.tobytes()
        self._seen.pop(key, None)
        if key in self._place:
            self._free[self._place[key]] = True

    def __len__(self) -> int:
        return len(self._seen)

    def seen(self, row: Codes) -> bool:
        """Return whether these codes (P,) were asked for or told."""
        return row.tobytes() in self._seen

    def recent(self, count: int) -> Codes:
        """Return the codes of the last ``count`` rows marked."""
        keys = list(islice(reversed(self._seen), count))
        rows = np.frombuffer(b"".join(keys), dtype=np.int16)
        return rows.reshape(len(keys), len(self.space.parameters))

    def free(self) -> NDArray[np.bool_]:
        """Return which rows of the table are unseen."""
        return self._free

    def fresh(self, codes: Codes) -> tuple[Codes, NDArray[np.float64]]:
        """Return the distinct rows that are unseen and within budget, in order, and their costs."""
        known, keep = set(), []
        for i, row in enumerate(np.ascontiguousarray(codes)):
            key = row.tobytes()
            if key not in self._seen and key not in known:
                known.add(key)
                keep.append(i)
        codes = codes[keep]
        costs = self.problem.costs(codes)
        within = self.problem.within(costs)
        self.refused += int((~within).sum())
        return codes[within], costs[within]

    # --- what is left ---------------------------------------------------------------------------

    def any_left(self) -> None:
        """Raise SpaceExhausted if the table has no unseen row."""
        if self.listed and not self._free.any():
            raise self._exhausted(len(self.table))

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return up to ``count`` unseen rows at random, at least one.

        Raises:
            SpaceExhausted: none is left. ProblemError: nothing meets the budget.
        """
        if self.listed:
            self.any_left()
            order = rng.permutation(len(self.table))  # the same whatever was seen: runs resume so
            return self.table[order[self._free[order]][:count]]
        codes, _ = self.fresh(self.space.sample_codes(2 * count, rng))
        if len(codes) < count and self.problem.budget:
            codes, _ = self.fresh(np.concatenate([codes, self._wander(rng)]))
        if len(codes) == 0 and self._seen:
            codes = self._walk(rng)
        return codes[:count] if len(codes) else self._sweep()

    def variants(self, parents: Codes, rng: np.random.Generator) -> Codes:
        """Return unseen rows one or more changes away from parents; steps grow until some are."""
        codes = np.repeat(parents, max(1, 64 // len(parents)), axis=0)
        for _ in range(8):
            codes = self.space.mutate_codes(codes, rng)
            found, _ = self.fresh(codes)
            if len(found):
                return found
        return self.draw(1, rng)

    def _descend(self) -> Codes:
        """Walk from random rows down to the budget; return the rows nearest to it, in order.

        Of a strict budget in a large space, little else is found within it. The same crowd at every
        call, whatever was asked before.
        """
        if self._crowd is None:
            rng = self.problem.rng(0)
            crowd = self.space.sample_codes(_CROWD, rng)
            for _ in range(_ROUNDS):
                crowd, over = self._nearest(crowd, rng)
                if len(over) == _CROWD and over[-1] <= 0:
                    break
            self._crowd = crowd
        return self._crowd

    def _wander(self, rng: np.random.Generator) -> Codes:
        """Return rows within budget a few random changes away from the crowd of ``_descend``."""
        crowd = self._descend()
        crowd = crowd[rng.permutation(len(crowd))]
        for _ in range(3):
            crowd, _ = self._nearest(crowd, rng)
        return crowd[rng.permutation(len(crowd))]

    def _nearest(self, crowd: Codes, rng: np.random.Generator) -> tuple[Codes, Doubles]:
        """Return the nearest to the budget among rows and their mutants, and their excess."""
        children = self.space.mutate_codes(crowd, rng, local=0.3)
        crowd = np.unique(np.concatenate([crowd, children]), axis=0)
        over = self.problem.excess(self.problem.costs(crowd)).sum(axis=1)
        order = np.lexsort((rng.random(len(crowd)), over))[:_CROWD]
        return crowd[order], over[order]

    def _walk(self, rng: np.random.Generator) -> Codes:
        """Look around what was seen, one change at a time."""
        found, _ = self.fresh(self.space.mutate_codes(self.recent(_CROWD), rng))
        return found

    def _sweep(self) -> Codes:
        """Look at the whole space, or give up where it is too large."""
        if self.space.size <= SWEEP:
            for codes in self.space.enumerate():
                found, _ = self.fresh(codes)
                if len(found):
                    return found[:1]
        if self._seen:
            raise self._exhausted(self.space.size if self.space.size <= SWEEP else None)
        raise self._nothing_within(self._descend())

    def _nothing_within(self, codes: Codes) -> ProblemError:
        costs = self.problem.costs(codes)
        nearest = int(np.argmin(self.problem.excess(costs).sum(axis=1)))
        names = self.problem.cost_names
        limits = ", ".join(f"{n} <= {v:g}" for n, v in self.problem.budget.items())
        least = ", ".join(f"{n} {costs[nearest, names.index(n)]:g}" for n in self.problem.budget)
        return ProblemError(
            f"no architecture of this space is within the budget ({limits}); the cheapest found "
            f"has {least}: {self.space.architectures(codes[[nearest]])[0].json()}. "
            "Raise the budget or add cheaper choices"
        )

    def _exhausted(self, size: int | None) -> SpaceExhausted:
        budget = " within the budget" if self.problem.budget else ""
        if size is None:
            return SpaceExhausted(
                f"no further architecture{budget} was found after {len(self._seen)} of them"
            )
        return SpaceExhausted(f"all {len(self._seen)} architectures{budget} have been asked for")

    def take(self, row: Codes) -> Architecture:
        """Mark a row (P,) as asked for and return its architecture."""
        self.mark(row)
        return self.space.architectures(row[None])[0]
