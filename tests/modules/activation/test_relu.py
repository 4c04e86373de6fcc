"""ReLU: exact values."""

import torch

from plugnas.modules.activation.relu import ReLU


def test_values():
    x = torch.tensor([-2.0, -0.0, 0.0, 0.5, 3.0])
    assert ReLU()(x).tolist() == [0.0, 0.0, 0.0, 0.5, 3.0]
    assert x.tolist() == [-2.0, 0.0, 0.0, 0.5, 3.0]
