"""Axial attention against torch's multi-head attention, row by row and column by column."""

import pytest
import torch
from torch import nn

from plugnas.modules.attention.axial_attention import AxialAttention
from tests.modules.generic import generic, rand


def _torch_attention(layer, channels):
    theirs = nn.MultiheadAttention(channels, layer.heads, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(layer.qkv.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(layer.out.state_dict())
    return lambda line: theirs(line, line, line)[0]


@pytest.mark.parametrize("sum_axes", [True, False])
@pytest.mark.parametrize("heads", [2, 4])
def test_equals_torch_on_every_line(sum_axes, heads):
    module = generic(AxialAttention(8, heads=heads, sum_axes=sum_axes))
    assert module.vertical.heads == heads
    vertical = _torch_attention(module.vertical, 8)
    horizontal = _torch_attention(module.horizontal, 8)
    x = rand(2, 8, 3, 5)

    def down(t):
        return torch.stack([vertical(t[..., j].mT).mT for j in range(5)], dim=3)

    def across(t):
        return torch.stack([horizontal(t[:, :, i].mT).mT for i in range(3)], dim=2)

    expected = down(x) + across(x) if sum_axes else across(down(x))
    torch.testing.assert_close(module(x), expected)
