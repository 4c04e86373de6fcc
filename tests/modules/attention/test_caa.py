"""Context anchor attention against the formula, place by place."""

import pytest
import torch

from plugnas import modules
from plugnas.modules.attention.caa import ContextAnchorAttention
from tests.modules.attention.reference import bn, conv, pixel, pointwise
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


def _silu(x):
    return x / (1 + (-x).exp())


@pytest.mark.parametrize("kernel_size", [11, 15])
def test_equals_the_formula(kernel_size):
    module = generic(ContextAnchorAttention(3, kernel_size=kernel_size))
    assert (module.row.kernel_size, module.column.kernel_size) == (
        (1, kernel_size),
        (kernel_size, 1),
    )
    x = rand(3, 9, 4)
    f = _silu(bn(module.encode[1], pointwise(module.encode[0], _smooth(x))))
    context = conv(module.column, conv(module.row, f))
    z = _silu(bn(module.decode[1], pointwise(module.decode[0], context)))
    same(module(x[None])[0], x / (1 + (-z).exp()))


def test_both_norms_fold():
    module = generic(ContextAnchorAttention(4))
    fused = modules.fuse(module)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fused.modules())
    x = rand(2, 4, 5, 6)
    same(fused(x), module(x))
