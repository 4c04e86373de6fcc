"""Nearest and bilinear upsampling against torch's modules and pixel by pixel."""

import pytest
import torch
from torch import nn

from plugnas.modules.upsampling.interpolation import BilinearUpsampling, NearestUpsampling
from tests.modules.generic import rand, same


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_nearest_repeats(scale):
    x = rand(2, 3, 4, 5)
    y = NearestUpsampling(3, scale=scale)(x)
    same(y, x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3))
    same(y, nn.Upsample(scale_factor=scale)(x))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_bilinear_reads_between_pixels(scale):
    x = rand(2, 3, 4, 5)
    y = BilinearUpsampling(3, scale=scale)(x)
    for i in range(4 * scale):
        for j in range(5 * scale):
            row = min(max((i + 0.5) / scale - 0.5, 0), 3)
            column = min(max((j + 0.5) / scale - 0.5, 0), 4)
            value = torch.zeros(2, 3, dtype=x.dtype)
            for r in range(4):
                for c in range(5):
                    weight = max(0, 1 - abs(row - r)) * max(0, 1 - abs(column - c))
                    value += weight * x[:, :, r, c]
            same(y[:, :, i, j], value)
