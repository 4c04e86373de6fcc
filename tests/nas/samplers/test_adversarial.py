"""Whatever was measured, the predictor proposes something: a search never ends by its model."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.cost import FunctionCost
from plugnas.nas.samplers import Problem, SpaceExhausted, create
from plugnas.nas.samplers.predictor import predictor as module
from plugnas.nas.samplers.predictor.gaussian_process import cholesky
from plugnas.nas.samplers.predictor.hyperparameters import ModelError
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import macro_problem, measured, run


def history(seed: int) -> None:
    """Drive a search through values and costs that no model expects."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=rng.integers(1, 7))
    space = SearchSpace({f"p{i}": list(range(n)) for i, n in enumerate(sizes)})
    scale = 10.0 ** rng.integers(-12, 13)
    flat = rng.random() < 0.3

    def cost(architecture):
        total = sum(int(v) for v in architecture.values.values())
        return {"flops": scale * (1.0 if flat else 10.0 ** (total * rng.choice([0, 1])))}

    objectives = {"accuracy": "max", "flops": "min"} if rng.random() < 0.7 else {"accuracy": "max"}
    problem = Problem(space, objectives, cost=FunctionCost(cost, ["flops"], space), seed=seed)
    sampler = create("predictor", problem, designs=int(rng.integers(1, 4)))
    kind = rng.choice(["constant", "outliers", "tiny", "huge", "ties", "failures", "plain"])
    for number in range(int(rng.integers(4, 14))):
        try:
            architecture = sampler.ask(number)
        except SpaceExhausted:
            return
        value = {
            "constant": 0.5,
            "outliers": rng.choice([0.5, 1e9, -1e9]),
            "tiny": 1e-300 * rng.random(),
            "huge": 1e300 * rng.random(),
            "ties": rng.choice([0.1, 0.9]),
            "failures": np.nan if rng.random() < 0.6 else rng.random(),
            "plain": rng.random(),
        }[kind]
        for _ in range(int(rng.integers(1, 4))):  # the same row again, as with several seeds
            sampler.tell(measured(number, architecture, accuracy=float(value)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("first", [0, 10, 20])
def test_thirty_adversarial_histories(first):
    for seed in range(first, first + 10):
        history(seed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_two_thousand_adversarial_histories():
    for seed in range(100, 2100):
        history(seed)


def test_a_matrix_that_rounding_spoiled_gets_as_little_as_it_needs():
    rows = np.ones((40, 40))
    factor, jitter = cholesky(rows)
    assert 0 < jitter <= 1e-9
    assert np.allclose(factor @ factor.T, rows, atol=1e-6)
    sound = np.eye(3) * 2
    assert cholesky(sound)[1] == 0
    with pytest.raises(ModelError, match="not finite"):
        cholesky(np.full((2, 2), np.nan))
    with pytest.raises(ModelError, match="not positive definite"):
        cholesky(np.array([[1.0, 5.0], [5.0, 1.0]]))


@pytest.mark.parametrize("place", ["fit", "score"])
def test_a_failing_model_leaves_the_proposal_to_evolution_and_says_so_once(
    place, monkeypatch, caplog
):
    sampler = create("predictor", macro_problem())
    first = run(sampler, 12)
    broken = [True]

    def fail(*ignored, **more):
        if broken[0]:
            raise ModelError("no number")
        return original(*ignored, **more)

    home = sampler._model if place == "fit" else module.Acquisition
    name = "_fit" if place == "fit" else "score"
    original = getattr(home, name)
    if place == "score":
        monkeypatch.setattr(module.Predictor, "_score_table", fail)
    else:
        monkeypatch.setattr(home, name, fail)
    more = run(sampler, 6, start=12)
    assert len({a.id for a in first + more}) == 18
    assert "evolution" in (sampler.remark(17) or "") and sampler.remark(3) is None
    assert len(caplog.records) == 1 and "no number" in caplog.text
    broken[0] = False
    if place == "fit":
        run(sampler, 3, start=18)
        assert sampler.remark(20) is None
