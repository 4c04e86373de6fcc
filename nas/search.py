"""Searching: from Python with one's own ``evaluate``, or a job from start to end."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules import PlugnasError
from nas.cost import CostModel
from nas.drive import Listener, drive
from nas.executors import Executor, create
from nas.feasibility import check_budget
from nas.ledger import Ledger
from nas.lock import RunLock
from nas.records import Task
from nas.result import Result
from nas.samplers import Problem
from nas.samplers import create as create_sampler
from nas.study import Study
from space import Architecture, SearchSpace

Evaluate = Callable[[Architecture, int, int], Mapping[str, float]]


def search(
    space: SearchSpace,
    *,
    evaluate: Evaluate,
    cost: Callable[[Architecture], Mapping[str, float]] | CostModel | None = None,
    objectives: Mapping[str, str] | None = None,
    budget: Mapping[str, float] | None = None,
    trials: int = 100,
    sampler: str = "predictor",
    seed: int = 0,
    seeds: int = 1,
    rungs: int = 1,
    run_dir: Path | str | None = None,
    workers: int = 1,
    timeout: float | None = None,
    timeout_s: float | None = None,
    on_event: Listener | None = None,
    **options: Any,
) -> Result:
    """Search a space with a function of one's own.

    Args:
        space: what can be chosen.
        evaluate: ``(architecture, rung, seed) -> {"accuracy": ...}``; may ignore rung and seed, and
            may raise: that is a recorded failure, as is a value that is not finite.
        cost: ``architecture -> {"flops": ...}``, known before anything is evaluated; of a network
            space the exact costs are taken where this is None.
        objectives: name -> ``max`` or ``min``; by default ``{"accuracy": "max"}``.
        budget: name of a cost -> its hard upper limit.
        trials: architectures to evaluate. seeds: evaluations of each. rungs: fidelities.
        run_dir: where the ledger is kept; None writes nothing. An earlier run there is continued.
        workers: processes; 1 evaluates in this one. More need an ``evaluate`` that pickles.
        timeout: seconds after which nothing new is begun. timeout_s: limit for one evaluation.
        options: further options of the sampler.

    Raises:
        PlugnasError: a wrong name or number, or a budget that nothing meets.
    """
    model = _cost_model(space, cost)
    problem = Problem(
        space=space,
        objectives=dict(objectives or {"accuracy": "max"}),
        budget=dict(budget or {}),
        cost=model,
        seed=seed,
    )
    evaluator = functools.partial(_bind, evaluate)
    if workers == 1 and timeout_s is None:
        make = functools.partial(create, "serial", evaluator)
    else:
        make = functools.partial(create, "local", evaluator, workers=workers, timeout_s=timeout_s)
    plan = Plan(problem, sampler, options, trials, seeds, rungs)
    return run_plan(plan, make, None if run_dir is None else Path(run_dir), timeout, on_event)


@dataclass(frozen=True)
class Plan:
    """What is searched, how, and for how long."""

    problem: Problem
    sampler: str
    options: Mapping[str, Any]
    trials: int
    seeds: int = 1
    rungs: int = 1


def run_plan(
    plan: Plan,
    make_executor: Callable[[], Executor],
    run_dir: Path | None,
    timeout: float | None = None,
    on_event: Listener | None = None,
    about: Mapping[str, Any] | None = None,
    begin: Callable[[], None] = lambda: None,
) -> Result:
    """Drive a plan to its end; with a run directory under its lock and with its ledger.

    ``begin`` is called once all is known to be right, under the lock, before the ledger is opened.
    """
    check_budget(plan.problem.space, plan.problem.cost, plan.problem.budget)
    sampler = create_sampler(plan.sampler, plan.problem, **plan.options)
    with contextlib.ExitStack() as stack:
        ledger = None
        if run_dir is not None:
            stack.enter_context(RunLock(run_dir))
            begin()
            ledger = stack.enter_context(
                Ledger.open(
                    run_dir / "ledger.jsonl",
                    plan.problem.space,
                    cost=plan.problem.cost,
                    about=about,
                )
            )
        study = Study(
            plan.problem,
            sampler,
            ledger,
            trials=plan.trials,
            rungs=_promoter(plan),
            seeds=range(plan.seeds),
        )
        outcome = drive(study, make_executor(), on_event=on_event, timeout=timeout)
        return Result(
            measurements=list(study.measurements),
            objectives=plan.problem.objectives,
            budget=plan.problem.budget,
            top_rung=plan.rungs - 1 if plan.rungs > 1 else None,
            reason=outcome.reason,
            run_dir=run_dir,
        )


def _promoter(plan: Plan) -> Any:
    if plan.rungs == 1:
        return None
    from nas.rungs import Rungs

    return Rungs(plan.problem, plan.rungs)


def _cost_model(space: SearchSpace, cost: Any) -> CostModel | None:
    if cost is None:
        from nas.cost import NetworkCost

        return NetworkCost(space) if space.has_network else None
    if hasattr(cost, "costs_of"):
        return cost
    import numpy as np

    from nas.cost import FunctionCost

    sample = space.sample(np.random.default_rng(0))
    returned = cost(sample)
    if not isinstance(returned, Mapping):
        raise PlugnasError(
            f"cost must return a mapping of names to numbers, but returned {returned!r}"
        )
    return FunctionCost(cost, tuple(returned), space)


def _bind(evaluate: Evaluate) -> Callable[[Task], Mapping[str, Any]]:
    """Make the function of a task out of a user's function of architecture, rung and seed."""

    def run(task: Task) -> Mapping[str, Any]:
        values = evaluate(task.architecture, task.rung, task.seed)
        return {"values": values}

    return run
