"""How long a search will take, and how much memory: from a few steps of two of its networks.

One architecture that is cheaper and one that is dearer than most within the budget make a few real
steps of every rung and of the long training, where the search will train: in its workers, all at a
time. Seconds are taken to grow with FLOPs between the two. experiments/records/plan.md holds what
was planned against what it took.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plugnas.modules import PlugnasError
from plugnas.nas.executors.measure import measure
from plugnas.nas.job.config import COSTS, Job
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.job.rungs import long_rung
from plugnas.nas.job.workers import evaluator, executor, worker_count
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.nas.proxy.rehearsal import Pace, Rehearsal
from plugnas.nas.samplers import Problem
from plugnas.nas.study.expected import expected_trainings
from plugnas.space import Architecture

FRONT = 8
"""Networks of a front for which a confirmation's time is said, as many random ones beside them."""

_SAMPLES = 128
_FEW = 10  # trials below which a search is over before it is worth a forecast
_SMALL, _LARGE = 0.1, 0.9
"""Quantiles of FLOPs at which the two networks lie."""


class ForecastError(PlugnasError):
    """A job whose time cannot be told beforehand."""


@dataclass(frozen=True)
class Timed:
    """One kind of training: processor's seconds of the small, the large and the average network.

    ``count`` is how many the search makes; ``once`` are seconds spent once for all of them.
    """

    small: float
    large: float
    mean: float
    count: int
    once: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What a search will take: seconds of its trainings by rung, workers, seconds to its end.

    ``start`` are the seconds until the workers have begun; ``confirm`` those of a confirmation of
    ``FRONT`` networks; ``memory`` the bytes of the largest worker. ``slow`` is how many seconds of
    the clock one of a processor took, above 1 where other work keeps the machine busy.
    """

    rungs: tuple[Timed, ...]
    long: Timed
    trials: int
    workers: int
    start: float
    memory: float
    slow: float = 1.0

    @property
    def seconds(self) -> float:
        """The seconds from the search's start to its end, the machine as busy as it is now."""
        return self.start + self.slow * self.trainings

    @property
    def trainings(self) -> float:
        """The seconds of the trainings with all workers at work, on a machine of their own."""
        busy = sum(r.count * r.mean for r in self.rungs)
        longest = max(r.mean for r in self.rungs)  # at the end the last worker is alone
        share = min(self.workers, sum(r.count for r in self.rungs))
        once = sum(r.once for r in self.rungs)
        return once + busy / share + (longest / 2 if share > 1 else 0.0)

    @property
    def per_hour(self) -> float:
        """Architectures an hour, with those trainings at higher rungs that belong to them."""
        lasting = self.slow * self.trainings
        return 3600 * self.trials / lasting if lasting > 0 else math.inf

    @property
    def confirm(self) -> float:
        """The seconds of a confirmation."""
        again = 2 * FRONT * self.rungs[-1].mean
        busy = (self.long.count * self.long.mean + again) / self.workers
        return self.start + self.slow * busy


def forecast(prepared: Prepared) -> Forecast:
    """Rehearse a job's trainings in its own workers.

    Raises:
        ForecastError: the training is a function of the user's own, or the rehearsal fails.
    """
    job, proxy = prepared.job, evaluator(prepared)
    if not isinstance(proxy, Proxy):
        raise ForecastError(
            f"{job.evaluate} is a training of your own, which cannot be timed beforehand: "
            "`nas search` says the time left after its first trials"
        )
    pair, share = _two(prepared)
    workers = worker_count(job)
    recipes = tuple(job.proxy.rungs)
    begun = time.perf_counter()
    dataset = prepared.dataset
    images, scored = len(dataset.train), len(dataset.validation)
    long = long_rung(job, dataset.input_shape, images + scored)
    rehearsal = Rehearsal(proxy, recipes, long)
    found = list(_measured(prepared, rehearsal, pair, workers))
    start = found[0][0] - begun - found[0][1].seconds
    told = [m for _, m in found]
    for m in told:
        if not m.ok:
            raise ForecastError(f"the rehearsal of {m.architecture.id} failed: {m.reason}")
    counts = _counts(job)
    rungs = tuple(
        _timed(told, pair, share, r, recipe, (images, scored), counts[r])
        for r, recipe in enumerate(recipes)
    )
    seeds = 3 if job.confirm is None else job.confirm.seeds
    return Forecast(
        rungs,
        _timed(
            told, pair, share, len(recipes), rehearsal.long,
            (images + scored, len(dataset.test)), 2 * FRONT * seeds,
        ),
        job.trials,
        workers,
        max(0.0, start),
        max(m.values["memory"] for m in told),
        max(1.0, float(np.median([m.values["slow"] for m in told]))),
    )  # fmt: skip


