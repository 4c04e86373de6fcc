"""Triplet attention against the paper's description: swap axes, pool, gate, swap back."""

import pytest
import torch

from plugnas.modules.attention.triplet import TripletAttention
from tests.modules.generic import generic, rand


def _gate(u, layers):
    conv, norm = layers
    pooled = torch.stack([u.max(1).values, u.mean(1)], dim=1)
    return u * torch.sigmoid(norm(conv(pooled)))


@pytest.mark.parametrize(("kernel_size", "spatial"), [(7, True), (3, False), (5, True)])
def test_equals_the_description(kernel_size, spatial):
    module = generic(TripletAttention(6, kernel_size=kernel_size, spatial=spatial))
    x = rand(2, 6, 3, 5)
    branches = [
        _gate(x.transpose(1, 2), module.gates["height"]).transpose(1, 2),
        _gate(x.transpose(1, 3), module.gates["width"]).transpose(1, 3),
    ]
    if spatial:
        branches.append(_gate(x, module.gates["channel"]))
    torch.testing.assert_close(module(x), torch.stack(branches).mean(0))
