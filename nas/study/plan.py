"""What is searched and how much of it, and the run of it to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plugnas.nas.executors import Executor
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, Sampler
from plugnas.nas.study.again import check_again
from plugnas.nas.study.drive import Listener, Outcome, drive
from plugnas.nas.study.promoter import Promoter
from plugnas.nas.study.rungs import Promotion, Rungs
from plugnas.nas.study.scheduled import Scheduled, check_scheduler
from plugnas.nas.study.study import Study
from plugnas.space import Architecture


@dataclass(frozen=True)
class Plan:
    """What is searched, and how much of it.

    ``first`` is measured before what is proposed; ``again``: whether the sampler may measure a
    leader again under a new seed, which counts as a trial.
    """

    problem: Problem
    trials: int
    seeds: int = 1
    rungs: int = 1
    promotion: Promotion = "promise"
    first: tuple[Architecture, ...] = ()
    again: bool = False

    @property
    def top_rung(self) -> int:
        """The rung whose measurements make the front."""
        return self.rungs - 1


def run_plan(
    plan: Plan,
    sampler: Sampler,
    make_executor: Callable[[], Executor],
    ledger: Ledger | None = None,
    *,
    timeout: float | None = None,
    on_event: Sequence[Listener] = (),
) -> tuple[list[Measurement], Outcome]:
    """Drive a plan to its end, recording into the ledger if there is one.

    Returns every measurement, those of earlier sessions included, and how this session ended.

    Args:
        plan: what is searched, and how much of it.
        sampler: proposes.
        make_executor: makes what evaluates.
        ledger: records; None keeps nothing.
        timeout: seconds after which nothing new is begun.
        on_event: hear of the course.
    """
    if plan.again:
        check_again(sampler)
    study = Study(
        plan.problem,
        sampler,
        ledger,
        trials=plan.trials,
        rungs=_promoter(plan, sampler),
        seeds=range(plan.seeds),
        first=plan.first,
        again=plan.again,
    )
    outcome = drive(study, make_executor(), on_event=on_event, timeout=timeout)
    return list(study.measurements), outcome


def _promoter(plan: Plan, sampler: Sampler) -> Promoter | None:
    check_scheduler(sampler, plan.rungs)
    if plan.rungs == 1:
        return None
    if sampler.scheduler is not None:
        return Scheduled(plan.problem, sampler.scheduler, plan.rungs, plan.seeds)
    return Rungs(
        plan.problem,
        plan.rungs,
        promotion=plan.promotion,
        sampler=sampler,
        trials=plan.trials,
    )


def about(problem: Problem, *, trials: int, rungs: int = 1, **more: Any) -> dict[str, Any]:
    """Return what a ledger's header says of a search, so that it can be read without its job."""
    return {
        "objectives": dict(problem.objectives),
        "budget": dict(problem.budget),
        "seed": problem.seed,
        "trials": trials,
        "rungs": rungs,
        **({"limits": {n: list(v) for n, v in problem.levels.items()}} if problem.levels else {}),
        **more,
    }
