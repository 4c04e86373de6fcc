"""From a job to all that a search, a report or an export needs: images, space, costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas import tasks
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.network import PartLatencies, Unmeasured
from plugnas.nas.cost.table import CostTable
from plugnas.nas.data import Dataset
from plugnas.nas.executors.function import function_of
from plugnas.nas.job.compiled import space_of
from plugnas.nas.job.config import Job
from plugnas.nas.job.images import images_of
from plugnas.nas.job.metrics import check_objectives, with_masks, with_objectives
from plugnas.nas.job.rungs import with_rungs
from plugnas.nas.job.sense import check_names, check_sense, check_settings
from plugnas.nas.job.workers import device_of
from plugnas.nas.samplers import Problem, Sampler
from plugnas.nas.samplers import create as create_sampler
from plugnas.nas.samplers.known.earlier import Earlier, read_all
from plugnas.nas.samplers.known.preference import preference_of
from plugnas.nas.samplers.problem import Hint
from plugnas.space import SearchSpace
from plugnas.space.typed import ConfigError


@dataclass(frozen=True)
class Prepared:
    """A job with all that its trainings and its search need.

    Args:
        job: the job, with the task's objectives, its rungs and its limits filled in.
        base: where the job's paths start.
        dataset: its images.
        space: its compiled space.
        cost: its cost model; without latencies until ``with_latency``.
        task: its task.
        recorded_device: the device of an earlier search, None where the job decides.
        earlier: runs that inform the search; none until ``with_earlier``.
        hints: what is known before the search; none until it begins.
    """

    job: Job
    base: Path
    dataset: Dataset
    space: SearchSpace
    cost: NetworkCost
    task: tasks.Task
    recorded_device: str | None = None
    earlier: tuple[Earlier, ...] = ()
    hints: tuple[Hint, ...] = ()

    @property
    def device(self) -> str:
        """Where it trains. Raises DeviceError or ConfigError where that is not to be had here."""
        return self.recorded_device or device_of(self.job)

    @property
    def outputs(self) -> int:
        """How many outputs its networks have."""
        return self.task.outputs(self.dataset)

    @property
    def problem(self) -> Problem:
        """What a sampler is told: space, objectives, limits, costs, seed."""
        return Problem(
            space=self.space,
            objectives=self.job.objectives,
            budget=self.job.limits,
            cost=self.cost,
            seed=self.job.seed,
            levels=self.job.levels,
            hints=self.hints,
            preference=preference_of(self.space, self.job.prefer),
        )

    def sampler(self) -> Sampler:
        """Return the job's sampler, new."""
        config = self.job.sampler_config
        return create_sampler(config.name, self.problem, **config.options)

    def with_latency(self, latency: PartLatencies) -> Prepared:
        """Return the same with latencies among its costs."""
        cost = NetworkCost(self.space, self.cost.table, latency, self.cost.dtype)
        return replace(self, cost=cost)

    def with_earlier(self, own: Path) -> Prepared:
        """Return the same with the earlier runs of the job; ``own`` is the search's directory.

        Raises:
            EarlierError: one of them cannot inform the search.
        """
        known = self.with_latency(Unmeasured()) if self.job.needs_latency else self
        found = read_all(self.job.earlier, self.base, known.problem, own)
        return replace(self, earlier=found)

    def keep_costs(self, path: Path) -> None:
        """Save the counts of all parts met so far, so that they are not counted again."""
        self.cost.table.save(path)


def prepare(
    job: Job,
    base: Path,
    costs: Path | None = None,
    *,
    where: str | None = None,
    device: str | None = None,
) -> Prepared:
    """Load the images of a job, compile its space and make its cost model.

    Args:
        job: the job as it is written.
        base: where the job's paths start.
        costs: a file of part costs kept from before.
        where: names the job's file in errors.
        device: where an earlier search of the job trained.

    Raises:
        PlugnasError: whatever is wrong with images or space.
    """
    try:
        return replace(_prepare(job, base, costs), recorded_device=device)
    except PlugnasError as error:
        raise error if where is None else PlugnasError(f"{where}: {error}") from None


def _prepare(job: Job, base: Path, costs: Path | None) -> Prepared:
    modules.load(job.imports, folder=base)
    task = tasks.create(job.task, base)
    job = with_masks(with_objectives(job, task), task)
    if job.evaluate is None:
        check_objectives(job.objectives, task.metrics)
    else:
        function_of(job.evaluate, base)
    dataset = images_of(job, base)
    check_sense(job, dataset)
    task = task.prepared(dataset) if job.evaluate is None else task
    outputs = task.outputs(dataset)
    space = space_of(job, dataset.input_shape, outputs, base=base, head=task.head)
    cost = cost_model(space, costs, job.device_dtype)
    check_names(job, space, cost)
    job = with_rungs(relative_to_host(job, cost), dataset)
    check_settings(job, dataset)
    return Prepared(job, base, dataset, space, cost, task)


def relative_to_host(job: Job, cost: NetworkCost) -> Job:
    """Return the job with limits such as ``host + 5%`` as numbers.

    Raises:
        ConfigError: such a limit without a host, or on a cost that is measured.
    """
    shares = job.shares
    if not shares:
        return job
    counts = cost.host_counts()
    if counts is None:
        raise ConfigError(f"budget.{next(iter(shares))}: only a space with a host has its costs")
    own = {"ram": counts.ram, "flash": counts.flash}
    limits = {
        name: share * (own[name](str(cost.dtype)) if name in own else getattr(counts, name))
        for name, share in shares.items()
    }
    return msgspec.structs.replace(job, budget={**job.budget, **limits})


def cost_model(
    space: SearchSpace, costs: Path | None = None, dtype: str | None = None
) -> NetworkCost:
    """Return the exact costs of a space, from the counts kept in ``costs`` where there are any.

    With the ``dtype`` of a device there are ``ram`` and ``flash`` too.
    """
    table = CostTable() if costs is None else CostTable.load(costs)
    return NetworkCost(space, table, dtype=dtype)
