"""Spatial shift against the formula, pixel by pixel."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.attention.s2 import SpatialShift
from tests.modules.attention.reference import pointwise
from tests.modules.generic import generic, rand


def _source(i, j, quarter, first, size):
    """Where the value at (i, j) came from: quarters move down, up, right, left; or axes swapped."""
    down, up, right, left = (-1, 0), (1, 0), (0, -1), (0, 1)
    moves = [down, up, right, left] if first else [right, left, down, up]
    a, b = i + moves[quarter][0], j + moves[quarter][1]
    return (a, b) if 0 <= a < size[0] and 0 <= b < size[1] else (i, j)


@pytest.mark.parametrize("channels", [8, 10])
def test_equals_the_formula(channels):
    module = generic(SpatialShift(channels))
    x = rand(channels, 3, 4)
    expanded = pointwise(module.expand, x).view(3, channels, 3, 4)
    parts = expanded.clone()
    for c in range(channels):
        quarter = min(c // (channels // 4), 3)
        for i in range(3):
            for j in range(4):
                a, b = _source(i, j, quarter, True, (3, 4))
                parts[0, c, i, j] = expanded[0, c, a, b]
                a, b = _source(i, j, quarter, False, (3, 4))
                parts[1, c, i, j] = expanded[1, c, a, b]
    z = parts.sum((0, 2, 3))
    logits = module.excite.weight @ F.gelu(module.squeeze.weight @ z)
    y = torch.zeros_like(x)
    for c in range(channels):
        weights = logits[[c, channels + c, 2 * channels + c]].softmax(0)
        y[c] = sum(weights[k] * parts[k, c] for k in range(3))
    torch.testing.assert_close(module(x[None])[0], pointwise(module.out, y))
