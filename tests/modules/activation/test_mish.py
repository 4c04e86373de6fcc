"""Mish against torch's and against its formula, value by value."""

import math

import torch

from plugnas.modules.activation.mish import Mish


def test_equals_the_formula_and_torch():
    x = torch.linspace(-9, 9, 41, dtype=torch.float64)
    values = [v * math.tanh(math.log1p(math.exp(v))) for v in x.tolist()]
    torch.testing.assert_close(Mish()(x), torch.tensor(values, dtype=torch.float64))
    torch.testing.assert_close(Mish()(x), torch.nn.Mish()(x))
