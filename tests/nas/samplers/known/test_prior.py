"""Effects of modules elsewhere as a hint: exact values, and nothing said where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plugnas import modules
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.known.prior import Effects, Prior, prior_of, shipped
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import conditional_space, macro_problem, measured

SPACE = SearchSpace.from_config(
    {
        "stem": {"width": 8},
        "stages": [{"width": [8, 16], "depth": [1, 2]}],
        "slots": {
            "operator": ["conv", {"mbconv": {"expansion": [3, 6]}}, "ghost"],
            "attention": {"choices": ["none", "se", "eca"], "scope": "block"},
        },
        "context": ["none", "aspp"],
    },
    (1, 8, 8),
    10,
)
KNOWN = Effects(
    ["a", "b"],
    {
        "attention": {"none": -0.5, "se": 0.25, "triplet": 9.0},
        "operator": {"mbconv": 1.0, "conv": -1.0},
        "context": {"aspp": 7.0},  # one known choice is not told from the others
        "sequence": {"ssm": 3.0},  # a slot that the space does not have
    },
)


def raw(architecture) -> float:
    """The same sum, by name."""
    depth = architecture["stage1.depth"]
    blocks = [f"stage1.block{i + 1}" for i in range(depth)]
    attention = [KNOWN.effects["attention"].get(architecture[f"{b}.attention"], 0) for b in blocks]
    operator = [KNOWN.effects["operator"].get(architecture[f"{b}.operator"], 0) for b in blocks]
    return float(np.mean(attention) + np.mean(operator))


def test_it_is_the_sum_over_slots_of_the_mean_over_places_on_a_standard_scale():
    problem = Problem(SPACE, {"accuracy": "max"})
    hint = Prior(problem, KNOWN)
    codes = SPACE.sample_codes(40, np.random.default_rng(1))
    said = hint.values(codes, np.zeros((40, 0)))
    expected = np.array([raw(a) for a in SPACE.architectures(codes)])
    sample = SPACE.architectures(SPACE.sample_codes(512, problem.rng(0)))
    scale = np.array([raw(a) for a in sample])
    assert said.shape == (40, hint.width)
    assert said[:, 0] == pytest.approx((expected - scale.mean()) / scale.std())


@pytest.mark.parametrize(
    "problem",
    [
        macro_problem(),  # no modules behind the choices
        Problem(SPACE, {"accuracy": "max"}),  # none of its modules known
    ],
)
def test_where_it_says_nothing_there_is_no_hint(problem):
    assert prior_of(problem, Effects(["a"], {"attention": {"cbam": 1.0, "triplet": 2.0}})) == ()


def test_it_speaks_of_networks_of_our_modules_alone():
    problem = Problem(conditional_space(), {"accuracy": "max"})
    (hint,) = prior_of(problem, KNOWN)
    assert hint.values(conditional_space().sample_codes(9, problem.rng(1)), np.zeros((9, 0))).any()


def searched(known: Effects | None) -> list[str]:
    """The first proposals of a search for what the effects of KNOWN add up to."""
    problem = Problem(SPACE, {"accuracy": "max"})
    hints = () if known is None else prior_of(problem, known)
    sampler = create("predictor", replace(problem, hints=hints))
    asked = []
    for number in range(14):
        asked.append(sampler.ask(number))
        sampler.tell(measured(number, asked[-1], accuracy=raw(asked[-1])))
    return [a.id for a in asked]


def test_searches_with_it_are_the_same_for_a_seed_and_differ_from_those_without():
    assert searched(KNOWN) == searched(KNOWN) != searched(None)


def test_one_that_is_contradicted_changes_nothing():
    turned = {s: {m: -e for m, e in found.items()} for s, found in KNOWN.effects.items()}
    assert searched(Effects(["a"], turned)) == searched(None)


def test_what_ships_speaks_of_modules_that_there_are():
    known = shipped()
    assert len(known.sets) >= 2
    keys = {entry.key for entry in modules.entries()} | {"none"}
    for slot, effects in known.effects.items():
        assert set(effects) <= keys, slot
        assert np.mean(list(effects.values())) == pytest.approx(0, abs=1e-3)
        assert np.isfinite(list(effects.values())).all()
