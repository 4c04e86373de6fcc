"""Concatenation and projection against a loop over pixels."""

import pytest
import torch
from torch import nn

from plugnas.modules.fusion.concat import ConcatFusion
from tests.modules.test_fuse import close, scrambled


@pytest.mark.parametrize("norm_activation", [False, True])
def test_every_pixel(norm_activation):
    torch.manual_seed(0)
    module = scrambled(ConcatFusion(3, y_channels=2, norm_activation=norm_activation))
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    y = torch.randn(2, 2, 4, 5, dtype=torch.float64)
    conv = module.project[0]
    out = module(x, y)
    for i in range(4):
        for j in range(5):
            v = torch.cat([x[:, :, i, j], y[:, :, i, j]], 1) @ conv.weight[:, :, 0, 0].T
            if norm_activation:
                n = module.project[1]
                v = (v - n.running_mean) / (n.running_var + n.eps).sqrt() * n.weight + n.bias
                v = v.clamp(min=0)
            else:
                v = v + conv.bias
            close(out[:, :, i, j], v)


def test_coarser_map():
    module = scrambled(ConcatFusion(3, norm_activation=False))
    x, y = torch.randn(1, 3, 7, 5).double(), torch.randn(1, 3, 3, 2).double()
    larger = nn.Upsample((7, 5), mode="bilinear")(y)
    close(module(x, y), module(x, larger))


def test_any_number_of_maps():
    module = scrambled(ConcatFusion(3, inputs=4, y_channels=2, norm_activation=False))
    x, *others = (torch.randn(2, n, 4, 5).double() for n in (3, 2, 2, 2))
    conv = module.project[0]
    stacked = torch.cat([x, *others], 1).movedim(1, -1)
    expected = stacked @ conv.weight[:, :, 0, 0].T + conv.bias
    close(module(x, *others), expected.movedim(-1, 1))
