"""Shared pieces of the zoo."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plugnas.modules._parts import StridedPointwise, conv2d


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_a_strided_pointwise_convolution_of_few_channels_is_computed_on_fewer_positions(size):
    """torch 2.14's own backward of it writes beyond a buffer: it must never be called."""
    ours = conv2d(4, 24, stride=2).double()
    theirs = nn.Conv2d(4, 24, 1, stride=2, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    assert isinstance(ours, StridedPointwise)
    x = torch.randn(2, 4, *size, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = ours(a), theirs(b)
    assert torch.allclose(y, z, atol=1e-12)
    (y.square().sum() + z.square().sum()).backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-12)
    assert torch.allclose(ours.weight.grad, theirs.weight.grad, atol=1e-12)


def test_other_convolutions_are_torchs_own():
    assert type(conv2d(8, 24, stride=2)) is nn.Conv2d
    assert type(conv2d(4, 24)) is nn.Conv2d
    assert type(conv2d(4, 24, 3, stride=2)) is nn.Conv2d
