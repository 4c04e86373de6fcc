"""From a job to all that a search, a report or an export needs: images, space, costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from plugnas import modules
from plugnas.modules import PlugnasError
from plugnas.nas import tasks
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.table import CostTable
from plugnas.nas.data import Dataset
from plugnas.nas.executors.function import function_of
from plugnas.nas.job.config import Job
from plugnas.nas.job.images import images_of
from plugnas.nas.job.metrics import check_objectives, with_objectives
from plugnas.nas.job.sense import check_names, check_sense
from plugnas.space import SearchSpace
from plugnas.space.typed import ConfigError


@dataclass(frozen=True)
class Prepared:
    """A job with its images, its compiled space, its cost model and its task."""

    job: Job
    base: Path
    dataset: Dataset
    space: SearchSpace
    cost: NetworkCost
    task: tasks.Task

    def keep_costs(self, path: Path) -> None:
        """Save the counts of all parts met so far, so that they are not counted again."""
        self.cost.table.save(path)


def prepare(
    job: Job, base: Path, costs: Path | None = None, *, where: str | None = None
) -> Prepared:
    """Load the images of a job, compile its space and make its cost model.

    ``base`` is where the job's paths start; ``costs`` a file of part costs kept from before;
    ``where`` names the job's file in errors.

    Raises:
        PlugnasError: whatever is wrong with images or space.
    """
    try:
        return _prepare(job, base, costs)
    except PlugnasError as error:
        raise error if where is None else PlugnasError(f"{where}: {error}") from None


def _prepare(job: Job, base: Path, costs: Path | None) -> Prepared:
    modules.load(job.imports, folder=base)
    task = tasks.create(job.task, base)
    job = with_objectives(job, task)
    if job.evaluate is None:
        check_objectives(job.objectives, task.metrics)
    else:
        function_of(job.evaluate, base)
    dataset = images_of(job, base)
    check_sense(job, dataset)
    task = task.prepared(dataset) if job.evaluate is None else task
    outputs = task.outputs(dataset)
    space = SearchSpace.from_config(job.space, dataset.input_shape, outputs, base=base)
    cost = cost_model(space, costs)
    check_names(job, space, cost)
    return Prepared(relative_to_host(job, cost), base, dataset, space, cost, task)


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
    limits = {name: share * getattr(counts, name) for name, share in shares.items()}
    return msgspec.structs.replace(job, budget={**job.budget, **limits})


def cost_model(space: SearchSpace, costs: Path | None = None) -> NetworkCost:
    """Return the exact costs of a space, from the counts kept in ``costs`` where there are any."""
    return NetworkCost(space, CostTable() if costs is None else CostTable.load(costs))
