"""A run's job, prepared again for what comes after its search."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.job.prepared import Prepared, prepare
from plugnas.nas.run.directory import RunDirectory
from plugnas.nas.run.view import RunView


def prepare_again(run: RunDirectory) -> Prepared:
    """Prepare the job of a run as it was searched: its device, the latencies by which it went.

    Raises:
        PlugnasError: images, space or latencies are not to be had any more.
    """
    prepared = prepare(run.job, run.base, run.costs, device=run.facts.device)
    if run.latency_file is None:
        return prepared
    from plugnas.nas.latency import LatencyTable

    return prepared.with_latency(LatencyTable.load(run.latency_file))


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
