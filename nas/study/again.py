"""Leaders that are measured again under a new seed: seeds as a choice of the sampler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from plugnas.nas.ledger.measurement import Key, Task
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.samplers.problem import ProblemError
from plugnas.space import Architecture


class Again:
    """Asks the sampler whether a leader measured again is worth more than a new architecture.

    Each such evaluation has the number of its architecture and the next seed, and counts as a trial
    of its own. An architecture is measured again once at a time.

    Args:
        sampler: decides.
        rung: the last, at which leaders are measured.
        first: the first seed that architectures are not given anyway.
    """

    def __init__(self, sampler: Sampler, rung: int, first: int) -> None:
        self._sampler, self._rung, self._first = sampler, rung, first
        self._known: dict[str, int] = {}  # id -> the next seed
        self._heard: set[Key] = set()

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, key: Key) -> None:
        """Note an evaluation under way or done: (id, rung, seed)."""
        name, rung, seed = key
        if rung == self._rung and seed >= self._first:
            self._heard.add(key)
            self._known[name] = max(seed + 1, self._known.get(name, self._first))

    def next(self, number: int, numbers: Mapping[str, int], running: Iterable[Task]) -> Task | None:
        """Return the evaluation that is due, and count it; or None.

        Args:
            number: of the architecture that would be proposed instead.
            numbers: of the architectures by id.
            running: what is under way.
        """
        busy: Collection[Architecture] = {task.architecture for task in running}
        leader = self._sampler.again(number, busy)
        if leader is None:
            return None
        seed = self._known.get(leader.id, self._first)
        task = Task(numbers[leader.id], leader, self._rung, seed)
        self.hear(task.key)
        return task


def check_again(sampler: Sampler) -> None:
    """Raise ProblemError where a sampler cannot say whether a leader is to be measured again."""
    if not sampler.measures_again:
        raise ProblemError(
            "`seeds: auto` lets the sampler decide who is measured again, which only `predictor` "
            "can; take it, or give `seeds` a number"
        )


__all__ = ["Again", "check_again"]
