"""The costs by which a run searched."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost import NetworkCost
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView


def costs_of(run: RunDirectory, prepared: Prepared) -> NetworkCost:
    """Return a run's cost model, with the latencies by which it searched if it did."""
    if run.latency_file is None:
        return prepared.cost
    from plugnas.nas.latency import LatencyTable

    return NetworkCost(prepared.space, prepared.cost.table, LatencyTable.load(run.latency_file))


def with_workers(view: RunView, workers: int | None) -> RunView:
    """Return a run with another number of evaluations at a time; None keeps the job's.

    Raises:
        PlugnasError: a number below 1, or the run of no job.
    """
    if workers is None:
        return view
    if workers < 1:
        raise PlugnasError(f"--workers must be at least 1, but got {workers}")
    run = view.job_run
    changed = msgspec.structs.replace(run.job, workers=workers)
    return replace(view, directory=replace(run, job=changed))
