"""Fronts, volumes and knees against brute force and against values worked out by hand."""

from __future__ import annotations

import moocore
import numpy as np
import pytest

from plugnas.nas.front import pareto

MAX_MIN = ("max", "min")


def brute_front(points: np.ndarray, directions: tuple[str, ...]) -> np.ndarray:
    sign = [1 if d == "max" else -1 for d in directions]
    rows = [[s * v for s, v in zip(sign, row, strict=True)] for row in points.tolist()]
    return np.array(
        [
            not any(
                all(a >= b for a, b in zip(other, row, strict=True)) and other != row
                for other in rows
            )
            for row in rows
        ]
    )


@pytest.mark.parametrize("directions", [("max",), MAX_MIN, ("min", "max", "min"), ("max",) * 4])
def test_front_equals_brute_force_with_many_ties(directions):
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.integers(0, 6, (40, len(directions))).astype(float)
        expected = brute_front(points, directions)
        assert (pareto.non_dominated(points, directions) == expected).all()
        once = pareto.non_dominated(points, directions, keep_ties=False)
        assert (once <= expected).all()
        kept = {tuple(row) for row in points[once].tolist()}
        assert len(kept) == once.sum() and kept == {tuple(r) for r in points[expected].tolist()}


def test_of_equal_rows_the_first_is_kept():
    points = np.array([[1.0, 5.0], [2.0, 3.0], [2.0, 3.0]])
    assert pareto.non_dominated(points, MAX_MIN, keep_ties=False).tolist() == [False, True, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_rows_are_no_results(bad):
    points = np.array([[0.5, 10.0], [bad, 1.0], [0.9, bad], [0.6, 20.0]])
    assert pareto.non_dominated(points, MAX_MIN).tolist() == [True, False, False, True]
    assert pareto.ranks(points, MAX_MIN).tolist() == [0, 1, 1, 0]
    assert pareto.hypervolume(points, (0.0, 30.0), MAX_MIN) == pytest.approx(
        pareto.hypervolume(points[[0, 3]], (0.0, 30.0), MAX_MIN)
    )
    assert pareto.crowding(points, MAX_MIN)[[1, 2]].tolist() == [0, 0]
    assert pareto.knee(points, MAX_MIN) in (0, 3)


def test_nothing_in_nothing_out():
    empty = np.zeros((0, 2))
    assert pareto.non_dominated(empty, MAX_MIN).shape == (0,)
    assert pareto.hypervolume(empty, (0, 1), MAX_MIN) == 0.0
    assert pareto.hypervolume([], (0, 1), MAX_MIN) == 0.0
    assert pareto.crowding(empty, MAX_MIN).shape == (0,)
    with pytest.raises(pareto.ParetoError, match="at least one finite point"):
        pareto.reference_point(np.array([[np.nan, 1.0]]), MAX_MIN)
    with pytest.raises(pareto.ParetoError, match="at least one finite point"):
        pareto.knee(empty, MAX_MIN)


def test_ranks_peel_fronts():
    points = np.array([[3, 1], [2, 1], [3, 2], [1, 1], [4, 4]], float)
    assert pareto.ranks(points, MAX_MIN).tolist() == [0, 1, 1, 2, 0]


def test_volume_by_hand():
    # error/flops, both less: (1, 3) and (2, 1) under (4, 4): 3*1 + 2*3 - overlap counted once
    assert pareto.hypervolume([[1, 3], [2, 1]], (4, 4), ("min", "min")) == pytest.approx(7.0)
    # the same with the first axis turned round
    assert pareto.hypervolume([[-1, 3], [-2, 1]], (-4, 4), MAX_MIN) == pytest.approx(7.0)
    # 3-D: two boxes 1x2x3 and 3x1x1 that share 1x1x1
    boxes = [[1, 2, 3], [3, 1, 1]]
    assert pareto.hypervolume(boxes, (0, 0, 0), ("max",) * 3) == pytest.approx(6 + 3 - 1)
    assert pareto.hypervolume([[5.0]], (2.0,), ("max",)) == 3.0
    assert pareto.hypervolume([[5.0, 1.0]], (5.0, 4.0), MAX_MIN) == 0.0  # on the border


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_volume_equals_counting_cells(objectives):
    rng = np.random.default_rng(1)
    for _ in range(5):
        points = rng.integers(0, 7, (12, objectives))
        axes = np.meshgrid(*[np.arange(7)] * objectives, indexing="ij")
        cells = np.stack([axis.ravel() for axis in axes], axis=1)
        covered = (cells[:, None, :] < points[None, :, :]).all(axis=2).any(axis=1).sum()
        volume = pareto.hypervolume(points, np.zeros(objectives), ("max",) * objectives)
        assert volume == pytest.approx(covered)


@pytest.mark.parametrize(("objectives", "count"), [(1, 30), (2, 200), (3, 60), (4, 25), (5, 12)])
def test_volume_and_front_equal_moocore(objectives, count):
    rng = np.random.default_rng(objectives)
    directions = ["max", "min", "max", "min", "min"][:objectives]
    points = rng.random((count, objectives))
    points[: count // 3] = points[: count // 3].round(1)  # ties, also with the reference
    reference = np.where([d == "max" for d in directions], 0.1, 0.9)
    larger = [d == "max" for d in directions]
    assert pareto.hypervolume(points, reference, directions) == pytest.approx(
        moocore.hypervolume(points, ref=reference, maximise=larger), rel=1e-12
    )
    theirs = moocore.is_nondominated(points, maximise=larger, keep_weakly=False)
    assert pareto.non_dominated(points, directions).tolist() == theirs.tolist()


def test_reference_point_is_worse_than_all():
    points = np.array([[0.2, 10.0], [0.8, 30.0]])
    assert pareto.reference_point(points, MAX_MIN) == pytest.approx([0.14, 32.0])
    assert pareto.reference_point(points, MAX_MIN, margin=0) == pytest.approx([0.2, 30.0])
    alone = pareto.reference_point(np.array([[0.5, 0.0]]), MAX_MIN)
    assert alone == pytest.approx([0.45, 0.1])


def test_knee_is_farthest_from_the_chord():
    points = np.array([[0.1, 1.0], [0.8, 2.0], [0.9, 6.0], [1.0, 11.0], [0.5, 5.0]])
    assert pareto.knee(points, MAX_MIN) == 1


def test_crowding_prefers_extremes_then_gaps_and_no_copies():
    points = np.array([[0, 4], [1, 3], [1, 3], [3, 1], [4, 0]], float)
    distance = pareto.crowding(points, ("min", "min"))
    assert np.isinf(distance[[0, 4]]).all()
    assert distance[1] == pytest.approx(6 / 4) and distance[2] == 0
    assert distance[3] == pytest.approx(6 / 4)


def test_wrong_shapes_name_the_law():
    with pytest.raises(pareto.ParetoError, match=r"points must be \(n, 2\)"):
        pareto.non_dominated(np.zeros((3, 3)), MAX_MIN)
    with pytest.raises(pareto.ParetoError, match="max or min, not 'up'"):
        pareto.non_dominated(np.zeros((3, 1)), ("up",))
    with pytest.raises(pareto.ParetoError, match="finite"):
        pareto.hypervolume(np.zeros((3, 1)), (np.inf,), ("min",))
