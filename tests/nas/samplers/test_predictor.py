"""The default sampler: better than chance where it should be, sound where spaces are awkward."""

from __future__ import annotations

import numpy as np

from plugnas.nas.cost import FunctionCost, NetworkCost
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, create
from plugnas.nas.samplers.candidate_pool import CandidatePool
from plugnas.nas.samplers.predictor.model import ACTIVE, Model
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import (
    MACRO,
    accuracy,
    conditional_space,
    flops,
    macro_problem,
    measured,
    run,
)


def volume(asked):
    points = [(accuracy(a), flops(a)["flops"]) for a in asked]
    return hypervolume(points, (0.3, 170.0), ("max", "min"))


def test_nearly_the_whole_front_within_fifty():
    problem = macro_problem()
    everything = [a for c in problem.space.enumerate() for a in problem.space.architectures(c)]
    whole = volume(everything)
    ours = np.median([volume(run(create("predictor", macro_problem(s)), 50)) for s in range(3)])
    chance = np.median([volume(run(create("random", macro_problem(s)), 50)) for s in range(3)])
    assert ours > 0.99 * whole > chance


def test_first_designs_span_the_costs():
    problem = macro_problem(budget={"flops": 120.0})
    first = [flops(a)["flops"] for a in run(create("predictor", problem), 5)]
    assert first[0] == 8.0 and max(first) > 110.0


def test_best_accuracy_within_a_budget_is_found():
    space = SearchSpace(MACRO)
    problem = Problem(
        space, {"accuracy": "max"}, {"flops": 80.0}, FunctionCost(flops, ["flops"], space)
    )
    best = max(
        accuracy(a)
        for c in space.enumerate()
        for a in space.architectures(c)
        if flops(a)["flops"] <= 80.0
    )
    assert max(accuracy(a) for a in run(create("predictor", problem), 40)) == best


def test_pending_proposals_spread():
    sampler = create("predictor", macro_problem())
    run(sampler, 12)
    together = [sampler.ask(k) for k in range(12, 20)]
    assert len({a.id for a in together}) == 8
    for k, a in enumerate(together, start=12):  # told in another order
        sampler.tell(measured(k, a, accuracy=accuracy(a)))
    sampler.ask(20)


def test_conditional_space_with_a_network_and_its_costs():
    space = conditional_space()
    cost = NetworkCost(space)
    limit = float(
        np.median(cost.costs_of(space.sample_codes(64, np.random.default_rng(0)))["macs"])
    )
    problem = Problem(space, {"accuracy": "max", "params": "min"}, {"macs": limit}, cost)
    sampler = create("predictor", problem)
    for number in range(25):
        a = sampler.ask(number)
        assert space.refusal(a) is None and cost.cost(a)["macs"] <= limit
        share = sum(v == "se" for v in a.values.values()) / 6
        sampler.tell(measured(number, a, accuracy=0.5 + share))
    assert len(CandidatePool(problem).table)  # this space is small enough to be listed


def test_a_space_of_1e24_is_searched_and_families_are_learnt_from():
    space = SearchSpace({f"slot{i}": [f"m{j}" for j in range(100)] for i in range(12)})
    assert space.size == 10**24
    rng = np.random.default_rng(0)
    worth = rng.normal(size=100)

    def cost(a):
        return {"flops": sum(1.0 + int(str(v)[1:]) % 7 for v in a.values.values())}

    def value(a):
        return float(np.mean([worth[int(str(v)[1:])] for v in a.values.values()]))

    problem = Problem(space, budget={"flops": 40.0}, cost=FunctionCost(cost, ["flops"], space))
    best = {}
    for name in ("predictor", "random"):
        sampler = create(name, problem)
        values = []
        for number in range(60):
            a = sampler.ask(number)
            assert cost(a)["flops"] <= 40.0
            values.append(value(a))
            sampler.tell(measured(number, a, accuracy=values[-1]))
        best[name] = max(values)
    assert best["predictor"] > best["random"] + 0.2


def test_a_strict_budget_in_a_large_space_is_met_from_the_start():
    space = SearchSpace({f"slot{i}": list(range(20)) for i in range(12)})

    def cost(a):
        return {"flops": float(sum(a.values.values()))}

    problem = Problem(space, budget={"flops": 12.0}, cost=FunctionCost(cost, ["flops"], space))
    for name in ("predictor", "evolution", "random", "tpe"):
        sampler = create(name, problem)
        asked = []
        for number in range(12):
            asked.append(sampler.ask(number))
            sampler.tell(measured(number, asked[-1], accuracy=number / 20))
        assert len({a.id for a in asked}) == 12
        assert max(cost(a)["flops"] for a in asked) <= 12.0


def test_lower_rungs_inform_and_never_stand_for_the_highest():
    problem = macro_problem()
    sampler = create("predictor", problem)
    for number in range(20):
        a = sampler.ask(number)
        # Short trainings: another scale, and a signal that ranks.
        sampler.tell(
            Measurement(number, a, 0, 0, "ok", {"accuracy": 0.1}, signal=-10 + accuracy(a))
        )
        if number % 3 == 0:
            sampler.tell(measured(number, a, rung=1, accuracy=accuracy(a)))
    model = sampler._model
    assert model.rung == 1
    raw = model.observations.raw(0)
    assert raw[model.observations.rungs == 0].max() < 0 < raw[model.observations.rungs == 1].min()
    later = run(sampler, 20, start=20)
    assert len({a.id for a in later}) == 20


def test_a_rung_that_only_ranks_is_enough_to_begin():
    sampler = create("predictor", macro_problem())
    for number in range(16):
        a = sampler.ask(number)
        score = {"synflow": 1.0}
        sampler.tell(Measurement(number, a, 0, 0, "ok", score, signal=accuracy(a)))
    assert sampler._model.ready


def test_a_failure_that_a_retry_makes_good_is_forgotten():
    sampler = create("predictor", macro_problem())
    asked = run(sampler, 8)
    a = sampler.ask(8)
    sampler.tell(Measurement(8, a, 0, 0, "failed", reason="raised: killed"))
    sampler.tell(measured(8, a, accuracy=0.9))
    assert np.isfinite(sampler._model.observations.raw(0)).all()
    assert a.id not in {x.id for x in asked}


def test_noise_is_seen_as_noise():
    sampler = create("predictor", macro_problem())
    rng = np.random.default_rng(0)
    for number in range(60):
        a = sampler.ask(number)
        sampler.tell(measured(number, a, accuracy=accuracy(a) + rng.normal() * 0.03))
    noise = sampler._model.objectives[0].hyperparameters.noise
    assert noise > 0.02  # in variances of the values; without noise it settles below 0.001


def test_memory_of_the_model_is_bounded():
    problem = macro_problem()
    model = Model(problem, 4)
    codes = np.concatenate(list(problem.space.enumerate()))[::4]
    for number, a in enumerate(problem.space.architectures(codes[: ACTIVE + 200])):
        model.tell(codes[number], measured(number, a, accuracy=accuracy(a)))
    assert ACTIVE <= len(model.active) <= ACTIVE + 150
