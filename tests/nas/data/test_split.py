"""The division into parts: in proportion, complete, and the same each time."""

import numpy as np
import pytest

from plugnas.nas.data.spec import DataSpec
from plugnas.nas.data.split import split, stratified

SPEC = DataSpec(source="x", validation=0.2, test=0.1, seed=3)


def _parts(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels), np.zeros(sum(counts), dtype=int)


def test_every_class_is_divided_by_the_shares():
    labels, parts = _parts([100, 50, 10])
    found = split(labels, parts, SPEC)
    for part, expected in {"test": [10, 5, 1], "validation": [20, 10, 2]}.items():
        assert np.bincount(labels[found[part]]).tolist() == expected
    everything = np.sort(np.concatenate(list(found.values())))
    assert everything.tolist() == list(range(160))


def test_small_classes_reach_as_many_parts_as_they_can():
    labels, parts = _parts([1, 2, 3, 4, 40])
    found = split(labels, parts, SPEC)
    count = {part: np.bincount(labels[i], minlength=5).tolist() for part, i in found.items()}
    assert count["train"][:4] == [1, 1, 1, 2]
    assert count["validation"][:4] == [0, 1, 1, 1]
    assert count["test"][:4] == [0, 0, 1, 1]


def test_ten_thousand_classes_of_three():
    labels, parts = _parts([3] * 10_000)
    found = split(labels, parts, SPEC)
    for indices in found.values():
        assert np.array_equal(np.bincount(labels[indices]), np.ones(10_000))


def test_given_parts_stay_as_they_are():
    labels, parts = _parts([20, 20])
    parts[::4] = 2
    found = split(labels, parts, SPEC)
    assert np.array_equal(found["test"], np.flatnonzero(parts == 2))
    assert not np.isin(found["validation"], found["test"]).any()
    parts[1::4] = 1
    found = split(labels, parts, SPEC)
    assert np.array_equal(found["validation"], np.flatnonzero(parts == 1))
    assert np.array_equal(found["train"], np.flatnonzero(parts == 0))


def test_the_seed_decides():
    labels, parts = _parts([50, 50])
    other = DataSpec(source="x", validation=0.2, test=0.1, seed=4)
    first, again, third = (split(labels, parts, spec) for spec in (SPEC, SPEC, other))
    assert all(np.array_equal(first[part], again[part]) for part in first)
    assert not np.array_equal(first["test"], third["test"])


@pytest.mark.parametrize("count", [3, 10, 37, 99])
def test_a_limit_keeps_proportions_and_nests(count):
    labels, _ = _parts([60, 30, 10])
    chosen = stratified(labels, count, 0)
    assert len(chosen) == count == len(set(chosen.tolist()))
    share = np.bincount(labels[chosen], minlength=3) / count
    assert share.min() > 0
    if count > 3:
        assert np.abs(share - [0.6, 0.3, 0.1]).max() < 0.12
    assert set(chosen.tolist()) < set(stratified(labels, count + 1, 0).tolist())
