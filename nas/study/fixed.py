"""Evaluating a fixed list of architectures with a search's care: ledger, resume, retries, lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost import CostModel, NetworkCost
from plugnas.nas.executors import Executor
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.samplers import Problem, SpaceExhausted
from plugnas.nas.study.drive import Listener, Outcome, drive
from plugnas.nas.study.study import Study
from plugnas.space import Architecture, SearchSpace


class Listed:
    """A sampler that proposes the given architectures in their order, each once."""

    refused = 0  # a list is given: nothing is left out

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._left = list(dict.fromkeys(architectures))

    def ask(self, number: int) -> Architecture:
        """Return the next that has not been told."""
        if not self._left:
            raise SpaceExhausted("the list is done")
        return self._left.pop(0)

    def expect(self, architecture: Architecture) -> bool:
        """Strike out what is under way since an earlier session; False for what is not listed."""
        listed = architecture in self._left
        if listed:
            self._left.remove(architecture)
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
    about: Mapping[str, Any],
    on_event: Listener | None = None,
) -> Outcome:
    """Evaluate every architecture under every seed; what the ledger at ``path`` has is kept.

    Raises:
        PlugnasError: another process works there, nothing can be written, nothing succeeds.
    """
    problem = Problem(space=space, objectives={"accuracy": "max"}, budget={}, cost=cost)
    with (
        RunLock(path.parent),
        Ledger.open(path, space, cost=cost, about=dict(about)) as ledger,
    ):
        known = {m.architecture for m in ledger.measurements}
        fresh = [a for a in dict.fromkeys(architectures) if a not in known]
        trials = len(known) + len(fresh)
        if not trials:
            return Outcome("done", 0, 0.0)
        study = Study(problem, Listed(fresh), ledger, trials=trials, seeds=tuple(seeds))
        return drive(study, executor(), on_event=on_event)


def read_all(path: Path, space: SearchSpace) -> list[Measurement]:
    """Return the measurements of such a ledger that fit the space; none where there is no file."""
    from plugnas.nas.ledger.ledger import read
    from plugnas.space import SpaceError

    found: list[Measurement] = []
    if path.exists():
        for record in read(path).records:
            try:
                architecture = space.adopt(record["architecture"]["values"])
            except SpaceError:
                continue
            found.append(Measurement.from_dict(record, architecture))
    return found


def costs_of(run: RunDirectory, prepared: Prepared) -> NetworkCost:
    """Return a run's cost model, with the latencies by which it searched if it did."""
    if not run.job.needs_latency:
        return prepared.cost
    from plugnas.nas.latency import LatencyTable

    wishes = run.job.latency
    given = wishes.table if wishes is not None else None
    file = run.path / "latency.json" if given is None else run.base / given
    return NetworkCost(prepared.space, prepared.cost.table, LatencyTable.load(file))


def with_workers(run: RunDirectory, workers: int | None) -> RunDirectory:
    """Return the run with another number of evaluations at a time; None keeps the job's.

    Raises:
        PlugnasError: a number below 1.
    """
    if workers is None:
        return run
    if workers < 1:
        raise PlugnasError(f"--workers must be at least 1, but got {workers}")
    return replace(run, job=msgspec.structs.replace(run.job, workers=workers))


__all__ = ["Listed", "costs_of", "measure_all", "read_all", "with_workers"]