def glance(prepared: Prepared) -> Forecast | None:
    """Return a forecast from a few steps of one network in this process; None where it says little.

    That is so for a training of the user's own, on a cluster or a GPU (which this process would
    hold on to), and for a search so short that its end comes as soon.
    """
    job = prepared.job
    small = job.trials < _FEW or prepared.device != "cpu" or job.executor_config.name == "ray"
    proxy = None if small else evaluator(prepared)
    if not isinstance(proxy, Proxy):
        return None
    recipes = tuple(job.proxy.rungs)
    evaluate = Rehearsal(replace(proxy, dataset=prepared.dataset), recipes, recipes[-1])()
    (_, large), _ = _two(prepared, (_SMALL, 0.5))
    told = [measure(Task(0, large, rung), evaluate) for rung in range(len(recipes))]
    if not all(m.ok for m in told):
        return None  # the search will say what fails, and go on with what does not
    counts = _counts(job)
    images = (len(prepared.dataset.train), len(prepared.dataset.validation))
    rungs = tuple(
        _timed(told, (large, large), 0.0, r, recipe, images, counts[r])
        for r, recipe in enumerate(recipes)
    )
    slow = max(1.0, float(np.median([m.values["slow"] for m in told])))
    memory = max(m.values["memory"] for m in told)
    return Forecast(rungs, rungs[-1], job.trials, worker_count(job), 0.0, memory, slow)


def _counts(job: Job) -> list[int]:
    """Return how many trainings a search makes at each rung; a host unchanged is at every one."""
    traded = any(name in COSTS for name in job.objectives)
    found = expected_trainings(
        job.trials,
        len(job.proxy.rungs),
        job.proxy.promotion,
        predictor=job.sampler_config.name == "predictor",
        traded=traded,
    )
    control = 0 if job.space.host is None else 1
    each = job.seeds_of_each
    return [job.trials * each, *(round(each * (n + control)) for n in found[1:])]


def _two(
    prepared: Prepared, quantiles: tuple[float, float] = (_SMALL, _LARGE)
) -> tuple[tuple[Architecture, Architecture], float]:
    """Return a small and a large architecture, and where between them the average one lies."""
    job, space, cost = prepared.job, prepared.space, prepared.cost
    codes = space.sample_codes(_SAMPLES, np.random.default_rng(job.seed))
    known = {n: v for n, v in job.limits.items() if n in cost.names}
    problem = Problem(space, objectives=job.objectives, budget=known, cost=cost)
    codes = within if len(within := codes[problem.within(problem.costs(codes))]) else codes
    flops = cost.costs_of(codes)["flops"]
    order = np.argsort(flops, kind="stable")
    small, large = (order[round(q * (len(order) - 1))] for q in quantiles)
    reach = flops[large] - flops[small]
    share = float((flops.mean() - flops[small]) / reach) if reach > 0 else 0.5
    chosen = space.architectures(codes[[small, large]])
    return (chosen[0], chosen[1]), min(1.0, max(0.0, share))


def _measured(
    prepared: Prepared, rehearsal: Rehearsal, pair: Sequence[Architecture], workers: int
) -> Iterator[tuple[float, Measurement]]:
    """Yield every rehearsal with the moment of its end; all workers are busy meanwhile."""
    running = executor(prepared, rehearsal, prepared.job.evaluation_timeout)
    try:
        tasks = [
            Task(number, architecture, rung, worker)
            for rung in range(len(rehearsal.recipes) + 1)
            for number, architecture in enumerate(pair)
            for worker in range(workers)
        ]
        waiting, left = len(tasks), iter(tasks)
        for first in [t for _, t in zip(range(running.capacity), left, strict=False)]:
            running.submit(first)
        while waiting:
            for measurement in running.wait(1.0):
                waiting -= 1
                yield time.perf_counter(), measurement
                if (following := next(left, None)) is not None:
                    running.submit(following)
    finally:
        running.close()


def _timed(
    told: Sequence[Measurement],
    pair: Sequence[Architecture],
    share: float,
    rung: int,
    recipe: Recipe,
    images: tuple[int, int],
    count: int,
) -> Timed:
    def of(architecture: Architecture) -> tuple[float, float]:
        paces = [_pace(m.values) for m in told if m.rung == rung and m.architecture == architecture]
        whole = [p.seconds(recipe, *images) for p in paces]
        once = [p.seconds_once(recipe, *images) for p in paces]
        return float(np.mean(whole)), float(np.mean(once))

    (small, once), (large, _) = of(pair[0]), of(pair[1])
    return Timed(small, large, small + share * (large - small), count, once)


def _pace(values: Mapping[str, Any]) -> Pace:
    return Pace(**{name: values[name] for name in ("begin", "step", "image", "shared")})


__all__ = ["FRONT", "Forecast", "ForecastError", "Timed", "forecast", "glance"]
