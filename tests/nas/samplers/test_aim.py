"""What the predictor seeks: the front, or the best within each named limit."""

from __future__ import annotations

import numpy as np
import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.samplers import Problem, ProblemError, create
from plugnas.nas.samplers.predictor.aim import Aim
from plugnas.nas.samplers.predictor.warp import LogError, Warp, saturated
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import MACRO, accuracy, flops, macro_problem, measured, run

COSTS = np.array([[10.0], [100.0], [1000.0]])


def problem_with(levels, budget=None):
    plain = macro_problem()
    return Problem(plain.space, plain.objectives, budget or {}, plain.cost, levels=levels)


def test_the_front_is_weighed_over_log_cost_from_a_tenth_beyond_its_worst():
    aim = Aim(macro_problem(), COSTS)
    columns = aim.columns(COSTS)[:, 0]
    assert columns == pytest.approx(-np.log(COSTS[:, 0]))
    assert aim.reference(COSTS)[0] == pytest.approx(-np.log(1000) - 0.1 * np.log(100))
    assert aim.reference(2 * COSTS)[0] == pytest.approx(-np.log(2000) - 0.1 * np.log(200))
    halved = aim.columns(np.array([[500.0], [50.0]]))[:, 0] - columns[[2, 1]]
    assert halved == pytest.approx(np.log(2))  # worth the same at both ends


def test_costs_of_zero_and_costs_to_be_raised_are_weighed_as_they_are():
    plain = macro_problem()
    none = Aim(plain, np.array([[0.0], [10.0]]))
    assert none.columns(COSTS)[:, 0].tolist() == [-10, -100, -1000]
    raised = Problem(plain.space, {"accuracy": "max", "flops": "max"}, cost=plain.cost)
    assert Aim(raised, COSTS).columns(COSTS)[:, 0].tolist() == [10, 100, 1000]


def test_a_saturated_share_counts_by_the_logarithm_of_its_error():
    shares = np.array([0.5, 0.96, 0.98, 0.99])
    assert saturated(shares) and not saturated(shares - 0.03) and not saturated(100 * shares)
    warp = LogError.of(shares)
    z = warp.to(shares)
    assert (z.mean(), z.std()) == pytest.approx((0, 1))
    assert warp.back(z) == pytest.approx(-np.log(1.002 - shares))
    draws = warp.back(0.3 + 0.5 * np.random.default_rng(0).normal(size=200_000))
    heights = np.array([2.0, 4.0])
    expected = warp.expected_gain(np.array([0.3]), np.array([0.5]), heights)[0]
    for height, gain in zip(heights, expected, strict=True):
        assert gain == pytest.approx(np.maximum(draws - height, 0).mean(), rel=0.02, abs=1e-4)


def test_the_predictor_turns_to_the_error_where_a_metric_is_saturated():
    for gap, kind in ((0.02, LogError), (0.5, Warp)):
        sampler = create("predictor", macro_problem())
        for number in range(8):
            a = sampler.ask(number)
            sampler.tell(measured(number, a, accuracy=1 - gap * (1 - accuracy(a))))
        assert type(sampler._model.current(0)[0]) is kind


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
