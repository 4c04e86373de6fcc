"""The search stays in Ray Tune: ASHA and OptunaSearch over a space of plugnas.

python experiments/examples/in_ray_tune.py 30
"""

import sys

from own_spots import SPACE, error_of
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from plugnas import SearchSpace, nas

space = SearchSpace.from_config(SPACE, input_shape=(1, 32, 32), classes=1)
budget = nas.HardBudget(space, {"flops": "600k"})


def train(config: dict) -> None:
    for error in error_of(space.build(space.architecture(config)), epochs=4):
        tune.report({"error": error})


if __name__ == "__main__":
    search = nas.Within(budget, OptunaSearch())  # nothing twice, nothing above the budget
    plan = tune.TuneConfig(
        metric="error",
        mode="min",
        search_alg=search,
        scheduler=ASHAScheduler(),
        num_samples=int(sys.argv[1]),
    )
    best = tune.Tuner(train, param_space=space.param_space(), tune_config=plan).fit()
    result = best.get_best_result()
    print(result.metrics["error"], space.architecture(result.config).json())
