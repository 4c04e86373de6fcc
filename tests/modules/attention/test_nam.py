"""Normalization-based attention, value by value from the formula, and its deploy form."""

import math

import torch

from plugnas import modules
from plugnas.modules.attention.nam import NormalizationAttention
from tests.modules.generic import generic, rand, same


def test_equals_the_formula():
    module = generic(NormalizationAttention(5))
    norm = module.norm
    x = rand(2, 5, 3, 4)
    expected = torch.empty_like(x)
    total = sum(abs(float(g)) for g in norm.weight)
    for b in range(2):
        for c in range(5):
            share = abs(float(norm.weight[c])) / total
            deviation = math.sqrt(float(norm.running_var[c]) + norm.eps)
            for i in range(3):
                for j in range(4):
                    value = float(x[b, c, i, j])
                    z = (value - float(norm.running_mean[c])) / deviation
                    z = share * (float(norm.weight[c]) * z + float(norm.bias[c]))
                    expected[b, c, i, j] = value / (1 + math.exp(-z))
    same(module(x), expected)


def test_fused_it_computes_the_same():
    module = generic(NormalizationAttention(5))
    x = rand(2, 5, 3, 4)
    y = module(x)
    fused = modules.fuse(module)
    assert not isinstance(fused, NormalizationAttention)
    same(fused(x), y)
    same(module(x), y)


def test_the_weights_take_part_in_the_gradient():
    """Autograd's gradient of the scales equals finite differences through the weights."""
    module = NormalizationAttention(3).double().eval()
    with torch.no_grad():
        module.norm.weight.copy_(torch.tensor([0.5, -1.5, 1.0]))
    x = rand(2, 3, 2, 2)
    (gradient,) = torch.autograd.grad((module(x) ** 2).sum(), [module.norm.weight])
    for c in range(3):
        sides = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                module.norm.weight[c] += step
                sides.append(float((module(x) ** 2).sum()))
                module.norm.weight[c] -= step
        assert math.isclose(float(gradient[c]), (sides[0] - sides[1]) / 2e-5, rel_tol=1e-6)


def test_scales_that_are_all_zero_give_half_of_the_map():
    module = NormalizationAttention(3).eval()
    with torch.no_grad():
        module.norm.weight.zero_()
    x = torch.randn(1, 3, 2, 2)
    torch.testing.assert_close(module(x), x / 2)
