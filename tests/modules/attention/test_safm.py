"""SAFM against the formula: windows, maxima and nearest copies spelled out."""

import math

import pytest
import torch

from plugnas.modules.attention.safm import SpatiallyAdaptiveModulation
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand


def _pool(x, height, width):
    rows, columns = x.shape[1:]
    y = torch.zeros(len(x), height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            top, bottom = i * rows // height, math.ceil((i + 1) * rows / height)
            left, right = j * columns // width, math.ceil((j + 1) * columns / width)
            y[:, i, j] = x[:, top:bottom, left:right].amax((1, 2))
    return y


@pytest.mark.parametrize(("channels", "levels"), [(6, 3), (7, 2), (3, 4)])
def test_equals_the_formula(channels, levels):
    module = generic(SpatiallyAdaptiveModulation(channels, levels=levels))
    x = rand(channels, 4, 7)
    gathered, start = [], 0
    for i, layer in enumerate(module.local):
        chunk = x[start : start + layer.out_channels]
        start += layer.out_channels
        small = conv(layer, _pool(chunk, max(1, 4 >> i), max(1, 7 >> i)))
        full = torch.zeros_like(chunk)
        for a in range(4):
            for b in range(7):
                full[:, a, b] = small[:, a * small.shape[1] // 4, b * small.shape[2] // 7]
        gathered.append(full)
    assert start == channels
    mixed = pointwise(module.mix, torch.cat(gathered))
    gelu = mixed * (1 + torch.erf(mixed / math.sqrt(2))) / 2
    torch.testing.assert_close(module(x[None])[0], x * gelu)
