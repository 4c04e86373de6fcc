"""What every sampler keeps to: unseen, within budget, resumable, exhausted at a space's end."""

from __future__ import annotations

import pytest

import plugnas
from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers import NAMES, Problem, ProblemError, Sampler, SpaceExhausted, create
from plugnas.nas.testing import CHECKS
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import flops, macro_problem, measured

CHEAP = [n for n in NAMES if n != "gp"]  # Optuna's GP takes seconds per proposal


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CHEAP)
def test_every_sampler_keeps_the_contract_that_ships(name, check):
    check(lambda problem: create(name, problem))


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_one_member_is_exhausted_after_it(name):
    sampler = create(name, Problem(SearchSpace({"layer0": ["id"]})))
    only = sampler.ask(0)
    assert only.values == {"layer0": "id"}
    sampler.tell(measured(0, only, accuracy=0.5))
    with pytest.raises(SpaceExhausted, match="all 1 architectures have been asked for"):
        sampler.ask(1)


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


class InOrder(Sampler):
    """A sampler from outside: proposes a small space in the order of its codes."""

    def __init__(self, problem, *, seen=()):
        self.left = [a for c in problem.space.enumerate() for a in problem.space.architectures(c)]
        self.known = set(seen)

    def ask(self, number):
        for architecture in self.left:
            if architecture.id not in self.known:
                self.known.add(architecture.id)
                return architecture
        raise SpaceExhausted("all are asked for")

    def tell(self, measurement):
        self.known.add(measurement.architecture.id)


def test_a_search_takes_a_sampler_object_or_what_makes_one():
    space = SearchSpace({"a": ["x", "y", "z"]})
    problem = Problem(space)

    def search(sampler, **options):
        found = plugnas.search(
            space, evaluate=lambda a, rung, seed: {"accuracy": 0.5}, sampler=sampler, trials=3,
            **options,
        )  # fmt: skip
        return [m.architecture["a"] for m in found.measurements]

    assert search(InOrder) == search(InOrder(problem)) == ["x", "y", "z"]
    assert search(InOrder, seen=[space.architecture({"a": "x"}).id]) == ["y", "z"]
    with pytest.raises(ProblemError, match="`InOrder` has no option `sen`; did you mean `seen`"):
        search(InOrder, sen=[])
    with pytest.raises(ProblemError, match="is made already takes no options"):
        search(InOrder(problem), seen=[])
    with pytest.raises(ProblemError, match="derived from plugnas"):
        search(lambda problem: object())
