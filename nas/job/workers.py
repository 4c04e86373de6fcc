"""A job's evaluations: what is evaluated, by how many workers, and where they run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from plugnas import modules
from plugnas.nas import tasks
from plugnas.nas.data import parse
from plugnas.nas.executors import Executor, create
from plugnas.nas.executors.function import OwnTraining
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.job.config import COSTS, Job
from plugnas.nas.job.settings import settings_of
from plugnas.nas.machine.foreign import absolute
from plugnas.nas.proxy import Proxy, resolve_device
from plugnas.nas.proxy.int8 import asked
from plugnas.nas.tasks.outputs import ANSWER
from plugnas.space import network_of
from plugnas.space.host import HostTrace
from plugnas.space.typed import ConfigError

if TYPE_CHECKING:
    from plugnas.nas.job.prepared import Prepared

PER_PROCESSOR = 16
"""Local workers per processor above which a number is taken for a typing error."""


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


def device_of(job: Job) -> str:
    """Return the device that a job trains on: of this machine, or of the cluster's nodes.

    Raises:
        DeviceError: no such device, or none of it here.
        ConfigError: a GPU wanted on a cluster without a share of one for each evaluation.
    """
    config = job.executor_config
    if config.name != "ray":
        return str(resolve_device(job.device))
    if job.device == "auto" and config.gpus > 0:
        return "cuda"
    if job.device.startswith("cuda"):
        if config.gpus <= 0:
            raise ConfigError(
                f"on a cluster `device: {job.device}` needs a share of a GPU for each evaluation, "
                f"such as `executor: {{name: ray, gpus: 0.25}}`, but gpus is {config.gpus:g}"
            )
        return "cuda"  # the one that Ray lets the worker see
    return "cpu" if job.device == "auto" else str(resolve_device(job.device))


def evaluator(prepared: Prepared, states: Path | None = None) -> Proxy | OwnTraining:
    """Return what evaluates a job's architectures, ready for workers that start anywhere.

    ``states`` is where trainings that a later rung continues are kept.
    """
    job, host = prepared.job, prepared.space.host
    if job.evaluate is not None:
        return own_training(prepared, job.evaluate)
    if host is not None:
        _check_output(host.trace, prepared.task, prepared.outputs)
    return Proxy(
        data=parse(job.data or {}).at(prepared.base),
        rungs=tuple(job.proxy.rungs),
        device=prepared.device,
        precision=job.proxy.precision,
        imports=tuple(modules.load(job.imports, folder=prepared.base)),
        task=tasks.placed(job.task, prepared.base),
        states=None if states is None else str(states.resolve()),
        int8=bool(asked(tuple(job.objectives), tuple(prepared.task.metrics))),
        build=network_of if host is None else host.builder(),
        settings=settings_of(job),
    )


def own_training(prepared: Prepared, function: str) -> OwnTraining:
    """Return a job's own training function as an evaluator."""
    job, host = prepared.job, prepared.space.host
    return OwnTraining(
        function=absolute(function, prepared.base),
        objectives=tuple(name for name in job.objectives if name not in COSTS),
        rungs=tuple(recipe.epochs for recipe in job.proxy.rungs),
        device=prepared.device,
        imports=tuple(modules.load(job.imports, folder=prepared.base)),
        data=None if job.data is None else parse(job.data).at(prepared.base),
        build=network_of if host is None else host.builder(),
        recipe=job.recipe,
    )


def _check_output(trace: HostTrace, task: tasks.Task, outputs: int) -> None:
    """Check that a host returns what the task trains: outputs for each image, or for each pixel."""
    text, found = trace.output_text, trace.outputs
    if task.head == "pooled":
        fits, wanted = text == str(found), f"one tensor of {outputs} outputs"
    else:
        answers = text.removeprefix("a dict (").rstrip(")").split(", ")
        fits = re.fullmatch(rf"{found}x\d+x\d+", text) is not None
        fits |= text.startswith("a dict (") and ANSWER in answers
        wanted = f"a map of {outputs} outputs for each pixel, or a dict with it as `{ANSWER}`"
    if found is None or not fits:
        raise ConfigError(
            f"space.host: {trace.name} returns {text}, and the proxy trains networks that return "
            f"{wanted}; give a callable that returns it"
        )


def executor(
    prepared: Prepared,
    evaluate: Evaluator,
    evaluation_timeout: float | None,
    reports: Path | None = None,
) -> Executor:
    """Return the job's executor for an evaluator.

    Args:
        prepared: the job.
        evaluate: the proxy, or a confirmation's training.
        evaluation_timeout: seconds after which one evaluation is given up, None for no limit.
        reports: where Ray's own callbacks write; None for none. Other executors have none.
    """
    job = prepared.job
    config, workers = job.executor_config, worker_count(job)
    if config.name == "serial":
        return create("serial", evaluate)
    if config.name == "local":
        gpus = torch.cuda.device_count() if prepared.device == "cuda" else 0
        return create(
            "local", evaluate, workers=workers, evaluation_timeout=evaluation_timeout, gpus=gpus
        )
    return create(
        "ray",
        evaluate,
        workers=workers,
        address=config.address,
        cpus=config.cpus,
        gpus=config.gpus,
        max_failures=config.max_failures,
        evaluation_timeout=evaluation_timeout,
        callbacks=() if reports is None else job.callbacks,
        run_dir=reports,
        cost=prepared.cost,
    )
