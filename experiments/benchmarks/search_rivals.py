"""Searches as their users write them: ours, and other tools', one adapter a tool.

Every adapter is a generator that yields code rows (1, P) and is sent the pair (accuracy, cost). A
rival is told both objectives of a front; within a limit it is told of the violation where it can
learn from one, else the worst accuracy so far. No rival is kept from asking for the same again.
A tool that is not installed raises ImportError when its adapter is started.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.search_cases import Case
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import create

Codes = NDArray[np.int16]
Search = Generator[Codes, tuple[float, float], None]
Start = Callable[[Case, int, int], Search]


def ours(name: str) -> Start:
    """Return what starts one of our samplers."""

    def start(case: Case, seed: int, count: int) -> Search:
        sampler = create(name, case.problem(seed))
        for number in range(count):
            asked = sampler.ask(number)
            accuracy, _ = yield case.space.codes([asked])
            sampler.tell(Measurement(number, asked, 0, 0, "ok", {"accuracy": accuracy}))

    return start


def optuna_sampler(make: Callable[[int], Any]) -> Start:
    """Return what starts one of Optuna's samplers."""

    def start(case: Case, seed: int, count: int) -> Search:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        front = case.aim == "front"
        directions = ["maximize", "minimize"] if front else ["maximize"]
        study = optuna.create_study(directions=directions, sampler=make(seed))
        for _ in range(count):
            trial = study.ask()
            row = case.space.codes([case.space.suggest(trial)])
            accuracy, cost = yield row
            if case.aim == "limit":
                trial.set_constraint("cost", cost / case.limit - 1)
            study.tell(trial, [accuracy, cost] if front else [accuracy])

    return start


def _optuna(name: str, **options: Any) -> Start:
    def make(seed: int) -> Any:
        import optuna

        return getattr(optuna.samplers, name)(seed=seed, **options)

    return optuna_sampler(make)


def optunahub(package: str, sampler: str, **options: Any) -> Start:
    """Return what starts a sampler of OptunaHub, from a copy of its registry.

    The copy's folder is in the variable ``OPTUNAHUB_REGISTRY``: nothing is fetched here.
    """

    def make(seed: int) -> Any:
        import optunahub as hub

        root = os.environ.get("OPTUNAHUB_REGISTRY")
        if root is None:
            raise ImportError("OPTUNAHUB_REGISTRY names no copy of OptunaHub's registry")
        module = hub.load_local_module(package, registry_root=root)
        try:
            return getattr(module, sampler)(seed=seed, **options)
        except TypeError as error:
            raise ImportError(f"made for another version of Optuna: {error}") from error

    return optuna_sampler(make)


class _Told:
    """What a tool is told, which minimises and knows no constraint.

    Beyond the limit that is the worst accuracy so far.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.worst = 1.0

    def __call__(self, accuracy: float, cost: float) -> list[float]:
        self.worst = min(self.worst, accuracy)
        if self.case.aim == "front":
            return [1 - accuracy, cost]
        beyond = self.case.aim == "limit" and cost > self.case.limit
        return [1 - (self.worst if beyond else accuracy)]


def pymoo(case: Case, seed: int, count: int) -> Search:
    """NSGA-II (a front) or a genetic algorithm on choices, population 20."""
    from pymoo.algorithms.moo.nsga2 import RankAndCrowding
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.core.problem import Problem
    from pymoo.core.variable import Choice
    from pymoo.problems.static import StaticProblem

    parameters = case.space.parameters
    options = {p.name: Choice(options=list(range(len(p.choices)))) for p in parameters}
    front = case.aim == "front"
    problem = Problem(vars=options, n_obj=2 if front else 1, n_ieq_constr=int(case.aim == "limit"))
    survival = {"survival": RankAndCrowding()} if front else {}
    algorithm = MixedVariableGA(pop_size=20, **survival)
    algorithm.setup(problem, termination=("n_gen", 10**6), seed=seed, verbose=False)
    while True:
        population = algorithm.ask()
        values, broken = [], []
        for one in population.get("X"):
            row = np.array([[one[p.name] for p in parameters]], dtype=np.int16)
            accuracy, cost = yield row
            values.append([-accuracy, cost] if front else [-accuracy])
            broken.append([cost / case.limit - 1])
        found = {"F": np.array(values)}
        if case.aim == "limit":
            found["G"] = np.array(broken)
        Evaluator().eval(StaticProblem(problem, **found), population)
        algorithm.tell(infills=population)


def smac(case: Case, seed: int, count: int) -> Search:
    """SMAC3's random forests; ParEGO over two objectives."""
    from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace
    from smac import HyperparameterOptimizationFacade as Facade
    from smac import Scenario
    from smac.runhistory.dataclasses import TrialValue

    parameters = case.space.parameters
    space = ConfigurationSpace(seed=seed)
    space.add([CategoricalHyperparameter(p.name, list(range(len(p.choices)))) for p in parameters])
    front = case.aim == "front"
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space,
            objectives=["error", "cost"] if front else "error",
            deterministic=True,
            n_trials=count,
            seed=seed,
            output_directory=folder,
        )
        more = {"multi_objective_algorithm": Facade.get_multi_objective_algorithm(scenario)}
        facade = Facade(
            scenario,
            lambda config, seed: 0.0,
            logging_level=False,
            overwrite=True,
            **(more if front else {}),
        )
        told = _Told(case)
        for _ in range(count):
            info = facade.ask()
            row = np.array([[info.config[p.name] for p in parameters]], dtype=np.int16)
            values = told(*(yield row))
            facade.tell(info, TrialValue(cost=values if front else values[0]))


