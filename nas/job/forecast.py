"""How long a search will take, and how much memory: from a few steps of some of its networks.

Architectures from the cheap to the dear within the budget make a few real steps of every rung and
of the long training, where the search will train: in its workers, all at a time. FLOPs tell little
of the seconds that a module takes, so there are up to nine of them, a cheap and a dear one first,
and others until some seconds have passed. experiments/records/plan.md holds what was planned
against what it took.
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
from plugnas.nas.job.settings import settings_of
from plugnas.nas.job.workers import evaluator, executor, worker_count
from plugnas.nas.ledger.measurement import Measurement, Task
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.nas.proxy.rehearsal import Pace, Rehearsal
from plugnas.nas.proxy.settings import Settings
from plugnas.nas.samplers import Problem
from plugnas.nas.study.expected import expected_trainings
from plugnas.space import Architecture

FRONT = 8
"""Networks of a front for which a confirmation's time is said, as many random ones beside them."""

_SAMPLES = 128
_FEW = 10  # trials below which a search is over before it is worth a forecast
_QUANTILES = (0.1, 0.9, 0.5, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6)
"""Quantiles of FLOPs at which the networks lie, in the order in which they are rehearsed."""

_PATIENCE = 20.0
"""Seconds after which no more networks are rehearsed than the first two."""


class ForecastError(PlugnasError):
    """A job whose time cannot be told beforehand."""


