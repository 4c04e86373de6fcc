"""The search stays in Optuna; plugnas gives the space, the networks and the exact costs.

python experiments/examples/in_optuna.py 30
"""

import sys

import optuna
from own_spots import SPACE, error_of

from plugnas import SearchSpace, nas

space = SearchSpace.from_config(SPACE, input_shape=(1, 32, 32), classes=1)
budget = nas.HardBudget(space, {"flops": "600k"})


def objective(trial: optuna.Trial) -> tuple[float, float]:
    architecture = space.suggest(trial)
    nas.prune_if_over(trial, architecture, budget)  # before anything is trained
    nas.prune_if_seen(trial, architecture)
    errors = list(error_of(space.build(architecture), epochs=3))
    return errors[-1], budget.cost.cost(architecture)["flops"]


study = optuna.create_study(directions=["minimize", "minimize"])
study.optimize(objective, n_trials=int(sys.argv[1]))
for trial in study.best_trials:
    print(trial.values, space.architecture(trial.params).json())
