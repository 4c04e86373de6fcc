"""What users prefer: odds at the start, nothing once there is evidence, and names that exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.preference import Preference, preference_of
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import conditional_space, flops, macro_problem, run

RNG = np.random.default_rng


def test_draws_have_the_odds_that_were_asked_for_and_fade():
    space = SearchSpace({"op": ["a", "b", "c", "d"], "width": [8, 16]})
    preference = Preference(space, {"op": {"b": 5, "c": 0.5}, "width": 16})
    codes = space.sample_codes(20_000, RNG(0), preference.odds(0))
    shares = np.bincount(codes[:, 0], minlength=4) / len(codes)
    assert shares == pytest.approx([1 / 7.5, 5 / 7.5, 0.5 / 7.5, 1 / 7.5], abs=0.02)
    assert (codes[:, 1] == 1).mean() == pytest.approx(0.75, abs=0.02)
    assert preference.odds(10)[0].tolist() == [1, 5, 0.5, 1]
    assert preference.odds(100)[0] == pytest.approx([1, 5**0.1, 0.5**0.1, 1])
    rows = np.array([[1, 1], [2, 0], [-1, 0]], dtype=np.int16)  # not active: no odds
    assert preference.logs(rows, 0) == pytest.approx(np.log([15, 0.5, 1]))


def test_a_slot_means_its_modules_everywhere_a_family_all_of_its_own():
    space = conditional_space()
    wide = Preference(space, {"attention": "se"})
    names = [space.parameters[j].name for j in wide.odds(0)]
    assert names and all(n.endswith("attention") for n in names)
    assert Preference(space, {"attention": "channel"}).odds(0).keys() == wide.odds(0).keys()
    one = Preference(space, {"stage1.block1.attention": "se"})
    assert [space.parameters[j].name for j in one.odds(0)] == ["stage1.block1.attention"]
    second = Preference(space, {"stage2.*.attention": "se"})
    assert all(space.parameters[j].name.startswith("stage2") for j in second.odds(0))
    assert preference_of(space, {}) is None


@pytest.mark.parametrize(
    ("wishes", "law"),
    [
        ({"atention": "se"}, "no slot or open parameter `atention`; did you mean `attention`"),
        ({"attention": "cbam"}, "no choice or family `cbam`.*offered: none, se"),
        ({"attention": "sse"}, "`sse`; did you mean `se`"),
        ({"attention": {"se": 0}}, "prefer.attention.se is how many times as likely"),
        ({"attention": {"se": "much"}}, "a number above 0 such as 3, but got 'much'"),
        ({"attention": {"se": True}}, "but got True"),
        (["se"], "a mapping of slots to choices is needed"),
    ],
)
def test_what_the_space_does_not_offer_is_named(wishes, law):
    with pytest.raises(PlugnasError, match=law):
        Preference(conditional_space(), wishes)


def problem_of(wishes, seed=0):
    space = SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in range(5)})
    cost = FunctionCost(flops, ["flops"], space)
    objectives = {"accuracy": "max", "flops": "min"}
    return Problem(space, objectives, cost=cost, seed=seed, preference=preference_of(space, wishes))


@pytest.mark.parametrize("name", ["random", "evolution", "predictor"])
def test_every_sampler_of_ours_begins_with_what_is_preferred(name):
    def share(wishes):
        asked = [a for s in range(4) for a in run(create(name, problem_of(wishes, s)), 6)]
        return np.mean([sum(v == "mb3" for v in a.values.values()) for a in asked])

    assert share({"layer*": {"mb3": 8}}) > share({}) + 0.3


def test_evidence_has_the_last_word():
    asked = run(create("predictor", problem_of({"layer*": {"id": 20}})), 40)
    assert max(sum(v == "mb6" for v in a.values.values()) for a in asked[20:]) >= 4


def test_other_tools_samplers_do_not_know_it():
    problem = macro_problem()
    problem = replace(problem, preference=preference_of(problem.space, {"layer0": "id"}))
    with pytest.raises(
        PlugnasError, match="`prefer` is known to the samplers predictor, evolution"
    ):
        create("tpe", problem)