@dataclass(frozen=True)
class Timed:
    """One kind of training: processor's seconds of the quickest, slowest and average network.

    ``count`` is how many the search makes; ``once`` are seconds spent once for all of them.
    """

    least: float
    most: float
    mean: float
    count: int
    once: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What a search will take: seconds of its trainings by rung, workers, seconds to its end.

    ``start`` are the seconds until the workers have begun, with imports and images; ``confirm``
    those of a confirmation of ``FRONT`` networks; ``memory`` the bytes of the largest worker.
    ``slow`` is how many seconds of the clock one of a processor took, above 1 where other work
    keeps the machine busy; ``networks`` how many were rehearsed.
    """

    rungs: tuple[Timed, ...]
    long: Timed
    trials: int
    workers: int
    start: float
    memory: float
    slow: float = 1.0
    networks: int = 2

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


def forecast(prepared: Prepared, since: float | None = None) -> Forecast:
    """Rehearse a job's trainings in its own workers.

    Args:
        prepared: the job.
        since: ``time.perf_counter()`` of before it was prepared, which a search has to do too.

    Raises:
        ForecastError: the training is a function of the user's own, or the rehearsal fails.
    """
    job, proxy = prepared.job, evaluator(prepared)
    if not isinstance(proxy, Proxy):
        raise ForecastError(
            f"{job.evaluate} is a training of your own, which cannot be timed beforehand: "
            "`nas search` says the time left after its first trials"
        )
    chosen = _chosen(prepared, _QUANTILES)
    workers = worker_count(job)
    recipes, settings = tuple(job.proxy.rungs), settings_of(job)
    begun = time.perf_counter() if since is None else since
    dataset = prepared.dataset
    images, scored = len(dataset.train), len(dataset.validation)
    long = long_rung(job, dataset.input_shape, images + scored)
    rehearsal = Rehearsal(proxy, recipes, long)
    found = list(_measured(prepared, rehearsal, chosen, workers))
    start = found[0][0] - begun - found[0][1].seconds
    told = [m for _, m in found]
    for m in told:
        if not m.ok:
            raise ForecastError(f"the rehearsal of {m.architecture.id} failed: {m.reason}")
    made = counts(job)
    rungs = tuple(
        _timed(told, r, recipe, (images, scored), made[r], settings)
        for r, recipe in enumerate(recipes)
    )
    seeds = 3 if job.confirm is None else job.confirm.seeds
    parts = (images + scored, len(dataset.test))
    return Forecast(
        rungs,
        _timed(told, len(recipes), rehearsal.long, parts, 2 * FRONT * seeds, settings),
        job.trials,
        workers,
        max(0.0, start),
        max(m.values["memory"] for m in told),
        max(1.0, float(np.median([m.values["slow"] for m in told]))),
        len({m.architecture.id for m in told}),
    )


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
    recipes, settings = tuple(job.proxy.rungs), settings_of(job)
    evaluate = Rehearsal(replace(proxy, dataset=prepared.dataset), recipes, recipes[-1])()
    (middle,) = _chosen(prepared, (0.5,))
    told = [measure(Task(0, middle, rung), evaluate) for rung in range(len(recipes))]
    if not all(m.ok for m in told):
        return None  # the search will say what fails, and go on with what does not
    made = counts(job)
    images = (len(prepared.dataset.train), len(prepared.dataset.validation))
    rungs = tuple(
        _timed(told, r, recipe, images, made[r], settings) for r, recipe in enumerate(recipes)
    )
    slow = max(1.0, float(np.median([m.values["slow"] for m in told])))
    memory = max(m.values["memory"] for m in told)
    return Forecast(rungs, rungs[-1], job.trials, worker_count(job), 0.0, memory, slow, 1)


def counts(job: Job) -> list[int]:
    """Return how many trainings a search makes at each rung.

    A host unchanged is the first trial, and at every rung without being promoted.
    """
    control = 0 if job.space.host is None else 1
    traded = any(name in COSTS for name in job.objectives)
    found = expected_trainings(
        max(1, job.trials - control),
        len(job.proxy.rungs),
        job.proxy.promotion,
        predictor=job.sampler_config.name == "predictor",
        traded=traded,
    )
    each = job.seeds_of_each
    return [job.trials * each, *(round(each * (n + control)) for n in found[1:])]


def _chosen(prepared: Prepared, quantiles: Sequence[float]) -> list[Architecture]:
    """Return architectures within the budget, at quantiles of FLOPs."""
    job, space, cost = prepared.job, prepared.space, prepared.cost
    codes = space.sample_codes(_SAMPLES, np.random.default_rng(job.seed))
    known = {n: v for n, v in job.limits.items() if n in cost.names}
    problem = Problem(space, objectives=job.objectives, budget=known, cost=cost)
    codes = within if len(within := codes[problem.within(problem.costs(codes))]) else codes
    order = np.argsort(cost.costs_of(codes)["flops"], kind="stable")
    places = [order[round(q * (len(order) - 1))] for q in quantiles]
    return space.architectures(codes[places])


def _measured(
    prepared: Prepared, rehearsal: Rehearsal, chosen: Sequence[Architecture], workers: int
) -> Iterator[tuple[float, Measurement]]:
    """Yield every rehearsal with the moment of its end; all workers are busy meanwhile.

    The first two architectures are rehearsed by every worker, the others while it does not take
    too long.
    """
    running = executor(prepared, rehearsal, prepared.job.evaluation_timeout)
    tasks = [
        Task(number, architecture, rung, copy)
        for number, architecture in enumerate(chosen)
        for rung in range(len(rehearsal.recipes) + 1)
        for copy in range(workers if number < 2 else 1)
    ]
    waiting, latest = 0, math.inf
    try:
        while tasks or waiting:
            while tasks and waiting < running.capacity:
                running.submit(tasks.pop(0))
                waiting += 1
            for measurement in running.wait(1.0):
                waiting -= 1
                yield time.perf_counter(), measurement
                latest = min(latest, time.perf_counter() + _PATIENCE)
            if time.perf_counter() > latest and tasks and tasks[0].number > 1:
                tasks.clear()
    finally:
        running.close()


def _timed(
    told: Sequence[Measurement],
    rung: int,
    recipe: Recipe,
    images: tuple[int, int],
    count: int,
    settings: Settings,
) -> Timed:
    """Return the seconds of a training, every network of those rehearsed counted once."""
    paces: dict[Architecture, list[Pace]] = {}
    for m in told:
        if m.rung == rung:
            paces.setdefault(m.architecture, []).append(_pace(m.values))
    own = [(settings.of(recipe, a), some) for a, some in paces.items()]
    whole = [np.mean([p.seconds(r, *images) for p in some]) for r, some in own]
    once = [np.mean([p.seconds_once(r, *images) for p in some]) for r, some in own]
    return Timed(
        float(min(whole)), float(max(whole)), float(np.mean(whole)), count, float(np.mean(once))
    )


def _pace(values: Mapping[str, Any]) -> Pace:
    return Pace(**{name: values[name] for name in ("begin", "step", "image", "shared")})


__all__ = ["FRONT", "Forecast", "ForecastError", "Timed", "counts", "forecast", "glance"]
