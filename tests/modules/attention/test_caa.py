"""Context anchor attention against the formula, place by place."""

import pytest
import torch

from plugnas.modules.attention.caa import ContextAnchorAttention
from tests.modules.attention.reference import conv, pixel, pointwise
from tests.modules.generic import generic, rand, same


def _smooth(x):
    """Sums over 7 x 7 neighbours / 49, zeros beyond the border."""
    y = torch.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            for a in range(-3, 4):
                for b in range(-3, 4):
                    y[:, i, j] += pixel(x, i + a, j + b) / 49
    return y


@pytest.mark.parametrize("kernel_size", [11, 15])
def test_equals_the_formula(kernel_size):
    module = generic(ContextAnchorAttention(3, kernel_size=kernel_size))
    _, first, row, column, last = module.context
    assert (row.kernel_size, column.kernel_size) == ((1, kernel_size), (kernel_size, 1))
    x = rand(3, 9, 4)
    f = pointwise(first, _smooth(x))
    logits = pointwise(last, conv(column, conv(row, f)))
    same(module(x[None])[0], x / (1 + (-logits).exp()))
