"""Deformable convolution against torchvision's operator."""

import torch
from torchvision.ops import deform_conv2d

from plugnas.modules.operator.deform_conv import DeformableConvolution
from tests.modules.generic import generic, rand, same


@torch.no_grad()
def test_equals_torchvision():
    cases = [(3, 1, 1, 1, False), (3, 2, 2, 1, True), (5, 1, 4, 2, True), (5, 2, 1, 1, False)]
    for k, s, groups, d, modulation in cases:
        m = DeformableConvolution(
            8, 6, stride=s, kernel_size=k, offset_groups=groups, dilation=d, modulation=modulation
        )
        m = generic(m)
        x = rand(2, 8, 7, 6)
        mask = m.mask(x).sigmoid() if modulation else None
        padding = d * (k // 2)
        y = deform_conv2d(x, m.offset(x), m.weight, None, s, padding, d, mask)
        assert m.offset(x).abs().max() > 2  # far enough to leave the map
        same(m(x), y)


@torch.no_grad()
def test_starts_as_a_convolution():
    x = rand(2, 3, 7, 6)
    for modulation, at_start in ((False, 1.0), (True, 0.5)):
        m = DeformableConvolution(3, 4, stride=2, modulation=modulation).double()
        y = torch.nn.functional.conv2d(x, m.weight, stride=2, padding=1)
        same(m(x), at_start * y)
