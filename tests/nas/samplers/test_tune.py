"""Ray Tune's searchers and schedulers as a sampler, and our laws around a searcher of one's own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from plugnas import nas
from plugnas.modules import PlugnasError
from plugnas.nas import api
from plugnas.nas.cost import FunctionCost
from plugnas.nas.cost.hard_budget import HardBudget
from plugnas.nas.job.config import parse
from plugnas.nas.job.prepared import prepare
from plugnas.nas.samplers import Problem, ProblemError, create, names
from plugnas.nas.testing import CHECKS
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import accuracy, conditional_space, macro_problem, measured

tune = pytest.importorskip("ray.tune")
pytest.importorskip("hyperopt")

pytestmark = [  # Ray and hyperopt warn of their own futures
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SMALL = {"a": ["x", "y", "z"], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    ("search_alg", "check"),
    [("hyperopt", CHECKS[1]), *(("optuna", check) for check in (*CHECKS[:2], *CHECKS[3:]))],
)
def test_a_searcher_keeps_the_contract_that_ships(search_alg, check):
    check(lambda problem: create("tune", problem, search_alg=search_alg))


@pytest.mark.parametrize("search_alg", ["optuna", {"hyperopt": {"n_initial_points": 5}}])
def test_a_searcher_learns_what_is_good(search_alg):
    space = SearchSpace({name: [1, 2, 3, 4, 5, 6] for name in "abc"})
    sampler = create("tune", Problem(space, seed=2), search_alg=search_alg)
    sums = []
    for number in range(30):
        asked = sampler.ask(number)
        sums.append(sum(asked.values.values()))
        sampler.tell(measured(number, asked, accuracy=sums[-1] / 18))
    assert sum(sums[15:]) / 15 > 12  # 10.5 by chance


class Known:
    """Stands where a searcher of Ray Tune does: proposes the same again and again."""

    def __init__(self, configs):
        self.configs, self.told = configs, []

    def suggest(self, trial):
        return self.configs[min(len(self.told), len(self.configs) - 1)]

    def on_trial_result(self, trial, result):
        pass

    def on_trial_complete(self, trial, result=None, error=False):
        self.told.append((result or {}).get("accuracy", "failed" if error else None))


def test_what_is_known_or_too_dear_is_told_at_once_and_asked_again():
    space = SearchSpace(SMALL)
    cost = FunctionCost(lambda a: {"flops": float(a["b"])}, ["flops"], space)
    objectives = {"accuracy": "max", "flops": "min"}
    sampler = create("tune", Problem(space, objectives, {"flops": 2.0}, cost))
    cheap, dear, other = ({"a": "x", "b": 1}, {"a": "x", "b": 3}, {"a": "y", "b": 2})
    searcher = sampler._searcher = Known([cheap, dear, cheap, other, other])
    first = sampler.ask(0)
    sampler.tell(measured(0, first, accuracy=0.7))
    assert first.values == cheap and searcher.told == [0.7]
    assert sampler.ask(1).values == other
    assert searcher.told == [0.7, 0.7, "failed"]  # over budget: the worst so far; known
    third = sampler.ask(2)  # the searcher has nothing else to say
    assert third.values not in (cheap, dear, other) and third["b"] <= 2
    assert searcher.told[3:] == ["failed"] * 20


def test_a_run_goes_on_later_as_if_it_had_not_stopped(tmp_path):
    def search(trials, **where):
        found = api.search(
            SearchSpace(SMALL), evaluate=lambda a, rung, seed: {"accuracy": a["b"] / 3},
            cost=lambda a: {"flops": float(a["b"])}, objectives={"accuracy": "max", "flops": "min"},
            budget={"flops": 2}, trials=trials, sampler="tune", search_alg="hyperopt", **where,
        )  # fmt: skip
        return [m.architecture.values for m in found.measurements]

    whole = search(6)
    assert search(3, run_dir=tmp_path) == whole[:3]
    assert search(6, run_dir=tmp_path) == whole
    assert len({str(values) for values in whole}) == 6 and all(v["b"] <= 2 for v in whole)


def ladder(scheduler, trials=12, **where):
    space = macro_problem().space
    found = api.search(
        space, evaluate=lambda a, rung, seed: {"accuracy": accuracy(a)}, trials=trials, rungs=3,
        sampler="tune", search_alg="optuna", scheduler=scheduler, **where,
    )  # fmt: skip
    return [(m.number, m.rung, m.architecture.id, m.values["accuracy"]) for m in found.measurements]


def asha(values, factor):
    """What is promoted of values that arrive one after another at one rung, by the paper's rule
    as Ray Tune states it: who is at or above the upper 1/factor of those before."""
    cuts = [-math.inf] + [np.percentile(values[:i], 100 * (1 - 1 / factor)) for i in range(1, 99)]
    return [value >= cut for value, cut in zip(values, cuts, strict=False)]


def test_asha_decides_who_goes_on_and_decides_the_same_on_resume(tmp_path):
    factor = 3
    told = ladder({"asha": {"reduction_factor": factor}})
    rungs = [[(number, value) for number, r, _, value in told if r == rung] for rung in range(3)]
    assert len(rungs[0]) == 12 and 0 < len(rungs[2]) <= len(rungs[1]) < 12
    for low, high in itertools.pairwise(rungs):
        goes = asha([value for _, value in low], factor)
        assert [n for n, _ in high] == [n for (n, _), on in zip(low, goes, strict=True) if on]
    options = {"asha": {"reduction_factor": factor}}
    ladder(options, 5, run_dir=tmp_path)
    assert ladder(options, run_dir=tmp_path) == told


def test_the_median_rule_stops_what_is_below_the_others():
    told = ladder("median_stopping_rule")
    assert len([1 for _, rung, *_ in told if rung == 2]) < 12


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"search_alg": "hyperoptt"}, "Ray Tune has no `hyperoptt`; did you mean `hyperopt`"),
        ({"search_alg": {"hyperopt": {"gama": 1}}}, "no option `gama`; did you mean `gamma`"),
        ({"search_alg": {"optuna": 3}}, "is a name, or {name: {option: value}}"),
        ({"search_alg": "nevergrad"}, "search_alg `nevergrad`: .*[Nn]evergrad"),
        ({"scheduler": "pbt"}, "`pbt` is none.*asha, median_stopping_rule"),
        ({"scheduler": {"asha": {"factor": 3}}}, "`asha` has no option `factor`"),
        ({"scheduler": {"asha": {"reduction_factor": 1}}}, "Reduction Factor"),
        ({"search_algo": "optuna"}, "no option `search_algo`; did you mean `search_alg`"),
    ],
)  # fmt: skip
def test_a_wrong_name_or_option_is_named(options, law):
    with pytest.raises(ProblemError, match=law):
        create("tune", Problem(SearchSpace(SMALL)), **options)
    assert "tune" in names()


def test_a_job_names_it_and_a_scheduler_needs_rungs(tmp_path):
    job = {
        "space": {"stages": [{"width": [4, 8]}]}, "trials": 2, "executor": "serial",
        "sampler": {"name": "tune", "options": {"search_alg": "hyperopt", "scheduler": "asha"}},
    }  # fmt: skip
    prepare(parse(job), tmp_path, tmp_path / "costs.json")
    with pytest.raises(ProblemError, match="who goes on to the next rung, but this search has one"):
        prepare(parse({**job, "proxy": {"rungs": [{}]}}), tmp_path, tmp_path / "costs.json")


def test_every_config_of_ray_tune_is_an_architecture():
    space = conditional_space()
    drawn = {n: domain.sample() for n, domain in space.param_space().items()}
    assert list(drawn) == [p.name for p in space.parameters]
    architecture = space.architecture(drawn)  # what is inactive is dropped
    assert space.architecture(architecture.values) == architecture


class Stubborn(tune.search.Searcher):
    """Proposes what it is given, in this order, and then the last for ever."""

    def __init__(self, configs):
        super().__init__(metric="error", mode="min")
        self.configs, self.told = list(configs), []

    def suggest(self, trial_id):
        return self.configs.pop(0) if len(self.configs) > 1 else self.configs[0]

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.told.append((trial_id, result, error))


def test_around_a_searcher_of_ones_own_nothing_comes_twice_or_above_the_budget():
    space = SearchSpace(SMALL)
    cost = FunctionCost(lambda a: {"flops": float(a["b"])}, ["flops"], space)
    configs = [{"net": {"a": "x", "b": b}, "lr": lr} for b, lr in [(1, 1), (3, 1), (1, 1), (1, 2)]]
    inner = Stubborn(configs)
    within = nas.Within(HardBudget(space, {"flops": 2}, cost), inner, key="net")
    assert (within.metric, within.mode) == ("error", "min")
    assert within.suggest("first") == configs[0]
    assert within.suggest("second") == configs[3]  # another rate: another training
    assert inner.told == [("second", None, True), ("second-1", None, True)]
    within.on_trial_complete("second", {"error": 0.5})
    assert inner.told[-1] == ("second-2", {"error": 0.5}, False)
    later = nas.Within(within.budget, inner, key="net")
    later.set_state(within.get_state())
    assert later.suggest("third") == "FINISHED" and len(inner.told) == 203


def test_a_hard_budget_says_why():
    space = conditional_space()
    budget = HardBudget(space, {"flops": "200k"})
    over = [a for a in space.architectures(next(space.enumerate(64))) if budget.refusal(a)]
    assert over and "above the limit of 200000" in str(budget.refusal(over[0]))
    assert all(budget.cost.cost(a)["flops"] > 200_000 for a in over)
    with pytest.raises(PlugnasError, match="no cost `flop`; did you mean `flops`"):
        HardBudget(space, {"flop": 3})
    with pytest.raises(PlugnasError, match="give `cost`"):
        HardBudget(SearchSpace(SMALL), {"flops": 3})
