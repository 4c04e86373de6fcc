"""Sub-pixel convolution against its index formula."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.upsampling.pixel_shuffle import SubPixelConvolution
from tests.modules.generic import generic, rand, same


@torch.no_grad()
@pytest.mark.parametrize(("scale", "kernel"), [(2, 3), (3, 1)])
def test_equals_the_formula(scale, kernel):
    m = generic(SubPixelConvolution(3, scale=scale, kernel_size=kernel))
    x = rand(2, 3, 4, 5)
    z = F.conv2d(x, m.conv.weight, m.conv.bias, padding=kernel // 2)
    y = m(x)
    assert y.shape == (2, 3, 4 * scale, 5 * scale)
    for c in range(3):
        for a in range(scale):
            for b in range(scale):
                part = z[:, scale**2 * c + scale * a + b]
                same(y[:, c, a::scale, b::scale], part)
