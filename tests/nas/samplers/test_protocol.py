"""What every sampler keeps to: unseen, within budget, resumable, honest at the end of a space."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import NAMES, Problem, ProblemError, SpaceExhausted, create
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import accuracy, flops, macro_problem, measured, run

CHEAP = [n for n in NAMES if n != "gp"]  # Optuna's GP takes seconds per proposal


@pytest.mark.parametrize("name", CHEAP)
def test_proposes_nothing_twice_and_nothing_beyond_the_budget(name):
    asked = run(create(name, macro_problem(budget={"flops": 90.0})), 40)
    assert len({a.id for a in asked}) == 40
    assert max(flops(a)["flops"] for a in asked) <= 90.0


@pytest.mark.parametrize("name", CHEAP)
def test_a_resumed_run_equals_an_undisturbed_one(name):
    whole = run(create(name, macro_problem()), 24)
    resumed = create(name, macro_problem())
    for number, architecture in enumerate(whole[:14]):
        resumed.tell(measured(number, architecture, accuracy=accuracy(architecture)))
    assert [a.id for a in run(resumed, 10, start=14)] == [a.id for a in whole[14:]]


@pytest.mark.parametrize("name", CHEAP)
def test_seeds_differ_and_repeat(name):
    first, again = (run(create(name, macro_problem(seed=3)), 12) for _ in range(2))
    other = run(create(name, macro_problem(seed=4)), 12)
    assert [a.id for a in first] == [a.id for a in again] != [a.id for a in other]


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_one_member_is_exhausted_after_it(name):
    sampler = create(name, Problem(SearchSpace({"layer0": ["id"]})))
    only = sampler.ask(0)
    assert only.values == {"layer0": "id"}
    sampler.tell(measured(0, only, accuracy=0.5))
    with pytest.raises(SpaceExhausted, match="all 1 architectures have been asked for"):
        sampler.ask(1)


@pytest.mark.parametrize("name", CHEAP)
def test_a_small_space_is_emptied_exactly_and_with_everything_pending(name):
    space = SearchSpace({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    sampler = create(name, Problem(space))
    asked = [sampler.ask(k) for k in range(9)]  # nothing told in between
    assert len({a.id for a in asked}) == 9
    with pytest.raises(SpaceExhausted):
        sampler.ask(9)
    for k, architecture in enumerate(asked):
        sampler.tell(measured(k, architecture, accuracy=k / 10))
    with pytest.raises(SpaceExhausted):
        sampler.ask(9)


@pytest.mark.parametrize("name", CHEAP)
def test_what_fails_or_is_not_finite_is_a_result(name):
    sampler = create(name, macro_problem())
    for number in range(20):
        architecture = sampler.ask(number)
        if number % 4 == 0:
            sampler.tell(
                Measurement(number, architecture, 0, 0, "failed", reason="raised: no memory")
            )
        elif number % 4 == 1:
            sampler.tell(measured(number, architecture, accuracy=(np.nan, np.inf)[number % 8 == 1]))
        else:
            sampler.tell(measured(number, architecture, accuracy=accuracy(architecture)))


@pytest.mark.parametrize("name", CHEAP)
def test_an_objective_that_no_evaluation_returns_is_named(name):
    sampler = create(name, Problem(SearchSpace({"a": [1, 2, 3]}), {"acuracy": "max"}))
    with pytest.raises(ProblemError, match="`acuracy`.*did you mean `accuracy`"):
        sampler.tell(measured(0, sampler.ask(0), accuracy=0.5))


@pytest.mark.parametrize("name", [n for n in CHEAP if n != "grid"])
def test_three_objectives_of_which_two_are_bought(name):
    space = SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in range(5)})
    objectives = {"accuracy": "max", "latency_ms": "min", "flops": "min"}
    sampler = create(name, Problem(space, objectives, cost=FunctionCost(flops, ["flops"], space)))
    seen = set()
    for number in range(20):
        a = sampler.ask(number)
        seen.add(a.id)
        sampler.tell(measured(number, a, accuracy=accuracy_of(a), latency_ms=flops(a)["flops"] / 9))
    assert len(seen) == 20


def accuracy_of(architecture):
    return 0.5 + 0.05 * list(architecture.values.values()).count("mb6")


@pytest.mark.parametrize("name", [n for n in CHEAP if n != "grid"])
def test_a_budget_that_nothing_meets_names_the_cheapest(name):
    with pytest.raises(ProblemError, match=r"flops <= 3.*cheapest found has flops 8: .*layer0"):
        create(name, macro_problem(budget={"flops": 3.0})).ask(0)


def test_the_problem_says_what_does_not_fit():
    space = SearchSpace({"a": [1, 2]})
    cost = FunctionCost(lambda a: {"flops": 1.0}, ["flops"], space)
    with pytest.raises(ProblemError, match="max or min, not 'up'"):
        Problem(space, {"accuracy": "up"})
    with pytest.raises(ProblemError, match="`flop` is none; did you mean `flops`"):
        Problem(space, budget={"flop": 1.0}, cost=cost)
    with pytest.raises(ProblemError, match="no cost was given"):
        Problem(space, budget={"flops": 1.0})
    with pytest.raises(ProblemError, match="finite number, not nan"):
        Problem(space, budget={"flops": float("nan")}, cost=cost)
    with pytest.raises(ProblemError, match="nothing to search for"):
        Problem(space, {"flops": "min"}, cost=cost)
    with pytest.raises(ProblemError, match="at least one objective"):
        Problem(space, {})


def test_unknown_names_and_options_are_named():
    problem = Problem(SearchSpace({"a": [1, 2]}))
    with pytest.raises(ProblemError, match="no sampler `predictr`; did you mean `predictor`"):
        create("predictr", problem)
    with pytest.raises(ProblemError, match="sampler `evolution` has no option `popsize`"):
        create("evolution", problem, popsize=3)
    with pytest.raises(ProblemError, match="sampler `nsga2` has no option `popsize`"):
        create("nsga2", problem, popsize=3)
    with pytest.raises(ProblemError, match="at least 2, not 1"):
        create("evolution", problem, population=1)
    with pytest.raises(ProblemError, match="between 0 and 1, not 2"):
        create("evolution", problem, local=2)
    with pytest.raises(ProblemError, match="at least 1 design, not 0"):
        create("predictor", problem, designs=0)
