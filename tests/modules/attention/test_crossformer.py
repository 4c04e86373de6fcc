"""Short and long distance attention against the formula, query by query."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.attention.crossformer import ShortLongDistanceAttention
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _biases(module, dy, dx):
    """One bias per head for an offset."""
    y = pointwise(module.bias.mlp[0], torch.tensor([dy, dx], dtype=torch.float64))
    for first in (1, 4, 7):
        norm, _, linear = module.bias.mlp[first : first + 3]
        y = F.layer_norm(y, y.shape, norm.weight, norm.bias).relu()
        y = pointwise(linear, y)
    return y


def _group_and_place(index, length, window, mode):
    """To which group an index along a side belongs, and its place in it."""
    window = min(window, length)
    interval = -(-length // window)
    return divmod(index, window) if mode == "short" else divmod(index, interval)[::-1]


@pytest.mark.parametrize("mode", ["short", "long"])
@pytest.mark.parametrize(("size", "window"), [((4, 6), 2), ((5, 7), 3), ((2, 5), 4)])
def test_equals_the_formula(mode, size, window):
    module = generic(ShortLongDistanceAttention(8, window=window, mode=mode, heads=2))
    x = rand(8, *size)
    q, k, v = pointwise(module.qkv, x).chunk(3)
    at = {}
    for i in range(size[0]):
        for j in range(size[1]):
            row, column = (
                _group_and_place(n, length, window, mode)
                for n, length in zip((i, j), size, strict=True)
            )
            at[i, j] = (row[0], column[0]), (row[1], column[1])
    y = torch.zeros_like(x)
    for (i, j), (group, place) in at.items():
        keys = [other for other, (its, _) in at.items() if its == group]
        biases = [
            _biases(module, place[0] - at[other][1][0], place[1] - at[other][1][1])
            for other in keys
        ]
        for h in range(2):
            s = slice(4 * h, 4 * h + 4)
            logits = [
                q[s, i, j] @ k[s, a, b] / 2 + bias[h]
                for (a, b), bias in zip(keys, biases, strict=True)
            ]
            weights = torch.stack(logits).softmax(0)
            y[s, i, j] = sum(w * v[s, a, b] for w, (a, b) in zip(weights, keys, strict=True))
    torch.testing.assert_close(module(x[None])[0], pointwise(module.out, y))


def test_long_groups_span_the_map():
    groups = {}
    for i in range(6):
        groups.setdefault(_group_and_place(i, 6, 3, "long")[0], []).append(i)
    assert list(groups.values()) == [[0, 2, 4], [1, 3, 5]]
