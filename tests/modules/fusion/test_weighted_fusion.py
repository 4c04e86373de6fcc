"""The three formulas of BiFPN's weighted sum."""

import math

import pytest
import torch

from plugnas.modules.fusion.weighted_fusion import WeightedFusion


def run(mode, w1, w2, x, y):
    module = WeightedFusion(3, mode=mode).double()
    assert module.weight.tolist() == [1.0, 1.0]
    with torch.no_grad():
        module.weight.copy_(torch.tensor([w1, w2]))
    return module(x, y)


def test_formulas():
    x, y = (torch.randn(2, 3, 4, 5, dtype=torch.float64) for _ in range(2))
    e = math.exp
    close = torch.testing.assert_close
    close(run("fast", 0.75, 2.0, x, y), (0.75 * x + 2 * y) / (2.75 + 1e-4))
    close(run("fast", -0.75, 2.0, x, y), 2 * y / (2 + 1e-4))
    close(run("softmax", 0.5, -1.0, x, y), (e(0.5) * x + e(-1.0) * y) / (e(0.5) + e(-1.0)))
    close(run("sum", 0.5, -1.5, x, y), 0.5 * x - 1.5 * y)


def test_coarser_map():
    x = torch.zeros(1, 1, 2, 4)
    y = torch.tensor([[[[0.0, 4.0]]]])
    assert WeightedFusion(1, mode="sum")(x, y)[0, 0].tolist() == [[0.0, 1.0, 3.0, 4.0]] * 2


def test_any_number_of_maps():
    """As BiFPN joins three: the weights share out 1 among all of them."""
    module = WeightedFusion(3, inputs=3).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.5, -1.0, 1.5]))
    x, y, z = (torch.randn(2, 3, 4, 6, dtype=torch.float64) for _ in range(3))
    torch.testing.assert_close(module(x, y, z), (0.5 * x + 1.5 * z) / (2.0 + 1e-4))
    coarse = torch.randn(2, 3, 2, 3, dtype=torch.float64)
    larger = torch.nn.functional.interpolate(coarse, size=(4, 6), mode="bilinear")
    torch.testing.assert_close(module(x, y, coarse), module(x, y, larger))
    with pytest.raises(ValueError, match="built for 3 maps, but got 2"):
        module(x, y)
