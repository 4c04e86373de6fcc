"""What the predictor seeks: the front, or the best within each named limit."""

from __future__ import annotations

import numpy as np
import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.samplers import Problem, ProblemError, create
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import MACRO, accuracy, flops, macro_problem, run

COSTS = np.array([[10.0], [100.0], [1000.0]])


def problem_with(levels, budget=None):
    plain = macro_problem()
    return Problem(plain.space, plain.objectives, budget or {}, plain.cost, levels=levels)


def test_the_front_is_weighed_from_its_worst():
    aim = Aim(macro_problem(), COSTS)
    assert aim.columns(COSTS)[:, 0].tolist() == [-10, -100, -1000]
    assert aim.reference(COSTS)[0] == pytest.approx(-1000 - 1e-3 * 990)
    assert aim.reference(2 * COSTS)[0] == pytest.approx(-2000 - 1e-3 * 1990)


def test_the_volume_of_limits_is_the_sum_of_the_best_within_each():
    aim = Aim(problem_with({"flops": [20.0, 100.0]}), COSTS)
    column = aim.columns(COSTS)[:, 0]
    assert column.tolist() == [2, 1, 0] and aim.reference(COSTS).tolist() == [0]
    values = np.array([0.3, 0.8, 0.9])
    volume = hypervolume(np.column_stack([values, column]), (0.0, 0.0), ("max", "max"))
    assert volume == pytest.approx(0.3 + 0.8)


def test_aim_limits_finds_the_best_within_each_limit():
    levels = {"flops": [40.0, 80.0, 120.0]}
    limited = problem_with(levels, {"flops": 120.0})
    asked = run(create("predictor", limited), 45)
    costs = np.array([flops(a)["flops"] for a in asked])
    assert costs.max() <= 120
    every = [a for codes in limited.space.enumerate() for a in limited.space.architectures(codes)]
    all_costs = np.array([flops(a)["flops"] for a in every])
    all_values, values = (np.array([accuracy(a) for a in some]) for some in (every, asked))
    for level in levels["flops"]:
        best = all_values[all_costs <= level].max()
        assert values[costs <= level].max() >= best - 0.01


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"flop": [1.0]}, "did you mean `flops`"),
        ({"flops": []}, "list of finite numbers above 0"),
        ({"flops": [0.0]}, "list of finite numbers above 0"),
    ],
)
def test_limits_that_mean_nothing_are_refused(levels, said):
    with pytest.raises(ProblemError, match=said):
        problem_with(levels)


def test_aim_and_limits_belong_together_in_a_search_from_python():
    space = SearchSpace(MACRO)
    asked = {"evaluate": lambda a, rung, seed: {"accuracy": accuracy(a)}, "cost": flops}
    for wrong in ({"aim": "limits"}, {"limits": {"flops": [50]}}, {"aim": "best"}):
        with pytest.raises(PlugnasError, match="aim is `front`, or `limits` together with"):
            plugnas.search(space, **asked, trials=1, **wrong)
    both = {"accuracy": "max", "flops": "min"}
    found = plugnas.search(
        space, **asked, objectives=both, trials=8, aim="limits", limits={"flops": [90, 45]}
    )
    assert found.budget == {"flops": 90.0}
    assert max(m.costs["flops"] for m in found.measurements) <= 90
