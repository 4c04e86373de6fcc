"""Swish against torch's SiLU and, with its slope, against the formula."""

import math

import torch

from plugnas import modules
from plugnas.modules.activation.swish import Swish


def test_equals_silu():
    x = torch.linspace(-9, 9, 41, dtype=torch.float64)
    torch.testing.assert_close(Swish()(x), torch.nn.SiLU()(x))
    assert modules.get("silu").cls is Swish


def test_learned_slope():
    swish = Swish(learnable_beta=True)
    torch.nn.init.constant_(swish.beta, 1.7)
    values = [-4.0, -0.3, 0.0, 0.8, 5.0]
    expected = [v / (1 + math.exp(-1.7 * v)) for v in values]
    torch.testing.assert_close(swish(torch.tensor(values)), torch.tensor(expected))


def test_second_derivative():
    x = torch.randn(7, dtype=torch.float64, requires_grad=True)
    swish = Swish(learnable_beta=True).double()
    assert torch.autograd.gradgradcheck(swish, x)
