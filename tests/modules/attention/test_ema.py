"""EMA against the formula, group by group and pixel by pixel."""

import pytest
import torch

from plugnas.modules.attention.ema import EfficientMultiScaleAttention
from tests.modules.attention.reference import conv, pointwise
from tests.modules.generic import generic, rand


@pytest.mark.parametrize(("channels", "groups", "used"), [(16, 4, 4), (12, 8, 6)])
def test_equals_the_formula(channels, groups, used):
    module = generic(EfficientMultiScaleAttention(channels, groups=groups))
    x = rand(channels, 3, 5)
    width = channels // used
    expected = torch.zeros_like(x)
    for g in range(used):
        u = x[g * width : (g + 1) * width]
        first = torch.zeros_like(u)
        for i in range(3):
            for j in range(5):
                row = pointwise(module.directional, u[:, i, :].mean(1)).sigmoid()
                column = pointwise(module.directional, u[:, :, j].mean(1)).sigmoid()
                first[:, i, j] = u[:, i, j] * row * column
        for c in range(width):
            centred = first[c] - first[c].mean()
            scale = module.norm.weight[c] / (first[c].var(unbiased=False) + 1e-5).sqrt()
            first[c] = centred * scale + module.norm.bias[c]
        second = conv(module.local, u)
        a, b = first.mean((1, 2)).softmax(0), second.mean((1, 2)).softmax(0)
        gate = sum(a[c] * second[c] + b[c] * first[c] for c in range(width))
        expected[g * width : (g + 1) * width] = u * gate.sigmoid()
    torch.testing.assert_close(module(x[None])[0], expected)
