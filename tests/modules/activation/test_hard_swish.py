"""Hard swish and hard sigmoid: exact values, and torch's own over a fine grid."""

import torch

from plugnas import modules
from plugnas.modules.activation.hard_swish import HardSigmoid, HardSwish

VALUES = [-5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 7.0]


def test_hard_swish():
    expected = [0.0, 0.0, -0.375, 0.0, 1.125, 3.0, 7.0]
    assert HardSwish()(torch.tensor(VALUES)).tolist() == expected
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(HardSwish()(x), x * torch.clamp(x + 3, 0, 6) / 6)
    assert modules.get("hardswish").cls is HardSwish


def test_hard_sigmoid():
    expected = [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert HardSigmoid()(torch.tensor(VALUES)).tolist() == expected
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(HardSigmoid()(x), torch.nn.Hardsigmoid()(x))
