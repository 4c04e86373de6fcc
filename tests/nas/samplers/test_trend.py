"""The mean that hints make of the process: against direct formulas."""

from __future__ import annotations

import numpy as np
import pytest

from plugnas.nas.samplers.predictor.features import Features
from plugnas.nas.samplers.predictor.gaussian_process import Hyperparameters, Posterior
from plugnas.nas.samplers.predictor.trend import VARIANCE, left_out_density, weights_of
from tests.nas.samplers.examples import macro_problem

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def fitted():
    problem = macro_problem()
    codes = np.unique(problem.space.sample_codes(25, RNG(0)), axis=0)
    features = Features(problem)
    rows = features.encode(codes, problem.costs(codes), np.zeros(len(codes), int))
    hyper = Hyperparameters(features)
    posterior = Posterior(hyper, rows, np.full(len(rows), hyper.noise), len(rows))
    points = posterior.embed(rows)
    kernel = posterior.covariance(points).astype(float) + posterior.noise * np.eye(len(rows))
    return posterior, kernel


def test_weights_are_those_of_a_process_with_a_linear_part(fitted):
    posterior, kernel = fitted
    lines = RNG(1).normal(size=(len(kernel), 2))
    values = lines @ [0.8, 0.7] + RNG(2).normal(size=len(kernel)) * 0.1
    whole = kernel + VARIANCE * lines @ lines.T
    direct = VARIANCE * lines.T @ np.linalg.solve(whole, values)
    assert weights_of(posterior, lines, values) == pytest.approx(direct, rel=1e-3)


def test_a_hint_that_is_contradicted_weighs_nothing_and_the_other_is_fitted_alone(fitted):
    posterior, kernel = fitted
    lines = RNG(1).normal(size=(len(kernel), 2))
    values = lines @ [-0.8, 0.7] + RNG(2).normal(size=len(kernel)) * 0.1
    alone = weights_of(posterior, lines[:, 1:], values)
    assert weights_of(posterior, lines, values) == pytest.approx([0.0, alone[0]])
    assert weights_of(posterior, lines[:, :0], values).shape == (0,)


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_weight_counts_from_as_many_standard_errors_upwards_as_is_wanted(fitted, share, width):
    posterior, kernel = fitted
    line = RNG(1).normal(size=(len(kernel), 1))
    solved = np.linalg.solve(kernel, line)
    precision = float((line.T @ solved)[0, 0]) + 1 / VARIANCE
    needed = np.sqrt((np.log(len(kernel)) + 2 * np.log(width)) / precision)
    towards = share * needed * precision / float((line.T @ solved)[0, 0])
    found = weights_of(posterior, line, towards * line[:, 0], np.array([float(width)]))
    assert found == pytest.approx([share * needed if share > 1 else 0.0], rel=1e-3)


def test_of_two_hints_that_say_the_same_one_stays(fitted):
    posterior, kernel = fitted
    line = RNG(1).normal(size=(len(kernel), 1))
    twins = np.hstack([line, line + 1e-3 * RNG(3).normal(size=line.shape)])
    values = 0.8 * line[:, 0] + RNG(2).normal(size=len(kernel)) * 0.1
    found = weights_of(posterior, twins, values)
    assert (found > 0).sum() == 1
    assert found.max() == pytest.approx(weights_of(posterior, line, values)[0], rel=0.01)


@pytest.mark.parametrize("hints", [0, 2])
def test_the_density_of_what_is_left_out_equals_leaving_it_out(fitted, hints):
    posterior, kernel = fitted
    lines = RNG(1).normal(size=(len(kernel), hints))
    values = RNG(2).normal(size=len(kernel))
    whole = kernel + VARIANCE * lines @ lines.T
    total = 0.0
    for i in range(len(kernel)):
        rest = np.delete(np.arange(len(kernel)), i)
        solved = np.linalg.solve(whole[np.ix_(rest, rest)], whole[rest, i])
        variance = whole[i, i] - whole[i, rest] @ solved
        total -= 0.5 * (np.log(variance) + (values[i] - solved @ values[rest]) ** 2 / variance)
    assert left_out_density(posterior, lines, values) == pytest.approx(total, rel=1e-3)