def botorch(case: Case, seed: int, count: int) -> Search:
    """qLogNEHVI (a front) or qLogNEI over Gaussian processes with a categorical kernel.

    The acquisition is the best of 1,000 random candidates; the cost is modelled like the accuracy.
    """
    import torch
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import MixedSingleTaskGP, ModelListGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    front = case.aim == "front"
    rows: list[Codes] = []
    values: list[list[float]] = []
    told = _Told(case)
    for number in range(count):
        if number < 10:
            row = case.space.sample_codes(1, rng)
        else:
            x = torch.tensor(np.concatenate(rows), dtype=torch.float64)
            y = -torch.tensor(values, dtype=torch.float64)
            models = []
            for j in range(y.shape[1]):
                model = MixedSingleTaskGP(
                    x, y[:, [j]], list(range(x.shape[1])), outcome_transform=Standardize(1)
                )
                fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
                models.append(model)
            if front:
                corner = y.min(dim=0).values
                score = qLogNoisyExpectedHypervolumeImprovement(
                    ModelListGP(*models), corner, x, prune_baseline=True
                )
            else:
                score = qLogNoisyExpectedImprovement(models[0], x, prune_baseline=True)
            crowd = case.space.sample_codes(1000, rng)
            with torch.no_grad():
                found = score(torch.tensor(crowd, dtype=torch.float64)[:, None, :])
            row = crowd[[int(found.argmax())]]
        values.append(told(*(yield row)))
        rows.append(row)


def syne_tune(case: Case, seed: int, count: int) -> Search:
    """Syne Tune's multi-objective regularised evolution (a front), or its CQR."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.baselines import CQR
    from syne_tune.optimizer.schedulers.multiobjective import multi_objective_regularized_evolution
    from syne_tune.optimizer.schedulers.single_fidelity_scheduler import SingleFidelityScheduler

    parameters = case.space.parameters
    space = {p.name: choice(list(range(len(p.choices)))) for p in parameters}
    front = case.aim == "front"
    if front:
        kind = multi_objective_regularized_evolution.MultiObjectiveRegularizedEvolution
        evolution = kind(space, population_size=20, random_seed=seed)
        names = ["error", "cost"]
        scheduler = SingleFidelityScheduler(space, names, searcher=evolution, random_seed=seed)
    else:
        scheduler = CQR(space, metric="error", random_seed=seed)
    told = _Told(case)
    for number in range(count):
        config = scheduler.suggest().config
        values = told(*(yield np.array([[config[p.name] for p in parameters]], dtype=np.int16)))
        trial = Trial(trial_id=number, config=config, creation_time=None)
        result = dict(zip(("error", "cost"), values, strict=False))
        scheduler.on_trial_complete(trial, {**result, "epoch": 1})


def neps(case: Case, seed: int, count: int) -> Search:
    """NePS's Bayesian optimisation (accuracy alone), or PriMO's kin for two objectives."""
    import neps as tool
    from neps import AskAndTell, algorithms

    parameters = case.space.parameters
    space = tool.SearchSpace(
        {p.name: tool.HPOCategorical(list(range(len(p.choices)))) for p in parameters}
    )
    np.random.seed(seed)
    front = case.aim == "front"
    optimizer = algorithms.bayesian_optimization(space, ignore_fidelity=True)
    search = AskAndTell(optimizer)
    told = _Told(case)
    for _ in range(count):
        trial = search.ask()
        row = np.array([[trial.config[p.name] for p in parameters]], dtype=np.int16)
        values = told(*(yield row))
        search.tell(trial, values if front else values[0])


SEARCHES: dict[str, Start] = {
    "plugnas predictor": ours("predictor"),
    "plugnas evolution": ours("evolution"),
    "random": ours("random"),
    "Optuna TPE": _optuna("TPESampler"),
    "Optuna TPE multivariate": _optuna("TPESampler", multivariate=True),
    "Optuna NSGA-II": _optuna("NSGAIISampler", population_size=20),
    "Optuna NSGA-III": _optuna("NSGAIIISampler", population_size=20),
    "OptunaHub hierarchical TPE": optunahub("samplers/hierarchical_tpe", "HierarchicalTPESampler"),
    "Optuna GP": _optuna("GPSampler", deterministic_objective=False),
    "pymoo": pymoo,
    "SMAC3": smac,
    "BoTorch": botorch,
    "Syne Tune": syne_tune,
    "NePS": neps,
}
"""Every search by the name it has in the record."""

warnings.filterwarnings("ignore", module="(optuna|smac|botorch|gpytorch|linear_operator|neps).*")
