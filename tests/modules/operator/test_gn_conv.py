"""Recursive gated convolution against the recursion pixel by pixel."""

import pytest
import torch

from plugnas.modules.operator.gn_conv import RecursiveGatedConvolution
from tests.modules.generic import generic, rand, same


def _linear(conv, values):
    return conv.weight[:, :, 0, 0] @ values + conv.bias


def _at(m, x, row, column, widths):
    """The output of one sample (C, H, W) at one pixel; the reach of f from the formula."""
    project, spread = m.gates
    reach = spread.weight.shape[-1] // 2
    filtered = spread.bias.clone()
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            if 0 <= row + i < x.shape[1] and 0 <= column + j < x.shape[2]:
                q = _linear(project, x[:, row + i, column + j])
                filtered += spread.weight[:, 0, reach + i, reach + j] * q
    p, used = _linear(m.first, x[:, row, column]), 0
    for k, width in enumerate(widths):
        if k:
            p = _linear(m.widen[k - 1], p)
        p = p * filtered[used : used + width] / m.damping
        used += width
    return _linear(m.project, p)


@torch.no_grad()
@pytest.mark.parametrize(
    ("channels", "order", "kernel", "stride", "widths"),
    [(8, 3, 3, 1, [2, 4, 8]), (5, 4, 7, 2, [1, 1, 2, 5]), (4, 2, 3, 2, [2, 4])],
)
def test_equals_the_recursion(channels, order, kernel, stride, widths):
    m = RecursiveGatedConvolution(
        channels, 6, order=order, kernel_size=kernel, stride=stride, damping=1.7
    )
    m = generic(m)
    x = rand(2, channels, 5, 4)
    y = m(x)
    for b in range(2):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                same(y[b, :, i, j], _at(m, x[b], stride * i, stride * j, widths))


@torch.no_grad()
def test_a_stride_keeps_every_other_place():
    whole = generic(RecursiveGatedConvolution(8, 6))
    halved = generic(RecursiveGatedConvolution(8, 6, stride=2))
    x = rand(2, 8, 7, 6)
    same(halved(x), whole(x)[..., ::2, ::2])


@torch.no_grad()
def test_the_degree_of_the_products_grows_with_the_order():
    """Without biases the output scales with x to the power order + 1."""
    x = rand(1, 16, 4, 4)
    for order in (2, 3, 5):
        m = generic(RecursiveGatedConvolution(16, 16, order=order))
        for name, parameter in m.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        same(m(2 * x), 2 ** (order + 1) * m(x))
