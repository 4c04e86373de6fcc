"""The model's mathematics against direct formulas and sampling."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

from plugnas.nas.cost import FunctionCost
from plugnas.nas.front.pareto import hypervolume
from plugnas.nas.samplers import Problem
from plugnas.nas.samplers.predictor.expected_improvement import Belief, expected_improvement
from plugnas.nas.samplers.predictor.features import Features
from plugnas.nas.samplers.predictor.gaussian_process import Posterior
from plugnas.nas.samplers.predictor.hyperparameters import (
    ENOUGH,
    FEW,
    Hyperparameters,
    Pairs,
)
from plugnas.nas.samplers.predictor.warp import Warp
from plugnas.space import SearchSpace
from tests.nas.samplers.examples import MACRO, conditional_space, macro_problem

RNG = np.random.default_rng


def encoded(problem, count, seed=0, rungs=1):
    codes = np.unique(problem.space.sample_codes(count, RNG(seed)), axis=0)
    features = Features(problem)
    return features, features.encode(codes, problem.costs(codes), np.arange(len(codes)) % rungs)


def covariance_of(hyper, rows):
    """The prior covariance of rows, straight from its formula."""
    features, own = hyper.features, hyper.features.own
    distances, norms, trend = features.distances(rows), features.norms(rows), features.trend(rows)
    apart = np.tensordot(hyper.weights[own], distances[own], 1)
    norm = hyper.weights[own] @ norms[own]
    straight = hyper.linear * (0.5 * (norm[:, None] + norm) - apart)
    alike = np.exp(-np.tensordot(hyper.weights[~own], distances[~own], 1))
    return alike * (
        hyper.amplitude * np.exp(-apart) + straight + (trend * hyper.trends) @ trend.T
    ).astype(float)


def posterior_from(hyper, rows, capacity):
    return Posterior(hyper, rows, np.full(len(rows), hyper.noise), capacity)


def pairs_of(features, rows, levels=None, below=None):
    n = len(rows)
    levels = np.zeros(n) if levels is None else levels
    return Pairs(features, rows, levels, np.zeros(n, bool) if below is None else below)


@pytest.mark.parametrize("problem", [macro_problem(), Problem(conditional_space())])
def test_the_covariance_is_that_of_the_formula_and_a_proper_one(problem):
    features, rows = encoded(problem, 30, rungs=3)
    hyper = Hyperparameters(features)
    hyper._log += RNG(1).normal(size=len(hyper._log)) * 0.5
    direct = covariance_of(hyper, rows)
    posterior = posterior_from(hyper, rows, len(rows))
    points = posterior.embed(rows)
    assert posterior.covariance(points) == pytest.approx(direct, abs=2e-5)
    assert posterior.prior(points) == pytest.approx(np.diag(direct), abs=2e-5)
    assert np.linalg.eigvalsh(direct).min() > -1e-6
    bound = posterior.bound(points, posterior.covariance(points))
    assert (bound >= posterior.variance(points, posterior.covariance(points)) - 1e-5).all()


def test_distances_count_what_differs():
    space = SearchSpace({"a": ["x", "y"], "b": ["x", "y"], "c": [1, 2, 3]})
    features = Features(Problem(space))
    codes = space.codes(
        [
            space.architecture(v)
            for v in ({"a": "x", "b": "y", "c": 1}, {"a": "y", "b": "x", "c": 1})
        ]
    )
    rows = features.encode(codes, np.zeros((2, 0)), np.array([0, 2]))
    between = features.distances(rows)[:, 0, 1]
    hot = sorted({int(g) for g in features.hot_group})
    assert between[hot].tolist() == [1.0, 1.0, 0.0]  # a and b differ, c does not
    assert between[-1] == pytest.approx(2.0)  # rungs 0 and 2
    assert between[[g for g in range(len(between) - 1) if g not in hot]].tolist() == pytest.approx(
        [0.0] * (len(between) - 1 - len(hot))
    )  # the counts of x and y are the same


def test_posterior_equals_the_textbook_however_rows_arrive():
    problem = macro_problem()
    features, rows = encoded(problem, 60)
    hyper = Hyperparameters(features)
    values = RNG(2).normal(size=40)
    train, test = rows[slice(0, 40)], rows[slice(40, None)]
    kernel = covariance_of(hyper, rows)
    inverse = np.linalg.inv(kernel[:40, :40] + hyper.noise * np.eye(40))
    mean = kernel[40:, :40] @ inverse @ values
    variance = np.diag(kernel)[40:] - np.einsum(
        "ij,jk,ik->i", kernel[40:, :40], inverse, kernel[40:, :40]
    )
    at_once = posterior_from(hyper, train, 50)
    one_by_one = posterior_from(hyper, train[slice(0, 25)], 50)
    for i in range(25, 45):
        one_by_one.append(one_by_one.embed(rows[slice(i, i + 1)]), hyper.noise)
    one_by_one.shrink(40)
    for posterior in (at_once, one_by_one):
        points = posterior.embed(test)
        covariance = posterior.covariance(points)
        assert posterior.mean(covariance, values) == pytest.approx(mean, abs=2e-4)
        assert posterior.variance(points, covariance) == pytest.approx(variance, abs=2e-4)
        there = kernel[:40, :40] @ inverse @ values
        assert posterior.smoothed(values) == pytest.approx(there, abs=2e-4)


def test_posterior_and_marginal_likelihood_equal_scikit_learn():
    features, rows = encoded(Problem(SearchSpace(MACRO)), 50)  # no cost, so no trend
    hyper = Hyperparameters(features)
    values = RNG(3).normal(size=40)
    posterior = posterior_from(hyper, rows[slice(0, 40)], 40)
    points = posterior.embed(rows)
    plain = np.hstack([points.hot.toarray(), points.dense]).astype(np.float64)
    straight = ConstantKernel(hyper.linear) * DotProduct(0.0, sigma_0_bounds="fixed")
    theirs = ConstantKernel(hyper.amplitude) * RBF(1.0, length_scale_bounds="fixed") + straight

    covariance = posterior.covariance(points[slice(40, None)])
    reference = GaussianProcessRegressor(theirs, alpha=hyper.noise, optimizer=None)
    mean, deviation = reference.fit(plain[:40], values).predict(plain[40:], return_std=True)
    assert posterior.mean(covariance, values) == pytest.approx(mean, abs=2e-4)
    variance = posterior.variance(points[slice(40, None)], covariance)
    assert variance == pytest.approx(deviation**2, abs=2e-5)

    loss, gradient = hyper._loss(hyper._log, pairs_of(features, rows[slice(0, 40)]), values)
    noisy = theirs + WhiteKernel(hyper.noise)
    reference = GaussianProcessRegressor(noisy, alpha=0.0, optimizer=None).fit(plain[:40], values)
    evidence, slopes = reference.log_marginal_likelihood(noisy.theta, eval_gradient=True)
    constant = 20 * np.log(2 * np.pi)  # n / 2 log 2 pi, which moves no optimum
    assert -loss - constant == pytest.approx(evidence, rel=1e-5)
    # of the logarithms of amplitude, linear part and noise
    assert -gradient[[0, -4, -3]] == pytest.approx(slopes, rel=1e-4)


def test_fitting_finds_the_choice_that_matters():
    space = SearchSpace({name: list(range(4)) for name in "abcdef"})
    problem = Problem(space)
    features, rows = encoded(problem, 80)
    codes = np.unique(space.sample_codes(80, RNG(0)), axis=0)
    values = np.array([0.0, 2.0, -1.0, 1.0])[codes[:, 2]]
    hyper = Hyperparameters(features)
    hyper.fit(pairs_of(features, rows), (values - values.mean()) / values.std(), 60)
    relevance = hyper.weights[[features.hot_group[4 * j] for j in range(6)]]
    assert relevance[2] > 5 * np.delete(relevance, 2).max()


def test_the_gradient_is_that_of_the_likelihood():
    features, rows = encoded(macro_problem(), 20, rungs=3)
    n = len(rows)
    hyper = Hyperparameters(features)
    pairs = pairs_of(features, rows, RNG(2).normal(size=n), np.arange(n) % 3 < 2)
    values = RNG(0).normal(size=n)
    log = hyper._log + RNG(1).normal(size=len(hyper._log)) * 0.3
    _, gradient = hyper._loss(log, pairs, values)
    for i in range(len(log)):
        step = np.eye(len(log))[i] * 1e-5
        above, under = (hyper._loss(at, pairs, values)[0] for at in (log + step, log - step))
        assert gradient[i] == pytest.approx((above - under) / 2e-5, rel=1e-3, abs=1e-5)


def test_noise_that_grows_with_a_falling_value_is_learned():
    features, rows = encoded(macro_problem(), 60)
    twice = rows[np.repeat(np.arange(len(rows)), 2)]
    rng = RNG(0)
    truth = np.repeat(np.linspace(-1.7, 1.7, len(rows)), 2)
    values = truth + rng.normal(size=len(truth)) * np.where(truth < 0, 0.6, 0.1)
    hyper = Hyperparameters(features)
    hyper.fit(pairs_of(features, twice, truth), values, 60)
    low, high = hyper.noise_of(np.array([-1.5, 1.5]), np.zeros(2, bool))
    assert low > 3 * high


def test_lines_are_believed_in_while_measurements_are_few_for_their_coefficients():
    features, rows = encoded(macro_problem(), 60)
    hyper = Hyperparameters(features)
    assert features.coefficients == sum(len(choices) - 1 for choices in MACRO.values())
    few = int(max(FEW, ENOUGH * features.coefficients))
    for count, kept in ((few, True), (few + 1, False)):
        some = rows[slice(0, count)]
        values = features.trend(some)[:, 0].astype(float)
        hyper.fit(pairs_of(features, some), values / values.std(), 40)
        assert (hyper.trends[0] + hyper.linear > 0.01) == kept


def test_noise_of_a_lower_rung_is_learned():
    features, rows = encoded(macro_problem(), 50, rungs=2)
    twice = rows[np.repeat(np.arange(len(rows)), 2)]
    below = np.repeat(np.arange(len(rows)) % 2 == 0, 2)
    values = RNG(0).normal(size=len(below)) * np.where(below, 1.0, 0.2)
    hyper = Hyperparameters(features)
    hyper.fit(pairs_of(features, twice, below=below), values, 60)
    lower, target = hyper.noise_of(np.zeros(2), np.array([True, False]))
    assert lower > 2 * target


@pytest.mark.parametrize("slack", [0.02, 3.0])
def test_warp_goes_there_and_back_and_expects_what_sampling_finds(slack):
    values = RNG(0).beta(5, 1, 50)
    warp = Warp.of(values, slack)
    z = warp.to(values)
    assert (z.mean(), z.std()) == pytest.approx((0, 1), abs=1e-9)
    assert warp.back(z) == pytest.approx(values)
    draws = warp.back(0.7 + 0.5 * RNG(1).normal(size=400_000))
    expected = warp.expected_gain(np.array([0.7]), np.array([0.5]), np.array([0.6, 0.9]))[0]
    for height, gain in zip((0.6, 0.9), expected, strict=True):
        assert gain == pytest.approx(np.maximum(draws - height, 0).mean(), rel=0.01, abs=1e-4)


def test_warp_survives_equal_values_and_outliers():
    assert Warp.of(np.full(3, 0.5), 0.05).to(np.array([0.5])) == pytest.approx([0.0])
    wild = np.append(np.linspace(0.8, 0.9, 20), -1e9)
    z = Warp.of(wild, 0.05).to(wild)
    assert z[-1] == z.min() and np.ptp(z[:-1]) > 1  # the others stay apart


@pytest.mark.parametrize(("measured", "known"), [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)])
def test_expected_improvement_equals_sampling(measured, known):
    rng = RNG(5)
    warps = [Warp.of(rng.beta(4, 1, 30), 0.3) for _ in range(measured)]
    means, deviations = rng.normal(0.3, 0.5, (measured, 4)), rng.uniform(0.1, 0.6, (measured, 4))
    exact = rng.random((4, known))
    front = rng.uniform(0.2, 0.95, (6, measured + known))
    reference = np.full(measured + known, 0.1)
    beliefs = [Belief(*args) for args in zip(means, deviations, warps, strict=True)]
    computed = expected_improvement(beliefs, exact, front, reference)
    directions = ["max"] * (measured + known)
    before = hypervolume(front, reference, directions)
    for i in range(4):
        gains = []
        for _ in range(400):
            values = [
                w.back(means[j, i] + deviations[j, i] * rng.normal()) for j, w in enumerate(warps)
            ]
            point = np.array([*values, *exact[i]])
            gains.append(hypervolume(np.vstack([front, point]), reference, directions) - before)
        spread = np.std(gains) / np.sqrt(len(gains))
        assert computed[i] == pytest.approx(np.mean(gains), abs=4 * spread + 1e-4)


def test_expected_improvement_without_a_front():
    belief = Belief(np.array([0.0]), np.array([1e-6]), Warp.of(np.array([0.2, 0.4, 0.8]), 3.0))
    value = belief.warp.back(np.array([0.0]))[0]
    gain = expected_improvement([belief], np.array([[0.5]]), np.zeros((0, 2)), np.array([0.1, 0.2]))
    assert gain == pytest.approx([(value - 0.1) * 0.3], rel=1e-4)


def test_costs_that_never_vary_and_logs_of_zero_do_no_harm():
    space = SearchSpace({"a": ["x", "y", "z"], "b": ["x", "y"]})
    cost = FunctionCost(lambda a: {"flat": 1.0, "zero": 0.0}, ["flat", "zero"], space)
    rows = encoded(Problem(space, cost=cost), 6)[1]
    assert np.isfinite(rows.dense).all()


def test_a_choice_and_its_settings_have_one_relevance_as_one_list_of_both_has():
    layers = range(3)
    nested = {"id": {}, "mb": {"expansion": [3, 6]}}
    conditional = Features(Problem(SearchSpace({f"layer{i}": nested for i in layers})))
    flat = Features(Problem(SearchSpace({f"layer{i}": ["id", "mb3", "mb6"] for i in layers})))
    own = {f: set(f.hot_group.tolist()) for f in (conditional, flat)}
    assert len(own[conditional]) == len(own[flat]) == 3
    assert conditional.coefficients == flat.coefficients
    ranks = Features(Problem(SearchSpace({"op": {"conv": {"kernel": [3, 5, 7]}, "none": {}}})))
    pairs = Features(Problem(SearchSpace({"op": {"conv": {"kernel": [3, 5]}, "none": {}}})))
    assert ranks.groups == pairs.groups + 1  # of two settings a rank says nothing more


def test_what_there_is_at_some_depths_only_keeps_a_relevance_of_its_own():
    space = conditional_space()
    of_choice = {p.name for p in space.parameters if p.of_choice}
    assert of_choice == {
        f"{place}.{setting}"
        for place in ("stage1.block1", "stage1.block2", "stage2.block1")
        for setting in ("operator.mbconv.expansion", "attention.se.reduction")
    }
