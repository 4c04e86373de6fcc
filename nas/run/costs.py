"""The costs by which a run searched."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost import NetworkCost
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.run.directory import RunDirectory


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
