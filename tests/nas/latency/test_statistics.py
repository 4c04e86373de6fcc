"""Figures, errors and ties on rounds whose truth is known."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from plugnas.nas.latency import BusyMachineError, Conditions, protocol
from plugnas.nas.latency.report import report
from plugnas.nas.latency.rounds import BLOCK, Samples, run_rounds
from plugnas.nas.latency.statistics import (
    are_tied,
    kendall_tau,
    medians,
    relative_errors,
    tie_groups,
)
from plugnas.nas.latency.timers import Sample


def _rounds(true, rounds=60, noise=0.03, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(true) * np.exp(noise * rng.standard_normal((rounds, len(true))))


def test_drift_that_the_anchors_share_is_taken_out():
    rng = np.random.default_rng(0)
    true, reference = np.array([1.0, 3.0]), np.array([0.2, 0.5, 0.1])
    drift = np.exp(np.cumsum(0.1 * rng.standard_normal(40)))  # the machine halves its clock
    wall = true * drift[:, None]
    anchors = np.broadcast_to((reference * drift[:, None])[:, None], (40, 2, 3))
    samples = Samples(wall, wall, anchors)
    assert np.allclose(samples.normalised(reference), true)
    assert np.allclose(samples.normalised(2 * reference), 2 * true)
    assert medians(wall)[0] != pytest.approx(1.0, rel=0.02)


def test_one_disturbed_anchor_does_not_matter():
    anchors = np.ones((10, 1, 3))
    anchors[:, :, 1] = 7.0
    samples = Samples(np.full((10, 1), 2.0), np.zeros((10, 1)), anchors)
    assert np.allclose(samples.normalised(np.ones(3)), 2.0)


def test_the_stated_error_is_that_of_the_median():
    """Over many sessions the median scatters by about what each session states."""
    sessions = [_rounds([1.0], seed=seed) for seed in range(400)]
    scatter = np.std([medians(s)[0] for s in sessions])
    stated = np.mean([relative_errors(s)[0] for s in sessions])
    assert 0.9 < stated / scatter < 1.6


def test_drift_between_halves_is_part_of_the_error():
    steady = _rounds([1.0], noise=0.001)
    stepped = steady.copy()
    stepped[30:] *= 1.2
    assert relative_errors(stepped)[0] > 0.08 > 0.01 > relative_errors(steady)[0]


def test_ties_and_ranks():
    samples = _rounds([1.0, 1.01, 1.5, 1.49, 4.0], noise=0.01)
    assert are_tied(samples, 0, 1)
    assert not are_tied(samples, 1, 2)
    assert [sorted(group) for group in tie_groups(samples)] == [[0, 1], [2, 3], [4]]


def test_kendall_tau_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 8, 30).astype(float), rng.integers(0, 8, 30).astype(float)
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert math.isnan(kendall_tau(a, np.zeros(30)))


def _report(noise, limit=0.05, share=0.95):
    wall = _rounds([1.0, 1.0, 2.0], rounds=20, noise=noise)
    samples = Samples(wall, wall * share, np.ones((20, 3, 1)))
    conditions = Conditions("cpu", "a processor", torch="2.15.0")
    return report(["a", "b", "c"], samples, conditions, ["anchor"], (0.5, 0.7), limit)


def test_a_report_ranks_and_names_ties_and_conditions():
    quiet = _report(0.01)
    assert [figure.rank for figure in quiet.figures] == [1, 1, 3]
    assert quiet.ties == [["a", "b"]] or quiet.ties == [["b", "a"]]
    assert quiet["c"].cpu_ms == pytest.approx(1.9, rel=0.02)
    text = quiet.text()
    for word in ("a processor", "batch 1", "1 thread,", "float32", "20 interleaved", "0.50", "+-"):
        assert word in text
    assert quiet.check() is quiet
    assert quiet.to_dict()["ties"] == quiet.ties


def test_nothing_is_ranked_on_a_busy_machine():
    busy = _report(0.8)
    assert all(figure.rank is None for figure in busy.figures)
    assert busy.ties == []
    assert "NOT RANKED" in busy.text()
    with pytest.raises(BusyMachineError, match=r"relative standard error of 5\.0%"):
        busy.check()


def test_nothing_is_ranked_where_the_core_is_shared():
    shared = _report(0.01, share=0.6)
    assert all(figure.rank is None for figure in shared.figures)
    with pytest.raises(BusyMachineError, match="only 60% of one"):
        shared.check()
    assert _report(0.01, share=0.6, limit=1).busy is None


def test_every_round_times_everything_once_in_another_order():
    calls = []

    def timer(name):
        def run():
            calls.append(name)
            return Sample(float(name), 2.0 * name)

        return run

    count, anchors = BLOCK + 3, [100, 200]
    candidates = [timer(i + 1) for i in range(count)]
    rng = np.random.default_rng(0)
    samples = run_rounds(candidates, [timer(a) for a in anchors], 4, rng)
    assert np.array_equal(samples.wall, np.tile(np.arange(1.0, count + 1), (4, 1)))
    assert np.array_equal(samples.cpu, 2 * samples.wall)
    assert np.array_equal(samples.anchors, np.tile([100.0, 200.0], (4, count, 1)))
    timed = calls[3 * (count + 2) :]  # after three warm-ups of each
    per_round = count + 2 * 2  # two blocks, each with both anchors
    rounds = [timed[i * per_round : (i + 1) * per_round] for i in range(4)]
    for order in rounds:
        assert sorted(name for name in order if name < 100) == list(range(1, count + 1))
    assert len({tuple(order) for order in rounds}) == 4


@pytest.mark.parametrize(("seconds", "expected"), [(10.0, 30), (0.25, 80)])
def test_without_a_number_rounds_go_on_for_twenty_seconds_and_are_thirty_at_least(
    monkeypatch, seconds, expected
):
    clock = itertools.count(step=seconds)  # a round takes as long
    monkeypatch.setattr(protocol.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(protocol.gc, "collect", lambda: None)  # slow in a process of tests
    told = []
    timers = [lambda: Sample(1.0, 1.0)]
    samples = protocol.interleaved(
        timers, timers, None, np.random.default_rng(0), lambda done, of: told.append((done, of))
    )
    assert len(samples.wall) == expected
    assert told == [(n, expected) for n in range(1, expected + 1)]
