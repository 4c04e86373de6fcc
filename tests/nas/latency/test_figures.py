"""The model of a table: plain sums where they hold, a factor for each kind where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plugnas.nas.latency.figures import fingerprint, fit, kendall_tau

KINDS = ["activation", "attention", "operator"]


def _networks(factors, noise=0.01, count=40):
    rng = np.random.default_rng(0)
    sums = rng.uniform([0.1, 0.0, 0.5], [0.6, 0.5, 2.0], (count, 3))
    measured = 0.05 + sums @ np.asarray(factors)
    return sums, measured * np.exp(noise * rng.standard_normal(count))


def test_sums_that_hold_stay_sums_with_one_scale():
    sums, measured = _networks([1.2, 1.2, 1.2])
    model = fit(KINDS, sums, 0.05 / 1.2, measured, free=True)
    assert not model.fitted
    assert model.factors == {}
    assert model.scale == pytest.approx(1.2, rel=0.01)


def test_what_a_runtime_merges_gets_a_factor():
    sums, measured = _networks([0.0, 0.6, 1.0])  # activations go into the operators before them
    model = fit(KINDS, sums, 0.05, measured, free=True)
    assert model.fitted
    effective = [model.scale * model.factors[kind] for kind in KINDS]
    assert effective == pytest.approx([0.0, 0.6, 1.0], abs=0.06)
    predicted = model.scale * 0.05 + sums @ np.array(effective)
    assert np.abs(predicted / measured - 1).mean() < 0.02


@pytest.mark.parametrize(("free", "count"), [(False, 40), (True, 5)])
def test_torch_and_too_few_networks_keep_the_sum(free, count):
    sums, measured = _networks([0.0, 0.6, 1.0], count=count)
    assert not fit(KINDS, sums, 0.05, measured, free=free).fitted


def test_kendall_s_tau_with_ties_is_scipy_s():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 8, 30).astype(float), rng.integers(0, 8, 30).astype(float)
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert kendall_tau(a[:1], b[:1]) is None
    assert kendall_tau(np.ones(4), b[:4]) is None


def test_a_fingerprint_knows_pieces_and_exporter_in_any_order():
    pieces = [("operator conv", [[8, 4, 4]]), ("activation relu", [[8, 4, 4]])]
    assert fingerprint(pieces, "2.15") == fingerprint(reversed(pieces), "2.15")
    assert fingerprint(pieces, "2.15") != fingerprint(pieces, "2.16")
    assert fingerprint(pieces, "2.15") != fingerprint(pieces[:1], "2.15")
