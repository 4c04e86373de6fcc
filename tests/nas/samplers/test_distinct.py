"""One network is evaluated once, whatever the space calls it; costs are asked for as needed."""

from __future__ import annotations

import pytest

import plugnas
from plugnas.nas.samplers import Problem, ProblemError, Sampler, SpaceExhausted, create
from plugnas.nas.samplers.distinct import Distinct
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import measured

SPACE = {"a": [0, 1, 2], "b": [0, 1, 2], "c": [0, 1]}


def unordered(architecture):
    return (*sorted([architecture["a"], architecture["b"]]), architecture["c"])


@pytest.mark.parametrize("sampler", ["predictor", "evolution", "random"])
def test_a_network_is_evaluated_once_and_the_space_ends_when_all_are(sampler):
    evaluated = []

    def evaluate(architecture, rung, seed):
        evaluated.append(unordered(architecture))
        return {"accuracy": sum(architecture.values.values()) / 6}

    found = plugnas.search(
        SearchSpace(SPACE), evaluate=evaluate, trials=50, sampler=sampler, same=unordered
    )
    assert len(evaluated) == len(set(evaluated)) == 12 and found.reason == "exhausted"


def test_the_sampler_learns_a_value_under_every_name():
    told = []

    class Recorder(Sampler):
        names = iter([(0, 1), (1, 0), (2, 2), (1, 2), (2, 1), (0, 0)])
        space = SearchSpace(SPACE)

        def ask(self, number):
            a, b = next(self.names)
            return self.space.architecture({"a": a, "b": b, "c": 0})

        def tell(self, measurement):
            architecture = measurement.architecture
            told.append((architecture["a"], architecture["b"], measurement.values["accuracy"]))

    sampler = Distinct(Recorder(), unordered)
    first = sampler.ask(0)
    sampler.tell(measured(0, first, accuracy=0.5))
    assert unordered(sampler.ask(1)) == (2, 2, 0)
    assert told == [(0, 1, 0.5), (1, 0, 0.5)]
    pending = sampler.ask(2)
    sampler.ask(3)  # (2, 1) is the same as what is being measured, (0, 0) is new
    sampler.tell(measured(2, pending, accuracy=0.7))
    assert told[2:] == [(1, 2, 0.7), (2, 1, 0.7)]


def test_a_key_that_is_none_is_an_error_that_says_so():
    problem = Problem(SearchSpace(SPACE))
    with pytest.raises(ProblemError, match="`same` must return a key that can be hashed"):
        Distinct(create("random", problem), lambda a: [1]).ask(0)
    sampler = Distinct(create("random", problem), lambda a: "one for all")
    sampler.ask(0)
    with pytest.raises(SpaceExhausted):
        sampler.ask(1)
