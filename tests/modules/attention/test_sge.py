"""Spatial group-wise enhancement against its formula, group by group and pixel by pixel."""

import math

import torch

from plugnas.modules.attention.sge import SpatialGroupEnhancement
from tests.modules.generic import generic, rand, same


def _reference(module, x):
    y = torch.empty_like(x)
    width = x.shape[0] // module.groups
    for g in range(module.groups):
        part = x[g * width : (g + 1) * width].flatten(1)
        mean = part.sum(1) / part.shape[1]
        likeness = [float(mean @ part[:, p]) for p in range(part.shape[1])]
        centre = sum(likeness) / len(likeness)
        variance = sum((c - centre) ** 2 for c in likeness) / len(likeness)
        gamma, beta = float(module.weight[g]), float(module.bias[g])
        for p, c in enumerate(likeness):
            a = gamma * (c - centre) / math.sqrt(variance + 1e-5) + beta
            at = slice(g * width, (g + 1) * width), p // x.shape[2], p % x.shape[2]
            y[at] = part[:, p] / (1 + math.exp(-a))
    return y


def test_equals_the_formula():
    module = generic(SpatialGroupEnhancement(12, groups=3))
    x = rand(12, 5, 4)
    same(module(x[None])[0], _reference(module, x))


def test_starts_as_one_gate_for_all():
    """gamma is 0 and beta 1 at the start: the gate is sigmoid(1) everywhere."""
    module = SpatialGroupEnhancement(8, groups=4).double()
    x = rand(2, 8, 3, 3)
    same(module(x), x / (1 + math.exp(-1)))


def test_equal_pixels_have_a_finite_gradient():
    module = SpatialGroupEnhancement(4, groups=2)
    torch.nn.init.ones_(module.weight)
    x = torch.ones(1, 4, 3, 3, requires_grad=True)
    module(x).sum().backward()
    assert x.grad.isfinite().all()
    assert module(torch.randn(1, 4, 1, 1)).isfinite().all()  # one pixel


def test_groups_are_a_limit():
    assert SpatialGroupEnhancement(12, groups=8).groups == 6
    assert SpatialGroupEnhancement(10).groups == 10
