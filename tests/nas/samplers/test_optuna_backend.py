"""Optuna's samplers behind our protocol, and ours behind Optuna's."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest

from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import PredictorSampler, Problem, ProblemError, create
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


def test_optuna_is_not_imported_for_our_own_samplers():
    program = (
        "import sys, nas.samplers as s; from space import SearchSpace\n"
        "p = s.Problem(SearchSpace({'a': [1, 2]})); s.create('predictor', p).ask(0)\n"
        "sys.exit('optuna' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random", "evolution", "predictor"])
def test_conditional_spaces(name):
    space = conditional_space()
    sampler = create(name, Problem(space))
    for number in range(25):
        a = sampler.ask(number)
        assert space.refusal(a) is None
        sampler.tell(measured(number, a, accuracy=len(a.values) / 20))


def test_what_a_sampler_cannot_do_is_said_with_the_remedy():
    for name in ("gp", "grid"):
        with pytest.raises(ProblemError, match="depend on others .*use `predictor`"):
            create(name, Problem(conditional_space()))
    large = SearchSpace({f"slot{i}": list(range(100)) for i in range(12)})
    with pytest.raises(ProblemError, match=r"at most 20000 .* has 1e\+24; use `predictor`"):
        create("grid", Problem(large))
    with pytest.raises(ProblemError, match="sampler `nsga2`: .*population_size"):
        create("nsga2", macro_problem(), population_size=1)


def test_a_violation_is_told_completed_with_its_size():
    sampler = create("tpe", macro_problem(budget={"flops": 40.0}))
    run(sampler, 10)
    trials = sampler._study.get_trials(deepcopy=False)
    assert all(t.state == optuna.trial.TrialState.COMPLETE for t in trials)
    over = [t for t in trials if t.constraints["flops"] > 0]
    assert over and all(
        t.values[1] == pytest.approx(40 * (1 + t.constraints["flops"])) for t in over
    )
    assert sum(t.constraints["flops"] <= 0 for t in trials) >= 10


def test_tpe_learns_to_keep_within_the_budget():
    sampler = create("tpe", macro_problem(budget={"flops": 60.0}))
    run(sampler, 60)
    inside = [t.constraints["flops"] <= 0 for t in sampler._study.get_trials(deepcopy=False)]
    assert sum(inside[-40:]) > 2 * sum(inside[:40])


def test_only_the_first_rung_is_told():
    sampler = create("tpe", macro_problem())
    a = sampler.ask(0)
    sampler.tell(Measurement(0, a, 0, 0, "ok", {"synflow": 7.0}, signal=7.0))
    sampler.tell(measured(0, a, rung=1, accuracy=0.9))
    (trial,) = sampler._study.get_trials(deepcopy=False)
    assert trial.values == [7.0, flops(a)["flops"]]


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_genetic_samplers_breed_the_settings_of_a_module(name):
    """Only operators matter that no two depths have in common."""
    operators = ["conv", "depthwise_separable", "ghost", "mbconv"]
    space = SearchSpace.from_config(
        {
            "stem": {"width": 8},
            "stages": [{"width": 8, "depth": [1, 4]}, {"width": 8, "depth": [1, 4]}],
            "slots": {"operator": {"choices": operators, "scope": "block"}},
        },
        (1, 8, 8),
        10,
    )
    deep = [p.name for p in space.parameters if p.parent and p.name.endswith("operator")]
    assert len(deep) == 6
    sampler = create(name, Problem(space, {"accuracy": "max"}), population_size=10)
    worth = []
    for number in range(150):
        asked = sampler.ask(number)
        worth.append(sum(asked.values.get(p) == "ghost" for p in deep) / len(deep))
        sampler.tell(measured(number, asked, accuracy=worth[-1]))
    assert sum(worth[-30:]) > 0.3 * 30


def test_gp_proposes_unseen():
    space = SearchSpace({"a": ["x", "y", "z"], "b": ["x", "y", "z"]})
    sampler = create("gp", Problem(space), n_startup_trials=3)
    asked = []
    for number in range(5):
        asked.append(sampler.ask(number))
        sampler.tell(measured(number, asked[-1], accuracy=number / 9))
    assert len({a.id for a in asked}) == 5


def test_a_resumed_gp_equals_an_undisturbed_one():
    problem = macro_problem(budget={"flops": 120.0})
    whole = run(create("gp", problem, n_startup_trials=3), 6)
    resumed = create("gp", problem, n_startup_trials=3)
    for number, architecture in enumerate(whole[:4]):
        resumed.tell(measured(number, architecture, accuracy=accuracy(architecture)))
    assert [a.id for a in run(resumed, 2, start=4)] == [a.id for a in whole[4:]]


# --- our predictor in an Optuna study ------------------------------------------------------------


@pytest.fixture(autouse=True)
def quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


SPACE = SearchSpace(MACRO)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    a = SPACE.architecture({n: trial.suggest_categorical(n, c) for n, c in MACRO.items()})
    return accuracy(a), flops(a)["flops"]


def known_flops(params):
    return flops(SPACE.architecture(params))["flops"]


def test_in_anyones_study():
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=PredictorSampler())
    study.optimize(objective, n_trials=30)
    assert len({tuple(t.params.values()) for t in study.trials}) == 30


def test_known_costs_and_budget_in_a_study():
    sampler = PredictorSampler(
        space=SPACE,
        costs={"flops": known_flops},
        objectives=["accuracy", "flops"],
        budget={"flops": 80.0},
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=40)
    assert max(t.values[1] for t in study.trials) <= 80.0
    best = max(t.values[0] for t in study.trials)
    everything = [a for c in SPACE.enumerate() for a in SPACE.architectures(c)]
    assert best > max(accuracy(a) for a in everything if known_flops(a.values) <= 80.0) - 0.02


def test_values_of_any_type_ints_and_floats_beside_them():
    def mixed(trial: optuna.Trial) -> float:
        width = trial.suggest_categorical("width", [None, 8, "wide", 0.5])
        depth = trial.suggest_int("depth", 1, 9, step=2)
        rate = trial.suggest_float("rate", 0.0, 1.0)
        if trial.number == 7:
            raise optuna.TrialPruned
        return (width == "wide") + depth / 9 + 0.01 * rate

    study = optuna.create_study(direction="maximize", sampler=PredictorSampler(seed=1))
    study.optimize(mixed, n_trials=20)
    assert study.best_params["width"] == "wide" and study.best_params["depth"] == 9


def test_conditional_parameters_by_their_space():
    space = conditional_space()

    def build(trial: optuna.Trial) -> float:
        return len(space.suggest(trial).values) / 20

    study = optuna.create_study(direction="maximize", sampler=PredictorSampler(space=space))
    study.optimize(build, n_trials=20)
    assert len({tuple(sorted(t.params.items())) for t in study.trials}) == 20


def test_parallel_asks_do_not_repeat():
    study = optuna.create_study(direction="maximize", sampler=PredictorSampler(space=SPACE))
    trials = [study.ask() for _ in range(12)]
    seen = {SPACE.suggest(t).id for t in trials}
    assert len(seen) == 12
    study.tell(trials[0], 0.5)
    study.tell(trials[1], state=optuna.trial.TrialState.FAIL)
    assert SPACE.suggest(study.ask()).id not in seen


def test_an_exhausted_study_goes_on_at_random_with_a_warning():
    space = SearchSpace({"a": ["x", "y"]})
    study = optuna.create_study(direction="maximize", sampler=PredictorSampler(space=space))
    study.optimize(lambda t: 1.0 if space.suggest(t)["a"] == "x" else 0.0, n_trials=2)
    assert {t.params["a"] for t in study.trials} == {"x", "y"}
    with pytest.warns(UserWarning, match="all 2 architectures have been asked for"):
        space.suggest(study.ask())


def test_wrong_objectives_are_named():
    with pytest.raises(ProblemError, match="known costs need `objectives`"):
        PredictorSampler(costs={"flops": known_flops})
    sampler = PredictorSampler(space=SPACE, objectives=["accuracy"])
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(ProblemError, match="has 2 objectives, but `objectives` names 1: accuracy"):
        SPACE.suggest(study.ask())
