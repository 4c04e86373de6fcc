"""Multi-scale convolutional attention, tap by tap from the formula."""

import pytest

from plugnas.modules.attention.msca import MultiScaleConvolutionalAttention
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("strips", [(7, 11, 21), (7,)])
def test_equals_the_formula(strips):
    module = generic(MultiScaleConvolutionalAttention(3, strips=strips))
    kernels = [[layer.kernel_size for layer in strip] for strip in module.strips]
    assert kernels == [[(1, k), (k, 1)] for k in strips]
    x = rand(3, 6, 5)
    near = conv(module.near, x)
    total = near + sum(conv(column, conv(row, near)) for row, column in module.strips)
    same(module(x[None])[0], x * pointwise(module.mix, total))
