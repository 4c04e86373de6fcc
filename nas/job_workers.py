"""A job's evaluations: what is evaluated, by how many workers, and where they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nas.data import parse
from nas.evaluation import Evaluator
from nas.executors import Executor, create
from nas.job import Job
from nas.preparation import Prepared
from nas.proxy import Proxy
from space.typed import ConfigError

PER_PROCESSOR = 16
"""Local workers per processor above which a number is taken for a slip of the keyboard."""


def worker_count(job: Job) -> int:
    """Return how many evaluations run at a time: one per processor that this process may use.

    Raises:
        ConfigError: more processes than this machine could serve.
    """
    name = job.executor_config.name
    if name == "serial":
        return 1
    processors = _processors()
    if not isinstance(job.workers, int):
        return processors
    if name == "local" and job.workers > max(64, PER_PROCESSOR * processors):
        raise ConfigError(
            f"workers are processes of this machine, a core each, and it has {processors}; "
            f"{job.workers} are too many: take `auto`, or the executor `ray` and a cluster"
        )
    return job.workers


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def evaluator(job: Job, prepared: Prepared, device: str, states: Path | None) -> Proxy:
    """Return the proxy of a job, ready for workers that start anywhere."""
    return Proxy(
        space=msgspec.to_builtins(job.space),
        data=parse(job.data).at(prepared.base),
        rungs=tuple(job.proxy.rungs),
        device=device,
        precision=job.proxy.precision,
        states=None if states is None else str(states.resolve()),
    )


def executor(
    job: Job,
    evaluate: Evaluator,
    timeout_s: float | None,
    ray: Mapping[str, Any] | None = None,
) -> Executor:
    """Return the job's executor for an evaluator: the proxy, or a confirmation's training.

    ``ray`` are further options that only the executor ``ray`` takes.
    """
    config, workers = job.executor_config, worker_count(job)
    if config.name == "serial":
        return create("serial", evaluate)
    if config.name == "local":
        return create("local", evaluate, workers=workers, timeout_s=timeout_s)
    return create(
        "ray",
        evaluate,
        workers=workers,
        address=config.address,
        cpus=config.cpus,
        gpus=config.gpus,
        max_failures=config.max_failures,
        timeout_s=timeout_s,
        **(ray or {}),
    )
