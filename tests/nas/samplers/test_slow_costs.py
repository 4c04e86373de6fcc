"""Costs of a small space that take long do not hold a search up."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers import Problem, SpaceExhausted, create
from plugnas.nas.samplers import candidate_pool as pools
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import macro_problem, measured


def test_costs_that_take_long_are_worked_out_beside_the_search(monkeypatch, caplog):
    space = SearchSpace({f"p{i}": [0, 1, 2] for i in range(6)})
    asked = []

    class Cost:
        names = ("flops",)

        def costs_of(self, codes):
            asked.append(len(codes))
            return {"flops": 1.0 + np.asarray(codes).sum(axis=1)}

        def cost(self, architecture):
            return {"flops": 1.0 + sum(architecture.values.values())}

    def proposals(patience):
        monkeypatch.setattr(pools, "_PATIENCE", patience)
        problem = Problem(space, {"accuracy": "max", "flops": "min"}, {"flops": 9.0}, Cost())
        sampler = create("predictor", problem)
        found = []
        for number in range(12):
            found.append(sampler.ask(number))
            sampler.tell(measured(number, found[-1], accuracy=sum(found[-1].values.values()) / 12))
        return sampler, found

    with caplog.at_level(logging.WARNING, "plugnas"):
        sampler, found = proposals(-1.0)
    assert max(asked) <= 64 and 0 not in asked
    assert "costs of 64 of 729 architectures are known" in caplog.text
    assert all(sum(a.values.values()) <= 8 for a in found)
    _, same = proposals(-1.0)
    assert [a.id for a in found] == [a.id for a in same]
    assert sampler._pool.free().sum() < 729
    for number in range(12, 400):  # in the end every architecture within budget has its turn
        try:
            sampler._pool.any_left()
            found.append(
                sampler._pool.take(sampler._pool.draw(1, np.random.default_rng(number))[0])
            )
        except SpaceExhausted:
            break
    assert len(found) == len({a.id for a in found})
    assert sampler._pool.table_costs[sampler._pool.free()].max(initial=0) <= 9


def test_a_cost_function_that_fails_later_is_told_by_the_search(monkeypatch):
    space = SearchSpace({f"p{i}": [0, 1, 2] for i in range(6)})
    calls = []

    def cost(architecture):
        calls.append(architecture)
        if len(calls) > 200:
            raise ValueError("the profiler is gone")
        return {"flops": 1.0}

    monkeypatch.setattr(pools, "_PATIENCE", -1.0)
    problem = Problem(space, cost=FunctionCost(cost, ["flops"], space))
    pool = pools.CandidatePool(problem)
    with pytest.raises(ValueError, match="the profiler is gone"):
        for number in range(20):
            pool.any_left()
            pool.take(pool.draw(1, np.random.default_rng(number))[0])


def test_costs_are_never_asked_of_nothing():
    problem = macro_problem()
    assert problem.costs(np.zeros((0, 8), dtype=np.int16)).shape == (0, 1)
