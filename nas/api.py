"""Searching: from Python with one's own ``evaluate``, or a job from start to end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plugnas.modules import PlugnasError
from plugnas.nas.cost import CostModel
from plugnas.nas.cost.budget import check_budget, with_levels
from plugnas.nas.executors import create
from plugnas.nas.executors.measure import of_tasks
from plugnas.nas.ledger.ledger import Ledger
from plugnas.nas.ledger.lock import RunLock
from plugnas.nas.machine.log import logger
from plugnas.nas.run.python_run import claim_for_python
from plugnas.nas.run.view import RunView, open_run
from plugnas.nas.samplers import Problem, Sampler
from plugnas.nas.samplers import create as create_sampler
from plugnas.nas.samplers.distinct import Distinct
from plugnas.nas.samplers.known.earlier import check_learns, read_all
from plugnas.nas.samplers.known.preference import preference_of
from plugnas.nas.samplers.known.prior import prior_of
from plugnas.nas.samplers.known.source import informed
from plugnas.nas.study.drive import Listener
from plugnas.nas.study.failures import all_failed
from plugnas.nas.study.plan import Plan, about, run_plan
from plugnas.nas.study.study import StudyError
from plugnas.space import Architecture, SearchSpace

if TYPE_CHECKING:
    from plugnas.nas.study.rungs import Promotion

Evaluate = Callable[[Architecture, int, int], Mapping[str, float]]


def search(
    space: SearchSpace,
    *,
    evaluate: Evaluate,
    cost: Callable[[Architecture], Mapping[str, float]] | CostModel | None = None,
    objectives: Mapping[str, str] | None = None,
    budget: Mapping[str, float] | None = None,
    aim: Literal["front", "limits"] = "front",
    limits: Mapping[str, Sequence[float]] | None = None,
    trials: int = 100,
    sampler: str | Sampler | Callable[..., Sampler] = "predictor",
    seed: int = 0,
    seeds: int | Literal["auto"] = 1,
    rungs: int = 1,
    promotion: Promotion = "promise",
    run_dir: Path | str | None = None,
    workers: int = 1,
    timeout: float | None = None,
    evaluation_timeout: float | None = None,
    on_event: Listener | None = None,
    same: Callable[[Architecture], Hashable] | None = None,
    from_: Sequence[Path | str] = (),
    prefer: Mapping[str, Any] | None = None,
    prior: Literal["default", "none"] = "none",
    **options: Any,
) -> RunView:
    """Search a space with a function of one's own.

    Args:
        space: what can be chosen.
        evaluate: ``(architecture, rung, seed) -> {name: value, ...}`` with a value for each
            objective that is no cost; may ignore rung and seed, and may raise: that is a recorded
            failure, as is a value that is not finite.
        cost: ``architecture -> {"flops": ...}``, known before anything is evaluated; of a network
            space the exact costs are taken where this is None. One that would take more than ten
            seconds for a small space is also called from a thread, beside the evaluations.
        objectives: name -> ``max`` or ``min``; by default ``{"accuracy": "max"}``.
        budget: name of a cost -> its hard upper limit.
        aim: what the predictor seeks: the ``front``, or the best value within each of
            the ``limits``: name of a cost -> several limits, the largest of which is hard.
        trials: architectures to evaluate. rungs: fidelities.
        seeds: evaluations of each architecture; ``auto``: one, and a leader again under a new seed
            where the predictor expects more of that than of a new architecture (a trial each time).
        promotion: which architectures reach the next rung: the first by ``rank``, or by
            ``promise``.
        sampler: a name, an object of a class derived from ``Sampler``, or what makes one of a
            problem. seed: of its random choices.
        run_dir: where the ledger is kept; None writes nothing. An earlier run there is continued.
            ``nas front``, ``nas explain``, ``nas status`` and ``open`` read it.
        workers: processes; 1 evaluates in this one. More need an ``evaluate`` that pickles.
        timeout: seconds after which nothing new is begun.
        evaluation_timeout: seconds after which one evaluation is ended and counts as failed.
        same: ``architecture -> key``, equal for architectures that are one network: it is then
            evaluated once, and the sampler learns its values under every name it proposes.
        from_: directories of earlier runs that inform the predictor, of whatever evaluation: how
            much they count is learned, and is nothing where they do not help.
        prefer: what you expect to pay: parameter, slot or pattern -> a choice or family, or
            ``{choice: strength}``, how many times as likely it is: ``{"op": {"conv": 5}}``; fades
            as results come in.
        prior: ``default``: effects of modules on other images, which come with the package, inform
            the predictor in a space of our modules without a host; ``none``: they do not.
        on_event: called with each event of the search.
        options: further options of the sampler.

    Raises:
        PlugnasError: a wrong name or number, a budget that nothing meets, or evaluations of which
            none succeeds: after ten architectures that failed, or at the end. What was recorded in
            ``run_dir`` stays.
    """
    if seed < 0 or (timeout is not None and timeout <= 0):
        raise PlugnasError(
            f"a seed is 0 or more and a timeout above 0, but got seed={seed}, timeout={timeout}"
        )
    if aim not in ("front", "limits") or (aim == "limits") != bool(limits):
        raise PlugnasError(
            f"aim is `front`, or `limits` together with limits={{'flops': [2e6, 5e6, 20e6]}}, but "
            f"got aim={aim!r}, limits={limits!r}"
        )
    if prior not in ("default", "none"):
        raise PlugnasError(f"prior is `default` or `none`, but got {prior!r}")
    levels = {name: sorted(map(float, values)) for name, values in (limits or {}).items()}
    model = _cost_model(space, cost)
    problem = Problem(
        space=space,
        objectives=dict(objectives or {"accuracy": "max"}),
        budget=with_levels(budget or {}, levels),
        cost=model,
        seed=seed,
        levels=levels,
        preference=preference_of(space, prefer),
    )
    evaluator = functools.partial(of_tasks, evaluate)
    if workers == 1 and evaluation_timeout is None:
        make = functools.partial(create, "serial", evaluator)
    else:
        make = functools.partial(
            create, "local", evaluator, workers=workers, evaluation_timeout=evaluation_timeout
        )
    check_budget(space, model, problem.budget)
    check_learns(sampler, from_)
    runs = read_all(from_, Path(), problem, None if run_dir is None else Path(run_dir))
    for earlier in runs:
        logger.info(earlier.text)
    known = prior_of(problem) if prior == "default" else ()
    problem = informed(replace(problem, hints=known), runs)
    each = 1 if seeds == "auto" else seeds
    plan = Plan(problem, trials, each, rungs, promotion, again=seeds == "auto")
    proposer = create_sampler(sampler, problem, **options)
    proposer = proposer if same is None else Distinct(proposer, same)
    heard = () if on_event is None else (on_event,)
    if run_dir is None:
        found, outcome = run_plan(plan, proposer, make, timeout=timeout, on_event=heard)
        return _fruitful(RunView.of(plan, found, outcome))
    run = claim_for_python(run_dir)
    name = sampler if isinstance(sampler, str) else type(proposer).__name__
    told = {"from": [str(path) for path in from_]} if from_ else {}
    header = about(problem, trials=trials, rungs=rungs, sampler=name, **told)
    with RunLock(run.path), Ledger.open(run.ledger, space, cost=model, about=header) as ledger:
        found, outcome = run_plan(plan, proposer, make, ledger, timeout=timeout, on_event=heard)
    return _fruitful(RunView.of(plan, found, outcome, run, ledger.fitted))


def open(run_dir: Path | str) -> RunView:
    """Open a run directory: of `nas search`, or of ``search``; what ``search`` returned, again.

    Raises:
        PlugnasError: no run there, or a damaged one.
    """
    return open_run(run_dir)


def _fruitful(result: RunView) -> RunView:
    """Return a result in which something succeeded.

    Raises:
        StudyError: every evaluation failed.
    """
    tried = {m.architecture.id for m in result.measurements}
    if tried and len(result.failures) == len(result.measurements):
        raise StudyError(all_failed(result.measurements, len(tried)))
    return result


def _cost_model(space: SearchSpace, cost: Any) -> CostModel | None:
    if cost is None:
        from plugnas.nas.cost import NetworkCost

        return NetworkCost(space) if space.has_network else None
    if hasattr(cost, "costs_of"):
        return cost
    import numpy as np

    from plugnas.nas.cost import FunctionCost

    sample = space.sample(np.random.default_rng(0))
    returned = cost(sample)
    if not isinstance(returned, Mapping):
        raise PlugnasError(
            f"cost must return a mapping of names to numbers, but returned {returned!r}"
        )
    return FunctionCost(cost, tuple(returned), space)
