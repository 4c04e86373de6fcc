"""Evaluating a fixed list of architectures with a search's care: ledger, resume, retries, lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from plugnas.nas.cost import CostModel
from plugnas.nas.executors import Executor
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.samplers import Problem, SpaceExhausted
from plugnas.nas.samplers.base import Sampler
from plugnas.nas.study.drive import Listener, Outcome, drive
from plugnas.nas.study.study import Study
from plugnas.space import Architecture, SearchSpace


class FixedList(Sampler):
    """A sampler that proposes the given architectures in their order, each once."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._left = list(dict.fromkeys(architectures))

    def ask(self, number: int) -> Architecture:
        """Return the next that has not been told."""
        if not self._left:
            raise SpaceExhausted("the list is done")
        return self._left.pop(0)

    def expect(self, task: Task) -> bool:
        """Strike out what is under way since an earlier session; False for what is not listed."""
        listed = task.architecture in self._left
        if listed:
            self._left.remove(task.architecture)
        return listed

    def tell(self, measurement: Measurement) -> None:
        """Strike out what is measured, also in an earlier session."""
        if measurement.architecture in self._left:
            self._left.remove(measurement.architecture)


def measure_all(
    architectures: Sequence[Architecture],
    seeds: Sequence[int],
    path: Path,
    space: SearchSpace,
    cost: CostModel,
    executor: Callable[[], Executor],
    *,
    objectives: Mapping[str, str],
    about: Mapping[str, Any],
    on_event: Sequence[Listener] = (),
) -> Outcome:
    """Evaluate every architecture under every seed; what the ledger at ``path`` has is kept.

    Args:
        architectures: what is evaluated, each once.
        seeds: the seeds of its evaluations.
        path: the ledger; the folder around it is locked meanwhile.
        space: what the architectures are members of.
        cost: what is known of them beforehand.
        executor: makes what runs the evaluations.
        objectives: what the evaluations must return.
        about: what the ledger's header says of the list.
        on_event: hear of the course.

    Raises:
        PlugnasError: another process works there, nothing can be written, nothing succeeds.
    """
    problem = Problem(space=space, objectives=objectives, budget={}, cost=cost)
    with (
        RunLock(path.parent),
        Ledger.open(path, space, cost=cost, about=dict(about)) as ledger,
    ):
        known = {m.architecture for m in ledger.measurements}
        fresh = [a for a in dict.fromkeys(architectures) if a not in known]
        trials = len(known) + len(fresh)
        if not trials:
            return Outcome("done", 0, 0.0)
        study = Study(problem, FixedList(fresh), ledger, trials=trials, seeds=tuple(seeds))
        return drive(study, executor(), on_event=on_event)


__all__ = ["FixedList", "measure_all"]
