"""Where proposals come from: architectures that are allowed, within budget and unseen."""

from __future__ import annotations

import time
import weakref
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from plugnas.nas.machine.log import logger
from plugnas.nas.samplers.problem import Problem, ProblemError, SpaceExhausted
from plugnas.nas.samplers.slow_costs import CHUNK, SlowCosts, due
from plugnas.space import Architecture

Codes = NDArray[np.int16]
Doubles = NDArray[np.float64]

TABLE = 20_000
"""Spaces up to this size are listed in full."""

SWEEP = 500_000
"""Spaces up to this size are swept for a last unseen architecture before they count as empty."""

_ROUNDS, _CROWD = 60, 192
_PATIENCE = 10.0  # seconds for which the costs of a listed space hold a search up


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
        self._slow: SlowCosts | None = None
        self._opened = 0  # rows of the table whose costs count by now, where they take long
        if self.listed:
            self._list()

    def _list(self) -> None:
        codes = np.concatenate(list(self.space.enumerate()))
        if self.problem.cost is not None:  # in an order of which any beginning is a fair sample
            codes = codes[self.problem.rng(0).permutation(len(codes))]
        known = self._quick_costs(codes)
        if len(known) == len(codes):
            self._list_known(codes, known)
            return
        self._slow = SlowCosts(self.problem, codes, known)
        weakref.finalize(self, self._slow.stop)
        self.table = codes
        self.table_costs = np.zeros((len(codes), len(self.problem.cost_names)))
        self._place = {row.tobytes(): i for i, row in enumerate(codes)}
        self._free = np.zeros(len(codes), dtype=bool)
        self.any_left()

    def _list_known(self, codes: Codes, costs: Doubles) -> None:
        """List what is within budget, in the order of the space."""
        order = np.lexsort(codes.T[::-1])
        codes, costs = codes[order], costs[order]
        within = self.problem.within(costs)
        self.refused += int((~within).sum())
        if not within.any():
            raise self._nothing_within(codes)
        self.table, self.table_costs = codes[within], costs[within]
        self._place = {row.tobytes(): i for i, row in enumerate(self.table)}
        self._free = np.ones(len(self.table), dtype=bool)

    def _quick_costs(self, codes: Codes) -> Doubles:
        """Return the costs of every architecture, or of the first chunks where that takes long."""
        parts: list[Doubles] = []
        start = time.monotonic()
        for place in range(0, len(codes), CHUNK):
            parts.append(self.problem.costs(codes[place : place + CHUNK]))
            done, spent = place + len(parts[-1]), time.monotonic() - start
            if done < len(codes) and spent > _PATIENCE:
                logger.warning(
                    "costs of %d of %d architectures are known after %.0f s; the rest, about %.0f "
                    "s more, are worked out beside the search, which begins with those known (a "
                    "cost model with costs_of is quicker)",
                    *(done, len(codes), spent, spent / done * (len(codes) - done)),
                )
                break
        return np.concatenate(parts)

    def _take_in(self, count: int) -> None:
        """Open the first ``count`` rows of a table whose costs take long, where within budget."""
        if self._slow is None or count <= self._opened:
            return
        part = slice(self._opened, count)
        self.table_costs[part] = self._slow.upto(count)[part]
        within = self.problem.within(self.table_costs[part])
        self.refused += int((~within).sum())
        new = [row.tobytes() not in self._seen for row in self.table[part]]
        self._free[part] = within & np.array(new)
        self._opened = count

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
        if key in self._place and (self._slow is None or self._place[key] < self._opened):
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

    @property
    def known_sample(self) -> Codes | None:
        """Random rows whose costs are known already, where those of others take long."""
        return None if self._slow is None else self.table[: self._opened]

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
        """Open what is due of a table whose costs take long.

        Raises:
            SpaceExhausted: the table has no unseen row. ProblemError: nothing meets the budget.
        """
        asked = len(self)
        self._take_in(due(asked, len(self.table)))
        while self._slow is not None and not self._free.any() and self._opened < len(self.table):
            self._take_in(min(self._opened + CHUNK, len(self.table)))
        if self.listed and not self._free.any():
            if not asked:
                raise self._nothing_within(self.table)
            raise self._exhausted(len(self.table))

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Return up to ``count`` unseen rows at random, at least one.

        Raises:
            SpaceExhausted: none is left. ProblemError: nothing meets the budget.
        """
        if self.listed:
            self.any_left()
            order = self.ordered(self.table, rng)  # the same whatever was seen: runs resume so
            return self.table[order[self._free[order]][:count]]
        codes, _ = self.fresh(self.sample(2 * count, rng))
        if len(codes) < count and self.problem.budget:
            codes, _ = self.fresh(np.concatenate([codes, self._wander(rng)]))
        if len(codes) == 0 and self._seen:
            codes = self._walk(rng)
        return codes[:count] if len(codes) else self._sweep()

    def sample(self, count: int, rng: np.random.Generator) -> Codes:
        """Return rows at random, by what is preferred; seen or not, within budget or not."""
        preference = self.problem.preference
        odds = None if preference is None else preference.odds(len(self))
        return self.space.sample_codes(count, rng, odds)

    def ordered(self, codes: Codes, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return an order of rows at random, in which what is preferred tends to come first."""
        preference = self.problem.preference
        if preference is None:
            return rng.permutation(len(codes))
        return np.argsort(-preference.keys(codes, len(self), rng), kind="stable")

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
