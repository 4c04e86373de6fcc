"""Funnel activation against its formula, tap by tap, and its deploy form."""

import pytest
import torch
from torch import nn

from plugnas import modules
from plugnas.modules.activation.frelu import FReLU
from tests.modules.attention.reference import bn, conv
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_equals_the_formula(kernel_size):
    module = generic(FReLU(3, kernel_size=kernel_size))
    x = rand(3, 4, 5)
    condition = bn(module.funnel[1], conv(module.funnel[0], x))
    expected = torch.where(condition > x, condition, x)
    assert not torch.equal(expected, x)
    same(module(x[None])[0], expected)


def test_the_norm_is_folded():
    module = generic(FReLU(4))
    fused = modules.fuse(module)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
    x = rand(2, 4, 5, 3)
    same(fused(x), module(x))
